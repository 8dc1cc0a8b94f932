# The configuration language: sources and places in them, lexer, parser, loader.
libconfig_a_SOURCES += \
	src/config/loader.h \
	src/config/source.h \
	src/config/syntax.h
