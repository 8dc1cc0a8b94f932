check_PROGRAMS += t/unit/intake_tests
t_unit_intake_tests_SOURCES = t/unit/main.cc \
	t/unit/intake/rules_test.cc
t_unit_intake_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS)
t_unit_intake_tests_LDADD = libintake.a libconfig.a libmessage.a libbase.a $(BASE_LIBS) $(CPPUNIT_LIBS)
