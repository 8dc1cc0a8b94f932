# Benchmarks. `make` builds them, so that they cannot rot; bench/README.md says how to run them.
noinst_PROGRAMS += bench/spool_bench
bench_spool_bench_SOURCES = bench/spool_bench.cc
bench_spool_bench_LDADD = libspool.a libmessage.a libbase.a $(BASE_LIBS)
noinst_PROGRAMS += bench/memory_bench
bench_memory_bench_SOURCES = bench/memory_bench.cc
bench_memory_bench_LDADD = libdelivery.a libspool.a libqueue.a libmessage.a libbase.a $(BASE_LIBS)
noinst_PROGRAMS += bench/config_bench
bench_config_bench_SOURCES = bench/config_bench.cc
bench_config_bench_LDADD = libconfig.a libbase.a $(BASE_LIBS)
EXTRA_DIST += bench/README.md bench/commit_pause bench/inject bench/queue bench/sessions bench/smtp bench/spool
noinst_PROGRAMS += bench/smtp_load
bench_smtp_load_SOURCES = bench/smtp_load.cc
bench_smtp_load_LDADD = $(OPENSSL_LIBS) $(FMT_LIBS)
noinst_PROGRAMS += bench/disklimit
bench_disklimit_SOURCES = bench/disklimit.cc
bench_disklimit_LDADD = $(FMT_LIBS)
