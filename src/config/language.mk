# The configuration language: sources and places in them, lexer, parser, loader.
libconfig_a_SOURCES += \
	src/config/diagnostic_ids.h \
	src/config/diagnostic_sink.cc src/config/diagnostic_sink.h \
	src/config/encoding.cc src/config/encoding.h \
	src/config/lexer.cc src/config/lexer.h \
	src/config/loader.cc src/config/loader.h \
	src/config/parser.cc src/config/parser.h \
	src/config/parser_values.cc \
	src/config/source.cc src/config/source.h \
	src/config/syntax.cc src/config/syntax.h
