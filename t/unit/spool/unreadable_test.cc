// What is no damage, and yet cannot be read: segments and fields of a newer
// version, and sectors that do not answer now. Nothing of it is lost.
#include "damage_kit.h"

#include "spool/message_codec.h"

#include "base/crc32c.h"

#include <cerrno>

using namespace impulse;
using namespace impulse::spool;

namespace {

class UnreadableTest : public kit::DamageFixture {
  CPPUNIT_TEST_SUITE(UnreadableTest);
  CPPUNIT_TEST(newer_versions_are_refused);
  CPPUNIT_TEST(unknown_fields_are_skipped);
  CPPUNIT_TEST(a_field_of_a_newer_version_stops_the_start);
  CPPUNIT_TEST(what_cannot_be_read_now_stays);
  CPPUNIT_TEST(what_is_read_later_goes_with_all_of_it);
  CPPUNIT_TEST(a_scan_of_what_cannot_be_read_loses_nothing);
  CPPUNIT_TEST(a_file_that_cannot_be_read_stays);
  CPPUNIT_TEST(whatever_the_disk_calls_it);
  CPPUNIT_TEST(one_line_for_many);
  CPPUNIT_TEST_SUITE_END();

  void newer_versions_are_refused() {
    fill(true);
    SegmentHeader header = *SegmentHeader::decode(content_);
    header.version = newest_format + 1;
    put_back(header.encode() + content_.substr(segment_header_size));
    const auto spool = kit::try_open(disk_, settings_, tuning_);
    CPPUNIT_ASSERT(!spool && spool.error().code == Errc::unavailable);
    CPPUNIT_ASSERT(spool.error().message.find("newer version") != std::string::npos);
  }

  void unknown_fields_are_skipped() {
    std::string meta(
        "\x02\x01"
        "a"
        "\x7F\x02"
        "zz"
        "\x01\x01"
        "s",
        10);
    const auto decoded = decode_message(meta);
    CPPUNIT_ASSERT(decoded && decoded->envelope.sender == "s" && decoded->envelope.recipients.size() == 1);
    CPPUNIT_ASSERT(decode_message(meta + "\x80").error().code == Errc::invalid);  // cut short
    CPPUNIT_ASSERT(decode_message(meta + std::string("\xFF\x00", 2)).error().code == Errc::unavailable);
    CPPUNIT_ASSERT(!decode_message(""));
    for (size_t size = 0; size < meta.size(); ++size) (void)decode_message(meta.substr(0, size));  // no crash
    CPPUNIT_ASSERT(
        !decode_message(std::string("\x02\x01"
                                    "a"
                                    "\x03\x01\x09",
                                    6)));  // no such body type
    CPPUNIT_ASSERT(
        !decode_message(std::string("\x02\x01"
                                    "a"
                                    "\x0A\x04\x05\0\0\0",
                                    9)));  // id outside of the trace
    CPPUNIT_ASSERT(
        !decode_message(std::string("\x02\x01"
                                    "a"
                                    "\x06\x05"
                                    "12345",
                                    10)));  // no address has 5 bytes
    CPPUNIT_ASSERT(!decode_message(std::string("\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 8)));
  }

  void a_field_of_a_newer_version_stops_the_start() {
    for (const bool sealed : {true, false}) {
      fill(sealed);
      const MessageId victim = std::next(bodies_.begin())->first;
      std::string changed = content_;
      auto header = *RecordHeader::decode(std::string_view(changed).substr(victim.offset));
      const size_t at = victim.offset + record_header_size;
      const size_t field = changed.find("client.example", at) - 2;  // tag, length, value
      CPPUNIT_ASSERT_EQUAL('\x07', changed[field]);
      changed[field] = '\xF0';
      header.meta_crc = crc32c(0, std::string_view(changed).substr(at, header.meta_length));
      header.encode(changed.data() + victim.offset);
      put_back(changed);
      const auto spool = kit::try_open(disk_, settings_, tuning_);
      CPPUNIT_ASSERT(!spool && spool.error().code == Errc::unavailable);
      CPPUNIT_ASSERT(spool.error().message.starts_with(path_.substr(7)));
      CPPUNIT_ASSERT(spool.error().message.find("newer version") != std::string::npos);
      CPPUNIT_ASSERT(disk_->names("/spool/quarantine").empty());
      // A version that knows it finds all that was there.
      disk_->set_content(path_, content_);
      CPPUNIT_ASSERT_EQUAL(bodies_.size(), intact(open()));
    }
  }

  // Fails to read [from, to) of the segment, until it is told otherwise.
  void bad_sector(uint64_t from, uint64_t to) {
    disk_->set_read_fault([path = path_, from, to](const std::string& file, uint64_t begin, uint64_t end) {
      return file == path && begin < to && end > from ? EIO : 0;
    });
  }

  void what_cannot_be_read_now_stays() {
    fill(true, {kit::noise(9000, 1), kit::noise(9000, 2), kit::noise(9000, 3)});
    const MessageId victim = std::next(bodies_.begin())->first;
    put_back(content_);
    MessageId with_rest;
    {
      auto spool = open();
      bodies_[kit::accept(*spool, kit::message(kit::noise(9000, 4), 2))] = kit::noise(9000, 4);
      auto large = kit::message("head", 2);
      large->rest = std::move(*spool->stream());
      CPPUNIT_ASSERT(large->rest->append("rest").has_value());
      with_rest = kit::accept(*spool, large);
      bodies_[with_rest] = "headrest";
      bodies_[kit::accept(*spool, kit::message(kit::noise(9000, 5), 2))] = kit::noise(9000, 5);
    }
    const auto bad_head = [&](MessageId id) {
      bad_sector(id.offset + record_header_size, id.offset + record_header_size + 8);
    };
    for (const MessageId id : {with_rest, victim}) {
      path_ = "/spool/" + segment_name(id.segment);
      bad_head(id);
      {
        auto spool = open();
        CPPUNIT_ASSERT_EQUAL(bodies_.size() - 1, spool.live.size());
        CPPUNIT_ASSERT_EQUAL(uint64_t{bodies_.size()}, spool->status().messages);
        CPPUNIT_ASSERT_EQUAL(size_t{1}, spool.report.notes.size());
        CPPUNIT_ASSERT(spool.report.notes[0].find("next start") != std::string::npos);
        CPPUNIT_ASSERT(disk_->names("/spool/quarantine").empty());
        CPPUNIT_ASSERT_EQUAL(size_t{1}, disk_->names("/spool/large").size());
      }
      disk_->set_read_fault(nullptr);
      CPPUNIT_ASSERT_EQUAL(bodies_.size(), intact(open()));
    }
  }

  // The rest of its body too, without waiting for a start.
  void what_is_read_later_goes_with_all_of_it() {
    fill(true);
    put_back(content_);
    MessageId with_rest;
    {
      auto spool = open();
      kit::accept(*spool, kit::message(kit::noise(9000, 4)));  // its header lies in other sectors
      auto large = kit::message("head", 2);
      large->rest = std::move(*spool->stream());
      CPPUNIT_ASSERT(large->rest->append("rest").has_value());
      with_rest = kit::accept(*spool, large);
      kit::accept(*spool, kit::message(kit::noise(9000, 5)));
    }
    path_ = "/spool/" + segment_name(with_rest.segment);
    bad_sector(with_rest.offset + record_header_size, with_rest.offset + record_header_size + 8);
    auto spool = open();
    CPPUNIT_ASSERT(spool->summary(with_rest).error().code == Errc::io);
    disk_->set_read_fault(nullptr);
    for (int again = 0; again < 2; ++again) {
      const auto summary = spool->summary(with_rest);
      CPPUNIT_ASSERT(summary && summary->states.size() == 2);
    }
    CPPUNIT_ASSERT_EQUAL(std::string("headrest"), spool->read(with_rest)->body);
    for (uint32_t i = 0; i < 2; ++i)
      CPPUNIT_ASSERT(kit::record(*spool, with_rest, i, kit::outcome(State::delivered)).has_value());
    CPPUNIT_ASSERT(spool->summary(with_rest).error().code == Errc::not_found);
    spool.spool.reset();
    CPPUNIT_ASSERT(disk_->names("/spool/large").empty());
  }

  // What the scan makes of it counts for this start only: no footer, no checkpoint, no removal.
  void a_scan_of_what_cannot_be_read_loses_nothing() {
    fill(false, {kit::noise(9000, 1), kit::noise(9000, 2), kit::noise(9000, 3)});
    for (const uint64_t offset : {uint64_t{std::next(bodies_.begin())->first.offset} + 5000, uint64_t{0}}) {
      put_back(content_);
      bad_sector(offset, offset + 1);
      size_t delivered = 0;
      {
        auto spool = open();
        delivered = spool.live.size();
        CPPUNIT_ASSERT_EQUAL(bodies_.size() - 1, delivered);
        for (const Summary& summary : spool.live)
          for (uint32_t i = 0; i < 2; ++i) kit::record(*spool, summary.id, i, kit::outcome(State::delivered));
        kit::settle(*spool);
        CPPUNIT_ASSERT(disk_->content(path_) == content_);
      }
      disk_->set_read_fault(nullptr);
      CPPUNIT_ASSERT_EQUAL(bodies_.size() - delivered, intact(open()));
    }
  }

  void a_file_that_cannot_be_read_stays() {
    fill(true);
    put_back(content_);
    bad_sector(0, content_.size());
    {
      auto spool = open();
      CPPUNIT_ASSERT(spool.live.empty());
      CPPUNIT_ASSERT_EQUAL(size_t{1}, spool.report.notes.size());
      CPPUNIT_ASSERT(spool.report.notes[0].starts_with(path_.substr(7)));
      CPPUNIT_ASSERT(spool.report.notes[0].find("next start") != std::string::npos);
      kit::accept(*spool, kit::message("other", 2));
      kit::settle(*spool);
    }
    CPPUNIT_ASSERT(disk_->content(path_) == content_);
    CPPUNIT_ASSERT(disk_->names("/spool/quarantine").empty());
    disk_->set_read_fault(nullptr);
    CPPUNIT_ASSERT_EQUAL(bodies_.size() + 1, open().live.size());
  }

  // Also as the end of a file could be called, or a medium that is gone.
  void whatever_the_disk_calls_it() {
    fill(true);
    const uint64_t at = std::next(bodies_.begin())->first.offset + record_header_size;
    for (const int error : {ENODATA, EIO, ENXIO, EREMOTEIO}) {
      put_back(content_);
      disk_->set_read_fault([this, at, error](const std::string& file, uint64_t from, uint64_t to) {
        return file == path_ && from < at + 8 && to > at && from > 0 && to < content_.size() ? error : 0;
      });
      CPPUNIT_ASSERT_EQUAL(bodies_.size() - 1, open().live.size());
      CPPUNIT_ASSERT(disk_->names("/spool/quarantine").empty());
      disk_->set_read_fault(nullptr);
      CPPUNIT_ASSERT_EQUAL(bodies_.size(), intact(open()));
    }
  }

  // When a segment does not read any more after its footer did.
  void one_line_for_many() {
    fill(true, std::vector<std::string>(50, "body"));
    put_back(content_);
    const uint64_t end = bodies_.rbegin()->first.offset + record_header_size;
    disk_->set_read_fault([this, end](const std::string& file, uint64_t from, uint64_t) {
      return file == path_ && from >= bodies_.begin()->first.offset && from <= end ? EIO : 0;
    });
    {
      auto spool = open();
      CPPUNIT_ASSERT(spool.live.empty());
      CPPUNIT_ASSERT_EQUAL(uint64_t{50}, spool->status().messages);
      CPPUNIT_ASSERT_EQUAL(size_t{2}, spool.report.notes.size());
      CPPUNIT_ASSERT(spool.report.notes[0].find("next start") != std::string::npos);
      CPPUNIT_ASSERT(spool.report.notes[1].find("50 messages") != std::string::npos);
    }
    disk_->set_read_fault(nullptr);
    CPPUNIT_ASSERT_EQUAL(bodies_.size(), intact(open()));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(UnreadableTest);

}  // namespace
