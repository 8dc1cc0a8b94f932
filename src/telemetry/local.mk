noinst_LIBRARIES += libtelemetry.a
libtelemetry_a_SOURCES = \
	src/telemetry/acctlog.cc \
	src/telemetry/acctlog.h \
	src/telemetry/bounce_class.cc \
	src/telemetry/bounce_class.def \
	src/telemetry/bounce_class.h \
	src/telemetry/counters.cc \
	src/telemetry/counters.def \
	src/telemetry/counters.h \
	src/telemetry/line_writer.cc \
	src/telemetry/line_writer.h \
	src/telemetry/log.cc \
	src/telemetry/log.h \
	src/telemetry/log_file.cc \
	src/telemetry/log_file.h \
	src/telemetry/log_keeper.cc \
	src/telemetry/log_keeper.h \
	src/telemetry/log_text.cc \
	src/telemetry/log_text.h \
	src/telemetry/mail_json.cc \
	src/telemetry/mail_lines.cc \
	src/telemetry/mail_lines.h \
	src/telemetry/mail_logs.cc \
	src/telemetry/mail_logs.h \
	src/telemetry/note.cc \
	src/telemetry/note.h \
	src/telemetry/record.cc \
	src/telemetry/record.h \
	src/telemetry/rejectlog.cc \
	src/telemetry/rejectlog.h \
	src/telemetry/smtp_trace.cc \
	src/telemetry/smtp_trace.h \
	src/telemetry/stage.h
libtelemetry_a_CXXFLAGS = $(AM_CXXFLAGS) $(ZLIB_CFLAGS)
