# The daemon's library. libecstream.a is the one that programs link.
noinst_LIBRARIES += libecserver.a
ECSTREAM_WIRE = \
	src/ecstream/answers.cc src/ecstream/answers.h \
	src/ecstream/envelope_codec.cc src/ecstream/envelope_codec.h \
	src/ecstream/frame.cc src/ecstream/frame.h \
	src/ecstream/goaway.cc src/ecstream/goaway.h \
	src/ecstream/hello.cc src/ecstream/hello.h \
	src/ecstream/wire.h
ECSTREAM_CLIENT = \
	src/ecstream/client_session.cc src/ecstream/client_session.h \
	src/ecstream/client_stream.cc src/ecstream/client_stream.h
libecserver_a_SOURCES = $(ECSTREAM_WIRE) $(ECSTREAM_CLIENT) \
	src/ecstream/message_check.cc src/ecstream/message_check.h \
	src/ecstream/policy.cc src/ecstream/policy.h \
	src/ecstream/server_auth.cc \
	src/ecstream/server_batch.cc \
	src/ecstream/server_impl.h \
	src/ecstream/server_message.cc \
	src/ecstream/server_session.cc src/ecstream/server_session.h \
	src/ecstream/stream_memory.cc src/ecstream/stream_memory.h
