// PackedMap and TextPool against models that are too simple to be wrong.
#include "base/packed_map.h"
#include "base/text_pool.h"

#include <cppunit/extensions/HelperMacros.h>

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace impulse;

namespace {

using Key = PackedMap::Key;

class PackedTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(PackedTest);
  CPPUNIT_TEST(numbers);
  CPPUNIT_TEST(map_agrees_with_the_model);
  CPPUNIT_TEST(map_in_order_and_backwards);
  CPPUNIT_TEST(map_takes_values_of_any_length);
  CPPUNIT_TEST(pool_agrees_with_the_model);
  CPPUNIT_TEST(pool_names_are_small);
  CPPUNIT_TEST_SUITE_END();

  void numbers() {
    std::string record;
    const std::vector<uint64_t> all = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, uint64_t{1} << 63, UINT64_MAX};
    for (const uint64_t each : all) put_varint(record, each);
    CPPUNIT_ASSERT_EQUAL(size_t{1 + 1 + 1 + 2 + 2 + 3 + 5 + 10 + 10}, record.size());
    PackedReader reader(record);
    for (const uint64_t each : all) CPPUNIT_ASSERT_EQUAL(each, reader.number());
    CPPUNIT_ASSERT(reader.rest().empty() && reader.number() == 0 && reader.byte() == 0 && reader.bytes(3).empty());
    for (const int64_t each : {int64_t{0}, int64_t{-1}, int64_t{1}, INT64_MIN, INT64_MAX})
      CPPUNIT_ASSERT_EQUAL(each, unzigzag(zigzag(each)));
    CPPUNIT_ASSERT_EQUAL(uint64_t{3}, zigzag(-2));
  }

  static void same(const PackedMap& map, const std::map<Key, std::string>& model, Key from) {
    auto expected = model.lower_bound(from);
    map.each(from, [&](Key key, std::string_view value) {
      CPPUNIT_ASSERT(expected != model.end() && expected->first == key && expected->second == value);
      ++expected;
      return true;
    });
    CPPUNIT_ASSERT(expected == model.end());
  }

  // Keys that come in order, go in any, come back, and have distances of every length.
  void map_agrees_with_the_model() {
    for (unsigned seed = 1; seed <= 12; ++seed) {
      std::mt19937_64 random(seed);
      const auto pick = [&](uint64_t below) { return random() % below; };
      PackedMap map;
      std::map<Key, std::string> model;
      const uint64_t range = uint64_t{1} << (8 + seed * 4);
      uint64_t serial = 0;
      const auto some_key = [&]() -> Key {
        if (!model.empty() && pick(2) == 0) {
          const auto near = model.lower_bound({pick(range), 0});
          return near == model.end() ? model.begin()->first : near->first;
        }
        return {pick(4) == 0 ? pick(range) : serial += pick(range / 256) + 1, static_cast<uint32_t>(pick(3))};
      };
      for (int step = 0; step < 6000; ++step) {
        const Key key = some_key();
        const std::string value(pick(200) == 0 ? pick(5000) : pick(60), static_cast<char>('a' + pick(26)));
        const bool growing = step % 2000 < 1200;
        switch (pick(growing ? 5 : 8)) {
          case 0:
          case 1:
          case 2:
            CPPUNIT_ASSERT_EQUAL(model.emplace(key, value).second, map.insert(key, value));
            break;
          case 3:
            model[key] = value;
            map.assign(key, value);
            break;
          default:
            CPPUNIT_ASSERT_EQUAL(model.erase(key) == 1, map.erase(key));
            break;
        }
        const auto found = map.find(key);
        const auto expected = model.find(key);
        CPPUNIT_ASSERT_EQUAL(expected != model.end(), found.has_value());
        if (found) CPPUNIT_ASSERT(*found == expected->second);
        CPPUNIT_ASSERT_EQUAL(model.size(), map.size());
        if (step % 100 == 0) same(map, model, step % 200 == 0 ? Key{} : some_key());
      }
      while (!model.empty()) {
        auto next = model.lower_bound({pick(range), 0});
        if (next == model.end()) next = model.begin();
        CPPUNIT_ASSERT(map.erase(next->first));
        model.erase(next);
        if (model.size() % 64 == 0) same(map, model, {});
      }
      CPPUNIT_ASSERT(map.empty());
    }
  }

  void map_in_order_and_backwards() {
    PackedMap map;
    std::map<Key, std::string> model;
    for (uint64_t i = 0; i < 2000; ++i) {
      for (const Key key : {Key{(uint64_t{7} << 32) + i * 1024, 0}, Key{(uint64_t{6} << 32) - i * 1024, 0}}) {
        const std::string value = std::to_string(key.major);
        CPPUNIT_ASSERT(map.insert(key, value));
        CPPUNIT_ASSERT(!map.insert(key, "another"));
        model[key] = value;
      }
    }
    same(map, model, {});
    size_t seen = 0;
    map.each({uint64_t{7} << 32, 0}, [&](Key, std::string_view) { return ++seen < 5; });
    CPPUNIT_ASSERT_EQUAL(size_t{5}, seen);
    map.clear();
    CPPUNIT_ASSERT(map.empty() && !map.find({uint64_t{7} << 32, 0}) && !map.erase({uint64_t{7} << 32, 0}));
    map.each({}, [](Key, std::string_view) -> bool { throw 0; });
  }

  void map_takes_values_of_any_length() {
    PackedMap map;
    std::map<Key, std::string> model;
    for (uint32_t i = 0; i < 300; ++i) {
      const Key key{i * uint64_t{7919} % 300, i % 2 == 0 ? 0 : UINT32_MAX};
      model[key] = std::string(i * 37 % 9000, 'x') + std::to_string(i);
      map.assign(key, model[key]);
    }
    map.assign({0, 0}, "");
    model[{0, 0}] = "";
    same(map, model, {});
  }

  void pool_agrees_with_the_model() {
    std::mt19937 random(1);
    TextPool pool;
    std::map<std::string, std::vector<TextPool::Handle>> model;  // and who uses it
    for (int step = 0; step < 40000; ++step) {
      const uint64_t range = step % 20000 < 10000 ? 5000 : 50;
      const std::string text = std::to_string(random() % range) + std::string(random() % 2 * 40, 'e');
      const auto known = model.find(text);
      const auto found = pool.find(text);
      CPPUNIT_ASSERT_EQUAL(known != model.end(), found.has_value());
      if (found) CPPUNIT_ASSERT(*found == known->second.front() && pool.text(*found) == text);
      if (random() % 2 == 0) {
        const TextPool::Handle handle = pool.add(text);
        if (found) CPPUNIT_ASSERT_EQUAL(*found, handle);
        CPPUNIT_ASSERT(pool.text(handle) == text);
        model[text].push_back(handle);
      } else {  // any other
        auto other = model.lower_bound(text);
        if (other == model.end()) continue;
        pool.drop(other->second.back());
        other->second.pop_back();
        if (other->second.empty()) model.erase(other);
      }
      CPPUNIT_ASSERT_EQUAL(model.size(), pool.size());
    }
    for (const auto& [text, handles] : model) CPPUNIT_ASSERT(pool.text(handles.front()) == text);
    for (const auto& [text, handles] : model)
      for (const TextPool::Handle handle : handles) pool.drop(handle);
    CPPUNIT_ASSERT_EQUAL(size_t{0}, pool.size());
    for (const auto& [text, handles] : model) CPPUNIT_ASSERT(!pool.find(text));
  }

  void pool_names_are_small() {
    TextPool pool;
    const TextPool::Handle empty = pool.add("");
    CPPUNIT_ASSERT(pool.text(empty).empty() && pool.add("a") == 1 && pool.add("b") == 2);
    pool.drop(1);
    CPPUNIT_ASSERT_EQUAL(TextPool::Handle{1}, pool.add("c"));
    pool.share(1);
    pool.drop(1);
    CPPUNIT_ASSERT(pool.text(1) == "c");
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PackedTest);

}  // namespace
