check_PROGRAMS += t/unit/message_tests
t_unit_message_tests_SOURCES = t/unit/main.cc \
	t/unit/message/address_kit.h \
	t/unit/message/address_test.cc \
	t/unit/message/body_test.cc \
	t/unit/message/date_test.cc \
	t/unit/message/delivery_report_test.cc \
	t/unit/message/feedback_report_test.cc \
	t/unit/message/fixups_test.cc \
	t/unit/message/header_facts_test.cc \
	t/unit/message/header_scan_test.cc \
	t/unit/message/received_test.cc \
	t/unit/message/sink.h \
	t/unit/message/utf8_address_test.cc
t_unit_message_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS)
t_unit_message_tests_LDADD = libmessage.a libbase.a $(BASE_LIBS) $(CPPUNIT_LIBS)
