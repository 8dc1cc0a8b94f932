check_PROGRAMS += t/unit/control_tests
t_unit_control_tests_SOURCES = t/unit/main.cc \
	t/unit/control/access_test.cc \
	t/unit/control/batch_test.cc \
	t/unit/control/carry_commands_test.cc \
	t/unit/control/client_test.cc \
	t/unit/control/commands_test.cc \
	t/unit/control/completion_test.cc \
	t/unit/control/config_commands_test.cc \
	t/unit/control/fake_names.h \
	t/unit/control/fake_process.h \
	t/unit/control/fake_system.h \
	t/unit/control/far_end.h \
	t/unit/control/history_commands_test.cc \
	t/unit/control/names_test.cc \
	t/unit/control/process_commands_test.cc \
	t/unit/control/listener_commands_test.cc \
	t/unit/control/trace_commands_test.cc \
	t/unit/control/watch_test.cc \
	t/unit/control/protocol_test.cc \
	t/unit/control/queue_commands_test.cc \
	t/unit/control/queue_orders_test.cc \
	t/unit/control/queue_select_test.cc \
	t/unit/control/request_test.cc \
	t/unit/control/transaction_commands_test.cc
t_unit_control_tests_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir) -I$(top_srcdir)/t/unit/control
t_unit_control_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS)
t_unit_control_tests_LDADD = libectl.a libcontrol.a libspool.a libauth.a libtelemetry.a libqueue.a libdns.a libconfig.a libbase.a \
	$(ECTL_LIBS) $(ZLIB_LIBS) $(SPDLOG_LIBS) $(GSASL_LIBS) $(OPENSSL_LIBS) $(BASE_LIBS) $(CPPUNIT_LIBS)
