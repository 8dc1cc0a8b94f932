check_PROGRAMS += t/unit/auth_tests
t_unit_auth_tests_SOURCES = t/unit/main.cc \
	t/unit/auth/exchanges.h \
	t/unit/auth/files_test.cc \
	t/unit/auth/keys_test.cc \
	t/unit/auth/login_test.cc \
	t/unit/auth/parse_test.cc \
	t/unit/auth/password_file_test.cc \
	t/unit/auth/sasl_client.h \
	t/unit/auth/sasl_test.cc
t_unit_auth_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS) $(GSASL_CFLAGS)
t_unit_auth_tests_LDADD = libauth.a libconfig.a libbase.a $(GSASL_LIBS) $(OPENSSL_LIBS) \
	$(BASE_LIBS) $(CPPUNIT_LIBS)
