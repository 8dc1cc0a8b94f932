noinst_LIBRARIES += libmessage.a
libmessage_a_SOURCES =
