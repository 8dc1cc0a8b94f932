# The whole daemon, in the test's own process.
check_PROGRAMS += t/unit/server_tests
t_unit_server_tests_SOURCES = t/unit/main.cc \
	t/unit/server/accept_queue_test.cc \
	t/unit/server/batch_feeder_test.cc \
	t/unit/server/ecstream_streams_test.cc \
	t/unit/server/faulty_engine.h \
	t/unit/server/faults_test.cc \
	t/unit/server/http_gate_test.cc \
	t/unit/server/http_injection_test.cc \
	t/unit/server/http_parts_test.cc \
	t/unit/server/limits_test.cc \
	t/unit/server/plant.h \
	t/unit/server/tenants_test.cc
t_unit_server_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS)
t_unit_server_tests_LDADD = libserver.a $(IMPULSE_LIBS) $(CPPUNIT_LIBS)
