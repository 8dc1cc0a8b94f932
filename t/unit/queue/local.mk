check_PROGRAMS += t/unit/queue_tests
t_unit_queue_tests_SOURCES = t/unit/main.cc \
	t/unit/queue/kit.h \
	t/unit/queue/model_test.cc \
	t/unit/queue/pages_test.cc \
	t/unit/queue/queue_test.cc \
	t/unit/queue/shelf_test.cc \
	t/unit/queue/waits_test.cc
t_unit_queue_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS)
t_unit_queue_tests_LDADD = libqueue.a libbase.a $(BASE_LIBS) $(CPPUNIT_LIBS)
