// Pages of records; how they are split, joined and searched.
#include "base/packed_map.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

namespace impulse {

namespace {

constexpr size_t spare(size_t bytes) { return 64 + bytes / 8; }

}  // namespace

PackedMap::Pages::iterator PackedMap::page_of(Key key) {
  const auto behind = pages_.upper_bound(key);
  return behind == pages_.begin() ? behind : std::prev(behind);
}

PackedMap::Pages::const_iterator PackedMap::page_of(Key key) const {
  const auto behind = pages_.upper_bound(key);
  return behind == pages_.begin() ? behind : std::prev(behind);
}

PackedMap::Spot PackedMap::spot_at(const Page& page, size_t at) {
  const char* const begin = page.bytes.data();
  const char* next = begin + at;
  Spot spot{at, 0, {}, {}, true};
  spot.key.major = page.base + load_varint(next);
  spot.key.minor = static_cast<uint32_t>(load_varint(next));
  const auto length = static_cast<size_t>(load_varint(next));
  spot.value = {next, length};
  spot.end = static_cast<size_t>(next - begin) + length;
  return spot;
}

PackedMap::Spot PackedMap::seek(const Page& page, Key key) {
  for (size_t at = 0; at < page.bytes.size();) {
    Spot spot = spot_at(page, at);
    if (spot.key >= key) {
      spot.found = spot.key == key;
      return spot;
    }
    at = spot.end;
  }
  return {page.bytes.size(), page.bytes.size(), key, {}, false};
}

size_t PackedMap::write_head(char* head, uint64_t base, Key key, size_t length) {
  char* at = store_varint(head, key.major - base);
  at = store_varint(at, key.minor);
  return static_cast<size_t>(store_varint(at, length) - head);
}

// Never twice what is there, as a vector would by itself.
void PackedMap::make_room(Page& page, size_t more) {
  const size_t size = page.bytes.size() + more;
  if (size > page.bytes.capacity()) page.bytes.reserve(size + spare(size));
}

void PackedMap::give_back(Page& page) {
  if (page.bytes.capacity() > page.bytes.size() + 2 * spare(page.bytes.size())) page.bytes.shrink_to_fit();
}

void PackedMap::append(Page& page, Key key, std::string_view value) { put(page, page.bytes.size(), key, value); }

void PackedMap::put(Page& page, size_t at, Key key, std::string_view value) {
  char head[max_head];
  const size_t length = write_head(head, page.base, key, value.size());
  make_room(page, length + value.size());
  const size_t behind = page.bytes.size() - at;
  page.bytes.resize(page.bytes.size() + length + value.size());
  char* const to = page.bytes.data() + at;
  std::memmove(to + length + value.size(), to, behind);
  std::memcpy(to, head, length);
  if (!value.empty()) std::memcpy(to + length, value.data(), value.size());
}

PackedMap::Pages::iterator PackedMap::begin_at(Pages::iterator page, Key key) {
  Page moved{key.major, {}};
  make_room(moved, page->second.bytes.size());
  for (size_t at = 0; at < page->second.bytes.size();) {
    const Spot spot = spot_at(page->second, at);
    append(moved, spot.key, spot.value);
    at = spot.end;
  }
  auto node = pages_.extract(page);
  node.key() = key;
  node.mapped() = std::move(moved);
  return pages_.insert(std::move(node)).position;
}

PackedMap::Pages::iterator PackedMap::split(Pages::iterator page, size_t at) {
  Page& lower = page->second;
  const Key first = spot_at(lower, at).key;
  Page upper{first.major, {}};
  make_room(upper, lower.bytes.size() - at);
  for (size_t next = at; next < lower.bytes.size();) {
    const Spot spot = spot_at(lower, next);
    append(upper, spot.key, spot.value);
    next = spot.end;
  }
  lower.bytes.resize(at);
  give_back(lower);
  return pages_.emplace_hint(std::next(page), first, std::move(upper));
}

// What comes in order leaves full pages behind; all else halves.
PackedMap::Pages::iterator PackedMap::other_page(Pages::iterator page, size_t at, Key key, size_t need) {
  if (at == page->second.bytes.size()) {
    const auto next = std::next(page);
    if (next != pages_.end() && next->second.bytes.size() + need <= page_size / 2) return begin_at(next, key);
    page->second.bytes.shrink_to_fit();
    return pages_.emplace_hint(next, key, Page{key.major, {}});
  }
  if (at == 0) {
    (void)begin_at(page, spot_at(page->second, 0).key);
    return pages_.emplace(key, Page{key.major, {}}).first;
  }
  size_t middle = 0;
  while (middle < page->second.bytes.size() / 2) middle = spot_at(page->second, middle).end;
  // One long value may be the second half, or all but the last record.
  if (middle == page->second.bytes.size()) middle = at;
  const auto upper = split(page, middle);
  return key < upper->first ? page : upper;
}

bool PackedMap::insert(Key key, std::string_view value) {
  auto page = page_of(key);
  if (page == pages_.end())
    page = pages_.emplace(key, Page{key.major, {}}).first;
  else if (key < page->first)
    page = begin_at(page, key);
  const Spot spot = seek(page->second, key);
  if (spot.found) return false;
  const size_t need = value.size() + max_head / 3;
  const bool full = !page->second.bytes.empty() && page->second.bytes.size() + need > page_size;
  if (full) page = other_page(page, spot.at, key, need);
  put(page->second, full ? seek(page->second, key).at : spot.at, key, value);
  ++size_;
  return true;
}

void PackedMap::assign(Key key, std::string_view value) {
  const auto page = page_of(key);
  if (page != pages_.end()) {
    const Spot spot = seek(page->second, key);
    if (spot.found && spot.value.size() == value.size()) {
      if (!value.empty()) std::memcpy(page->second.bytes.data() + spot.end - value.size(), value.data(), value.size());
      return;
    }
    if (spot.found) erase(key);
  }
  insert(key, value);
}

bool PackedMap::erase(Key key) {
  const auto page = page_of(key);
  if (page == pages_.end()) return false;
  const Spot spot = seek(page->second, key);
  if (!spot.found) return false;
  --size_;
  std::vector<char>& bytes = page->second.bytes;
  bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(spot.at),
              bytes.begin() + static_cast<std::ptrdiff_t>(spot.end));
  if (bytes.empty()) {
    pages_.erase(page);
    return true;
  }
  give_back(page->second);
  const auto next = std::next(page);
  if (next != pages_.end() && bytes.size() + next->second.bytes.size() <= page_size / 2)
    join(page, next);
  else if (page != pages_.begin() && bytes.size() + std::prev(page)->second.bytes.size() <= page_size / 2)
    join(std::prev(page), page);
  return true;
}

void PackedMap::join(Pages::iterator lower, Pages::iterator upper) {
  make_room(lower->second, upper->second.bytes.size());
  for (size_t at = 0; at < upper->second.bytes.size();) {
    const Spot spot = spot_at(upper->second, at);
    append(lower->second, spot.key, spot.value);
    at = spot.end;
  }
  pages_.erase(upper);
}

void PackedMap::clear() {
  pages_.clear();
  size_ = 0;
}

std::optional<std::string_view> PackedMap::find(Key key) const {
  const auto page = page_of(key);
  if (page == pages_.end()) return std::nullopt;
  const Spot spot = seek(page->second, key);
  if (!spot.found) return std::nullopt;
  return spot.value;
}

}  // namespace impulse
