// The commands, one row each: dispatch, help and completion read them.
#include "control/commands/commands.h"

namespace impulse::control {

namespace {

constexpr Command table[] = {
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
    {"help", "[COMMAND | OPTION | SCOPE]", "commands, options and scopes explained", "", Argument::command, false,
     help},
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
    {"mailq", "[DOMAIN [--limit N]]", "what waits for delivery",
     "Without a domain, a line for each domain that has mail waiting: recipients due now, delayed, and in delivery. "
     "With one, its recipients; 100 of them, or as many as --limit says, at most 1000.",
     Argument::domain, false, mailq},
    {"memory", "", "what memory the daemon uses",
     "Objects that take memory, with their bytes where those are counted; what malloc has taken from the system; and "
     "what the system counts for the process, with its part of the machine's memory.",
     Argument::nothing, false, memory},
    {"message details", "ID", "one message in the spool",
     "Its envelope, the state of each recipient, and its header section.", Argument::message, false, message_details},
    {"paniclog", "[LINES]", "the last lines of the diagnostic log",
     "The last 10 lines of each level, or as many as LINES says, at most 100, in the order in which they were logged. "
     "They are kept in memory: wherever the log goes, they can be seen here.",
     Argument::nothing, false, paniclog},
    {"pid", "", "the daemon's process id", "", Argument::nothing, false, pid},
    {"quit", "", "end this console session", "", Argument::nothing, false, quit},
    {"reopen logs", "", "open the log files anew",
     "After their files were moved away: all logs go on in new files of the same names. A log whose file cannot be "
     "opened goes on in the old one, and the status is 5.",
     Argument::nothing, false, reopen_logs},
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
    {"shutdown", "", "stop the daemon in order",
     "Stops accepting, lets transactions under way end, makes everything durable and exits.", Argument::nothing, false,
     shut_down},
    {"summary", "", "the daemon at a glance", "Counters since start-up, queue and spool.", Argument::nothing, false,
     summary},
    {"summary reset", "", "let the statistics begin anew",
     "The counters that 'summary' and 'counter list' show begin at 0 again, and rates are of the time since. Totals "
     "that collectors of metrics read stay as they are.",
     Argument::nothing, false, summary_reset},
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
