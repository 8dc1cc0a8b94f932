# ec_show; all of it but main in a library, which its tests link as well.
noinst_LIBRARIES += libecshow.a
libecshow_a_SOURCES = \
	console/show/export.cc console/show/export.h \
	console/show/messages.cc console/show/messages.h \
	console/show/options.cc console/show/options.h \
	console/show/output.cc console/show/output.h \
	console/show/quarantine.cc console/show/quarantine.h
libecshow_a_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)

bin_PROGRAMS += ec_show
EXTRA_DIST += console/show/README.md
ec_show_SOURCES = console/show/ec_show.cc
ec_show_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
ec_show_LDADD = libecshow.a libspool.a libmessage.a libbase.a $(BASE_LIBS)
