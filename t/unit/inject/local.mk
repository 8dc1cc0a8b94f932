check_PROGRAMS += t/unit/inject_tests
t_unit_inject_tests_SOURCES = t/unit/main.cc \
	t/unit/inject/batch_test.cc
t_unit_inject_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS)
t_unit_inject_tests_LDADD = libinject.a libtelemetry.a libspool.a libconfig.a libnet.a libmessage.a libbase.a \
	$(ZLIB_LIBS) $(SPDLOG_LIBS) $(NET_LIBS) $(BASE_LIBS) $(CPPUNIT_LIBS)
