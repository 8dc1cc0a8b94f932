noinst_LIBRARIES += libnet.a
libnet_a_SOURCES = \
	src/net/event.h \
	src/net/event_loop.h \
	src/net/loop.cc src/net/loop.h \
	src/net/watch.cc
