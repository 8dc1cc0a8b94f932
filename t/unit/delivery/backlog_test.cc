// The backlog, by itself and against a model that is too simple to be wrong.
#include "delivery/backlog.h"

#include <cppunit/extensions/HelperMacros.h>

#include <map>
#include <random>
#include <string>
#include <vector>

using namespace impulse;
using delivery::Backlog;

namespace {

class BacklogTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(BacklogTest);
  CPPUNIT_TEST(keeps_addresses);
  CPPUNIT_TEST(goes_with_the_last_recipient);
  CPPUNIT_TEST(knows_who_was_told);
  CPPUNIT_TEST(agrees_with_the_model);
  CPPUNIT_TEST_SUITE_END();

  static message::Envelope envelope(const std::string& sender, const std::vector<std::string>& recipients) {
    message::Envelope envelope;
    envelope.sender = sender;
    for (const auto& recipient : recipients) envelope.recipients.push_back({recipient});
    return envelope;
  }

  void keeps_addresses() {
    Backlog backlog;
    CPPUNIT_ASSERT(backlog.add({1, 1}, envelope("", {"a@b", "", "\"x@y\"@z"}), 77, 3));
    CPPUNIT_ASSERT(!backlog.add({1, 1}, envelope("other", {}), 0, 1));
    const auto message = backlog.find({1, 1});
    CPPUNIT_ASSERT(message->sender().empty());
    CPPUNIT_ASSERT_EQUAL(uint32_t{3}, message->recipients());
    CPPUNIT_ASSERT(message->recipient(0) == "a@b" && message->recipient(1).empty());
    CPPUNIT_ASSERT(message->recipient(2) == "\"x@y\"@z" && message->recipient(3).empty());
    CPPUNIT_ASSERT_EQUAL(uint64_t{77}, message->size());
    CPPUNIT_ASSERT(!backlog.find({1, 2}));
  }

  void goes_with_the_last_recipient() {
    Backlog backlog;
    backlog.add({1, 1}, envelope("s", {"a", "b", "c"}), 1, 2);  // one was done before
    backlog.done({1, 1}, 0);
    CPPUNIT_ASSERT(backlog.find({1, 1}));
    backlog.done({1, 1}, 2);
    CPPUNIT_ASSERT(!backlog.find({1, 1}));
    backlog.done({1, 1}, 2);
    CPPUNIT_ASSERT_EQUAL(size_t{0}, backlog.messages());
  }

  void knows_who_was_told() {
    Backlog backlog;
    const WallTime when = wall_now();
    std::vector<std::string> many;
    for (int i = 0; i < 40; ++i) many.push_back("user" + std::to_string(i) + "@example.net");
    backlog.add({1, 1}, envelope("s", many), 1, 40);
    for (const uint32_t each : {3U, 15U, 16U, 39U}) backlog.set_reported({1, 1}, each, when + Duration(each));
    backlog.set_reported({1, 1}, 3, when - Duration(7));
    backlog.set_reported({1, 1}, 40, when);
    backlog.set_reported({1, 2}, 0, when);
    for (uint32_t i = 0; i < 42; ++i) {
      const bool told = i == 15 || i == 16 || i == 39;
      CPPUNIT_ASSERT(backlog.reported({1, 1}, i) == (i == 3 ? when - Duration(7)
                                                     : told ? when + Duration(i)
                                                            : WallTime{}));
    }
    CPPUNIT_ASSERT(backlog.reported({1, 2}, 0) == WallTime{});
    CPPUNIT_ASSERT_EQUAL(std::string("user15@example.net"), backlog.find({1, 1})->recipient(15));
  }

  struct Known {
    message::Envelope envelope;
    uint64_t size = 0;
    std::vector<bool> waits;
    std::map<uint32_t, WallTime> reported;
    uint32_t pending = 0;
  };

  static void same(const Backlog& backlog, MessageId id, const Known& known) {
    const auto message = backlog.find(id);
    CPPUNIT_ASSERT(message);
    const message::Envelope& envelope = known.envelope;
    CPPUNIT_ASSERT_EQUAL(envelope.sender, message->sender());
    CPPUNIT_ASSERT_EQUAL(envelope.protocol, message->protocol());
    CPPUNIT_ASSERT_EQUAL(known.size, message->size());
    CPPUNIT_ASSERT(message->received() == envelope.received && message->deadline() == envelope.deliver_by.deadline);
    CPPUNIT_ASSERT_EQUAL(envelope.deliver_by.mode == 'R', message->must_return());
    CPPUNIT_ASSERT_EQUAL(envelope.deliver_by.trace, message->traced());
    CPPUNIT_ASSERT_EQUAL(envelope.recipients.size(), size_t{message->recipients()});
    for (uint32_t i = 0; i < envelope.recipients.size(); ++i) {
      CPPUNIT_ASSERT_EQUAL(envelope.recipients[i].address, message->recipient(i));
      CPPUNIT_ASSERT_EQUAL(envelope.recipients[i].notify, message->notify(i));
      const auto told = known.reported.find(i);
      CPPUNIT_ASSERT(backlog.reported(id, i) == (told == known.reported.end() ? WallTime{} : told->second));
    }
    CPPUNIT_ASSERT(message->recipient(message->recipients()).empty());
  }

  // Messages of all kinds come, mostly in order, and go in any.
  void agrees_with_the_model() {
    for (unsigned seed = 1; seed <= 6; ++seed) {
      std::mt19937 random(seed);
      const auto pick = [&](uint32_t below) { return static_cast<uint32_t>(random() % below); };
      const auto address = [&]() -> std::string {
        switch (pick(12)) {
          case 0:
            return "";
          case 1:
            return "postmaster";
          case 2:
            return std::string(pick(64), 'l') + "@" + std::string(pick(200), 'd');
          case 3:
            return "\"a@b\"@[192.0.2.1]";
          default:
            return "user" + std::to_string(pick(100)) + "@d" + std::to_string(pick(20)) + ".example";
        }
      };
      Backlog backlog;
      std::map<MessageId, Known> model;
      MessageId next{1, 64};
      WallTime now = wall_now();
      for (int step = 0; step < 4000; ++step) {
        const bool growing = step % 2000 < 1000;
        MessageId id{1 + pick(next.segment), pick(200000)};
        const auto some = model.lower_bound(id);
        if (pick(growing ? 3 : 8) < 2) {
          if (pick(300) == 0) next = {next.segment + 1, 64};
          next.offset += 8 * (1 + pick(100));
          if (pick(5) > 0) id = next;
          Known known;
          known.envelope.sender = address();
          known.envelope.protocol = std::vector<std::string>{"", "X", "ESMTP", "ESMTPSA"}.at(pick(4));
          for (uint32_t count = pick(10) == 0 ? pick(60) + 1 : 1; count > 0; --count)
            known.envelope.recipients.push_back({address(), static_cast<uint8_t>(pick(4) == 0 ? pick(16) : 0)});
          now += Duration(static_cast<int>(pick(2000000)) - 500000);
          known.envelope.received = now;
          if (pick(5) == 0)
            known.envelope.deliver_by = {now + Duration(pick(1000000000)), pick(2) == 0 ? 'R' : 'N', pick(2) == 0};
          known.size = pick(2) == 0 ? pick(100000) : uint64_t{1} << pick(60);
          known.pending = 1 + pick(static_cast<uint32_t>(known.envelope.recipients.size()));
          const bool added = backlog.add(id, known.envelope, known.size, known.pending);
          CPPUNIT_ASSERT_EQUAL(model.try_emplace(id, known).second, added);
        } else if (some != model.end() && pick(4) == 0) {
          const uint32_t whose = pick(static_cast<uint32_t>(some->second.envelope.recipients.size()));
          some->second.reported[whose] = now;
          backlog.set_reported(some->first, whose, now);
        } else if (some != model.end()) {
          backlog.done(some->first, 0);
          if (--some->second.pending == 0) {
            CPPUNIT_ASSERT(!backlog.find(some->first));
            model.erase(some);
          }
        } else {
          CPPUNIT_ASSERT(!backlog.find(id));
        }
        CPPUNIT_ASSERT_EQUAL(model.size(), backlog.messages());
        if (step % 200 == 0)
          for (const auto& [each, known] : model) same(backlog, each, known);
      }
      for (const auto& [id, known] : model) {
        same(backlog, id, known);
        for (uint32_t i = 0; i < known.pending; ++i) backlog.done(id, i);
      }
      CPPUNIT_ASSERT_EQUAL(size_t{0}, backlog.messages());
    }
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BacklogTest);

}  // namespace
