noinst_LIBRARIES += libcontrol.a
libcontrol_a_SOURCES = \
	src/control/access.cc src/control/access.h \
	src/control/answer.h \
	src/control/authentication.cc src/control/authentication.h \
	src/control/columns.cc src/control/columns.h \
	src/control/command.cc src/control/command.h \
	src/control/commands/authz.cc \
	src/control/commands/child_cursor.h \
	src/control/commands/commands.h \
	src/control/commands/complete.cc \
	src/control/commands/config_edit.cc \
	src/control/commands/config_history.cc \
	src/control/commands/config_locate.cc \
	src/control/commands/config_read.cc \
	src/control/commands/config_reload.cc \
	src/control/commands/config_report.cc \
	src/control/commands/config_show.cc \
	src/control/commands/config_target.cc src/control/commands/config_target.h \
	src/control/commands/count.cc \
	src/control/commands/config_transaction.cc \
	src/control/commands/counter.cc \
	src/control/commands/debug.cc \
	src/control/commands/config_writeback.cc \
	src/control/commands/bindings.cc \
	src/control/commands/domains.cc \
	src/control/commands/help.cc \
	src/control/commands/listener_act.cc \
	src/control/commands/listener_show.cc \
	src/control/commands/mailq.cc \
	src/control/commands/message.cc \
	src/control/commands/message_act.cc \
	src/control/commands/names.cc \
	src/control/commands/queue_act.cc \
	src/control/commands/route_lines.h \
	src/control/commands/queue_words.cc src/control/commands/queue_words.h \
	src/control/commands/server.cc \
	src/control/commands/sessions.cc \
	src/control/commands/spool.cc \
	src/control/commands/summary.cc \
	src/control/commands/logs.cc \
	src/control/commands/sysinfo.cc \
	src/control/commands/table.cc \
	src/control/commands/threads.cc \
	src/control/commands/tls.cc \
	src/control/commands/trace.cc \
	src/control/commands/watch.cc \
	src/control/completion.cc src/control/completion.h \
	src/control/limits.h \
	src/control/names.h \
	src/control/process.h \
	src/control/protocol.cc src/control/protocol.h \
	src/control/queue.h \
	src/control/redact.cc src/control/redact.h \
	src/control/render.cc src/control/render.h \
	src/control/request.cc src/control/request.h \
	src/control/safe_text.h \
	src/control/selectors.h \
	src/control/status.cc src/control/status.h \
	src/control/system.h \
	src/control/watch.cc src/control/watch.h \
	src/control/workspace.cc src/control/workspace.h \
	src/control/writer.cc src/control/writer.h
