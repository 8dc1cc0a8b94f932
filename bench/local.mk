# Benchmarks. `make` builds them, so that they cannot rot; bench/README.md says how to run them.
noinst_PROGRAMS += bench/spool_bench
bench_spool_bench_SOURCES = bench/spool_bench.cc
bench_spool_bench_LDADD = libspool.a libmessage.a libbase.a $(BASE_LIBS)
EXTRA_DIST += bench/README.md bench/smtp
