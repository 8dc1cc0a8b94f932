noinst_LIBRARIES += libmessage.a
libmessage_a_SOURCES = \
	src/message/address.cc src/message/address.h \
	src/message/body_keeper.cc src/message/body_keeper.h \
	src/message/body_receiver.cc src/message/body_receiver.h \
	src/message/body_sink.h \
	src/message/body_source.h \
	src/message/date.cc src/message/date.h \
	src/message/delivery_report.cc src/message/delivery_report.h \
	src/message/domain.cc src/message/domain.h \
	src/message/envelope.cc src/message/envelope.h \
	src/message/feedback_report.cc src/message/feedback_report.h \
	src/message/fixups.cc src/message/fixups.h \
	src/message/header_scan.cc src/message/header_scan.h \
	src/message/limits.h \
	src/message/received.cc src/message/received.h \
	src/message/refusal.h \
	src/message/report_parts.cc src/message/report_parts.h \
	src/message/rewriter.cc src/message/rewriter.h \
	src/message/value_watch.cc src/message/value_watch.h
