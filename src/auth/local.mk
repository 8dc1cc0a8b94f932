noinst_LIBRARIES += libauth.a
libauth_a_SOURCES = \
	src/auth/client_mechanisms.h \
	src/auth/credentials.cc src/auth/credentials.h \
	src/auth/failure_rate.cc src/auth/failure_rate.h \
	src/auth/files.cc src/auth/files.h \
	src/auth/groups.cc src/auth/groups.h \
	src/auth/key_file.cc src/auth/key_file.h \
	src/auth/key_rights.cc src/auth/key_rights.h \
	src/auth/keys.cc src/auth/keys.h \
	src/auth/login.cc src/auth/login.h \
	src/auth/mechanism.cc src/auth/mechanism.h \
	src/auth/parameters.cc src/auth/parameters.h \
	src/auth/password.cc src/auth/password.h \
	src/auth/password_file.cc src/auth/password_file.h \
	src/auth/roles.cc src/auth/roles.h \
	src/auth/sasl.cc src/auth/sasl.h \
	src/auth/sasl_client.cc src/auth/sasl_client.h
libauth_a_CXXFLAGS = $(AM_CXXFLAGS) $(GSASL_CFLAGS)
