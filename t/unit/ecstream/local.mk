check_PROGRAMS += t/unit/ecstream_tests
t_unit_ecstream_tests_SOURCES = t/unit/main.cc \
	t/unit/ecstream/auth_test.cc \
	t/unit/ecstream/bounds_test.cc \
	t/unit/ecstream/client_test.cc \
	t/unit/ecstream/codec_test.cc \
	t/unit/ecstream/end_test.cc \
	t/unit/ecstream/frame_test.cc \
	t/unit/ecstream/message_test.cc \
	t/unit/ecstream/session_test.cc \
	t/unit/ecstream/support.h \
	t/unit/ecstream/walk_test.cc
t_unit_ecstream_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS) $(GSASL_CFLAGS)
t_unit_ecstream_tests_LDADD = libecserver.a libauth.a libintake.a libconfig.a libmessage.a libbase.a $(GSASL_LIBS) $(OPENSSL_LIBS) $(BASE_LIBS) $(CPPUNIT_LIBS)
