// Damage: torn tails, flipped bytes, forged records. Never a wrong byte
// delivered, never a crash, neighbours unharmed.
#include "damage_kit.h"

#include "base/crc32c.h"

#include <algorithm>

using namespace impulse;
using namespace impulse::spool;
using kit::Call;

namespace {

class DamageTest : public kit::DamageFixture {
  CPPUNIT_TEST_SUITE(DamageTest);
  CPPUNIT_TEST(torn_at_every_byte);
  CPPUNIT_TEST(torn_with_garbage_behind);
  CPPUNIT_TEST(every_byte_flipped_open_segment);
  CPPUNIT_TEST(every_byte_flipped_sealed_segment);
  CPPUNIT_TEST(damaged_body_is_kept_aside);
  CPPUNIT_TEST(damage_found_at_reading);
  CPPUNIT_TEST(damaged_metadata_of_a_sealed_segment);
  CPPUNIT_TEST(forged_records_in_a_body_stay_a_body);
  CPPUNIT_TEST(header_lost);
  CPPUNIT_TEST(nothing_left);
  CPPUNIT_TEST(a_file_shorter_than_a_header);
  CPPUNIT_TEST(quarantine_that_fails_pins_the_segment);
  CPPUNIT_TEST(a_copy_that_fails_pins_the_segment);
  CPPUNIT_TEST(dropped_when_that_is_wanted);
  CPPUNIT_TEST_SUITE_END();

  void torn_at_every_byte() {
    fill(false);
    std::vector<uint64_t> ends;
    for (const auto& [id, body] : bodies_) {
      const auto header = RecordHeader::decode(std::string_view(content_).substr(id.offset));
      ends.push_back(id.offset + header->content_size());
    }
    for (size_t size = 0; size <= content_.size(); ++size) {
      put_back(content_.substr(0, size));
      auto spool = open();
      const auto whole =
          static_cast<size_t>(std::count_if(ends.begin(), ends.end(), [&](uint64_t end) { return end <= size; }));
      CPPUNIT_ASSERT_EQUAL(whole, spool.live.size());
      CPPUNIT_ASSERT_EQUAL(whole, intact(spool));
      CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool.report.damaged);
      if (size % 4 != 0) continue;
      // It goes on from there.
      kit::accept(*spool, kit::message("more"));
      spool.spool.reset();
      CPPUNIT_ASSERT_EQUAL(whole + 1, open().live.size());
    }
  }

  void torn_with_garbage_behind() {
    fill(false);
    for (size_t cut = bodies_.rbegin()->first.offset; cut < content_.size(); cut += 13) {
      put_back(content_.substr(0, cut) + kit::noise(5000, static_cast<unsigned>(cut)));
      auto spool = open();
      CPPUNIT_ASSERT(spool.live.size() >= bodies_.size() - 1);
      CPPUNIT_ASSERT_EQUAL(spool.live.size(), intact(spool));
      CPPUNIT_ASSERT(spool.report.torn_bytes > 0);
      CPPUNIT_ASSERT(!disk_->names("/spool/quarantine").empty());
      spool.spool.reset();
      CPPUNIT_ASSERT_EQUAL(uint64_t{0}, open().report.torn_bytes);
    }
  }

  void flip_every_byte() {
    for (size_t at = 0; at < content_.size(); ++at) {
      std::string changed = content_;
      changed[at] = static_cast<char>(changed[at] ^ (at % 3 == 0 ? 0xFF : 1 << at % 8));
      put_back(changed);
      auto spool = open();
      CPPUNIT_ASSERT_MESSAGE(std::to_string(at), intact(spool) + 1 >= bodies_.size());
      // Nothing is lost without a word.
      if (intact(spool) < bodies_.size()) {
        CPPUNIT_ASSERT(spool.live.size() == bodies_.size() || spool.report.damaged + spool.report.torn_bytes > 0);
        CPPUNIT_ASSERT_EQUAL(size_t{1}, disk_->names("/spool/quarantine").size());
      }
      if (at % 4 != 0) continue;
      const size_t live = spool.live.size();
      spool.spool.reset();
      auto again = open();
      CPPUNIT_ASSERT_EQUAL(live, again.live.size());
      CPPUNIT_ASSERT_EQUAL(uint64_t{0}, again.report.damaged + again.report.torn_bytes);
    }
  }
  void every_byte_flipped_open_segment() {
    fill(false);
    flip_every_byte();
  }
  void every_byte_flipped_sealed_segment() {
    fill(true);
    flip_every_byte();
  }

  void damaged_body_is_kept_aside() {
    fill(false);
    const MessageId victim = std::next(bodies_.begin())->first;
    const size_t at = content_.find("bbbb");
    std::string changed = content_;
    changed[at + 40] = 'X';
    put_back(changed);
    auto spool = open();
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool.report.damaged);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, spool.report.notes.size());
    CPPUNIT_ASSERT_EQUAL(bodies_.size() - 1, spool.live.size());
    CPPUNIT_ASSERT(spool->read(victim).error().code == Errc::not_found);
    const std::string name = fmt::format("{:08X}-{:08X}.bad", victim.segment, victim.offset);
    CPPUNIT_ASSERT(disk_->names("/spool/quarantine") == std::vector{name});
    const std::string kept = disk_->content("/spool/quarantine/" + name);
    CPPUNIT_ASSERT(kept == changed.substr(victim.offset, kept.size()));
    CPPUNIT_ASSERT(kept.ends_with("bbbb"));
  }

  void damage_found_at_reading() {
    fill(true);
    const MessageId victim = std::next(bodies_.begin())->first;
    std::string changed = content_;
    changed[content_.find("bbbb") + 40] = 'X';
    put_back(changed);
    auto spool = open();
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool.report.footers_used);
    CPPUNIT_ASSERT_EQUAL(bodies_.size(), spool.live.size());
    for (int i = 0; i < 3; ++i) CPPUNIT_ASSERT(spool->read(victim).error().code == Errc::invalid);
    CPPUNIT_ASSERT(spool->summary(victim));  // there is someone to tell
    CPPUNIT_ASSERT_EQUAL(size_t{1}, log_.count("body is damaged"));
    CPPUNIT_ASSERT_EQUAL(size_t{0}, log_.count("spool: "));  // the log says whose line it is
    CPPUNIT_ASSERT_EQUAL(size_t{1}, disk_->names("/spool/quarantine").size());
    for (uint32_t i = 0; i < 2; ++i) CPPUNIT_ASSERT(kit::record(*spool, victim, i, kit::outcome(State::failed)));
    CPPUNIT_ASSERT_EQUAL(uint64_t{bodies_.size() - 1}, spool->status().messages);
  }

  void damaged_metadata_of_a_sealed_segment() {
    fill(true);
    std::string changed = content_;
    changed[content_.find("sender@", std::next(bodies_.begin())->first.offset)] = 'X';
    put_back(changed);
    {
      auto spool = open();
      CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool.report.footers_used);
      CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool.report.damaged);
      CPPUNIT_ASSERT_EQUAL(bodies_.size() - 1, spool.live.size());
    }
    // Once is enough: it is finished now.
    auto spool = open();
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool.report.damaged);
    CPPUNIT_ASSERT_EQUAL(bodies_.size() - 1, spool.live.size());
  }

  void forged_records_in_a_body_stay_a_body() {
    // The sender knows the format, learns the segment and offset of what went
    // before, and its record in front is damaged, so that the search for the
    // next record goes right through his body.
    MessageId before;
    {
      auto spool = open();
      before = kit::accept(*spool, kit::message("before", 2));
      std::string meta;
      encode_for_forgery(meta);
      std::string body(6144, ' ');
      for (uint32_t at = 0; at + 8 * 64 < 6144; at += 8) {
        RecordHeader forged;
        forged.segment = before.segment;
        forged.nonce = before.segment;  // which he cannot know
        forged.offset = before.offset + 400 + at;
        forged.meta_length = static_cast<uint32_t>(meta.size());
        forged.meta_crc = crc32c(0, meta);
        std::string record(record_header_size, '\0');
        forged.encode(record.data());
        record += meta;
        if (at % 512 == 0) body.replace(at + at / 512, record.size(), record);  // one of them is aligned
      }
      bodies_[kit::accept(*spool, kit::message(body, 2))] = body;
      bodies_[kit::accept(*spool, kit::message("after", 2))] = "after";
      disk_->die_now();
    }
    bodies_[before] = "before";
    disk_->restart(false);
    path_ = "/spool/" + segment_name(before.segment);
    std::string changed = disk_->content(path_);
    changed[std::next(bodies_.begin())->first.offset + 10] = 'X';
    put_back(changed);
    auto spool = open();
    CPPUNIT_ASSERT_EQUAL(size_t{2}, spool.live.size());
    CPPUNIT_ASSERT_EQUAL(size_t{2}, intact(spool));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool.report.damaged);
  }
  static void encode_for_forgery(std::string& meta) {
    // tag 2: a recipient
    meta = std::string("\x02\x07") + "a@b.com";
  }

  void header_lost() {
    for (const bool sealed : {false, true}) {
      fill(sealed);
      std::string changed = content_;
      std::fill_n(changed.begin(), segment_header_size, '\xAA');
      put_back(changed);
      auto spool = open();
      CPPUNIT_ASSERT_EQUAL(bodies_.size(), intact(spool));
      // With the first record too.
      std::fill_n(changed.begin(), segment_header_size + 20, '\xAA');
      put_back(changed);
      spool = open();
      CPPUNIT_ASSERT_EQUAL(bodies_.size() - 1, intact(spool));
      CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool.report.damaged);
    }
  }

  void dropped_when_that_is_wanted() {
    settings_.unlink_damaged = true;
    for (const bool sealed : {false, true}) {
      fill(sealed);
      std::string changed = content_;
      changed[content_.find("first body")] ^= 1;
      put_back(changed);
      disk_->set_content("/spool/00000003.seg", kit::noise(500, 1));
      auto spool = open();
      CPPUNIT_ASSERT_EQUAL(bodies_.size() - 1, intact(spool));
      CPPUNIT_ASSERT_EQUAL(uint64_t{sealed ? 1U : 2U}, spool.report.damaged);
      if (sealed) log_.wait_for("body is damaged; dropped");
      CPPUNIT_ASSERT(disk_->names("/spool/quarantine").empty());
      const auto names = disk_->names("/spool");
      CPPUNIT_ASSERT(std::find(names.begin(), names.end(), "00000003.seg") == names.end());
      // Until it is not.
      if (sealed) continue;
      spool.spool.reset();
      settings_.unlink_damaged = false;
      put_back(changed);
      open();
      CPPUNIT_ASSERT(!disk_->names("/spool/quarantine").empty());
      settings_.unlink_damaged = true;
    }
  }

  void nothing_left() {
    fill(false);
    put_back(kit::noise(9000, 5));
    disk_->set_content("/spool/00000001.seg", "");
    disk_->set_content("/spool/00000002.seg", "IMPULSEG");
    disk_->set_content("/spool/notes.txt", "not ours");
    auto spool = open();
    CPPUNIT_ASSERT(spool.live.empty());
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool.report.damaged);
    CPPUNIT_ASSERT_EQUAL(size_t{2}, disk_->names("/spool/quarantine").size());
    CPPUNIT_ASSERT_EQUAL(size_t{3}, spool.report.notes.size());
    CPPUNIT_ASSERT(kit::accept(*spool, kit::message("x")).segment > bodies_.begin()->first.segment);
    kit::settle(*spool);
    // The empty one is swept out, what is not ours is left alone.
    CPPUNIT_ASSERT(disk_->content("/spool/notes.txt") == "not ours");
    const auto names = disk_->names("/spool");
    CPPUNIT_ASSERT(std::find(names.begin(), names.end(), "00000001.seg") == names.end());
  }

  void a_file_shorter_than_a_header() {
    path_ = "/spool/70000002.seg";
    const auto quarantined = [&] { return disk_->content("/spool/quarantine/70000002.seg.bad"); };
    const auto note = [&](const kit::Opened& spool) { return spool.report.notes.at(0); };
    for (const std::string& bytes : {std::string("garbage"), std::string(64, 'x'), std::string("\0\0x", 3)}) {
      put_back(bytes);
      auto spool = open();
      CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool.report.damaged);
      CPPUNIT_ASSERT(note(spool).starts_with("70000002.seg: neither"));
      CPPUNIT_ASSERT(quarantined() == bytes);
      // Its number is not used again.
      CPPUNIT_ASSERT(kit::accept(*spool, kit::message("x")).segment > 0x70000002);
    }
    // What a stop while the header was written may leave is no damage, but it is told.
    for (const std::string& bytes : {std::string("I"), std::string("IMPULSEG\1\0", 10), std::string(64, '\0')}) {
      put_back(bytes);
      const auto spool = open();
      CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool.report.damaged);
      CPPUNIT_ASSERT_EQUAL(uint64_t{bytes.size()}, spool.report.torn_bytes);
      CPPUNIT_ASSERT(note(spool).find("torn") != std::string::npos);
      CPPUNIT_ASSERT(quarantined() == bytes);
    }
    put_back("");
    const auto spool = open();
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool.report.damaged + spool.report.torn_bytes);
    CPPUNIT_ASSERT(note(spool).starts_with("70000002.seg: empty"));
    CPPUNIT_ASSERT(disk_->names("/spool/quarantine").empty());
  }

  void quarantine_that_fails_pins_the_segment() {
    fill(false);
    std::string changed = content_;
    changed[content_.find("bbbb") + 40] = 'X';
    put_back(changed);
    // The lock is made first, then a segment for new mail, then the copy.
    disk_->set_fault(
        [made = 0](Call call, uint64_t) mutable { return call == Call::open && ++made == 3 ? ENOSPC : 0; });
    auto spool = open();
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool.report.damaged);
    CPPUNIT_ASSERT(disk_->names("/spool/quarantine").empty());
    for (const Summary& summary : spool.live)
      for (uint32_t i = 0; i < 2; ++i) kit::record(*spool, summary.id, i, kit::outcome(State::delivered));
    kit::settle(*spool);
    CPPUNIT_ASSERT(disk_->content(path_) == changed);
  }

  // Of a body that is found damaged when it is read.
  void a_copy_that_fails_pins_the_segment() {
    for (const bool again : {false, true}) {
      fill(true);
      const MessageId victim = std::next(bodies_.begin())->first;
      std::string changed = content_;
      changed[content_.find("bbbb") + 40] = 'X';
      put_back(changed);
      auto spool = open();
      disk_->set_fault([](Call call, uint64_t) { return call == Call::open ? ENOSPC : 0; });
      CPPUNIT_ASSERT(spool->read(victim).error().code == Errc::invalid);
      CPPUNIT_ASSERT_EQUAL(size_t{0}, disk_->names("/spool/quarantine").size());
      disk_->set_fault(nullptr);
      if (again) {
        CPPUNIT_ASSERT(spool->read(victim).error().code == Errc::invalid);
        CPPUNIT_ASSERT_EQUAL(size_t{1}, disk_->names("/spool/quarantine").size());
      }
      for (const auto& [id, body] : bodies_)
        for (uint32_t i = 0; i < 2; ++i) kit::record(*spool, id, i, kit::outcome(State::failed));
      CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool->status().messages);
      kit::settle(*spool);
      CPPUNIT_ASSERT(disk_->content(path_) == changed);
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(DamageTest);

}  // namespace
