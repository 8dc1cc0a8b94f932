noinst_LIBRARIES += libcompose.a
libcompose_a_SOURCES = \
	src/compose/attachment.cc src/compose/attachment.h \
	src/compose/composer.h \
	src/compose/escape.cc src/compose/escape.h \
	src/compose/expression.h \
	src/compose/expression_parser.cc src/compose/expression_parser.h \
	src/compose/header_field.cc src/compose/header_field.h \
	src/compose/link_watch.cc src/compose/link_watch.h \
	src/compose/mailbox.cc src/compose/mailbox.h \
	src/compose/mime_scan.cc src/compose/mime_scan.h \
	src/compose/nodes.h \
	src/compose/parts_composer.cc src/compose/parts_composer.h \
	src/compose/raw_composer.cc src/compose/raw_composer.h \
	src/compose/raw_texts.cc src/compose/raw_texts.h \
	src/compose/renderer.cc src/compose/renderer.h \
	src/compose/seven_bit.cc src/compose/seven_bit.h \
	src/compose/template.cc src/compose/template.h \
	src/compose/template_parser.cc src/compose/template_parser.h \
	src/compose/text_case.cc src/compose/text_case.h \
	src/compose/transfer.cc src/compose/transfer.h \
	src/compose/value.cc src/compose/value.h
libcompose_a_CPPFLAGS = $(AM_CPPFLAGS) $(GMIME_CFLAGS)
