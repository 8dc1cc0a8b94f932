// Bodies too large for memory: on the disk while they arrive, there with their
// message after any end, gone with it, and never in its way.
#include "fake_disk.h"
#include "kit.h"
#include "spool/large_files.h"

#include <algorithm>
#include <atomic>

using namespace impulse;
using namespace impulse::spool;
using kit::Call;
using kit::FakeDisk;

namespace {

class LargeTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(LargeTest);
  CPPUNIT_TEST(streams_and_reads_back);
  CPPUNIT_TEST(any_cutting_gives_the_same);
  CPPUNIT_TEST(opened_it_is_read_in_pieces);
  CPPUNIT_TEST(opened_it_outlives_its_name);
  CPPUNIT_TEST(opened_and_damaged_since);
  CPPUNIT_TEST(on_a_real_disk);
  CPPUNIT_TEST(goes_with_the_last_recipient);
  CPPUNIT_TEST(abandoned_goes);
  CPPUNIT_TEST(survives_restarts);
  CPPUNIT_TEST(orphans_go_at_the_start);
  CPPUNIT_TEST(orphans_are_kept_beside_damage);
  CPPUNIT_TEST(foreign_files_stay);
  CPPUNIT_TEST(full_disk_refuses_and_removes);
  CPPUNIT_TEST(min_free_stops_what_is_under_way);
  CPPUNIT_TEST(failed_sync_refuses);
  CPPUNIT_TEST(failed_record_refuses_and_removes);
  CPPUNIT_TEST(missing_short_or_damaged_is_damage_at_the_start);
  CPPUNIT_TEST(damage_found_when_it_is_read);
  CPPUNIT_TEST(damage_that_cannot_be_kept_aside_stays);
  CPPUNIT_TEST(what_cannot_be_read_now_is_no_damage);
  CPPUNIT_TEST(sink_of_another_spool);
  CPPUNIT_TEST(empty_rest);
  CPPUNIT_TEST(others_do_not_wait);
  CPPUNIT_TEST(no_sync_when_told_so);
  CPPUNIT_TEST(names);
  CPPUNIT_TEST_SUITE_END();

  std::shared_ptr<FakeDisk> disk_ = std::make_shared<FakeDisk>(1);
  kit::Log log_;
  Settings settings_{.base = "/spool", .min_free_percent = 0};
  Tuning tuning_{.zero_ahead = 4096,
                 .large_block = 500,
                 .probe_every = Duration(1000),
                 .space_every = Duration(1000),
                 .seconds = nullptr};

  kit::Opened open() { return kit::open(disk_, settings_, tuning_, log_.sink()); }
  size_t files() const { return disk_->names("/spool/large").size(); }
  std::string only_file() const {
    const auto names = disk_->names("/spool/large");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, names.size());
    return "/spool/large/" + names[0];
  }

  static std::shared_ptr<Incoming> streamed(Spool& spool, std::string_view body, size_t kept = 10, size_t piece = 77,
                                            size_t recipients = 1) {
    auto incoming = kit::message(body.substr(0, kept), recipients);
    auto sink = spool.stream();
    CPPUNIT_ASSERT_MESSAGE(sink ? "" : sink.error().message, sink.has_value());
    for (std::string_view rest = body.substr(kept); !rest.empty(); rest.remove_prefix(std::min(piece, rest.size())))
      CPPUNIT_ASSERT((*sink)->append(rest.substr(0, piece)).has_value());
    CPPUNIT_ASSERT_EQUAL(static_cast<uint64_t>(body.size() - kept), (*sink)->size());
    incoming->rest = std::move(*sink);
    CPPUNIT_ASSERT_EQUAL(static_cast<uint64_t>(body.size()), incoming->body_size());
    return incoming;
  }

  void streams_and_reads_back() {
    const std::string body = kit::noise(100000, 1);
    auto spool = open();
    const MessageId id = kit::accept(*spool, streamed(*spool, body));
    const auto stored = spool->read(id);
    CPPUNIT_ASSERT(stored && stored->body == body);
    CPPUNIT_ASSERT_EQUAL(stored->size(), spool->summary(id)->size);
    CPPUNIT_ASSERT(stored->trace.contains(id.to_string("mx1")));
    CPPUNIT_ASSERT_EQUAL(body.substr(10), disk_->content(only_file()));
    CPPUNIT_ASSERT(spool->status().bytes > body.size());
  }

  void any_cutting_gives_the_same() {
    const std::string body = kit::noise(5000, 2);
    auto spool = open();
    for (const size_t kept : {0UL, 1UL, 4999UL})
      for (const size_t piece : {1UL, 499UL, 500UL, 501UL, 5000UL}) {
        const MessageId id = kit::accept(*spool, streamed(*spool, body, kept, piece));
        CPPUNIT_ASSERT(spool->read(id)->body == body);
      }
  }

  static Result<std::string> all_of(const message::BodySource& source) {
    const auto reader = source.reader();
    std::string all;
    for (;;) {
      const auto piece = reader->next();
      if (!piece) return std::unexpected(piece.error());
      if (piece->empty()) return all;
      CPPUNIT_ASSERT(piece->size() <= 1 << 20);
      all += *piece;
    }
  }

  void opened_it_is_read_in_pieces() {
    const std::string body = kit::noise(700000, 5);
    auto spool = open();
    const MessageId id = kit::accept(*spool, streamed(*spool, body, 100, 10000));
    const auto stored = spool->open(id);
    CPPUNIT_ASSERT(stored && stored->rest && stored->body == body.substr(0, 100));
    CPPUNIT_ASSERT_EQUAL(spool->summary(id)->size, stored->size());
    // As often as one likes.
    for (int i = 0; i < 2; ++i) CPPUNIT_ASSERT(all_of(*stored->rest).value() == body.substr(100));
    const MessageId small = kit::accept(*spool, kit::message("small"));
    CPPUNIT_ASSERT(!spool->open(small)->rest && spool->open(small)->body == "small");
  }

  void opened_it_outlives_its_name() {
    const std::string body = kit::noise(3000, 6);
    auto spool = open();
    const MessageId id = kit::accept(*spool, streamed(*spool, body));
    const auto stored = spool->open(id);
    CPPUNIT_ASSERT(kit::record(*spool, id, 0, kit::outcome(State::delivered)));
    spool.spool.reset();
    CPPUNIT_ASSERT_EQUAL(size_t{0}, files());
    CPPUNIT_ASSERT(all_of(*stored->rest).value() == body.substr(10));
  }

  // What was sound when it was opened is found damaged before its last piece is given.
  void opened_and_damaged_since() {
    auto spool = open();
    const MessageId id = kit::accept(*spool, streamed(*spool, kit::noise(3000, 7)));
    const auto stored = spool->open(id);
    CPPUNIT_ASSERT(stored);
    disk_->spoil(only_file(), 1000);
    const auto all = all_of(*stored->rest);
    CPPUNIT_ASSERT(!all && all.error().code == Errc::invalid);
    const auto reader = stored->rest->reader();
    Result<std::string_view> piece = reader->next();
    while (piece && !piece->empty()) piece = reader->next();
    CPPUNIT_ASSERT(!piece && !reader->next());  // nor later
    const auto again = spool->open(id);
    CPPUNIT_ASSERT(!again && again.error().code == Errc::invalid);
    CPPUNIT_ASSERT_EQUAL(size_t{0}, files());  // kept aside, as by read()
  }

  void on_a_real_disk() {
    const kit::Folder folder;
    settings_.base = folder.path();
    const std::string body = kit::noise(5 << 20, 3);
    MessageId id;
    {
      auto spool = kit::open(settings_);
      id = kit::accept(*spool, streamed(*spool, body, 1000, 9000));
      auto abandoned = spool->stream();
      CPPUNIT_ASSERT((*abandoned)->append(body).has_value());
    }
    auto spool = kit::open(settings_);
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool.report.orphans);
    CPPUNIT_ASSERT(spool->read(id)->body == body);
    CPPUNIT_ASSERT(kit::record(*spool, id, 0, kit::outcome(State::delivered)));
    spool.spool.reset();
    CPPUNIT_ASSERT(std::filesystem::is_empty(folder.path() + "/large"));
  }

  void goes_with_the_last_recipient() {
    auto spool = open();
    const MessageId id = kit::accept(*spool, streamed(*spool, kit::noise(3000, 4), 10, 77, 2));
    CPPUNIT_ASSERT(kit::record(*spool, id, 1, kit::outcome(State::failed)));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, files());
    CPPUNIT_ASSERT(kit::record(*spool, id, 0, kit::outcome(State::delivered)));
    spool.spool.reset();
    CPPUNIT_ASSERT_EQUAL(size_t{0}, files());
  }

  void abandoned_goes() {
    auto spool = open();
    auto sink = spool->stream();
    CPPUNIT_ASSERT((*sink)->append(kit::noise(3000, 5)).has_value());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, files());
    sink->reset();
    spool.spool.reset();
    CPPUNIT_ASSERT_EQUAL(size_t{0}, files());
  }

  void survives_restarts() {
    const std::string body = kit::noise(20000, 6);
    for (const bool power_loss : {false, true})
      for (const bool orderly : {false, true}) {
        disk_ = std::make_shared<FakeDisk>(7);
        MessageId id;
        {
          auto spool = open();
          id = kit::accept(*spool, streamed(*spool, body));
          if (!orderly) disk_->die_now();
        }
        disk_->restart(power_loss);
        for (int again = 0; again < 2; ++again) {
          auto spool = open();
          CPPUNIT_ASSERT((spool.ids() == std::vector{id}));
          CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool.report.damaged + spool.report.orphans);
          CPPUNIT_ASSERT(spool->read(id)->body == body);
          CPPUNIT_ASSERT_EQUAL(spool.live[0].size, spool->read(id)->size());
        }
      }
  }

  void orphans_go_at_the_start() {
    std::unique_ptr<message::BodySink> left;
    MessageId id;
    {
      auto spool = open();
      id = kit::accept(*spool, streamed(*spool, kit::noise(2000, 8)));
      left = std::move(*spool->stream());
      CPPUNIT_ASSERT(left->append(kit::noise(2000, 9)).has_value());
      disk_->die_now();
      left.reset();
    }
    CPPUNIT_ASSERT_EQUAL(size_t{2}, files());
    disk_->restart(false);
    auto spool = open();
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool.report.orphans);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, files());
    CPPUNIT_ASSERT(spool->read(id).has_value());
  }

  // One of them may be what a damaged record named.
  void orphans_are_kept_beside_damage() {
    {
      auto spool = open();
      kit::accept(*spool, streamed(*spool, kit::noise(2000, 8)));
      kit::accept(*spool, kit::message("another"));
      disk_->die_now();
    }
    disk_->restart(false);
    for (const std::string& name : disk_->names("/spool"))
      if (name.ends_with(".seg")) {
        std::string bytes = disk_->content("/spool/" + name);
        bytes[64 + 45] = static_cast<char>(bytes[64 + 45] ^ 1);  // in the metadata of the first record
        disk_->set_content("/spool/" + name, bytes);
      }
    auto spool = open();
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool.report.damaged);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool.report.orphans);
    CPPUNIT_ASSERT_EQUAL(size_t{0}, files());
    size_t kept = 0;
    for (const std::string& name : disk_->names("/spool/quarantine")) kept += name.ends_with(".body.bad") ? 1 : 0;
    CPPUNIT_ASSERT_EQUAL(size_t{1}, kept);
  }

  void foreign_files_stay() {
    disk_->set_content("/spool/large/README", "not ours");
    disk_->set_content("/spool/large/0123456789abcdef.body", "nor this");
    disk_->set_content("/spool/large/0123456789ABCDEF.body", "this one is");
    auto spool = open();
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool.report.orphans);
    CPPUNIT_ASSERT_EQUAL(size_t{2}, files());
  }

  void full_disk_refuses_and_removes() {
    auto spool = open();
    auto incoming = kit::message("head");
    incoming->rest = std::move(*spool->stream());
    CPPUNIT_ASSERT(incoming->rest->append(kit::noise(2000, 1)).has_value());
    disk_->set_fault([](Call call, uint64_t) { return call == Call::write ? ENOSPC : 0; });
    CPPUNIT_ASSERT(incoming->rest->append(kit::noise(2000, 1)).error().code == Errc::no_space);
    disk_->set_fault(nullptr);
    CPPUNIT_ASSERT(incoming->rest->append("more").error().code == Errc::no_space);
    CPPUNIT_ASSERT(kit::commit(*spool, incoming).error().code == Errc::no_space);
    incoming.reset();
    const MessageId id = kit::accept(*spool, streamed(*spool, kit::noise(2000, 2)));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool->status().messages);
    spool.spool.reset();
    CPPUNIT_ASSERT_EQUAL(size_t{1}, files());
    CPPUNIT_ASSERT((open().ids() == std::vector{id}));
  }

  void min_free_stops_what_is_under_way() {
    settings_.min_free_bytes = 1 << 20;
    auto spool = open();
    auto sink = spool->stream();
    CPPUNIT_ASSERT((*sink)->append(kit::noise(2000, 1)).has_value());
    disk_->free_bytes = 1000;
    log_.wait_for("new mail is refused");
    CPPUNIT_ASSERT((*sink)->append(kit::noise(2000, 1)).error().code == Errc::no_space);
    CPPUNIT_ASSERT(spool->stream().error().code == Errc::no_space);
    sink->reset();
    spool.spool.reset();
    CPPUNIT_ASSERT_EQUAL(size_t{0}, files());
  }

  void failed_sync_refuses() {
    auto spool = open();
    auto incoming = streamed(*spool, kit::noise(2000, 1));
    disk_->set_fault([left = 1](Call call, uint64_t) mutable { return call == Call::sync && left-- > 0 ? EIO : 0; });
    CPPUNIT_ASSERT(kit::commit(*spool, std::move(incoming)).error().code == Errc::io);
    spool.spool.reset();
    CPPUNIT_ASSERT_EQUAL(size_t{0}, files());
  }

  void failed_record_refuses_and_removes() {
    auto spool = open();
    auto incoming = streamed(*spool, kit::noise(2000, 1));
    // The file's own sync is the first, the record's the second.
    disk_->set_fault([count = 0](Call call, uint64_t) mutable { return call == Call::sync && ++count == 2 ? EIO : 0; });
    CPPUNIT_ASSERT(kit::commit(*spool, std::move(incoming)).error().code == Errc::io);
    disk_->set_fault(nullptr);
    log_.wait_for("works again after");
    spool.spool.reset();
    CPPUNIT_ASSERT_EQUAL(size_t{0}, files());
    CPPUNIT_ASSERT(open().live.empty());
  }

  void missing_short_or_damaged_is_damage_at_the_start() {
    const auto cut = [](std::string& bytes) { bytes.pop_back(); };
    const auto longer = [](std::string& bytes) { bytes += 'x'; };
    const auto flip = [](std::string& bytes) { bytes[1234] = static_cast<char>(bytes[1234] ^ 1); };
    for (const std::function<void(std::string&)>& damage : {std::function<void(std::string&)>(cut), {longer}, {flip}}) {
      disk_ = std::make_shared<FakeDisk>(3);
      MessageId victim, other;
      {
        auto spool = open();
        victim = kit::accept(*spool, streamed(*spool, kit::noise(2000, 1)));
        other = kit::accept(*spool, kit::message("unharmed"));
        disk_->die_now();
      }
      disk_->restart(false);
      std::string bytes = disk_->content(only_file());
      damage(bytes);
      disk_->set_content(only_file(), bytes);
      // It is told of until somebody has dealt with it: its sender has to hear.
      for (int i = 0; i < 2; ++i) {
        auto spool = open();
        CPPUNIT_ASSERT((spool.ids() == std::vector{victim, other}));
        CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool.report.damaged);
        CPPUNIT_ASSERT_EQUAL(size_t{0}, files());
        CPPUNIT_ASSERT(!disk_->names("/spool/quarantine").empty());
        CPPUNIT_ASSERT(spool->read(victim).error().code == Errc::invalid);
        CPPUNIT_ASSERT(spool->read(other).has_value());
        kit::settle(*spool);
        if (i == 1) CPPUNIT_ASSERT(kit::record(*spool, victim, 0, kit::outcome(State::failed)));
      }
      auto spool = open();
      CPPUNIT_ASSERT((spool.ids() == std::vector{other}));
      CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool.report.damaged);
    }
    disk_ = std::make_shared<FakeDisk>(4);
    {
      auto spool = open();
      kit::accept(*spool, streamed(*spool, kit::noise(2000, 1)));
    }
    CPPUNIT_ASSERT_EQUAL(0, disk_->unlink(only_file()));
    auto spool = open();
    CPPUNIT_ASSERT(spool->read(spool.ids().at(0)).error().code == Errc::invalid);
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool.report.damaged);
  }

  struct Wrong {
    MessageId id;
    std::string file, bytes;  // the file of its body, and what is in that
  };
  Wrong one_with_a_wrong_bit() {
    Wrong wrong;
    {
      auto spool = open();
      wrong.id = kit::accept(*spool, streamed(*spool, kit::noise(2000, 1)));
    }
    wrong.file = only_file();
    wrong.bytes = disk_->content(wrong.file);
    wrong.bytes[100] = static_cast<char>(wrong.bytes[100] ^ 1);
    disk_->set_content(wrong.file, wrong.bytes);
    return wrong;
  }

  void damage_found_when_it_is_read() {
    const auto [id, file, bytes] = one_with_a_wrong_bit();
    auto spool = open();  // its segment was sealed: not looked through again
    CPPUNIT_ASSERT((spool.ids() == std::vector{id}));
    // The second time because it is in quarantine.
    for (int i = 0; i < 2; ++i) CPPUNIT_ASSERT(spool->read(id).error().code == Errc::invalid);
    CPPUNIT_ASSERT(spool->summary(id).has_value());  // there is someone to tell
    CPPUNIT_ASSERT_EQUAL(size_t{1}, log_.count("the body is damaged; it was moved to quarantine"));
    CPPUNIT_ASSERT_EQUAL(size_t{0}, files());
    CPPUNIT_ASSERT_EQUAL(bytes, disk_->content("/spool/quarantine/" + file.substr(file.rfind('/') + 1) + ".bad"));
  }

  void damage_that_cannot_be_kept_aside_stays() {
    const auto [id, file, bytes] = one_with_a_wrong_bit();
    auto spool = open();
    disk_->set_fault([](Call call, uint64_t) { return call == Call::rename ? ENOSPC : 0; });
    CPPUNIT_ASSERT(spool->read(id).error().code == Errc::invalid);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, log_.count("it cannot be moved to quarantine"));
    CPPUNIT_ASSERT(kit::record(*spool, id, 0, kit::outcome(State::failed)));
    spool.spool.reset();
    CPPUNIT_ASSERT_EQUAL(bytes, disk_->content(file));
  }

  void what_cannot_be_read_now_is_no_damage() {
    MessageId id;
    const auto fail_with = [&](int err) {
      disk_->set_open_fault([err](const std::string& path) { return path.ends_with(".body") ? err : 0; });
    };
    {
      auto spool = open();
      id = kit::accept(*spool, streamed(*spool, kit::noise(2000, 1)));
      for (const auto& [err, code] : {std::pair(EMFILE, Errc::no_files), std::pair(EIO, Errc::io)}) {
        fail_with(err);
        CPPUNIT_ASSERT(spool->read(id).error().code == code);
        disk_->set_open_fault(nullptr);
        CPPUNIT_ASSERT(spool->read(id).has_value());
      }
    }
    fail_with(EMFILE);
    CPPUNIT_ASSERT(!kit::try_open(disk_, settings_, tuning_).has_value());
    fail_with(EIO);
    auto spool = open();
    CPPUNIT_ASSERT((spool.ids() == std::vector{id}));
    CPPUNIT_ASSERT(spool->read(id).error().code == Errc::io);
    disk_->set_open_fault(nullptr);
    CPPUNIT_ASSERT(spool->read(id).has_value());
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool.report.damaged);
  }

  void sink_of_another_spool() {
    auto spool = open();
    auto other_disk = std::make_shared<FakeDisk>(2);
    auto other = kit::open(other_disk, settings_, tuning_);
    CPPUNIT_ASSERT(kit::commit(*spool, streamed(*other, kit::noise(2000, 1))).error().code == Errc::invalid);
  }

  void empty_rest() {
    auto spool = open();
    auto incoming = kit::message("all of it");
    incoming->rest = std::move(*spool->stream());
    const MessageId id = kit::accept(*spool, incoming);
    incoming.reset();
    CPPUNIT_ASSERT_EQUAL(std::string("all of it"), spool->read(id)->body);
    spool.spool.reset();
    CPPUNIT_ASSERT_EQUAL(size_t{0}, files());
  }

  // A large file's sync takes its time: small messages are accepted meanwhile.
  void others_do_not_wait() {
    auto spool = open();
    auto incoming = streamed(*spool, kit::noise(2000, 1));
    std::atomic<int> syncs = 0;
    disk_->set_fault([&](Call call, uint64_t) {
      if (call == Call::sync) ++syncs;
      return 0;
    });
    std::atomic<bool> done = false;
    spool->commit(incoming, [&](const Result<MessageId>& id) { done = id.has_value(); });
    for (int i = 0; i < 20; ++i) kit::accept(*spool, kit::message("small"));
    kit::settle(*spool);
    spool.spool.reset();
    CPPUNIT_ASSERT(done);
    CPPUNIT_ASSERT(syncs >= 3);
  }

  void no_sync_when_told_so() {
    settings_.force_fsync = false;
    std::atomic<int> syncs = 0;  // outlives the spool, which syncs once more when it closes
    auto spool = open();
    auto incoming = streamed(*spool, kit::noise(2000, 1));
    disk_->set_fault([&](Call call, uint64_t) {
      if (call == Call::sync) ++syncs;
      return 0;
    });
    kit::accept(*spool, incoming);
    CPPUNIT_ASSERT_EQUAL(0, syncs.load());
  }

  void names() {
    CPPUNIT_ASSERT_EQUAL(std::string("00000000000000FF.body"), rest_name(255));
    CPPUNIT_ASSERT(parse_rest_name(rest_name(UINT64_MAX)) == UINT64_MAX);
    for (const char* name : {"", ".body", "00000000000000FF", "00000000000000ff.body", "00000000000000FF.bodyx",
                             "0x000000000000FF.body", "00000000000000FG.body", "000000000000000FF.body"})
      CPPUNIT_ASSERT(!parse_rest_name(name));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(LargeTest);

}  // namespace
