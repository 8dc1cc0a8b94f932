# libecstream: the client's side of ECStream for other programs, by a plain C
# interface. All it needs of ours is in it; doc/ecstream.md says what it speaks.
lib_LIBRARIES = libecstream.a
include_HEADERS = console/ecstream/ecstream.h
libecstream_a_SOURCES = $(ECSTREAM_WIRE) $(ECSTREAM_CLIENT) \
	console/address.cc console/address.h \
	console/failure.h \
	console/transport.cc console/transport.h \
	console/ecstream/authenticator.cc console/ecstream/authenticator.h \
	console/ecstream/ecstream.cc console/ecstream/ecstream.h \
	console/ecstream/stream_client.cc console/ecstream/stream_client.h \
	src/base/crc32c.cc src/base/fd.cc src/base/ip.cc src/base/result.cc src/base/text.cc
libecstream_a_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir) $(GSASL_CFLAGS)
# What a program needs that links it.
LIBECSTREAM_LIBS = $(OPENSSL_LIBS) $(GSASL_LIBS) $(FMT_LIBS)

pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = console/ecstream/ecstream.pc
console/ecstream/ecstream.pc: console/ecstream/ecstream.pc.in Makefile
	$(AM_V_GEN)$(MKDIR_P) console/ecstream && sed -e 's|%prefix%|$(prefix)|' -e 's|%libdir%|$(libdir)|' \
		-e 's|%includedir%|$(includedir)|' -e 's|%version%|$(PACKAGE_VERSION)|' \
		-e 's|%libs%|$(LIBECSTREAM_LIBS) -lstdc++|' $(srcdir)/console/ecstream/ecstream.pc.in > $@.new && mv $@.new $@
CLEANFILES += console/ecstream/ecstream.pc

# The client in Python: one file, to be copied or imported from where it is.
pythonclientdir = $(pkgdatadir)/python
dist_pythonclient_DATA = console/ecstream.py
EXTRA_DIST += console/ecstream/ecstream.pc.in console/ecstream/README.md
