noinst_LIBRARIES += libapi.a
libapi_a_SOURCES = \
	src/api/content.cc src/api/content.h \
	src/api/error.cc src/api/error.h \
	src/api/inject.cc \
	src/api/job.cc src/api/job.h \
	src/api/json.cc src/api/json.h \
	src/api/limits.h \
	src/api/mailing.cc src/api/mailing.h \
	src/api/messages.cc \
	src/api/policy.cc src/api/policy.h \
	src/api/requests.h \
	src/api/submission.cc src/api/submission.h \
	src/api/times.cc src/api/times.h \
	src/api/transmissions.cc
include src/api/modules.mk

libapi_a_CPPFLAGS = $(AM_CPPFLAGS) $(SIMDJSON_CFLAGS)
