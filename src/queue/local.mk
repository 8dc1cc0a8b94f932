noinst_LIBRARIES += libqueue.a
libqueue_a_SOURCES = \
	src/queue/backoff.cc \
	src/queue/binding.cc src/queue/binding.h \
	src/queue/name.h \
	src/queue/queue.cc src/queue/queue.h \
	src/queue/shelf.h
