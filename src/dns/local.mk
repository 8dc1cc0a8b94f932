noinst_LIBRARIES += libdns.a
libdns_a_SOURCES = \
	src/dns/channel.cc src/dns/channel.h \
	src/dns/host.cc \
	src/dns/hosts_file.cc src/dns/hosts_file.h \
	src/dns/message.cc src/dns/message.h \
	src/dns/resolv_conf.cc src/dns/resolv_conf.h \
	src/dns/resolver.cc src/dns/resolver.h
libdns_a_CXXFLAGS = $(AM_CXXFLAGS) $(CARES_CFLAGS)
