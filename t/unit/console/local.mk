check_PROGRAMS += t/unit/console_tests
t_unit_console_tests_SOURCES = t/unit/main.cc \
	t/unit/console/console_test.cc \
	t/unit/console/kit.h \
	t/unit/console/sasl_test.cc \
	t/unit/console/sendmail_test.cc \
	t/unit/console/session_test.cc
t_unit_console_tests_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
t_unit_console_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS) $(GSASL_CFLAGS)
t_unit_console_tests_LDADD = libectl.a libsendmail.a libsmtp.a libconfig.a libmessage.a libbase.a $(ECTL_LIBS) $(BASE_LIBS) $(CPPUNIT_LIBS)
