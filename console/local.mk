# libectl: the client's side of ECTL/1, for ec_console and its tests.
noinst_LIBRARIES += libectl.a
libectl_a_SOURCES = \
	console/address.cc console/address.h \
	console/batch.cc console/batch.h \
	console/command_line.cc console/command_line.h \
	console/ectl_client.cc console/ectl_client.h \
	console/failure.h \
	console/printer.cc console/printer.h \
	console/reply.cc console/reply.h
libectl_a_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)

bin_PROGRAMS += ec_console
ec_console_SOURCES = \
	console/ec_console.cc \
	console/editor.cc console/editor.h \
	console/interactive.cc console/interactive.h \
	console/interrupt.cc console/interrupt.h
ec_console_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
ec_console_CXXFLAGS = $(AM_CXXFLAGS) $(EDITLINE_CFLAGS)
ec_console_LDADD = libectl.a libbase.a $(EDITLINE_LIBS) $(BASE_LIBS)
