noinst_LIBRARIES += libhttp.a
libhttp_a_SOURCES = \
	src/http/error.cc src/http/error.h \
	src/http/framing.cc src/http/framing.h \
	src/http/head.cc src/http/head.h \
	src/http/head_reader.cc src/http/head_reader.h \
	src/http/inflater.cc src/http/inflater.h \
	src/http/line_guard.cc src/http/line_guard.h \
	src/http/message.cc src/http/message.h \
	src/http/policy.h \
	src/http/response_writer.cc src/http/response_writer.h \
	src/http/server_impl.h \
	src/http/server_reply.cc \
	src/http/server_request.cc \
	src/http/server_session.cc src/http/server_session.h \
	src/http/syntax.cc src/http/syntax.h \
	src/http/target.cc src/http/target.h
libhttp_a_CXXFLAGS = $(AM_CXXFLAGS) $(ZLIB_CFLAGS)
