# The client's half of SMTP; the server's tests are in t/unit/smtp/.
check_PROGRAMS += t/unit/smtp_client_tests
t_unit_smtp_client_tests_SOURCES = t/unit/main.cc \
	t/unit/smtp_client/data_encoder_test.cc \
	t/unit/smtp_client/envelope_test.cc \
	t/unit/smtp_client/lmtp_test.cc \
	t/unit/smtp_client/login_test.cc \
	t/unit/smtp_client/reply_parser_test.cc \
	t/unit/smtp_client/rest_test.cc \
	t/unit/smtp_client/session_test.cc \
	t/unit/smtp_client/stages_test.cc \
	t/unit/smtp_client/support.h \
	t/unit/smtp_client/walk_test.cc
t_unit_smtp_client_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS)
t_unit_smtp_client_tests_LDADD = libsmtp.a libauth.a libintake.a libconfig.a libmessage.a libbase.a \
	$(GSASL_LIBS) $(OPENSSL_LIBS) $(BASE_LIBS) $(CPPUNIT_LIBS)
