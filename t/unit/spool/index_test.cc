// The index against a model that is too simple to be wrong: messages come, are
// tried, copied, finished, and found again by a start.
#include "spool/index.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <thread>

namespace impulse::spool {
namespace {

struct Known {
  MessageId place;
  Footer::Message record;
  std::vector<RecipientState> states;
  uint64_t left() const {
    return static_cast<uint64_t>(
        std::ranges::count_if(states, [](const auto& each) { return each.state == State::pending; }));
  }
};

class IndexTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(IndexTest);
  CPPUNIT_TEST(agrees_with_the_model);
  CPPUNIT_TEST(many_recipients);
  CPPUNIT_TEST(moved_when_it_is_finished);
  CPPUNIT_TEST(who_waits_has_its_turn);
  CPPUNIT_TEST(a_long_segment_is_looked_at_in_turns);
  CPPUNIT_TEST_SUITE_END();

  std::mt19937 random_;
  uint32_t pick(uint32_t below) { return static_cast<uint32_t>(random_() % below); }

  RecipientState some_state() {
    RecipientState state;
    if (pick(3) == 0) state.state = static_cast<State>(1 + pick(3));
    state.attempts = pick(4) == 0 ? UINT32_MAX : pick(5);
    switch (pick(4)) {
      case 0:
        state.next_attempt = WallTime::max();
        break;
      case 1:
        break;
      default:
        state.next_attempt = WallTime(Duration(int64_t{1700000000} * 1000000 + pick(1000000)));
        break;
    }
    if (pick(3) > 0) state.last_error = "451 " + std::to_string(pick(20));
    return state;
  }

  static void same(const Index& index, const std::map<MessageId, Known>& model) {
    std::vector<MessageId> live;
    std::map<uint32_t, std::vector<std::pair<uint32_t, MessageId>>> by_segment;
    for (const auto& [id, known] : model) {
      live.push_back(id);
      by_segment[known.place.segment].emplace_back(known.place.offset, id);
      const auto found = index.find(id);
      CPPUNIT_ASSERT(found && found->place == known.place && found->meta_length == known.record.meta_length);
      CPPUNIT_ASSERT(found->body_length == known.record.body_length && found->states == known.states);
      for (uint32_t i = 0; i < known.states.size(); ++i)
        CPPUNIT_ASSERT_EQUAL(known.states[i].last_error, index.last_error(id, i));
      CPPUNIT_ASSERT(index.last_error(id, 1000).empty());
    }
    CPPUNIT_ASSERT(index.live() == live);
    CPPUNIT_ASSERT_EQUAL(uint64_t{model.size()}, index.messages());
    for (auto& [segment, places] : by_segment) {
      std::ranges::sort(places);
      const auto messages = index.live_in(segment);
      const auto ids = index.ids_in(segment);
      CPPUNIT_ASSERT(messages.size() == places.size() && ids.size() == places.size());
      for (size_t i = 0; i < places.size(); ++i) {
        CPPUNIT_ASSERT_EQUAL(places[i].first, messages[i].offset);
        CPPUNIT_ASSERT_EQUAL(model.at(places[i].second).record.recipients, messages[i].recipients);
        CPPUNIT_ASSERT(ids[i] == places[i].second);
      }
    }
  }

  void agrees_with_the_model() {
    for (unsigned seed = 1; seed <= 3; ++seed) walk(seed);
  }

  void walk(unsigned seed) {
    random_.seed(seed);
    Index index;
    std::map<MessageId, Known> model;
    uint32_t segment = 1;
    uint32_t offset = 64;
    index.add_segment(segment, 0);
    const auto record = [&] {
      offset += 8 * (1 + pick(500));
      return Footer::Message{offset, 1 + pick(300), pick(100000), 1 + pick(4) * pick(30)};
    };
    const auto any = [&]() -> MessageId {
      if (model.empty()) return {1, 8};
      auto found = model.lower_bound({1 + pick(segment), pick(100000)});
      return found == model.end() ? model.begin()->first : found->first;
    };
    for (int step = 0; step < 3000; ++step) {
      switch (pick(10)) {
        case 0:
        case 1:
        case 2: {
          const Footer::Message one = record();
          index.add_messages(segment, {one});
          model[{segment, one.offset}] = {{segment, one.offset}, one, std::vector<RecipientState>(one.recipients)};
          break;
        }
        case 3:
          if (pick(20) == 0) {
            ++segment;
            index.add_segment(segment, segment);
            offset = 64;
          }
          break;
        case 4: {  // it is copied
          const MessageId id = any();
          if (!model.contains(id)) break;
          const Footer::Message copy = record();
          Known& known = model[id];
          known.record.offset = copy.offset;
          known.place = {segment, copy.offset};
          index.move(id, segment, {copy.offset, known.record.meta_length, known.record.body_length, 0});
          break;
        }
        case 5: {  // a start finds a copy
          const MessageId id = any();
          if (!model.contains(id)) break;
          Known& known = model[id];
          Footer::Message copy = record();
          copy.recipients = known.record.recipients;
          std::vector<RecipientState> states(pick(2) == 0 ? 0 : copy.recipients);
          for (auto& state : states) state = some_state();
          const bool live = pick(8) > 0;
          index.restore_copy(id, segment, copy, states, live);
          for (uint32_t i = 0; i < copy.recipients; ++i) {
            RecipientState& state = known.states[i];
            if (state.state != State::pending)
              state = {state.state, state.attempts, {}, {}};
            else
              state = i < states.size() ? states[i] : RecipientState{};
          }
          known.record = copy;
          known.place = {segment, copy.offset};
          if (!live || known.left() == 0) model.erase(id);
          break;
        }
        case 6: {  // or a checkpoint
          Checkpoint checkpoint{1 + pick(segment), {}};
          for (auto each = model.begin(); each != model.end();) {
            Known& known = each->second;
            if (known.place.segment != checkpoint.segment || pick(200) > 0) {
              if (known.place.segment == checkpoint.segment) checkpoint.messages.push_back({known.place.offset, {}});
              ++each;
            } else if (pick(2) == 0) {  // has finished
              each = model.erase(each);
            } else {
              for (auto& state : known.states) state = some_state();
              checkpoint.messages.push_back({known.place.offset, known.states});
              each = known.left() == 0 ? model.erase(each) : std::next(each);
            }
          }
          std::ranges::sort(checkpoint.messages, {}, &CheckpointMessage::offset);
          index.add_checkpoint(segment, checkpoint, true);
          break;
        }
        default: {
          const MessageId id = any();
          const auto known = model.find(id);
          if (known == model.end()) break;
          JournalEntry entry{id,
                             pick(30) == 0 ? JournalEntry::whole_message : pick(known->second.record.recipients + 1),
                             some_state()};
          const auto applied = index.apply(entry);
          if (entry.recipient == known->second.record.recipients) {
            CPPUNIT_ASSERT(applied == Index::Applied::unknown);
          } else if (entry.recipient == JournalEntry::whole_message) {
            CPPUNIT_ASSERT(applied == Index::Applied::finished);
            model.erase(known);
          } else if (known->second.states[entry.recipient].state != State::pending) {
            CPPUNIT_ASSERT(applied == Index::Applied::already);
          } else {
            known->second.states[entry.recipient] = entry.state;
            const bool last = known->second.left() == 0;
            CPPUNIT_ASSERT(applied == (last ? Index::Applied::finished : Index::Applied::pending));
            if (last) model.erase(known);
          }
          break;
        }
      }
      if (step % 50 == 0) same(index, model);
    }
    // Segments go; what lives elsewhere stays what it is.
    for (uint32_t gone = 1; gone <= segment; gone += 2) {
      std::erase_if(model, [&](const auto& each) {
        if (each.second.place.segment != gone) return false;
        index.apply({each.first, JournalEntry::whole_message, {}});
        return true;
      });
      index.remove(gone);
      same(index, model);
    }
  }

  // One at a time, in any order, and none is forgotten.
  void many_recipients() {
    Index index;
    index.add_segment(1, 0);
    index.add_messages(1, {{64, 100, 1000, 1000}, {4096, 100, 1000, 1}});
    std::vector<uint32_t> order(1000);
    for (uint32_t i = 0; i < order.size(); ++i) order[i] = i * 7 % 1000;
    for (const uint32_t each : order) {
      CPPUNIT_ASSERT(index.apply({{1, 64}, each, {State::pending, 1, {}, "e" + std::to_string(each)}}) ==
                     Index::Applied::pending);
    }
    for (const uint32_t each : order) CPPUNIT_ASSERT_EQUAL("e" + std::to_string(each), index.last_error({1, 64}, each));
    for (const uint32_t each : order) {
      CPPUNIT_ASSERT(index.apply({{1, 64}, each, {State::delivered, 2, {}, {}}}) ==
                     (each == order.back() ? Index::Applied::finished : Index::Applied::pending));
    }
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, index.messages());
  }

  // A copy that was under way does not take the rest of the body along.
  void moved_when_it_is_finished() {
    Index index;
    for (const uint32_t number : {1U, 2U}) index.add_segment(number, number);
    index.add_messages(1, {{64, 100, 100, 1}});
    index.add_rest({1, 64}, {.number = 7, .length = 1000, .crc = 1});
    std::optional<Rest> rest;
    CPPUNIT_ASSERT(index.apply({{1, 64}, 0, {State::pending, 1, {}, {}}}, &rest) == Index::Applied::pending);
    CPPUNIT_ASSERT(!rest);
    CPPUNIT_ASSERT(index.apply({{1, 64}, 0, {State::delivered, 1, {}, {}}}, &rest) == Index::Applied::finished);
    index.move({1, 64}, 2, {64, 110, 100, 1});
    CPPUNIT_ASSERT(rest && rest->number == 7);
    index.seal(1);
    CPPUNIT_ASSERT(index.plan_removal().removable == std::vector<uint32_t>{1});
  }

  // A std::mutex that is only let go of, and taken again, has few.
  void who_waits_has_its_turn() {
    Turns turns;
    int turns_had = 0;
    for (int i = 0; i < 200; ++i) {
      std::atomic<bool> had = false;
      turns.lock();
      std::thread other([&] {
        const std::lock_guard lock(turns);
        had = true;
      });
      while (turns.waiting() == 0) std::this_thread::yield();
      turns.give_way();
      if (had) ++turns_had;
      turns.unlock();
      other.join();
    }
    CPPUNIT_ASSERT(turns_had > 100);  // where the machine has other work one may come late
  }

  // Deliveries wait for whoever looks at all of a segment.
  void a_long_segment_is_looked_at_in_turns() {
    constexpr uint32_t messages = 20000;
    constexpr uint64_t most = 1000;  // looked at between two turns
    Index index;
    for (const uint32_t number : {1U, 2U, 3U}) index.add_segment(number, number);
    std::vector<Index::Message> all;
    for (uint32_t i = 0; i < messages; ++i) all.push_back({64 + 8 * i, 100, 100, 1});
    index.add_messages(1, all);
    for (uint32_t i = 0; i < messages; i += 7) index.apply({{1, 64 + 8 * i}, 0, {State::pending, 1, {}, "later"}});
    index.set_bytes(1, 100 << 20);
    index.set_bytes(2, 100 << 20);
    index.seal(1);
    index.seal(2);
    index.add_target(2, 1);
    const auto turns = [&](const std::function<size_t()>& look) {
      const uint64_t before = index.turns();
      CPPUNIT_ASSERT_EQUAL(size_t{messages}, look());
      CPPUNIT_ASSERT(index.turns() - before >= messages / most - 1);
    };
    turns([&] { return index.live_in(1).size(); });
    turns([&] { return index.ids_in(1).size(); });
    turns([&] { return index.live().size(); });
    Checkpoint checkpoint;
    turns([&] {
      auto plan = index.plan_removal();
      CPPUNIT_ASSERT_EQUAL(size_t{1}, plan.checkpoints.size());
      checkpoint = std::move(plan.checkpoints.front());
      return checkpoint.messages.size();
    });
    CPPUNIT_ASSERT_EQUAL(std::string("later"), checkpoint.messages.at(7).states.at(0).last_error);
    turns([&] {
      index.add_checkpoint(2, checkpoint, true);
      return size_t{index.messages(1)};
    });
    // One of many recipients counts as much as many.
    Index wide;
    wide.add_segment(1, 1);
    wide.add_segment(2, 2);
    wide.add_segment(3, 3);
    all.clear();
    for (uint32_t i = 0; i < 20; ++i) all.push_back({64 + 8 * i, 100, 100, 1000});
    wide.add_messages(1, all);
    for (uint32_t i = 0; i < 20; ++i) wide.apply({{1, 64 + 8 * i}, 999, {State::pending, 1, {}, "later"}});
    wide.set_bytes(2, 100 << 20);
    wide.seal(1);
    wide.seal(2);
    wide.add_target(2, 1);
    const uint64_t before = wide.turns();
    CPPUNIT_ASSERT_EQUAL(size_t{20}, wide.plan_removal().checkpoints.at(0).messages.size());
    CPPUNIT_ASSERT(wide.turns() - before >= 19);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(IndexTest);

}  // namespace
}  // namespace impulse::spool
