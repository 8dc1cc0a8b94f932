noinst_LIBRARIES += libnet.a
libnet_a_SOURCES = \
	src/net/acceptor.cc src/net/acceptor.h \
	src/net/certificate.cc src/net/certificate.h \
	src/net/client_info.h \
	src/net/connection.cc src/net/connection.h \
	src/net/connection_core.cc src/net/connection_core.h \
	src/net/connection_io.cc \
	src/net/event.h \
	src/net/event_loop.h \
	src/net/io.h \
	src/net/listen_socket.cc src/net/listen_socket.h \
	src/net/loop.cc src/net/loop.h \
	src/net/proxy_binary.cc src/net/proxy_header.cc src/net/proxy_header.h \
	src/net/proxy_preface.cc src/net/proxy_preface.h \
	src/net/socket.cc src/net/socket.h \
	src/net/tls.cc src/net/tls.h \
	src/net/tls_hello.cc \
	src/net/tls_lists.cc src/net/tls_lists.h \
	src/net/tls_peer.cc src/net/tls_peer.h \
	src/net/tls_pem.cc src/net/tls_pem.h \
	src/net/tls_psk.cc src/net/tls_psk.h \
	src/net/tls_rules.h \
	src/net/tls_session.cc src/net/tls_session.h \
	src/net/tls_sni.cc src/net/tls_sni.h \
	src/net/tls_tickets.cc src/net/tls_tickets.h \
	src/net/tls_verify.cc src/net/tls_verify.h \
	src/net/tls_x509.cc src/net/tls_x509.h \
	src/net/unix_name.cc src/net/unix_name.h \
	src/net/watch.cc
