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
include t/unit/compose/local.mk
include t/unit/smtp/local.mk
include t/unit/smtp_client/local.mk
include t/unit/http/local.mk
include t/unit/inject/local.mk
include t/unit/ecstream/local.mk
include t/unit/ecstream_client/local.mk
include t/unit/api/local.mk
include t/unit/api_service/local.mk
include t/unit/delivery/local.mk
include t/unit/control/local.mk
include t/unit/console/local.mk
include t/unit/config_language/local.mk
include t/unit/server/local.mk
endif

EXTRA_DIST += t/unit/run t/e2e t/style
