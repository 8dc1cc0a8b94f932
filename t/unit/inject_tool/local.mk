check_PROGRAMS += t/unit/inject_tool_tests
t_unit_inject_tool_tests_SOURCES = t/unit/main.cc \
	t/unit/inject_tool/engine_test.cc \
	t/unit/inject_tool/options_test.cc \
	t/unit/inject_tool/report_test.cc \
	t/unit/inject_tool/source_test.cc \
	t/unit/inject_tool/values_test.cc
t_unit_inject_tool_tests_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
t_unit_inject_tool_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS)
t_unit_inject_tool_tests_LDADD = $(ECINJECT_LIBS) $(CPPUNIT_LIBS)
