check_PROGRAMS += t/unit/delivery_tests
t_unit_delivery_tests_SOURCES = t/unit/main.cc \
	t/unit/delivery/acceptor.h \
	t/unit/delivery/ages_test.cc \
	t/unit/delivery/backlog_test.cc \
	t/unit/delivery/binding_test.cc \
	t/unit/delivery/blackhole_test.cc \
	t/unit/delivery/bounce_test.cc \
	t/unit/delivery/clerk_content_test.cc \
	t/unit/delivery/clerk_test.cc \
	t/unit/delivery/enqueue_test.cc \
	t/unit/delivery/gateway_outcome_test.cc \
	t/unit/delivery/gateway_stop_test.cc \
	t/unit/delivery/gateway_test.cc \
	t/unit/delivery/gateway_tls_test.cc \
	t/unit/delivery/gateway_trouble_test.cc \
	t/unit/delivery/house.h \
	t/unit/delivery/local_test.cc \
	t/unit/delivery/maildir_test.cc \
	t/unit/delivery/notify_test.cc \
	t/unit/delivery/dns_server.h \
	t/unit/delivery/memory_test.cc \
	t/unit/delivery/mx_test.cc \
	t/unit/delivery/parts_test.cc \
	t/unit/delivery/rebind_test.cc \
	t/unit/delivery/report_test.cc \
	t/unit/delivery/record_test.cc \
	t/unit/delivery/reroute_test.cc \
	t/unit/delivery/sink.h \
	t/unit/delivery/spool_before.h \
	t/unit/delivery/spool_in_test.cc \
	t/unit/delivery/stream_test.cc \
	t/unit/delivery/stream_outcome_test.cc \
	t/unit/delivery/stream_pool_test.cc \
	t/unit/delivery/stream_resume_test.cc \
	t/unit/delivery/stream_safety_test.cc \
	t/unit/delivery/stream_sink.h \
	t/unit/delivery/stream_trouble_test.cc \
	t/unit/delivery/slots_test.cc \
	t/unit/delivery/tenant_test.cc \
	t/unit/delivery/throttle_test.cc \
	t/unit/delivery/token_bucket_test.cc
t_unit_delivery_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS)
t_unit_delivery_tests_LDADD = libdelivery.a libecserver.a libsmtp.a libauth.a libintake.a libtelemetry.a libspool.a libqueue.a libdns.a libcompose.a libconfig.a libnet.a \
	libmessage.a libbase.a $(GMIME_LIBS) $(ZLIB_LIBS) $(SPDLOG_LIBS) $(GSASL_LIBS) $(NET_LIBS) $(CARES_LIBS) $(BASE_LIBS) $(CPPUNIT_LIBS)
