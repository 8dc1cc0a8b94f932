# Fuzz targets, built by `make fuzz-targets` in a tree configured with
# --enable-fuzzing and clang++ (fuzz/run does both). Seeds: fuzz/corpus/NAME/.
FUZZ_TARGETS = fuzz/addresses fuzz/config_parse fuzz/control_protocol fuzz/delivery_report fuzz/dns_message fuzz/ecstream_frames fuzz/headers fuzz/http_request fuzz/json_message fuzz/log_headers fuzz/prefix_matcher \
	fuzz/proxy_header fuzz/seven_bit fuzz/smtp_client fuzz/smtp_server fuzz/template fuzz/tls_preface fuzz/writeback
EXTRA_PROGRAMS = $(FUZZ_TARGETS)
LIBFUZZER = $(AM_LDFLAGS) -fsanitize=fuzzer

fuzz_addresses_SOURCES = fuzz/addresses.cc
fuzz_addresses_LDFLAGS = $(LIBFUZZER)
fuzz_addresses_LDADD = libmessage.a libbase.a $(BASE_LIBS)

fuzz_config_parse_SOURCES = fuzz/config_parse.cc
fuzz_config_parse_LDFLAGS = $(LIBFUZZER)
fuzz_config_parse_LDADD = libconfig.a libbase.a $(BASE_LIBS)

fuzz_control_protocol_SOURCES = fuzz/control_protocol.cc
fuzz_control_protocol_LDFLAGS = $(LIBFUZZER)
fuzz_control_protocol_LDADD = libcontrol.a libspool.a libauth.a libtelemetry.a libqueue.a libdns.a libconfig.a libmessage.a libbase.a \
	$(ZLIB_LIBS) $(GSASL_LIBS) $(OPENSSL_LIBS) $(BASE_LIBS)

fuzz_delivery_report_SOURCES = fuzz/delivery_report.cc
fuzz_delivery_report_LDFLAGS = $(LIBFUZZER)
fuzz_delivery_report_LDADD = libmessage.a libbase.a $(BASE_LIBS)

fuzz_dns_message_SOURCES = fuzz/dns_message.cc
fuzz_dns_message_LDFLAGS = $(LIBFUZZER)
fuzz_dns_message_LDADD = libdns.a libbase.a $(BASE_LIBS)

fuzz_ecstream_frames_SOURCES = fuzz/ecstream_frames.cc
fuzz_ecstream_frames_LDFLAGS = $(LIBFUZZER)
fuzz_ecstream_frames_LDADD = libecserver.a libauth.a libintake.a libconfig.a libmessage.a libbase.a $(GSASL_LIBS) $(OPENSSL_LIBS) $(BASE_LIBS)

fuzz_headers_SOURCES = fuzz/headers.cc
fuzz_headers_LDFLAGS = $(LIBFUZZER)
fuzz_headers_LDADD = libmessage.a libbase.a $(BASE_LIBS)

fuzz_http_request_SOURCES = fuzz/http_request.cc
fuzz_http_request_LDFLAGS = $(LIBFUZZER)
fuzz_http_request_LDADD = libhttp.a libbase.a $(ZLIB_LIBS) $(BASE_LIBS)

fuzz_json_message_SOURCES = fuzz/json_message.cc
fuzz_json_message_LDFLAGS = $(LIBFUZZER)
fuzz_json_message_LDADD = libapi.a libcompose.a libintake.a libspool.a libconfig.a libmessage.a libbase.a $(SIMDJSON_LIBS) $(GMIME_LIBS) $(BASE_LIBS)

fuzz_log_headers_SOURCES = fuzz/log_headers.cc
fuzz_log_headers_LDFLAGS = $(LIBFUZZER)
fuzz_log_headers_LDADD = libtelemetry.a libmessage.a libbase.a $(ZLIB_LIBS) $(BASE_LIBS)

fuzz_prefix_matcher_SOURCES = fuzz/prefix_matcher.cc
fuzz_prefix_matcher_LDFLAGS = $(LIBFUZZER)
fuzz_prefix_matcher_LDADD = libconfig.a libbase.a $(BASE_LIBS)

fuzz_proxy_header_SOURCES = fuzz/proxy_header.cc
fuzz_proxy_header_LDFLAGS = $(LIBFUZZER)
fuzz_proxy_header_LDADD = libnet.a libbase.a $(NET_LIBS) $(BASE_LIBS)

fuzz_seven_bit_SOURCES = fuzz/seven_bit.cc
fuzz_seven_bit_LDFLAGS = $(LIBFUZZER)
fuzz_seven_bit_LDADD = libcompose.a libmessage.a libbase.a $(GMIME_LIBS) $(BASE_LIBS)

fuzz_smtp_client_SOURCES = fuzz/smtp_client.cc
fuzz_smtp_client_LDFLAGS = $(LIBFUZZER)
fuzz_smtp_client_LDADD = libsmtp.a libauth.a libintake.a libconfig.a libmessage.a libbase.a $(GSASL_LIBS) $(OPENSSL_LIBS) $(BASE_LIBS)

fuzz_smtp_server_SOURCES = fuzz/smtp_server.cc
fuzz_smtp_server_LDFLAGS = $(LIBFUZZER)
fuzz_smtp_server_LDADD = libsmtp.a libauth.a libintake.a libconfig.a libmessage.a libbase.a $(GSASL_LIBS) $(OPENSSL_LIBS) $(BASE_LIBS)

fuzz_template_SOURCES = fuzz/template.cc
fuzz_template_LDFLAGS = $(LIBFUZZER)
fuzz_template_LDADD = libcompose.a libmessage.a libbase.a $(GMIME_LIBS) $(BASE_LIBS)

fuzz_tls_preface_SOURCES = fuzz/tls_preface.cc
fuzz_tls_preface_LDFLAGS = $(LIBFUZZER)
fuzz_tls_preface_LDADD = libnet.a libbase.a $(NET_LIBS) $(BASE_LIBS)

fuzz_writeback_SOURCES = fuzz/writeback.cc
fuzz_writeback_LDFLAGS = $(LIBFUZZER)
fuzz_writeback_LDADD = libconfig.a libbase.a $(BASE_LIBS)

EXTRA_DIST += fuzz/kit.h fuzz/run fuzz/corpus
