// The straight path: in, back out, outcomes, and all of it again after a restart.
#include "kit.h"

#include "base/files.h"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <latch>
#include <random>
#include <set>
#include <thread>

using namespace impulse;
using namespace impulse::spool;

namespace {

class SpoolTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(SpoolTest);
  CPPUNIT_TEST(round_trip_of_every_field);
  CPPUNIT_TEST(odd_sizes_come_back);
  CPPUNIT_TEST(id_stands_in_the_trace);
  CPPUNIT_TEST(outcomes_end_a_message);
  CPPUNIT_TEST(reschedules_survive);
  CPPUNIT_TEST(a_binding_stays_until_another_is_said);
  CPPUNIT_TEST(recovery_is_oldest_first);
  CPPUNIT_TEST(many_threads);
  CPPUNIT_TEST(senseless_calls_are_refused);
  CPPUNIT_TEST(a_refused_message_does_not_hide_a_large_one);
  CPPUNIT_TEST(second_daemon_is_told_the_first);
  CPPUNIT_TEST(unusable_folders);
  CPPUNIT_TEST(numbers_are_never_reused);
  CPPUNIT_TEST(files_have_the_mode);
  CPPUNIT_TEST_SUITE_END();

  kit::Folder folder_;
  Settings settings_{.base = folder_.path() + "/spool", .min_free_percent = 0};

  void round_trip_of_every_field() {
    auto incoming = kit::message("Subject: x\r\n\r\nhello\r\n", 3);
    incoming->envelope.body_type = message::BodyType::binary_mime;
    incoming->envelope.smtputf8 = true;
    incoming->envelope.client = *IpAddress::parse("2001:db8::7");
    incoming->envelope.recipients[1].address = "\"odd \\\" name\"@ex\xC3\xA4mple.org";
    const auto envelope = incoming->envelope;
    MessageId id;
    {
      auto spool = kit::open(settings_);
      id = kit::accept(*spool, incoming);
      const auto stored = spool->read(id);
      CPPUNIT_ASSERT_MESSAGE(stored ? "" : stored.error().message, stored.has_value());
      CPPUNIT_ASSERT(stored->envelope == envelope);
      CPPUNIT_ASSERT(stored->body == "Subject: x\r\n\r\nhello\r\n");
      CPPUNIT_ASSERT(stored->id == id);
      CPPUNIT_ASSERT(stored->states == std::vector<RecipientState>(3));
      const auto summary = spool->summary(id);
      CPPUNIT_ASSERT(summary && summary->envelope == envelope);
      CPPUNIT_ASSERT_EQUAL(stored->size(), summary->size);
    }
    for (int restart = 0; restart < 3; ++restart) {
      auto spool = kit::open(settings_);
      CPPUNIT_ASSERT_EQUAL(size_t{1}, spool.live.size());
      CPPUNIT_ASSERT(spool.live[0].envelope == envelope);
      CPPUNIT_ASSERT(spool.live[0].id == id);
      CPPUNIT_ASSERT(spool->read(id)->body == "Subject: x\r\n\r\nhello\r\n");
      CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool.report.messages);
      CPPUNIT_ASSERT_EQUAL(uint64_t{0}, spool.report.damaged + spool.report.torn_bytes);
      CPPUNIT_ASSERT(spool.report.notes.empty());
    }
  }

  void odd_sizes_come_back() {
    std::map<MessageId, std::string> model;
    const size_t sizes[] = {0, 1, 7, 8, 9, 63, 64, 4095, 4096, 4097, 16383, 16384, 16385, 100001, 1 << 20, 3000017};
    {
      auto spool = kit::open(settings_);
      unsigned seed = 1;
      for (const size_t size : sizes) {
        auto body = kit::noise(size, ++seed);
        const MessageId id = kit::accept(*spool, kit::message(body));
        model[id] = std::move(body);
      }
      for (const auto& [id, body] : model) CPPUNIT_ASSERT(spool->read(id)->body == body);
    }
    auto spool = kit::open(settings_);
    CPPUNIT_ASSERT_EQUAL(model.size(), spool.live.size());
    for (const auto& [id, body] : model) CPPUNIT_ASSERT(spool->read(id)->body == body);
  }

  void id_stands_in_the_trace() {
    auto spool = kit::open(settings_);
    const MessageId id = kit::accept(*spool, kit::message("x"));
    CPPUNIT_ASSERT_EQUAL("Received: by mx with ESMTP id " + id.to_string("mx1") + ";\r\n", spool->read(id)->trace);
    auto plain = kit::message("x");
    plain->id_offset = Incoming::no_id;
    CPPUNIT_ASSERT_EQUAL(plain->trace, spool->read(kit::accept(*spool, plain))->trace);
    auto end = kit::message("x");
    end->id_offset = static_cast<uint32_t>(end->trace.size());
    const MessageId last = kit::accept(*spool, end);
    CPPUNIT_ASSERT(spool->read(last)->trace.ends_with("\r\n" + last.to_string("mx1")));
    spool.spool.reset();
    // The sender was told this id: it stays, whatever the node is called now.
    auto renamed = open_log_spool(system_files(), {}, settings_, "other-name", nullptr, nullptr, nullptr);
    CPPUNIT_ASSERT((*renamed)->read(id)->trace.find(id.to_string("mx1")) != std::string::npos);
  }

  void outcomes_end_a_message() {
    MessageId one, three;
    {
      auto spool = kit::open(settings_);
      one = kit::accept(*spool, kit::message("one"));
      three = kit::accept(*spool, kit::message("three", 3));
      CPPUNIT_ASSERT_EQUAL(uint64_t{2}, spool->status().messages);
      CPPUNIT_ASSERT(kit::record(*spool, one, 0, kit::outcome(State::delivered)));
      CPPUNIT_ASSERT(spool->read(one).error().code == Errc::not_found);
      CPPUNIT_ASSERT(kit::record(*spool, three, 1, kit::outcome(State::failed, 2, "550 no")));
      CPPUNIT_ASSERT(kit::record(*spool, three, 2, kit::outcome(State::delivered)));
      CPPUNIT_ASSERT_EQUAL(uint64_t{1}, spool->status().messages);
      // Final is final, also for those who say it twice, or think better of it.
      CPPUNIT_ASSERT(kit::record(*spool, three, 1, kit::outcome(State::delivered)));
      CPPUNIT_ASSERT(kit::record(*spool, three, 1, kit::later(9, 5, "again")));
      CPPUNIT_ASSERT(spool->read(three)->states[1] == kit::outcome(State::failed, 2, "550 no"));
    }
    auto spool = kit::open(settings_);
    CPPUNIT_ASSERT(spool.ids() == std::vector{three});
    const std::vector<RecipientState> states{
        {}, kit::outcome(State::failed, 2, "550 no"), kit::outcome(State::delivered)};
    CPPUNIT_ASSERT(spool.live[0].states == states);
    CPPUNIT_ASSERT(spool->read(three)->states == states);
    CPPUNIT_ASSERT(kit::record(*spool, three, 0, kit::outcome(State::expired)));
    CPPUNIT_ASSERT(!spool->read(three));
    spool.spool.reset();
    CPPUNIT_ASSERT(kit::open(settings_).live.empty());
  }

  void reschedules_survive() {
    MessageId id;
    const std::string error = std::string(509, 'e') + "\xE2\x82\xAC\xE2\x82\xAC";  // cut between two characters
    {
      auto spool = kit::open(settings_);
      id = kit::accept(*spool, kit::message("one", 2));
      CPPUNIT_ASSERT(kit::record(*spool, id, 0, kit::later(1, 1000, "421 a")));
      CPPUNIT_ASSERT(kit::record(*spool, id, 0, kit::later(2, 2000, "421 b")));
      CPPUNIT_ASSERT(kit::record(*spool, id, 1, kit::later(7, -5, error)));
    }
    for (int restart = 0; restart < 2; ++restart) {
      auto spool = kit::open(settings_);
      CPPUNIT_ASSERT(spool.live.at(0).states[0] == kit::later(2, 2000, "421 b"));
      CPPUNIT_ASSERT(spool.live[0].states[1] == kit::later(7, -5, error.substr(0, 512)));
    }
    auto spool = kit::open(settings_);
    CPPUNIT_ASSERT(kit::record(*spool, id, 0, kit::later(3, 0, "")));
    CPPUNIT_ASSERT(spool->summary(id)->states[0] == kit::later(3, 0, ""));
  }

  void a_binding_stays_until_another_is_said() {
    const auto bound = [](RecipientState state, const char* binding) {
      state.binding = binding;
      return state;
    };
    MessageId id;
    {
      auto spool = kit::open(settings_);
      id = kit::accept(*spool, kit::message("one", 3));
      CPPUNIT_ASSERT(kit::record(*spool, id, 0, bound(kit::later(1, 1000, "421 a"), "b1")));
      CPPUNIT_ASSERT(kit::record(*spool, id, 0, kit::later(2, 2000, "421 b")));
      CPPUNIT_ASSERT(kit::record(*spool, id, 1, bound(kit::later(0, 0, ""), "b1")));
      CPPUNIT_ASSERT(kit::record(*spool, id, 1, bound(kit::later(0, 0, ""), "default")));
      CPPUNIT_ASSERT(kit::record(*spool, id, 2, kit::later(1, 5, "no")));
      CPPUNIT_ASSERT(spool->summary(id)->states[0] == bound(kit::later(2, 2000, "421 b"), "b1"));
    }
    for (int restart = 0; restart < 2; ++restart) {
      auto spool = kit::open(settings_);
      CPPUNIT_ASSERT(spool.live.at(0).states[0] == bound(kit::later(2, 2000, "421 b"), "b1"));
      CPPUNIT_ASSERT(spool.live[0].states[1] == bound(kit::later(0, 0, ""), "default"));
      CPPUNIT_ASSERT(spool.live[0].states[2] == kit::later(1, 5, "no"));
    }
  }

  void recovery_is_oldest_first() {
    std::vector<MessageId> ids;
    for (int session = 0; session < 3; ++session) {
      auto spool = kit::open(settings_);
      CPPUNIT_ASSERT(spool.ids() == ids);
      for (int i = 0; i < 50; ++i) ids.push_back(kit::accept(*spool, kit::message("m")));
      CPPUNIT_ASSERT(std::is_sorted(ids.begin(), ids.end()));
    }
  }

  void many_threads() {
    constexpr int threads = 4;
    constexpr int each = 500;
    settings_.segment_size = 1 << 20;
    std::mutex mutex;
    std::map<MessageId, std::string> model;
    {
      auto spool = kit::open(settings_);
      std::vector<std::thread> pool;
      for (int t = 0; t < threads; ++t) {
        pool.emplace_back([&, t] {
          std::latch left(each);
          for (int i = 0; i < each; ++i) {
            auto body = kit::noise(static_cast<size_t>((i * 37 + t * 11) % 5000), static_cast<unsigned>(t * each + i));
            spool->commit(kit::message(body), [&, body](Result<MessageId> id) {
              if (id) {
                const std::lock_guard lock(mutex);
                model[*id] = body;
              }
              left.count_down();
            });
          }
          left.wait();
        });
      }
      for (auto& thread : pool) thread.join();
      CPPUNIT_ASSERT_EQUAL(size_t{threads * each}, model.size());
      CPPUNIT_ASSERT_EQUAL(uint64_t{threads * each}, spool->status().committed);
      CPPUNIT_ASSERT_EQUAL(uint64_t{threads * each}, spool->status().messages);
      CPPUNIT_ASSERT(spool->status().segments > 3);
      // Readers, and outcomes of every other one, at once.
      std::vector<MessageId> ids;
      for (const auto& [id, body] : model) ids.push_back(id);
      std::atomic<int> wrong{0};
      pool.clear();
      for (size_t t = 0; t < threads; ++t) {
        pool.emplace_back([&, t] {
          for (size_t i = t; i < ids.size(); i += threads) {
            const auto stored = spool->read(ids[i]);
            if (!stored || stored->body != model[ids[i]]) ++wrong;
            if (i % 2 == 0) spool->record(ids[i], 0, kit::outcome(State::delivered));
          }
        });
      }
      for (auto& thread : pool) thread.join();
      CPPUNIT_ASSERT_EQUAL(0, wrong.load());
    }
    auto spool = kit::open(settings_);
    CPPUNIT_ASSERT_EQUAL(model.size() / 2, spool.live.size());
    for (const Summary& summary : spool.live) CPPUNIT_ASSERT(spool->read(summary.id)->body == model[summary.id]);
  }

  void senseless_calls_are_refused() {
    auto spool = kit::open(settings_);
    CPPUNIT_ASSERT(kit::commit(*spool, kit::message("x", 0)).error().code == Errc::invalid);
    auto outside = kit::message("x");
    outside->id_offset = static_cast<uint32_t>(outside->trace.size()) + 1;
    CPPUNIT_ASSERT(kit::commit(*spool, outside).error().code == Errc::invalid);
    const MessageId id = kit::accept(*spool, kit::message("x"));
    CPPUNIT_ASSERT(kit::record(*spool, id, 1, {}).error().code == Errc::not_found);
    CPPUNIT_ASSERT(kit::record(*spool, id, UINT32_MAX, {}).error().code == Errc::not_found);
    CPPUNIT_ASSERT(kit::record(*spool, {id.segment, id.offset + 8}, 0, {}).error().code == Errc::not_found);
    CPPUNIT_ASSERT(spool->read({id.segment, id.offset + 8}).error().code == Errc::not_found);
    CPPUNIT_ASSERT(spool->summary({id.segment + 1, id.offset}).error().code == Errc::not_found);
    CPPUNIT_ASSERT(spool->read(id));
    CPPUNIT_ASSERT_EQUAL(std::string("mx1"), spool->node());
    CPPUNIT_ASSERT(spool->admission());
    CPPUNIT_ASSERT(spool->status().accepting);
  }

  void a_refused_message_does_not_hide_a_large_one() {
    settings_.segment_size = 1 << 20;
    auto spool = kit::open(settings_);
    // The committer is held inside of a completion, so that the others are taken together.
    std::latch held(1), go(1), done(3);
    const std::string body = kit::noise(700 << 10, 1);
    MessageId first, second;
    spool->commit(kit::message(body), [&](Result<MessageId> id) {
      first = id.value_or(MessageId{});
      held.count_down();
      go.wait();
    });
    held.wait();
    int refused = 0;
    for (int i = 0; i < 2; ++i) {
      spool->commit(kit::message("x", 0), [&](Result<MessageId> id) {
        refused += id ? 0 : 1;
        done.count_down();
      });
    }
    spool->commit(kit::message(body), [&](Result<MessageId> id) {
      second = id.value_or(MessageId{});
      done.count_down();
    });
    go.count_down();
    done.wait();
    CPPUNIT_ASSERT_EQUAL(2, refused);
    CPPUNIT_ASSERT(first.segment != 0 && second.segment > first.segment);
    CPPUNIT_ASSERT(spool->read(first)->body == body && spool->read(second)->body == body);
    // Those that are refused alone begin no segment.
    const uint64_t segments = spool->status().segments;
    kit::settle(*spool);
    CPPUNIT_ASSERT_EQUAL(segments, spool->status().segments);
  }

  void second_daemon_is_told_the_first() {
    auto spool = kit::open(settings_);
    const auto second = kit::try_open(system_files(), settings_);
    CPPUNIT_ASSERT(!second);
    CPPUNIT_ASSERT(second.error().code == Errc::busy);
    CPPUNIT_ASSERT_MESSAGE(second.error().message,
                           second.error().message.ends_with("held by process " + std::to_string(::getpid())));
    spool.spool.reset();
    CPPUNIT_ASSERT(kit::try_open(system_files(), settings_));
  }

  void unusable_folders() {
    CPPUNIT_ASSERT(replace_file(folder_.path() + "/file", "x", 0644));
    for (const char* name : {"/file", "/file/spool"}) {
      settings_.base = folder_.path() + name;
      const auto opened = kit::try_open(system_files(), settings_);
      CPPUNIT_ASSERT(!opened);
      CPPUNIT_ASSERT_EQUAL(settings_.base + ": not a directory", opened.error().message);
    }
    settings_.base = "/proc/impulse-spool";
    CPPUNIT_ASSERT(!kit::try_open(system_files(), settings_));
  }

  void numbers_are_never_reused() {
    // A clock that stands still, or goes back: numbers grow all the same.
    int64_t seconds = 5000;
    Tuning tuning;
    tuning.seconds = [&] { return seconds--; };
    std::set<uint32_t> seen;
    for (int i = 0; i < 10; ++i) {
      auto spool = kit::open(system_files(), settings_, tuning);
      CPPUNIT_ASSERT(spool.live.empty());
      const MessageId id = kit::accept(*spool, kit::message("x"));
      CPPUNIT_ASSERT(seen.empty() || id.segment > *seen.rbegin());
      seen.insert(id.segment);
      CPPUNIT_ASSERT(kit::record(*spool, id, 0, kit::outcome(State::delivered)));
    }
    CPPUNIT_ASSERT_EQUAL(5000U, *seen.begin());
    // What was finished has been removed, but for the newest.
    auto spool = kit::open(system_files(), settings_, tuning);
    kit::settle(*spool);
    CPPUNIT_ASSERT(spool->status().segments <= 2);
  }

  void files_have_the_mode() {
    settings_.mode = 0600;
    auto spool = kit::open(settings_);
    const MessageId id = kit::accept(*spool, kit::message("x"));
    struct stat status{};
    const std::string path = settings_.base + "/" + segment_name(id.segment);
    CPPUNIT_ASSERT(::stat(path.c_str(), &status) == 0);
    CPPUNIT_ASSERT_EQUAL(0600U, status.st_mode & 0777U);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(SpoolTest);

}  // namespace
