check_PROGRAMS += t/unit/telemetry_tests
t_unit_telemetry_tests_SOURCES = t/unit/main.cc \
	t/unit/telemetry/acctlog_test.cc \
	t/unit/telemetry/bounce_class_test.cc \
	t/unit/telemetry/counters_test.cc \
	t/unit/telemetry/json_log_test.cc \
	t/unit/telemetry/line_writer_test.cc \
	t/unit/telemetry/log_keeper_test.cc \
	t/unit/telemetry/log_test.cc \
	t/unit/telemetry/mail_house.h \
	t/unit/telemetry/mail_logs_test.cc \
	t/unit/telemetry/note_test.cc \
	t/unit/telemetry/rejectlog_test.cc \
	t/unit/telemetry/rotation_test.cc \
	t/unit/telemetry/temp_dir.h
t_unit_telemetry_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS)
t_unit_telemetry_tests_LDADD = libtelemetry.a libmessage.a libbase.a $(ZLIB_LIBS) $(BASE_LIBS) $(CPPUNIT_LIBS)
