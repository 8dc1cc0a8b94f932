noinst_LIBRARIES += libsmtp.a
libsmtp_a_SOURCES = \
	src/smtp/command.cc src/smtp/command.h \
	src/smtp/data_receiver.cc src/smtp/data_receiver.h \
	src/smtp/line_reader.cc src/smtp/line_reader.h \
	src/smtp/parameters.cc src/smtp/parameters.h \
	src/smtp/policy.cc src/smtp/policy.h \
	src/smtp/relay.h \
	src/smtp/replies.cc src/smtp/replies.h \
	src/smtp/server_auth.cc \
	src/smtp/server_commands.cc \
	src/smtp/server_data.cc \
	src/smtp/server_impl.h \
	src/smtp/server_session.cc src/smtp/server_session.h \
	src/smtp/server_submission.cc \
	src/smtp/server_transaction.cc \
	src/smtp/server_trusted.cc
include src/smtp/client.mk
