check_PROGRAMS += t/unit/base_tests
t_unit_base_tests_SOURCES = t/unit/main.cc \
	t/unit/base/endpoint_test.cc \
	t/unit/base/ip_test.cc \
	t/unit/base/packed_test.cc \
	t/unit/base/pattern_test.cc \
	t/unit/base/text_test.cc \
	t/unit/base/storage_test.cc
t_unit_base_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS)
t_unit_base_tests_LDADD = libbase.a $(BASE_LIBS) $(CPPUNIT_LIBS)
