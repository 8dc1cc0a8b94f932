noinst_LIBRARIES += libspool.a
libspool_a_SOURCES =
