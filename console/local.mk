# libectl: the client's side of ECTL/1, for ec_console and its tests.
noinst_LIBRARIES += libectl.a
libectl_a_SOURCES = \
	console/address.cc console/address.h \
	console/batch.cc console/batch.h \
	console/candidates.cc console/candidates.h \
	console/command_line.cc console/command_line.h \
	console/connector.cc console/connector.h \
	console/ectl_client.cc console/ectl_client.h \
	console/failure.h \
	console/history.cc console/history.h \
	console/interrupt.cc console/interrupt.h \
	console/pager.cc console/pager.h \
	console/password.cc console/password.h \
	console/place.cc console/place.h \
	console/printer.cc console/printer.h \
	console/reply.cc console/reply.h \
	console/sasl.cc console/sasl.h \
	console/session.cc console/session.h \
	console/transport.cc console/transport.h
libectl_a_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir) $(GSASL_CFLAGS)
# What a program needs that links libectl.
ECTL_LIBS = $(OPENSSL_LIBS) $(GSASL_LIBS)

bin_PROGRAMS += ec_console
ec_console_SOURCES = \
	console/ec_console.cc \
	console/editor.cc console/editor.h \
	console/interactive.cc console/interactive.h
ec_console_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
ec_console_CXXFLAGS = $(AM_CXXFLAGS) $(EDITLINE_CFLAGS)
ec_console_LDADD = libectl.a libbase.a $(EDITLINE_LIBS) $(ECTL_LIBS) $(BASE_LIBS)

bin_PROGRAMS += ec_passwd
ec_passwd_SOURCES = \
	console/ec_passwd.cc \
	console/passwd.cc console/passwd.h \
	console/passwd_keys.cc
ec_passwd_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
ec_passwd_LDADD = libectl.a libauth.a libbase.a $(ECTL_LIBS) $(BASE_LIBS)

# The sendmail(1) command; the parts that have tests of their own in a library.
noinst_LIBRARIES += libsendmail.a
libsendmail_a_SOURCES = \
	console/sendmail/address_list.cc console/sendmail/address_list.h \
	console/sendmail/body.cc console/sendmail/body.h \
	console/sendmail/dialogue.cc console/sendmail/dialogue.h \
	console/sendmail/failure.h \
	console/sendmail/header.cc console/sendmail/header.h \
	console/sendmail/identity.cc console/sendmail/identity.h \
	console/sendmail/input.cc console/sendmail/input.h \
	console/sendmail/options.cc console/sendmail/options.h \
	console/sendmail/server.cc console/sendmail/server.h \
	console/sendmail/submission.cc console/sendmail/submission.h
libsendmail_a_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)

bin_PROGRAMS += ec_sendmail
EXTRA_DIST += console/sendmail/README.md
ec_sendmail_SOURCES = console/sendmail/ec_sendmail.cc
ec_sendmail_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
ec_sendmail_LDADD = libsendmail.a libsmtp.a libmessage.a libbase.a $(BASE_LIBS)
