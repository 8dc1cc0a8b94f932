noinst_LIBRARIES += libspool.a
libspool_a_SOURCES = \
	src/spool/batch_recovery.cc src/spool/batch_recovery.h \
	src/spool/batches.cc src/spool/batches.h \
	src/spool/commit_queue.cc src/spool/commit_queue.h \
	src/spool/commit_record.cc src/spool/commit_record.h \
	src/spool/committer_compaction.cc \
	src/spool/compactor.cc src/spool/compactor.h \
	src/spool/content_filter.cc src/spool/content_filter.h \
	src/spool/copy_record.cc src/spool/copy_record.h \
	src/spool/committer.cc src/spool/committer.h \
	src/spool/committer_segments.cc \
	src/spool/file_ops.cc src/spool/file_ops.h \
	src/spool/health.h \
	src/spool/index.cc src/spool/index.h \
	src/spool/index_copies.cc src/spool/index_plans.cc src/spool/index_states.cc \
	src/spool/intake.cc src/spool/intake.h \
	src/spool/journal.cc src/spool/journal.h \
	src/spool/large_body.cc src/spool/large_body.h \
	src/spool/large_files.cc src/spool/large_files.h \
	src/spool/limits.h \
	src/spool/log_spool.cc src/spool/log_spool.h \
	src/spool/message_codec.cc src/spool/message_codec.h \
	src/spool/message_reader.cc src/spool/message_reader.h \
	src/spool/open_batch.cc src/spool/open_batch.h \
	src/spool/pair.cc src/spool/pair.h \
	src/spool/pair_folder.cc src/spool/pair_folder.h \
	src/spool/pair_json.cc src/spool/pair_json.h \
	src/spool/range_reader.cc src/spool/range_reader.h \
	src/spool/read_only_files.cc src/spool/read_only_files.h \
	src/spool/receipts.cc src/spool/receipts.h \
	src/spool/record.cc src/spool/record.h \
	src/spool/recovery.cc src/spool/recovery.h \
	src/spool/resident.cc src/spool/resident.h \
	src/spool/segment_files.cc src/spool/segment_files.h \
	src/spool/segment_reader.cc src/spool/segment_reader.h \
	src/spool/segment_writer.cc src/spool/segment_writer.h \
	src/spool/spool.h \
	src/spool/survey.cc src/spool/survey.h \
	src/spool/turns.h \
	src/spool/view.cc src/spool/view.h \
	src/spool/wire.h
