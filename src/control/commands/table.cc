// The commands, one row each: dispatch, help and completion read them.
#include "control/commands/commands.h"

namespace impulse::control {

namespace {

constexpr Command table[] = {
    {"active", "[THRESHOLD]", "domains with more due mail than that",
     "A line for each domain with more than THRESHOLD recipients that are due (0): connections that carry its mail "
     "(C), due (A), delayed (D), and delivered since something waits for it (S); then the totals of all domains.",
     Argument::nothing, false, active},
    {"authenticate", "[MECHANISM [INITIAL]]", "say who you are, or ask how that can be said",
     "Without a mechanism: those on offer here, the best one first. With one, an exchange of SASL begins: the server "
     "sends challenges, lines that begin with '?', and takes a line for each, all in base64; INITIAL is the client's "
     "first message. Clients do that for their user (ec_console user@host:port).",
     Argument::line, false, authenticate},
    {"authz id", "", "who you are here",
     "The user, how that is known, its groups (of the group file, and on a Unix socket of the system), the roles it "
     "has, and whether roles decide about commands.",
     Argument::nothing, false, authz_id},
    {"authz roles list", "", "the roles, what each allows, and who has it",
     "In the order of the configuration, with the patterns of Allow and the users that the group file names. A user, "
     "or on a Unix socket a group of the system, of a role's name has it too.",
     Argument::nothing, false, authz_roles_list},
    {"binding active", "BINDING [THRESHOLD]", "a binding's domains with more due mail than that",
     "As 'active', of what goes by that binding; the totals are its own.", Argument::nothing, false, binding_active},
    {"binding delayed", "BINDING [THRESHOLD]", "a binding's domains with more delayed mail than that",
     "As 'delayed', of what goes by that binding; the totals are its own.", Argument::nothing, false, binding_delayed},
    {"binding fail domain", "[SELECTOR ...] BINDING|all DOMAIN [NOTE...] [--dry-run]",
     "give up what waits for a domain, by a binding", "The same as 'fail domain binding BINDING DOMAIN'.",
     Argument::domain, false, binding_fail_domain},
    {"binding fail domain quiet", "[SELECTOR ...] BINDING|all DOMAIN [NOTE...] [--dry-run]",
     "give up what waits, by a binding, and tell nobody", "The same as 'fail domain quiet binding BINDING DOMAIN'.",
     Argument::domain, false, binding_fail_domain_quiet},
    {"binding flush domain", "[SELECTOR ...] BINDING|all DOMAIN [--dry-run]", "try what is delayed by a binding now",
     "The same as 'flush domain binding BINDING DOMAIN'.", Argument::domain, false, binding_flush_domain},
    {"binding summary", "[BINDING | group:GROUP]", "statistics of bindings",
     "Connections, queues, and what was delivered, has failed and came in, by each binding, or by that one, or by "
     "those "
     "of a group and then of all of them. Mail that is assigned to no other one goes by the binding that is called "
     "default.",
     Argument::nothing, false, binding_summary},
    {"complete", "LINE", "what could follow in an unfinished command line",
     "For clients that edit lines. LINE is taken as it is, blanks at its end and open quotes included. Each line of "
     "the answer is a whole word that can stand in place of the last one; behind a blank, a new one.",
     Argument::line, false, complete},
    {"config attach", "NAME", "work in a named transaction",
     "What this session edits and shows from now on is that transaction, until 'config detach', 'config commit' or "
     "'config rollback'. Several sessions may work in one. When it has ended, edits are refused until 'config detach': "
     "what was meant for a transaction never goes live by accident.",
     Argument::transaction, false, config_attach},
    {"config begin", "[from scratch] [name=NAME [ttl=DURATION]]", "open a transaction",
     "Edits go to a candidate from now on, and come into force together by 'config commit', or not at all. It belongs "
     "to this session and ends with it, unless it has a name: then other sessions can 'config attach' it, and it lives "
     "until nobody has used it for ttl (600 seconds). From scratch, it begins with nothing at all.",
     Argument::nothing, false, config_begin},
    {"config check", "", "look whether a commit would succeed",
     "Everything that 'config commit' does before it acquires anything; nothing is changed. Outside a transaction the "
     "file is checked, as by 'config reload --check'.",
     Argument::nothing, false, config_check},
    {"config commit", "[confirm DURATION]", "put a transaction into force",
     "All of its edits, or none. When somebody else has changed the same scopes since it began, that is a conflict: "
     "the winner is named and the transaction stays open. With 'confirm', the daemon goes back by itself unless "
     "'config confirm' comes within that time: for changes that may lock you out.",
     Argument::nothing, false, config_commit},
    {"config confirm", "", "keep what 'config commit confirm' put into force",
     "Any session may say it; without it the commit is taken back when its time is over.", Argument::nothing, false,
     config_confirm},
    {"config detach", "", "leave a named transaction open",
     "This session edits and shows again what runs; the transaction stays, for whoever attaches to it.",
     Argument::nothing, false, config_detach},
    {"config diff", "[A [B]]", "what differs",
     "What the open transaction changes; or, with the numbers of generations ('config history'), what changed from A "
     "to B, or from A to what runs.",
     Argument::generation, false, config_diff},
    {"config drift", "", "what runs and is not in the files",
     "The changes that lead from what the files say now to what runs: what 'config writeback' would write, and 'config "
     "reload' take back.",
     Argument::nothing, false, config_drift},
    {"config eval", "[SCOPE...] OPTION", "the value in force for a scope",
     "The value that a scope gets for an option: its own, or what it falls back to (more general scopes, then the "
     "default). Of an option whose changes wait for a restart, the value the daemon is running with, and the one "
     "that waits.",
     Argument::scope_option, false, config_eval},
    {"config explain", "[SCOPE...] OPTION", "where a value comes from",
     "The whole ladder of places that can set an option for a scope, most specific first, down to the default; "
     "with file, line and column of those that do, and an arrow at the one that won.",
     Argument::scope_option, false, config_explain},
    {"config get", "[SCOPE...] OPTION", "the value set in exactly that scope",
     "Does not look further than the scope it is asked about: see 'config eval' for the value in force. Inside a "
     "transaction this and its like show the candidate.",
     Argument::scope_option, false, config_get},
    {"config history", "", "the generations that were in force",
     "The last ones, the newest last: number, time, who, by what, and how many changes. An arrow marks the one that "
     "runs.",
     Argument::nothing, false, config_history},
    {"config locate", "KIND [REGEX]", "where scopes of a kind stand",
     "Each scope of that kind (Listen, Peer, Binding, ...) with the path to it. REGEX chooses by instance name: a Perl "
     "regular expression that matches somewhere in it, without case; no slashes around it. Quote it when it holds "
     "brackets or blanks.",
     Argument::kind, false, config_locate},
    {"config rebase", "", "do a transaction's edits anew on what runs now",
     "All of them, or none: then the transaction stays as it was. What it changes now is shown. The way out of a "
     "conflict when both changes are wanted.",
     Argument::nothing, false, config_rebase},
    {"config reload", "[--check] [FILE]", "read the configuration file again",
     "Everything is checked and acquired before anything is changed: with a mistake anywhere, all stays as it is. "
     "What was set from a console and not written to the file is dropped, and named. With --check the file is "
     "checked and the differences are shown, and nothing is changed. FILE, a whole path, becomes the configuration "
     "file when it succeeds. Not inside a transaction.",
     Argument::check, false, config_reload},
    {"config replay", "", "the edits of the open transaction",
     "As the commands that were given, in order; they can be typed again. Secrets are redacted.", Argument::nothing,
     false, config_replay},
    {"config revert", "GENERATION", "go back to an earlier generation",
     "One of those that 'config history' shows comes into force again, as a new generation. Not inside a transaction.",
     Argument::generation, false, config_revert},
    {"config rollback", "", "drop the open transaction",
     "None of its edits comes into force. A named one ends for all who are attached to it.", Argument::nothing, false,
     config_rollback},
    {"config set", "[SCOPE...] OPTION [=] VALUE", "set an option, at once",
     "VALUE is one word, a quoted string, an array ( a b ) or a dictionary [ k = v ]; or it follows as the payload "
     "(config set OPTION <<END). A Listen, Peer or Domain that is not there yet is created. The answer names what "
     "changed and when it takes effect. The file is not changed: 'config writeback' does that, a reload drops it. "
     "Inside a transaction the edit waits for 'config commit'.",
     Argument::setting, true, config_set},
    {"config show", "[SCOPE...] [OPTION]", "what is set in a scope",
     "The scope's own options, and the headings of the scopes in it.", Argument::scope_option, false, config_show},
    {"config showrecurse", "[SCOPE...]", "what is set in a scope and below it",
     "In the language of the configuration file. Secrets are redacted.", Argument::scope, false, config_showrecurse},
    {"config unset", "[SCOPE...] OPTION | SCOPE...", "take an option or a whole scope away",
     "The option falls back to more general scopes, then to its default; the answer says to what. Without an option "
     "the whole scope goes. The global scope cannot be unset.",
     Argument::scope_option, false, config_unset},
    {"config writeback", "[FILE]", "write what runs into the files",
     "Each edit goes to where the option stands, comments and layout are kept; what cannot be written there goes to "
     "the Local_Changes_File. Nothing is written when a file has changed since it was read. With FILE, a whole path, "
     "all of the configuration is written into that one file. Not inside a transaction.",
     Argument::nothing, false, config_writeback},
    {"count", "TYPE CIDR|MASK[-MASK]", "open connections by network",
     "TYPE is SMTP (or the name of a mail listener) for clients, 'outbound' or 'outbound/BINDING' for next hosts. CIDR "
     "is an address or a network, and the answer how many connections are from or to it; or a mask (24), or masks "
     "(16-32), and the answer is a line for each network of that size, with what it consists of further to the right.",
     Argument::nothing, false, count},
    {"counter list", "[PREFIX]", "counters and their values",
     "All counters, or those whose names begin so: the value since the last reset, when that was, whether it only "
     "grows (counter) or goes up and down (gauge), and the name. --json gives the total since start-up too.",
     Argument::counter, false, counter_list},
    {"counter reset", "[NAME]", "let a counter begin anew",
     "What the console shows of that counter, or of all of them, begins anew at 0. Totals, which collectors of metrics "
     "read, stay; gauges cannot be reset.",
     Argument::counter, false, counter_reset},
    {"counter show", "NAME", "one counter", "Its value as in 'counter list', and what it counts.", Argument::counter,
     false, counter_show},
    {"debug_flags", "[AREA LEVEL]", "what is logged",
     "The level of each area of the daemon: critical, error, warning, notice, info or debug. With an area (or ALL) and "
     "a level it is set, at once: a commit of the Debug_Flags scope, as 'config set' makes them.",
     Argument::debug_flags, false, debug_flags},
    {"delay", "SECONDS [--domain NAME] [--binding NAME] [SELECTOR ...] [--dry-run]", "let due mail wait a while",
     "What is due, and not in delivery, is not tried for so many seconds, restarts or not: of a domain (by whatever "
     "binding), by a binding, or what selectors fit, as with 'fail domain'; one of these at least. What waits for its "
     "next attempt already is left alone.",
     Argument::nothing, false, delay},
    {"delayed", "[THRESHOLD]", "domains with more delayed mail than that",
     "As 'active', by what waits for its next attempt.", Argument::nothing, false, delayed},
    {"dig", "DOMAIN | NAME MX|A|AAAA", "look a domain's mail exchangers up anew",
     "Where its mail goes is looked up, whatever is remembered; 'domain route' shows what came of it. With a type, "
     "that question is put to the DNS as by 'dns_cache submit'.",
     Argument::domain, false, dig},
    {"dns_cache flush", "[NAME]", "forget answers of the DNS",
     "Those about a name, or all. Where mail goes stays as it was looked up ('refresh domain').", Argument::nothing,
     false, dns_cache_flush},
    {"dns_cache list", "[--limit N]", "the answers that are remembered",
     "With the seconds that each is good for, the latest used first: 100, or as many as --limit says.",
     Argument::nothing, false, dns_cache_list},
    {"dns_cache lookup", "NAME MX|A|AAAA", "what is remembered of a name",
     "The answer and the seconds that it is good for; names that do not exist and failures are remembered, too. "
     "Nothing is asked for it.",
     Argument::nothing, false, dns_cache_lookup},
    {"dns_cache stats", "", "how the DNS is asked, and what it says",
     "Questions sent by type, answers, how many of these were failures; and how many of our own questions were "
     "answered from memory.",
     Argument::nothing, false, dns_cache_stats},
    {"dns_cache submit", "NAME MX|A|AAAA", "ask the DNS",
     "The answer is remembered, for 'dns_cache lookup'; what is remembered already is not asked again.",
     Argument::nothing, false, dns_cache_submit},
    {"domain", "[binding BINDING] DOMAIN", "one domain of the queue",
     "What waits for it (without a binding: by the default one), outcomes since something does, whether it is "
     "suspended, the connections that carry its mail now, and where it goes, as 'domain route' has it. Where nothing "
     "waits its route is shown if that is known.",
     Argument::domain, false, domain},
    {"domain all", "", "all domains of the queue", "A line for each, as 'active' has it, and the totals.",
     Argument::nothing, false, domain_all},
    {"domain route", "DOMAIN", "where mail of a domain goes",
     "Its hosts by rank, the lowest first, with their addresses as far as they are known, how long that is good for, "
     "and other domains that go to the same hosts; or why there is no way. Nothing is looked up for it ('dig').",
     Argument::domain, false, domain_route},
    {"domains", "", "all domains of the queue", "The same as 'domain all'.", Argument::nothing, false, domain_all},
    {"fail all", "SELECTOR ... [--dry-run] [binding BINDING] [NOTE...]", "give up what fits, of any domain",
     "As 'fail domain all', and never without a selector.", Argument::nothing, false, fail_all},
    {"fail all quiet", "SELECTOR ... [--dry-run] [binding BINDING] [NOTE...]", "give up what fits, and tell nobody",
     "As 'fail all', without reports to the senders.", Argument::nothing, false, fail_all_quiet},
    {"fail domain", "[SELECTOR ...] [--dry-run] [binding BINDING|all] DOMAIN [NOTE...]",
     "give up what waits for a domain",
     "Its recipients have failed, and their senders are told; NOTE is the reason. DOMAIN may be all. With selectors "
     "only those that fit all of them: --sender REGEX and --recipient REGEX, in the envelope; --older TIME, the least "
     "age; --meta KEY VALUE, in the message's context; --header NAME LINE, a line of such a header field, as it "
     "stands. Also --meta KEY=VALUE, and --header NAME=REGEX, in the whole field. For --meta and --header "
     "messages are read; those that cannot be are left alone and counted, and the status is 5. With --dry-run nothing "
     "is done: they are counted, and the first 25 shown. What is in delivery is left alone, and what comes later. It "
     "ends where it is when this console goes.",
     Argument::domain, false, fail_domain},
    {"fail domain quiet", "[SELECTOR ...] [--dry-run] [binding BINDING|all] DOMAIN [NOTE...]",
     "give up what waits, and tell nobody", "As 'fail domain', without reports to the senders.", Argument::domain,
     false, fail_domain_quiet},
    {"flush domain", "[SELECTOR ...] [--dry-run] [binding BINDING|all] DOMAIN", "try what is delayed now",
     "What waits for its next attempt is due now; not what is held. Selectors as with 'fail domain'; DOMAIN may be "
     "all.",
     Argument::domain, false, flush_domain},
    {"help", "[COMMAND | OPTION | SCOPE]", "commands, options and scopes explained", "", Argument::command, false,
     help},
    {"hold domain", "[SELECTOR ...] [--dry-run] [binding BINDING|all] DOMAIN", "let mail wait until it is released",
     "What waits for the domain is tried no more until 'release domain' or 'message release', restarts or not; what "
     "comes later is not meant (see 'suspend'). Selectors as with 'fail domain'; DOMAIN may be all.",
     Argument::domain, false, hold_domain},
    {"listener delete", "LISTENER [LISTEN]", "take a Listen out of the configuration",
     "The same as 'config unset' of the scope, as one commit: accepting ends, and the sessions that came by it are "
     "told "
     "421 as soon as they have no transaction under way. The file is not changed.",
     Argument::scope, false, listener_delete},
    {"listener restart", "LISTENER [LISTEN]", "bind the sockets of a Listen anew",
     "The new socket listens before the old one is closed, so nobody is refused, and sessions are left alone. For a "
     "socket's file that was removed, or an address that went and came back.",
     Argument::scope, false, listener_restart},
    {"listener show", "[--tls]", "where the daemon listens",
     "Each Listen with its listener, its state (listening, disabled by the configuration, stopped by 'listener stop', "
     "or not listening), its sessions, its backlog, and the generation of the configuration that its next client will "
     "work under. With --tls also its certificate, how long that is good, and its protocols.",
     Argument::nothing, false, listener_show},
    {"listener start", "LISTENER [LISTEN]", "accept connections again",
     "Undoes 'listener stop'. Without a Listen, all that were stopped of the listener.", Argument::scope, false,
     listener_start},
    {"listener stop", "LISTENER [LISTEN]", "accept no more connections",
     "The sockets are closed, behind serving who had connected already; sessions go on. This is no change of the "
     "configuration (see 'config set ... Enable = false' for that): 'listener start' undoes it, a reload or a commit "
     "does not, and it ends with the daemon. The last Control_Listener that is left cannot be stopped.",
     Argument::scope, false, listener_stop},
    {"logs", "", "the log files and how they fare",
     "Each log that is written: its size, what waits in memory to be written, the lines that were lost since the start "
     "because it could not be, how often it was rotated; and why it cannot be written now, if so.",
     Argument::nothing, false, logs},
    {"mailq", "[DOMAIN | --domain NAME ...] [--binding NAME ...] [--limit N]", "what waits for delivery",
     "Without a domain, a line for each domain that has mail waiting: recipients due now, delayed, and in delivery; "
     "or, with --domain, for those; with --binding only what goes by those. With a domain, its recipients: in "
     "delivery, due, delayed; 100 of them, or as many as --limit says.",
     Argument::domain, false, mailq},
    {"memory", "", "what memory the daemon uses",
     "Objects that take memory, with their bytes where those are counted; what malloc has taken from the system; and "
     "what the system counts for the process, with its part of the machine's memory.",
     Argument::nothing, false, memory},
    {"message body", "ID", "the text of one message",
     "As it will be sent, with our header fields in front. Also 'message details body ID'.", Argument::message, false,
     message_body},
    {"message details", "[full|body] ID", "one message in the spool",
     "Its envelope, the state of each recipient, and its header section. With 'full' all of its text in place of the "
     "last, with 'body' nothing else.",
     Argument::message, false, message_details},
    {"message fail", "ID [RECIPIENT]", "give up a message",
     "Its recipients, or that one of them, have failed; the sender is told. Not those that have an outcome, or are in "
     "delivery just now: the answer says so, and the status is 1 when nothing was done.",
     Argument::message, false, message_fail},
    {"message fail quiet", "ID [RECIPIENT]", "give up a message, and tell nobody",
     "As 'message fail', without a report to the sender.", Argument::message, false, message_fail_quiet},
    {"message full", "ID", "one message with its text", "The same as 'message details full ID'.", Argument::message,
     false, message_full},
    {"message hold", "ID [RECIPIENT]", "let a message wait until it is released",
     "It is tried no more until 'message release', restarts or not. Its age counts on.", Argument::message, false,
     message_hold},
    {"message release", "ID [RECIPIENT]", "let a held message go",
     "It is due now. What its sender holds (HOLDFOR) waits for its own time.", Argument::message, false,
     message_release},
    {"message retry", "ID [RECIPIENT]", "try a message now", "It need not wait for its next attempt. Not what is held.",
     Argument::message, false, message_retry},
    {"paniclog", "[LINES]", "the last lines of the diagnostic log",
     "The last 10 lines of each level, or as many as LINES says, at most 100, in the order in which they were logged. "
     "They are kept in memory: wherever the log goes, they can be seen here.",
     Argument::nothing, false, paniclog},
    {"pid", "", "the daemon's process id", "", Argument::nothing, false, pid},
    {"quit", "", "end this console session", "", Argument::nothing, false, quit},
    {"rebind", "[SELECTOR ...] BINDING|all [DOMAIN] [to BINDING] [--dry-run]", "assign mail to bindings anew",
     "What waits for the binding, or for all, to be tried goes by the binding that the configuration would give it "
     "now: "
     "what its context names, else Default_Binding; one of a group that is suspended gives way to another one. Or by "
     "the binding behind 'to'. Restarts keep that. What is in delivery is left alone. Selectors as with 'fail domain'.",
     Argument::nothing, false, rebind},
    {"refresh domain", "DOMAIN|all", "look up anew where mail goes",
     "What is remembered of the domain, or of all of them, is looked up again.", Argument::domain, false,
     refresh_domain},
    {"release domain", "[SELECTOR ...] [--dry-run] [binding BINDING|all] DOMAIN", "let held mail go",
     "What 'hold domain' and 'message hold' hold is due now. Selectors as with 'fail domain'; DOMAIN may be all.",
     Argument::domain, false, release_domain},
    {"reopen logs", "", "open the log files anew",
     "After their files were moved away: all logs go on in new files of the same names. A log whose file cannot be "
     "opened goes on in the old one, and the status is 5.",
     Argument::nothing, false, reopen_logs},
    {"reroute queue", "[SELECTOR ...] [--dry-run] [binding BINDING] FROM TO", "send mail another way",
     "What waits for FROM goes where mail for TO goes, with the recipients that it has; not what comes later. A "
     "restart forgets that of what still waits. Selectors as with 'fail domain'.",
     Argument::domain, false, reroute_queue},
    {"resume", "[domain] DOMAIN | binding BINDING [DOMAIN]", "deliver to a suspended domain, or by a binding, again",
     "Undoes 'suspend'. What is due goes; what is delayed waits for its time (see 'flush domain').", Argument::domain,
     false, resume},
    {"rotate logs", "", "begin new log files",
     "Each log in which there is a line gets a name with the time, and goes on in a new file; compressed and kept as "
     "Log_Compress, Log_Keep and Log_Keep_Time say. For files that something else has moved see 'reopen logs'.",
     Argument::nothing, false, rotate_logs},
    {"session kill", "ID", "end a mail session",
     "The session, by the number that 'show inbound' gives it, is told 421 4.3.2 and closed at once, in the middle of "
     "a "
     "message, too. A message that is being made durable gets its answer first.",
     Argument::nothing, false, session_kill},
    {"show inbound", "[listener=X] [peer=CIDR] [state=WORD] [older=TIME] [limit=N]", "mail sessions that are open now",
     "One line a session: where it came in, from whom, in which state, for how long, what it brought so far, and "
     "the generation of the configuration it works under. Filters may follow: a listener or a Listen, the client's "
     "network, the state, the least age (30s, 5m), the most lines.",
     Argument::nothing, false, show_inbound},
    {"show outbound", "", "connections to next hosts",
     "One line each: descriptor, state (connecting, resting, fetching a message, sending), whose mail it carries, "
     "where it goes, and its transactions so far.",
     Argument::nothing, false, show_outbound},
    {"showqueue", "[binding BINDING|all] DOMAIN [LIMIT[,OFFSET]]", "the recipients that wait for a domain",
     "Two lines each: its state and binding, message and when that came; sender and recipient. 100, or LIMIT, behind "
     "the first OFFSET. Without a binding those of the default one.",
     Argument::domain, false, showqueue},
    {"shutdown", "", "stop the daemon in order",
     "Stops accepting, lets transactions under way end, makes everything durable and exits.", Argument::nothing, false,
     shut_down},
    {"spool export", "PATH [DOMAIN] [SELECTOR ...] [--remove] [--dry-run]", "messages that wait, into files",
     "Writes each message of which a recipient waits and fits into the folder PATH, which is made if need be: its "
     "bytes "
     "as ID.eml, its envelope as ID.json, both durable when they are counted. Nothing that is there is overwritten. "
     "With --remove it is gone from here then; what is being delivered just now stays. DOMAIN is a queue, or 'all'; "
     "selectors as with 'fail domain'.",
     Argument::nothing, false, spool_export},
    {"spool import", "PATH [--dry-run]", "messages from files into the spool",
     "Takes each pair of files in the folder PATH that 'spool export' or 'ec_show export' has made, once, however "
     "often "
     "it is asked or interrupted; what was taken is moved to PATH/done. What is wrong with a pair is said with its "
     "place, and it stays where it is. With --dry-run all is read, and nothing done.",
     Argument::nothing, false, spool_import},
    {"spool_in", "ID", "a message from the spool into the queue",
     "For a message that could not be read at the start, as its disk would not: it is queued as it stands in the "
     "spool. "
     "One that is in the queue is left alone.",
     Argument::message, false, spool_in},
    {"summary", "", "the daemon at a glance", "Counters since start-up, queue and spool.", Argument::nothing, false,
     summary},
    {"summary reset", "", "let the statistics begin anew",
     "The counters that 'summary' and 'counter list' show begin at 0 again, and rates are of the time since. Totals "
     "that collectors of metrics read stay as they are.",
     Argument::nothing, false, summary_reset},
    {"suspend", "[[domain] DOMAIN | binding BINDING [DOMAIN]]", "deliver nothing to a domain, or by a binding",
     "Nothing is tried until 'resume'; mail is taken and waits. It ends with the daemon: for longer set "
     "Suspend_Delivery, which is another switch: mail goes when neither holds it. Without any of "
     "these, what is suspended.",
     Argument::domain, false, suspend},
    {"sysinfo", "", "the daemon's version and its surroundings",
     "Version, compiler, libraries, the system below, limits, descriptors in use, and who the daemon runs as.",
     Argument::nothing, false, sysinfo},
    {"threads", "", "the daemon's threads",
     "A line for each: its name, id and state, the processor time it took in itself and in the kernel; of an event "
     "loop also its sessions, how many sockets, timers and signals it waits for, and its longest round in "
     "milliseconds: for so long whoever came next had to wait.",
     Argument::nothing, false, threads},
    {"threads reset", "", "let the longest rounds begin anew",
     "The longest round of each event loop that 'threads' shows is 0 again, until the next one.", Argument::nothing,
     false, threads_reset},
    {"tls check", "", "look for what is wrong with certificates",
     "Reads the files of all certificates in use as they are now: files that cannot be used, keys that do not match, "
     "chains that are out of order or incomplete, certificates that are over or will be within 30 days, and renewed "
     "files that wait for 'tls reload'. Status 5 when there is anything.",
     Argument::nothing, false, tls_check},
    {"tls reload", "", "take renewed certificates into use",
     "Files that have changed since they were read are read again, for handshakes to come; sessions notice nothing. "
     "With one bad file, all stays as it was.",
     Argument::nothing, false, tls_reload},
    {"tls show", "", "the certificates in use",
     "Each certificate: subject, names, issuer, serial number, key, time, the length of its chain, and where the "
     "configuration uses it.",
     Argument::nothing, false, tls_show},
    {"uptime", "", "how long the daemon has been running", "", Argument::nothing, false, uptime},
    {"trace smtp add", "inbound CIDR|* FILE | [outbound] BINDING|* DOMAIN|* FILE, then --limit SIZE",
     "write down what SMTP sessions say",
     "Of clients from a network (inbound), or of deliveries by a binding to a domain; * is all of them. Commands and "
     "replies are appended to FILE (an absolute path), with the time and the session; what belongs to AUTH is masked, "
     "and of messages only the size is told. At SIZE (64M) writing ends. Sessions that are open are traced, too. It "
     "ends "
     "with 'trace smtp remove', or with the daemon.",
     Argument::nothing, false, trace_smtp_add},
    {"trace smtp list", "", "the tracers there are",
     "Each with its number, whom it follows, its file, and the bytes written.", Argument::nothing, false,
     trace_smtp_list},
    {"trace smtp remove", "ID", "end a trace", "The file stays.", Argument::nothing, false, trace_smtp_remove},
    {"version", "", "the daemon's version", "", Argument::nothing, false, version},
    {"watch", "on [--interval TIME] | off", "be told what happens",
     "Between answers, lines that begin with '*' tell the counters that changed, each interval (a second, unless TIME "
     "says otherwise: 100ms to 1h), and events: commits, listeners that come and go, the spool refusing and accepting, "
     "what expired. What a slow reader cannot be told is dropped; how much, the next line says.",
     Argument::nothing, false, watch},
};

}  // namespace

std::span<const Command> all_commands() { return table; }

}  // namespace impulse::control
