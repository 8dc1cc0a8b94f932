// PackedMap: an ordered map of short byte strings, for millions of them. They
// lie one behind the other in pages of 2 KiB, so that one costs its own bytes
// and, as a rule, five to seven more, key included: no node, no block, no hash
// link of its own. No operation touches more than three pages, however large the
// map is: nothing is ever rehashed. What is erased is given back as pages become
// empty; those that are not full become one. One thread at a time.
#pragma once

#include "base/varint.h"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

namespace impulse {

class PackedMap {
 public:
  // Keys of neighbours should be near to each other: what is kept of one is how
  // far it is from the first of its page.
  struct Key {
    uint64_t major = 0;
    uint32_t minor = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
    friend bool operator==(const Key&, const Key&) = default;
  };

  // Values handed in are no views into the same map. insert() leaves what is there (false).
  bool insert(Key key, std::string_view value);
  void assign(Key key, std::string_view value);
  bool erase(Key key);  // false: it was not there
  void clear();

  // Good until the map is changed.
  std::optional<std::string_view> find(Key key) const;
  // Calls each(key, value) in order, from `from` on, until it returns false.
  // It must not change the map.
  template <class Each>
  void each(Key from, Each each) const {
    auto page = page_of(from);
    if (page == pages_.end()) return;
    for (size_t at = seek(page->second, from).at; page != pages_.end(); ++page, at = 0) {
      while (at < page->second.bytes.size()) {
        const Spot spot = spot_at(page->second, at);
        if (!each(spot.key, spot.value)) return;
        at = spot.end;
      }
    }
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  static constexpr size_t page_size = 2048;  // but for long values
  static constexpr size_t max_head = 3 * max_varint;

  // Records by key: the key's distance from `base`, its minor part, the length
  // of the value, the value.
  struct Page {
    uint64_t base = 0;
    std::vector<char> bytes{};
  };
  using Pages = std::map<Key, Page>;  // none of them empty; by no more than their first key
  struct Spot {
    size_t at = 0;   // of the record in its page
    size_t end = 0;  // of the same
    Key key{};
    std::string_view value{};
    bool found = false;
  };

  Pages::iterator page_of(Key key);
  Pages::const_iterator page_of(Key key) const;
  static Spot spot_at(const Page& page, size_t at);
  // The first record that is not before `key`; behind the last one: not found.
  static Spot seek(const Page& page, Key key);
  static size_t write_head(char* head, uint64_t base, Key key, size_t length);
  static void append(Page& page, Key key, std::string_view value);
  static void put(Page& page, size_t at, Key key, std::string_view value);
  static void make_room(Page& page, size_t more);
  static void give_back(Page& page);
  // Makes it the page from `key` on: that is before its first one.
  Pages::iterator begin_at(Pages::iterator page, Key key);
  // Moves what begins at `at` into a page behind it.
  Pages::iterator split(Pages::iterator page, size_t at);
  // A page with room for a record that belongs at `at` of a full one.
  Pages::iterator other_page(Pages::iterator page, size_t at, Key key, size_t need);
  void join(Pages::iterator lower, Pages::iterator upper);

  Pages pages_;
  size_t size_ = 0;
};

}  // namespace impulse
