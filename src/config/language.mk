# The configuration language: sources and places in them, lexer, parser, loader.
libconfig_a_SOURCES += \
	src/config/config_text.cc src/config/config_text.h \
	src/config/diagnostic_ids.h \
	src/config/diagnostic_sink.cc src/config/diagnostic_sink.h \
	src/config/encoding.cc src/config/encoding.h \
	src/config/file_writer.cc \
	src/config/lexer.cc src/config/lexer.h \
	src/config/loader.cc src/config/loader.h \
	src/config/option_docs.cc src/config/option_docs.h \
	src/config/parser.cc src/config/parser.h \
	src/config/parser_values.cc \
	src/config/rare_list.h \
	src/config/secrecy.cc src/config/secrecy.h \
	src/config/source.cc src/config/source.h \
	src/config/syntax.cc src/config/syntax.h \
	src/config/text_edits.cc \
	src/config/writeback.cc src/config/writeback.h \
	src/config/writeback_files.cc src/config/writeback_files.h \
	src/config/writeback_order.cc src/config/writeback_order.h \
	src/config/writeback_places.cc src/config/writeback_places.h
