check_PROGRAMS += t/unit/compose_tests
t_unit_compose_tests_SOURCES = t/unit/main.cc \
	t/unit/compose/kit.h \
	t/unit/compose/header_field_test.cc \
	t/unit/compose/jinja_test.cc \
	t/unit/compose/mailbox_test.cc \
	t/unit/compose/parts_composer_test.cc \
	t/unit/compose/raw_composer_test.cc \
	t/unit/compose/seven_bit_test.cc \
	t/unit/compose/template_test.cc \
	t/unit/compose/transfer_test.cc \
	t/unit/compose/work_test.cc
t_unit_compose_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS)
t_unit_compose_tests_LDADD = libcompose.a libmessage.a libbase.a $(GMIME_LIBS) $(BASE_LIBS) $(CPPUNIT_LIBS)
