noinst_LIBRARIES += libtelemetry.a
libtelemetry_a_SOURCES =
