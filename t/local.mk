# Unit tests: one CppUnit program a folder of src/, sharing t/unit/main.cc.
# t/unit/run and t/e2e/run are what ./check calls.
if UNIT_TESTS
include t/unit/base/local.mk
include t/unit/message/local.mk
include t/unit/config/local.mk
include t/unit/net/local.mk
include t/unit/telemetry/local.mk
include t/unit/auth/local.mk
include t/unit/spool/local.mk
include t/unit/queue/local.mk
include t/unit/dns/local.mk
include t/unit/compose/local.mk
include t/unit/smtp/local.mk
include t/unit/smtp_client/local.mk
include t/unit/http/local.mk
include t/unit/inject/local.mk
include t/unit/intake/local.mk
include t/unit/ecstream/local.mk
include t/unit/ecstream_client/local.mk
include t/unit/api/local.mk
include t/unit/api_service/local.mk
include t/unit/delivery/local.mk
include t/unit/control/local.mk
include t/unit/console/local.mk
include t/unit/inject_tool/local.mk
include t/unit/config_language/local.mk
include t/unit/server/local.mk
endif

# A client of libecstream, for t/e2e.
noinst_PROGRAMS += t/e2e/ecstream_client
t_e2e_ecstream_client_SOURCES = t/e2e/ecstream_client.cc
t_e2e_ecstream_client_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
t_e2e_ecstream_client_LDADD = libecstream.a $(LIBECSTREAM_LIBS)

EXTRA_DIST += t/unit/run t/e2e t/style
