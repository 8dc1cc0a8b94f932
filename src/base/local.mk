noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	src/base/bytes.cc src/base/bytes.h \
	src/base/chunks.cc src/base/chunks.h \
	src/base/clock.h \
	src/base/concat.h \
	src/base/crc32c.cc src/base/crc32c.h \
	src/base/endpoint.cc src/base/endpoint.h \
	src/base/fd.cc src/base/fd.h \
	src/base/files.cc src/base/files.h \
	src/base/host_name.cc src/base/host_name.h \
	src/base/html.cc src/base/html.h \
	src/base/id.cc src/base/id.h \
	src/base/ip.cc src/base/ip.h \
	src/base/lines.h \
	src/base/packed_map.cc src/base/packed_map.h \
	src/base/pattern.cc src/base/pattern.h \
	src/base/ref.h \
	src/base/result.cc src/base/result.h \
	src/base/tenant.h \
	src/base/text.cc src/base/text.h \
	src/base/text_pool.cc src/base/text_pool.h \
	src/base/thread_name.h \
	src/base/varint.h
