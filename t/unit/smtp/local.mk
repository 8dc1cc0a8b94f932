# The server's half; the client's tests are in t/unit/smtp_client/.
check_PROGRAMS += t/unit/smtp_tests
t_unit_smtp_tests_SOURCES = t/unit/main.cc t/unit/cutting.h \
	t/unit/smtp/auth_test.cc \
	t/unit/smtp/chunk_test.cc \
	t/unit/smtp/conformance_test.cc \
	t/unit/smtp/data_receiver_test.cc \
	t/unit/smtp/fixups_test.cc \
	t/unit/smtp/greed_test.cc \
	t/unit/smtp/large_body_test.cc \
	t/unit/smtp/line_test.cc \
	t/unit/smtp/lmtp_test.cc \
	t/unit/smtp/parameters_test.cc \
	t/unit/smtp/policy_test.cc \
	t/unit/smtp/session_test.cc \
	t/unit/smtp/support.h \
	t/unit/smtp/walk_model.h \
	t/unit/smtp/walk_test.cc \
	t/unit/smtp/xclient_test.cc
t_unit_smtp_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS) $(GSASL_CFLAGS)
t_unit_smtp_tests_LDADD = libsmtp.a libauth.a libintake.a libconfig.a libmessage.a libbase.a $(GSASL_LIBS) $(OPENSSL_LIBS) $(BASE_LIBS) $(CPPUNIT_LIBS)
