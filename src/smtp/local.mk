noinst_LIBRARIES += libsmtp.a
libsmtp_a_SOURCES =
include src/smtp/client.mk
