noinst_LIBRARIES += libdelivery.a
libdelivery_a_SOURCES = \
	src/delivery/ages.cc src/delivery/ages.h \
	src/delivery/arrivals.cc src/delivery/arrivals.h \
	src/delivery/backlog.cc src/delivery/backlog.h \
	src/delivery/blackhole.cc src/delivery/blackhole.h \
	src/delivery/bounce.cc src/delivery/bounce.h \
	src/delivery/clerk.cc src/delivery/clerk.h \
	src/delivery/clerk_impl.h src/delivery/clerk_reading.cc \
	src/delivery/courier.cc src/delivery/courier.h \
	src/delivery/dispatcher.cc src/delivery/dispatcher.h \
	src/delivery/ecstream_bodies.cc \
	src/delivery/ecstream_courier.cc src/delivery/ecstream_courier.h \
	src/delivery/ecstream_ends.cc \
	src/delivery/errand.h \
	src/delivery/durable_names.cc src/delivery/durable_names.h \
	src/delivery/failures.cc src/delivery/failures.h \
	src/delivery/gateway.cc src/delivery/gateway.h \
	src/delivery/hop.cc src/delivery/hop.h \
	src/delivery/hop_addresses.cc src/delivery/hop_impl.h \
	src/delivery/hop_protected.cc src/delivery/hop_turns.cc \
	src/delivery/ledger.cc src/delivery/ledger.h \
	src/delivery/ledger_impl.h \
	src/delivery/ledger_reports.cc \
	src/delivery/letter.cc src/delivery/letter.h \
	src/delivery/maildir.cc src/delivery/maildir.h \
	src/delivery/maildir_path.cc src/delivery/maildir_path.h \
	src/delivery/mailroom.cc src/delivery/mailroom.h \
	src/delivery/note_reader.cc src/delivery/note_reader.h \
	src/delivery/office.h \
	src/delivery/parcel.cc src/delivery/parcel.h \
	src/delivery/silent_addresses.h src/delivery/slots.h \
	src/delivery/resumption.cc src/delivery/resumption.h \
	src/delivery/rerouting.cc src/delivery/rerouting.h \
	src/delivery/router.cc src/delivery/router.h \
	src/delivery/smtp_courier.cc src/delivery/smtp_courier.h \
	src/delivery/stream_job.cc src/delivery/stream_job.h \
	src/delivery/stream_login.cc src/delivery/stream_login.h \
	src/delivery/stream_pool.h \
	src/delivery/throttles.cc src/delivery/throttles.h \
	src/delivery/token_bucket.cc src/delivery/token_bucket.h \
	src/delivery/ways.cc src/delivery/ways.h \
	src/delivery/plain_addresses.h \
	src/delivery/porter.cc src/delivery/porter.h \
	src/delivery/route.cc src/delivery/route.h \
	src/delivery/route_view.h \
	src/delivery/workers.cc src/delivery/workers.h
