check_PROGRAMS += t/unit/dns_tests
t_unit_dns_tests_SOURCES = t/unit/main.cc \
	t/unit/dns/message_test.cc \
	t/unit/dns/resolver_test.cc \
	t/unit/dns/wire.h
t_unit_dns_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS)
t_unit_dns_tests_LDADD = libdns.a libnet.a libbase.a $(NET_LIBS) $(CARES_LIBS) $(BASE_LIBS) $(CPPUNIT_LIBS)
