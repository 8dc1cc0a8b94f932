# libecstream and ecstream.py, over sockets. c_client.c is C11, and nothing else.
check_PROGRAMS += t/unit/ecstream_client_tests
t_unit_ecstream_client_tests_SOURCES = t/unit/main.cc \
	t/unit/ecstream/support.h \
	t/unit/ecstream_client/library_test.cc \
	t/unit/ecstream_client/server.h
t_unit_ecstream_client_tests_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir) -DIMPULSE_SOURCE='"$(abs_top_srcdir)"'
t_unit_ecstream_client_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS) $(GSASL_CFLAGS)
t_unit_ecstream_client_tests_LDADD = t/unit/ecstream_client/c_client.o libecstream.a libecserver.a libauth.a libintake.a \
	libconfig.a libmessage.a libbase.a $(LIBECSTREAM_LIBS) $(BASE_LIBS) $(CPPUNIT_LIBS)
t_unit_ecstream_client_tests_DEPENDENCIES = t/unit/ecstream_client/c_client.o libecstream.a libecserver.a libauth.a libintake.a \
	libconfig.a libmessage.a libbase.a

t/unit/ecstream_client/c_client.o: t/unit/ecstream_client/c_client.c console/ecstream/ecstream.h
	$(AM_V_CC)$(MKDIR_P) t/unit/ecstream_client && gcc -std=c11 -Wall -Wextra -Wpedantic -Werror -I$(top_srcdir) \
		-c -o $@ $(srcdir)/t/unit/ecstream_client/c_client.c
CLEANFILES += t/unit/ecstream_client/c_client.o
EXTRA_DIST += t/unit/ecstream_client/c_client.c
