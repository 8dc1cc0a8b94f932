noinst_LIBRARIES += libintake.a
libintake_a_SOURCES = \
	src/intake/message_rules.cc src/intake/message_rules.h \
	src/intake/relay.cc src/intake/relay.h \
	src/intake/sender_match.cc src/intake/sender_match.h
