noinst_LIBRARIES += libtelemetry.a
libtelemetry_a_SOURCES = \
	src/telemetry/acctlog.cc \
	src/telemetry/acctlog.h \
	src/telemetry/counters.cc \
	src/telemetry/counters.def \
	src/telemetry/counters.h \
	src/telemetry/line_writer.cc \
	src/telemetry/line_writer.h \
	src/telemetry/log.cc \
	src/telemetry/log.h \
	src/telemetry/mainlog.cc \
	src/telemetry/mainlog.h \
	src/telemetry/rejectlog.cc \
	src/telemetry/rejectlog.h \
	src/telemetry/smtp_trace.cc \
	src/telemetry/smtp_trace.h
