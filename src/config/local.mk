# src/config: the configuration engine. language.mk lists the language's half.
noinst_LIBRARIES += libconfig.a
libconfig_a_SOURCES =
include src/config/language.mk
libconfig_a_SOURCES += \
	src/config/affected.cc src/config/affected.h \
	src/config/catalogue.cc src/config/catalogue.h \
	src/config/chain_cache.h \
	src/config/checks.cc src/config/checks.h \
	src/config/children.cc src/config/children.h \
	src/config/committer.cc src/config/committer.h \
	src/config/compiler.cc src/config/compiler.h \
	src/config/cross_checks.cc \
	src/config/delivery_scopes.cc src/config/delivery_scopes.h \
	src/config/diff.cc \
	src/config/digest.cc src/config/digest.h \
	src/config/dropped.cc src/config/dropped.h \
	src/config/engine.cc src/config/engine.h \
	src/config/explain.cc \
	src/config/findings.h \
	src/config/grouped_scopes.cc src/config/grouped_scopes.h \
	src/config/history.cc src/config/history.h \
	src/config/instance.cc \
	src/config/keys.h \
	src/config/listen_checks.cc src/config/listen_checks.h \
	src/config/mechanisms.def \
	src/config/options/authentication.def \
	src/config/options/control.def \
	src/config/options/delivery.def \
	src/config/options/ecstream.def \
	src/config/options/esmtp.def \
	src/config/options/http.def \
	src/config/options/listening.def \
	src/config/options/rows.def \
	src/config/options/server.def \
	src/config/options/spool.def \
	src/config/options/tls.def \
	src/config/route_entry.cc src/config/route_entry.h \
	src/config/overlap.cc src/config/overlap.h \
	src/config/path.cc \
	src/config/pathways.cc src/config/pathways.h \
	src/config/pipeline.cc src/config/pipeline.h \
	src/config/prefix_node.cc src/config/prefix_node.h \
	src/config/prefix_trie.cc src/config/prefix_trie.h \
	src/config/reference_checks.cc src/config/reference_checks.h \
	src/config/save.cc src/config/save.h \
	src/config/setting.cc src/config/setting.h \
	src/config/snapshot.cc src/config/snapshot.h \
	src/config/tenants.cc src/config/tenants.h \
	src/config/transaction.cc src/config/transaction.h \
	src/config/tree.cc src/config/tree.h \
	src/config/tree_builder.cc \
	src/config/tree_edit.cc src/config/tree_edit.h \
	src/config/value.cc src/config/value.h
