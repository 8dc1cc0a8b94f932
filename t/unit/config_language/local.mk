check_PROGRAMS += t/unit/config_language_tests
t_unit_config_language_tests_SOURCES = t/unit/main.cc \
	t/unit/config_language/corpus_test.cc \
	t/unit/config_language/diagnostics_test.cc \
	t/unit/config_language/include_test.cc \
	t/unit/config_language/kit.h \
	t/unit/config_language/lexer_test.cc \
	t/unit/config_language/parser_test.cc \
	t/unit/config_language/property_test.cc \
	t/unit/config_language/robustness_test.cc \
	t/unit/config_language/values_test.cc
t_unit_config_language_tests_CPPFLAGS = $(AM_CPPFLAGS) -DSOURCE_FOLDER='"$(abs_top_srcdir)"'
t_unit_config_language_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS)
t_unit_config_language_tests_LDADD = libconfig.a libbase.a $(BASE_LIBS) $(CPPUNIT_LIBS)
