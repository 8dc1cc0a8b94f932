// The shelf against a plain sorted set, with few and with many blocks.
#include "queue/shelf.h"

#include <cppunit/extensions/HelperMacros.h>

#include <iterator>
#include <random>
#include <set>
#include <tuple>
#include <vector>

namespace impulse::queue {
namespace {

struct Earlier {
  bool operator()(const Item& a, const Item& b) const {
    return std::tuple(a.next_attempt, a.id, a.recipient) < std::tuple(b.next_attempt, b.id, b.recipient);
  }
};

class ShelfTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ShelfTest);
  CPPUNIT_TEST(agrees_with_a_set);
  CPPUNIT_TEST(what_comes_in_order_fills_blocks);
  CPPUNIT_TEST_SUITE_END();

  static Item item(uint32_t offset, int64_t time) {
    return {{1, offset}, 0, 0, 0, false, {}, WallTime{Duration(time)}};
  }

  void agrees_with_a_set() {
    for (unsigned seed = 1; seed <= 6; ++seed) walk(seed, seed % 2 == 0 ? 500 : 6000);
  }

  void walk(unsigned seed, size_t full) {
    std::mt19937 random(seed);
    Shelf<Earlier> shelf;
    std::set<Item, Earlier> model;
    uint32_t serial = 0;
    bool growing = true;
    for (int step = 0; step < 40000; ++step) {
      if (model.size() >= full) growing = false;
      if (model.empty()) growing = true;
      const unsigned what = random() % 10;
      if (growing ? what < 7 : what < 2) {
        const Item added = item(++serial, static_cast<int64_t>(random() % 50 == 0 ? 0 : random() % 100000));
        shelf.insert(added);
        model.insert(added);
      } else if (!model.empty() && what < 5) {
        const Item first = shelf.pop_first();
        CPPUNIT_ASSERT(first.id == model.begin()->id);
        model.erase(model.begin());
      } else if (!model.empty()) {
        auto chosen = model.lower_bound(item(0, static_cast<int64_t>(random() % 100000)));
        if (chosen == model.end()) chosen = model.begin();
        const auto taken = shelf.take(*chosen);
        CPPUNIT_ASSERT(taken && taken->id == chosen->id && taken->next_attempt == chosen->next_attempt);
        CPPUNIT_ASSERT(!shelf.take(*chosen));
        model.erase(chosen);
      }
      CPPUNIT_ASSERT_EQUAL(model.size(), shelf.size());
      if (!model.empty()) CPPUNIT_ASSERT(shelf.first().id == model.begin()->id);
      if (step % 500 == 0) compare(shelf, model, item(0, static_cast<int64_t>(random() % 100000)));
    }
    compare(shelf, model, item(0, 0));
  }

  static void compare(const Shelf<Earlier>& shelf, const std::set<Item, Earlier>& model, const Item& after) {
    std::vector<uint32_t> all;
    shelf.read(nullptr, SIZE_MAX, [&](const Item& each) { all.push_back(each.id.offset); });
    std::vector<uint32_t> wanted;
    for (const Item& each : model) wanted.push_back(each.id.offset);
    CPPUNIT_ASSERT(wanted == all);
    all.clear();
    wanted.clear();
    shelf.read(&after, 300, [&](const Item& each) { all.push_back(each.id.offset); });
    for (auto each = model.upper_bound(after); each != model.end() && wanted.size() < 300; ++each)
      wanted.push_back(each->id.offset);
    CPPUNIT_ASSERT(wanted == all);
  }

  void what_comes_in_order_fills_blocks() {
    Shelf<Earlier> shelf;
    for (uint32_t i = 0; i < 10 * Shelf<Earlier>::block_size; ++i) shelf.insert(item(i, i));
    size_t before = 0;
    shelf.read(nullptr, SIZE_MAX, [&](const Item& each) { CPPUNIT_ASSERT_EQUAL(before++, size_t{each.id.offset}); });
    for (uint32_t i = 0; i < 10 * Shelf<Earlier>::block_size; ++i) CPPUNIT_ASSERT_EQUAL(i, shelf.pop_first().id.offset);
    CPPUNIT_ASSERT(shelf.empty());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ShelfTest);

}  // namespace
}  // namespace impulse::queue
