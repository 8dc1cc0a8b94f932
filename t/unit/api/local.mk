check_PROGRAMS += t/unit/api_tests
t_unit_api_tests_SOURCES = t/unit/main.cc \
	t/unit/api/kit.h \
	t/unit/api/inject_test.cc \
	t/unit/api/json_test.cc \
	t/unit/api/limits_test.cc \
	t/unit/api/messages_test.cc \
	t/unit/api/times_test.cc \
	t/unit/api/transmission_refusals_test.cc \
	t/unit/api/transmissions_kit.h \
	t/unit/api/transmissions_test.cc \
	t/unit/api/unsafe_test.cc
t_unit_api_tests_CPPFLAGS = $(AM_CPPFLAGS) $(SIMDJSON_CFLAGS)
t_unit_api_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS)
t_unit_api_tests_LDADD = libapi.a libcompose.a libintake.a libspool.a libconfig.a libmessage.a libbase.a \
	$(SIMDJSON_LIBS) $(GMIME_LIBS) $(BASE_LIBS) $(CPPUNIT_LIBS)
