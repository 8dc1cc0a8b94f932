# The configuration's meaning; language.mk, where it is there, tests its text.
check_PROGRAMS += t/unit/config_tests
t_unit_config_tests_SOURCES = t/unit/main.cc \
	t/unit/config/kit.h \
	t/unit/config/catalogue_test.cc \
	t/unit/config/confirm_test.cc \
	t/unit/config/delivery_scopes_test.cc \
	t/unit/config/digest_test.cc \
	t/unit/config/edit_model_test.cc \
	t/unit/config/engine_kit.h t/unit/config/engine_test.cc \
	t/unit/config/engine_writeback_test.cc \
	t/unit/config/history_test.cc \
	t/unit/config/incremental_test.cc \
	t/unit/config/participants_test.cc \
	t/unit/config/pathways_test.cc \
	t/unit/config/prefix_trie_test.cc \
	t/unit/config/snapshot_kit.h \
	t/unit/config/snapshot_next_test.cc \
	t/unit/config/route_entry_test.cc \
	t/unit/config/snapshot_test.cc \
	t/unit/config/tenants_test.cc \
	t/unit/config/transaction_race_test.cc \
	t/unit/config/transaction_test.cc \
	t/unit/config/tree_test.cc \
	t/unit/config/value_test.cc \
	t/unit/config/writeback_kit.h \
	t/unit/config/writeback_random_test.cc \
	t/unit/config/writeback_test.cc
t_unit_config_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS)
t_unit_config_tests_LDADD = libconfig.a libbase.a $(BASE_LIBS) $(CPPUNIT_LIBS)
