check_PROGRAMS += t/unit/http_tests
t_unit_http_tests_SOURCES = t/unit/main.cc t/unit/cutting.h \
	t/unit/http/error_test.cc \
	t/unit/http/framing_test.cc \
	t/unit/http/limits_test.cc \
	t/unit/http/replies_test.cc \
	t/unit/http/session_test.cc \
	t/unit/http/support.h \
	t/unit/http/target_test.cc \
	t/unit/http/walk_test.cc
t_unit_http_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS) $(ZLIB_CFLAGS)
t_unit_http_tests_LDADD = libhttp.a libbase.a $(ZLIB_LIBS) $(BASE_LIBS) $(CPPUNIT_LIBS)
