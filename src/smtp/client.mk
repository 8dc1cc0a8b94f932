libsmtp_a_SOURCES += \
	src/smtp/client_envelope.cc src/smtp/client_envelope.h \
	src/smtp/client_impl.h \
	src/smtp/client_login.cc \
	src/smtp/client_offers.cc src/smtp/client_offers.h \
	src/smtp/client_session.cc src/smtp/client_session.h \
	src/smtp/client_transaction.cc \
	src/smtp/data_encoder.cc src/smtp/data_encoder.h \
	src/smtp/reply_parser.cc src/smtp/reply_parser.h
