check_PROGRAMS += t/unit/api_service_tests
t_unit_api_service_tests_SOURCES = t/unit/main.cc \
	t/unit/api_service/control_call_test.cc \
	t/unit/api_service/health_test.cc \
	t/unit/api_service/metrics_test.cc \
	t/unit/api_service/openapi_test.cc \
	t/unit/api_service/routes_test.cc
t_unit_api_service_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS)
t_unit_api_service_tests_LDADD = libapi.a libcompose.a libintake.a libhttp.a libauth.a libtelemetry.a libspool.a libconfig.a libmessage.a \
	libbase.a $(SIMDJSON_LIBS) $(GMIME_LIBS) $(ZLIB_LIBS) $(OPENSSL_LIBS) $(SPDLOG_LIBS) $(BASE_LIBS) $(CPPUNIT_LIBS)
