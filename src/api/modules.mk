# What a HTTP listener serves besides injection: the table of routes, metrics,
# health, and the description of it all, which is built in.
libapi_a_SOURCES += \
	src/api/control_call.cc src/api/control_call.h \
	src/api/docs_page.cc \
	src/api/health.cc src/api/health.h \
	src/api/metrics.cc src/api/metrics.h \
	src/api/metrics_writer.cc src/api/metrics_writer.h \
	src/api/openapi.h \
	src/api/routes.cc src/api/routes.h
nodist_libapi_a_SOURCES = src/api/openapi_json.cc
CLEANFILES += src/api/openapi_json.cc

src/api/openapi_json.cc: doc/openapi.json
	$(AM_V_GEN)$(MKDIR_P) src/api
	$(AM_V_at){ echo '#include "api/openapi.h"'; \
	echo 'std::string_view impulse::api::openapi_json() {'; \
	printf '  return R"openapi('; cat $<; echo ')openapi";'; echo '}'; } >$@.new
	$(AM_V_at)mv $@.new $@
