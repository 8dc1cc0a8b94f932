check_PROGRAMS += t/unit/spool_tests
t_unit_spool_tests_SOURCES = t/unit/main.cc \
	t/unit/spool/batch_crash_test.cc \
	t/unit/spool/batch_loss_test.cc \
	t/unit/spool/batch_test.cc \
	t/unit/spool/begun.h \
	t/unit/spool/codec_test.cc \
	t/unit/spool/compaction_test.cc \
	t/unit/spool/crash_test.cc \
	t/unit/spool/damage_kit.h \
	t/unit/spool/damage_test.cc \
	t/unit/spool/every_call.h \
	t/unit/spool/fake_disk.cc t/unit/spool/fake_disk.h \
	t/unit/spool/fault_test.cc \
	t/unit/spool/full_envelope.h \
	t/unit/spool/index_test.cc \
	t/unit/spool/indexing_test.cc \
	t/unit/spool/kit.h \
	t/unit/spool/large_test.cc \
	t/unit/spool/model.h \
	t/unit/spool/pair_folder_test.cc \
	t/unit/spool/pair_kit.h \
	t/unit/spool/pair_test.cc \
	t/unit/spool/receipt_test.cc \
	t/unit/spool/removal_test.cc \
	t/unit/spool/resident_test.cc \
	t/unit/spool/spool_test.cc \
	t/unit/spool/start_test.cc \
	t/unit/spool/states_test.cc \
	t/unit/spool/told_test.cc \
	t/unit/spool/unreadable_test.cc \
	t/unit/spool/view_test.cc
t_unit_spool_tests_CXXFLAGS = $(AM_CXXFLAGS) $(CPPUNIT_CFLAGS)
t_unit_spool_tests_LDADD = libspool.a libmessage.a libbase.a $(BASE_LIBS) $(CPPUNIT_LIBS)
