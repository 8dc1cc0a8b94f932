// The queue against a model that is too simple to be wrong: random operations
// with a clock that creeps, jumps ahead and is set back.
#include "kit.h"
#include "queue/queue.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <tuple>

namespace impulse::queue {
namespace {

using std::chrono::seconds;

// Every item in one list; times kept as what is left to wait.
struct Model {
  enum class Where { active, delayed, in_flight };
  struct Entry {
    std::string domain;
    Item item;
    Where where = Where::active;
    Duration left{0};
  };
  std::vector<Entry> entries;
  WallTime last = start;

  // Time that goes backwards passes nothing.
  void observe(WallTime now) {
    const Duration passed = std::max(Duration{0}, now - last);
    for (Entry& entry : entries) {
      if (entry.where != Where::delayed) continue;
      if (entry.item.future_release)
        entry.left = entry.item.received - now;
      else
        entry.left -= passed;
    }
    last = now;
  }
  void advance(WallTime now) {
    observe(now);
    for (Entry& entry : entries) {
      if (entry.where != Where::delayed || entry.left > Duration{0}) continue;
      entry.where = Where::active;
      entry.item.future_release = false;
    }
  }
  uint64_t count(const std::string& domain, Where where) const {
    return static_cast<uint64_t>(std::count_if(entries.begin(), entries.end(), [&](const Entry& entry) {
      return entry.domain == domain && entry.where == where;
    }));
  }
  Entry* find(const Item& item) {
    for (Entry& entry : entries) {
      if (entry.item.id == item.id && entry.item.recipient == item.recipient) return &entry;
    }
    return nullptr;
  }
  std::vector<Entry*> active_by_age(const std::string& domain) {
    std::vector<Entry*> found;
    for (Entry& entry : entries) {
      if (entry.domain == domain && entry.where == Where::active) found.push_back(&entry);
    }
    std::sort(found.begin(), found.end(), [](const Entry* a, const Entry* b) {
      return std::tuple(-a->item.priority, a->item.id, a->item.recipient) <
             std::tuple(-b->item.priority, b->item.id, b->item.recipient);
    });
    return found;
  }
};

class QueueModelTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(QueueModelTest);
  CPPUNIT_TEST(agrees_with_the_model);
  CPPUNIT_TEST_SUITE_END();

  void agrees_with_the_model() {
    for (unsigned seed = 1; seed <= 8; ++seed) walk(seed);
  }

  void walk(unsigned seed) {
    std::mt19937 random(seed);
    const auto pick = [&](unsigned below) { return static_cast<uint32_t>(random() % below); };
    const std::vector<std::string> domains = {"a.example", "b.example", "c.example", "d.example"};
    std::set<std::string> announced;
    const auto queue = Queue::create([&](const std::string& domain) { announced.insert(domain); });
    Model model;
    std::vector<std::pair<std::string, Item>> flying;
    WallTime now = start;
    uint32_t serial = 0;
    for (int step = 0; step < 500; ++step) {
      const std::string domain = domains[pick(4)];
      std::map<std::string, uint64_t> before;
      for (const auto& each : domains) before[each] = model.count(each, Model::Where::active);
      announced.clear();
      switch (pick(9)) {
        case 0:
        case 1: {  // a message for one to three recipients
          const MessageId id{pick(3) + serial / 64, ++serial};
          const auto priority = static_cast<int8_t>(static_cast<int>(pick(3)) - 1);
          for (uint32_t recipient = 0, count = 1 + pick(3); recipient < count; ++recipient) {
            const Duration wait = pick(2) == 0 ? Duration{0} : Duration(seconds(1 + pick(50)));
            const bool future = wait > Duration{0} && pick(2) == 0;  // its sender holds it
            const auto tried = static_cast<uint16_t>(pick(2));
            const Item item{id, recipient, tried, priority, future, future ? now + wait : now, now + wait};
            queue->add(domain, item, now);
            model.observe(now);
            model.entries.push_back(
                {domain, item, wait > Duration{0} ? Model::Where::delayed : Model::Where::active, wait});
          }
          break;
        }
        case 2:
        case 3: {
          const bool message = pick(2) == 0;
          const size_t count = 1 + pick(6);
          const std::vector<Item> taken = message ? queue->take_message(domain, count) : queue->take(domain, count);
          const std::vector<Model::Entry*> expected = model.active_by_age(domain);
          size_t i = 0;
          for (; i < std::min(count, expected.size()); ++i) {
            if (message && expected[i]->item.id != expected[0]->item.id) break;
            CPPUNIT_ASSERT(i < taken.size());
            CPPUNIT_ASSERT(taken[i].id == expected[i]->item.id && taken[i].recipient == expected[i]->item.recipient);
            expected[i]->where = Model::Where::in_flight;
            flying.emplace_back(domain, taken[i]);
          }
          CPPUNIT_ASSERT_EQUAL(i, taken.size());
          break;
        }
        case 4:
        case 5: {  // an outcome
          if (flying.empty()) break;
          std::swap(flying[pick(static_cast<unsigned>(flying.size()))], flying.back());
          auto [of, item] = flying.back();
          flying.pop_back();
          if (pick(2) == 0) {
            queue->finish(of, item);
            std::erase_if(model.entries, [&](const auto& entry) {
              return entry.item.id == item.id && entry.item.recipient == item.recipient;
            });
          } else {
            const Duration wait = seconds(pick(40));
            ++item.attempts;
            item.next_attempt = now + wait;
            queue->retry(of, item, now);
            model.observe(now);
            Model::Entry* entry = model.find(item);
            entry->where = wait > Duration{0} ? Model::Where::delayed : Model::Where::active;
            entry->left = wait;
            entry->item.attempts = item.attempts;
          }
          break;
        }
        case 6:
          now += seconds(pick(20));
          advance(*queue, model, now);
          break;
        case 7:  // the clock is set
          now += pick(2) == 0 ? -Duration(std::chrono::hours(pick(1000))) : Duration(std::chrono::minutes(pick(3)));
          advance(*queue, model, now);
          break;
        default: {
          const size_t flushed = queue->flush(domain);
          size_t due = 0;
          for (auto& entry : model.entries) {
            if (entry.domain != domain || entry.where != Model::Where::delayed || entry.item.future_release) continue;
            entry.where = Model::Where::active;
            ++due;
          }
          CPPUNIT_ASSERT_EQUAL(due, flushed);
          break;
        }
      }
      compare(*queue, model, domains, now, step % 20 == 0);
      for (const auto& each : domains) {
        const bool woke = before[each] == 0 && model.count(each, Model::Where::active) > 0;
        CPPUNIT_ASSERT_EQUAL(woke, announced.contains(each));
      }
    }
    drain(*queue, model, flying, now);
  }

  static void advance(Queue& queue, Model& model, WallTime now) {
    model.advance(now);
    const std::optional<WallTime> next = queue.advance(now, now);
    std::optional<WallTime> expected;
    for (const auto& entry : model.entries) {
      if (entry.where != Model::Where::delayed) continue;
      if (!expected || now + entry.left < *expected) expected = now + entry.left;
    }
    CPPUNIT_ASSERT(next == expected);
  }

  static void compare(Queue& queue, const Model& model, const std::vector<std::string>& domains, WallTime now,
                      bool lists) {
    CPPUNIT_ASSERT_EQUAL(uint64_t{model.entries.size()}, queue.size());
    std::map<std::string, DomainStatus> shown;
    for (auto& status : queue.status()) shown[status.domain] = status;
    const std::vector<std::string> active = queue.active_domains();
    for (const auto& domain : domains) {
      const DomainStatus& status = shown[domain];
      CPPUNIT_ASSERT_EQUAL(model.count(domain, Model::Where::active), status.active);
      CPPUNIT_ASSERT_EQUAL(model.count(domain, Model::Where::active), queue.active(domain));
      CPPUNIT_ASSERT_EQUAL(model.count(domain, Model::Where::delayed), status.delayed);
      CPPUNIT_ASSERT_EQUAL(model.count(domain, Model::Where::in_flight), status.in_flight);
      CPPUNIT_ASSERT_EQUAL(status.active > 0, std::find(active.begin(), active.end(), domain) != active.end());
      if (!lists) continue;
      // What is listed says truly how long it waits.
      for (const Item& item : queue.list(domain, SIZE_MAX)) {
        const Model::Entry* entry = const_cast<Model&>(model).find(item);
        CPPUNIT_ASSERT(entry != nullptr);
        if (entry->where == Model::Where::delayed) {
          CPPUNIT_ASSERT((item.next_attempt - model.last == entry->left) && model.last <= now);
        }
      }
      CPPUNIT_ASSERT_EQUAL(size_t{status.active + status.delayed + status.in_flight},
                           queue.list(domain, SIZE_MAX).size());
    }
  }

  // Whatever the clock did: in the end each item comes out, once.
  static void drain(Queue& queue, Model& model, const std::vector<std::pair<std::string, Item>>& flying, WallTime now) {
    for (const auto& [domain, item] : flying) queue.finish(domain, item);
    size_t out = flying.size();
    while (queue.size() > 0) {
      for (const std::string& domain : queue.active_domains()) {
        for (const Item& item : queue.take(domain, 10)) {
          queue.finish(domain, item);
          ++out;
        }
      }
      const std::optional<WallTime> next = queue.advance(now, now);
      if (next) {
        // Nobody waits longer than was asked for; senders asked for a time by the clock.
        const bool future = std::ranges::any_of(model.entries, [&](const auto& entry) {
          return entry.item.future_release && entry.item.received == *next;
        });
        CPPUNIT_ASSERT(*next > now && (future || *next <= now + seconds(60)));
        now = *next;
        queue.advance(now, now);
      }
    }
    CPPUNIT_ASSERT_EQUAL(model.entries.size(), out);
    CPPUNIT_ASSERT(queue.status().empty());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(QueueModelTest);

}  // namespace
}  // namespace impulse::queue
