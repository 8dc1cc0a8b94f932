# ec_inject; all of it but main in a library, which its tests link as well.
noinst_LIBRARIES += libecinject.a
libecinject_a_SOURCES = \
	console/inject/distribution.cc console/inject/distribution.h \
	console/inject/ecstream_engine.cc console/inject/ecstream_engine.h \
	console/inject/engine.h \
	console/inject/failure.h \
	console/inject/filler.cc console/inject/filler.h \
	console/inject/generated_source.cc \
	console/inject/histogram.cc console/inject/histogram.h \
	console/inject/http_engine.cc console/inject/http_engine.h \
	console/inject/http_request.cc \
	console/inject/http_response.cc console/inject/http_response.h \
	console/inject/link.cc console/inject/link.h \
	console/inject/mail.cc console/inject/mail.h \
	console/inject/maildir.cc console/inject/maildir.h \
	console/inject/mbox.cc console/inject/mbox.h \
	console/inject/options.cc console/inject/options.h \
	console/inject/pacer.h \
	console/inject/pattern.cc console/inject/pattern.h \
	console/inject/progress.cc console/inject/progress.h \
	console/inject/random.h \
	console/inject/report.cc console/inject/report.h \
	console/inject/runner.cc console/inject/runner.h \
	console/inject/smtp_engine.cc console/inject/smtp_engine.h \
	console/inject/source.h \
	console/inject/stored_source.cc \
	console/inject/tally.h \
	console/inject/target.cc console/inject/target.h
libecinject_a_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir) $(GSASL_CFLAGS)
# What a program needs that links it.
ECINJECT_LIBS = libecinject.a libecstream.a libectl.a libsmtp.a libhttp.a libauth.a libmessage.a libbase.a \
	$(ECTL_LIBS) $(BASE_LIBS)

bin_PROGRAMS += ec_inject
EXTRA_DIST += console/inject/README.md
ec_inject_SOURCES = console/inject/ec_inject.cc
ec_inject_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
ec_inject_LDADD = $(ECINJECT_LIBS)
