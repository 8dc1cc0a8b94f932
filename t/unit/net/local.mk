check_PROGRAMS += t/unit/net_tests
t_unit_net_tests_SOURCES = t/unit/main.cc \
	t/unit/net/certs.h \
	t/unit/net/kit.h \
	t/unit/net/recorder.h \
	t/unit/net/loop_test.cc \
	t/unit/net/connect_test.cc \
	t/unit/net/connection_test.cc \
	t/unit/net/connection_end_test.cc \
	t/unit/net/connection_kept_test.cc \
	t/unit/net/connection_walk_test.cc \
	t/unit/net/tls_context_test.cc \
	t/unit/net/tls_start_test.cc \
	t/unit/net/tls_handshake_test.cc \
	t/unit/net/tls_connection_test.cc \
	t/unit/net/visit.h \
	t/unit/net/tls_client_certificate_test.cc \
	t/unit/net/tls_psk_test.cc \
	t/unit/net/tls_sni_test.cc \
	t/unit/net/tls_ticket_test.cc \
	t/unit/net/listen_test.cc \
	t/unit/net/proxy_bytes.h \
	t/unit/net/proxy_header_test.cc \
	t/unit/net/proxy_preface_test.cc \
	t/unit/net/unix_listen_test.cc
t_unit_net_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS)
t_unit_net_tests_LDADD = libnet.a libbase.a $(NET_LIBS) $(BASE_LIBS) $(CPPUNIT_LIBS)
