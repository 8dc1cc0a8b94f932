# All but the program itself is a library, for the unit tests.
noinst_LIBRARIES += libserver.a
libserver_a_SOURCES = \
	src/server/accept_queue.cc src/server/accept_queue.h \
	src/server/access_check.cc src/server/access_check.h \
	src/server/admission.cc src/server/admission.h \
	src/server/auth_desk.cc src/server/auth_desk.h \
	src/server/awaited.h \
	src/server/batch_feeder.cc src/server/batch_feeder.h \
	src/server/client_session.cc src/server/client_session.h \
	src/server/configuration_check.cc src/server/configuration_check.h \
	src/server/console_gate.cc src/server/console_gate.h \
	src/server/console_connection.cc src/server/console_connection.h \
	src/server/console_carry.cc \
	src/server/console_queue.cc \
	src/server/console_service.cc src/server/console_service.h \
	src/server/control_call.cc src/server/control_call.h \
	src/server/daemon.cc src/server/daemon.h \
	src/server/ecstream_rules.h \
	src/server/ecstream_session.cc src/server/ecstream_session.h \
	src/server/ecstream_streams.cc src/server/ecstream_streams.h \
	src/server/figures.cc src/server/figures.h \
	src/server/follow.cc src/server/follow.h \
	src/server/http_desk.cc src/server/http_desk.h \
	src/server/http_gate.cc src/server/http_gate.h \
	src/server/http_idempotency.cc src/server/http_idempotency.h \
	src/server/http_injection.cc src/server/http_injection.h \
	src/server/http_pages.cc src/server/http_pages.h \
	src/server/http_requests.cc \
	src/server/http_rules.cc src/server/http_rules.h \
	src/server/http_session.cc src/server/http_session.h \
	src/server/incoming.h \
	src/server/indexing.cc src/server/indexing.h \
	src/server/limits.cc src/server/limits.h \
	src/server/listeners.cc src/server/listeners.h \
	src/server/logs.cc src/server/logs.h \
	src/server/loops.cc src/server/loops.h \
	src/server/mail_session.cc src/server/mail_session.h \
	src/server/memory_marks.cc src/server/memory_marks.h \
	src/server/name_service.cc src/server/name_service.h \
	src/server/notify.cc src/server/notify.h \
	src/server/privileges.cc src/server/privileges.h \
	src/server/proc.cc src/server/proc.h \
	src/server/process_service.cc src/server/process_service.h \
	src/server/rate_window.h \
	src/server/rejections.cc src/server/rejections.h \
	src/server/service.cc src/server/service.h \
	src/server/proxy_gate.cc src/server/proxy_gate.h \
	src/server/serving.cc src/server/serving.h \
	src/server/session_services.h \
	src/server/settings.cc src/server/settings.h \
	src/server/snapshot_keeper.cc src/server/snapshot_keeper.h \
	src/server/spool_import.cc src/server/spool_import.h \
	src/server/throttle.cc src/server/throttle.h \
	src/server/tls_settings.cc src/server/tls_settings.h \
	src/server/tls_store.cc src/server/tls_store.h \
	src/server/watchdog.cc src/server/watchdog.h
libserver_a_CXXFLAGS = $(AM_CXXFLAGS) $(SYSTEMD_CFLAGS) $(LIBCAP_CFLAGS)

sbin_PROGRAMS += impulsed
impulsed_SOURCES = \
	src/server/command_line.cc src/server/command_line.h \
	src/server/main.cc
impulsed_CPPFLAGS = $(AM_CPPFLAGS) -DIMPULSE_CONF='"$(sysconfdir)/impulse/impulse.conf"'
impulsed_LDADD = libserver.a $(IMPULSE_LIBS)

# validate_config is impulsed --check by another name.
install-exec-hook:
	cd "$(DESTDIR)$(sbindir)" && rm -f validate_config && $(LN_S) impulsed validate_config
uninstall-hook:
	rm -f "$(DESTDIR)$(sbindir)/validate_config"
