// The functions behind the rows of table.cc.
#pragma once

#include "control/command.h"

namespace impulse::control {

Answer config_attach(const Invocation& call);
Answer config_begin(const Invocation& call);
Answer config_check(const Invocation& call);
Answer config_commit(const Invocation& call);
Answer config_confirm(const Invocation& call);
Answer config_detach(const Invocation& call);
Answer config_diff(const Invocation& call);
Answer config_drift(const Invocation& call);
Answer config_history(const Invocation& call);
Answer config_locate(const Invocation& call);
Answer config_rebase(const Invocation& call);
Answer config_replay(const Invocation& call);
Answer config_revert(const Invocation& call);
Answer config_rollback(const Invocation& call);
Answer config_writeback(const Invocation& call);
Answer config_get(const Invocation& call);
Answer config_set(const Invocation& call);
Answer config_unset(const Invocation& call);
Answer config_eval(const Invocation& call);
Answer config_explain(const Invocation& call);
Answer config_show(const Invocation& call);
Answer config_showrecurse(const Invocation& call);
Answer config_reload(const Invocation& call);

Answer summary(const Invocation& call);
Answer summary_reset(const Invocation& call);
Answer count(const Invocation& call);
Answer dig(const Invocation& call);
Answer dns_cache_flush(const Invocation& call);
Answer dns_cache_list(const Invocation& call);
Answer dns_cache_lookup(const Invocation& call);
Answer dns_cache_stats(const Invocation& call);
Answer dns_cache_submit(const Invocation& call);
Answer domain_route(const Invocation& call);
Answer refresh_domain(const Invocation& call);
Answer show_inbound(const Invocation& call);
Answer session_kill(const Invocation& call);
Answer listener_delete(const Invocation& call);
Answer listener_restart(const Invocation& call);
Answer listener_show(const Invocation& call);
Answer listener_start(const Invocation& call);
Answer listener_stop(const Invocation& call);
Answer mailq(const Invocation& call);
Answer message_details(const Invocation& call);
Answer message_body(const Invocation& call);
Answer message_full(const Invocation& call);
Answer message_retry(const Invocation& call);
Answer message_fail(const Invocation& call);
Answer message_fail_quiet(const Invocation& call);
Answer message_hold(const Invocation& call);
Answer message_release(const Invocation& call);
Answer showqueue(const Invocation& call);
Answer active(const Invocation& call);
Answer delayed(const Invocation& call);
Answer domain(const Invocation& call);
Answer domain_all(const Invocation& call);
Answer binding_active(const Invocation& call);
Answer binding_delayed(const Invocation& call);
Answer binding_summary(const Invocation& call);
Answer show_outbound(const Invocation& call);
Answer flush_domain(const Invocation& call);
Answer fail_domain(const Invocation& call);
Answer fail_domain_quiet(const Invocation& call);
Answer fail_all(const Invocation& call);
Answer fail_all_quiet(const Invocation& call);
Answer binding_flush_domain(const Invocation& call);
Answer binding_fail_domain(const Invocation& call);
Answer binding_fail_domain_quiet(const Invocation& call);
Answer delay(const Invocation& call);
Answer hold_domain(const Invocation& call);
Answer release_domain(const Invocation& call);
Answer reroute_queue(const Invocation& call);
Answer rebind(const Invocation& call);
Answer spool_export(const Invocation& call);
Answer spool_import(const Invocation& call);
Answer spool_in(const Invocation& call);
Answer suspend(const Invocation& call);
Answer resume(const Invocation& call);

Answer counter_list(const Invocation& call);
Answer counter_show(const Invocation& call);
Answer counter_reset(const Invocation& call);
Answer debug_flags(const Invocation& call);
Answer memory(const Invocation& call);
Answer paniclog(const Invocation& call);
Answer logs(const Invocation& call);
Answer reopen_logs(const Invocation& call);
Answer rotate_logs(const Invocation& call);
Answer sysinfo(const Invocation& call);
Answer threads(const Invocation& call);
Answer threads_reset(const Invocation& call);
Answer tls_check(const Invocation& call);
Answer tls_reload(const Invocation& call);
Answer tls_show(const Invocation& call);
Answer uptime(const Invocation& call);

Answer authenticate(const Invocation& call);
Answer authz_id(const Invocation& call);
Answer authz_roles_list(const Invocation& call);

Answer help(const Invocation& call);
Answer complete(const Invocation& call);
Answer trace_smtp_add(const Invocation& call);
Answer trace_smtp_list(const Invocation& call);
Answer trace_smtp_remove(const Invocation& call);
Answer version(const Invocation& call);
Answer watch(const Invocation& call);
Answer pid(const Invocation& call);
Answer shut_down(const Invocation& call);
Answer quit(const Invocation& call);

}  // namespace impulse::control
