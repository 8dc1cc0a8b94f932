#include "base/text_pool.h"

#include <cstring>
#include <functional>

namespace impulse {

namespace {

constexpr size_t smallest = 4;  // cells

// The low bits choose the table.
uint32_t upper_half(size_t hash) { return static_cast<uint32_t>(hash >> 32); }

}  // namespace

size_t TextPool::hash_of(std::string_view text) { return std::hash<std::string_view>()(text); }

size_t TextPool::cell_of(const Table& table, uint32_t hash, std::string_view text) const {
  const size_t mask = table.cells.size() - 1;
  if (table.cells.empty()) return SIZE_MAX;
  for (size_t at = hash & mask; table.cells[at].handle != none; at = (at + 1) & mask)
    if (table.cells[at].hash == hash && this->text(table.cells[at].handle) == text) return at;
  return SIZE_MAX;
}

std::optional<TextPool::Handle> TextPool::find(std::string_view text) const {
  const size_t hash = hash_of(text);
  const Table& table = table_of(hash);
  const size_t at = cell_of(table, upper_half(hash), text);
  if (at == SIZE_MAX) return std::nullopt;
  return table.cells[at].handle;
}

TextPool::Handle TextPool::add(std::string_view text) {
  const size_t hash = hash_of(text);
  Table& table = table_of(hash);
  if (const size_t at = cell_of(table, upper_half(hash), text); at != SIZE_MAX) {
    share(table.cells[at].handle);
    return table.cells[at].handle;
  }
  Handle handle = unused_;
  if (handle == none) {
    handle = static_cast<Handle>(slots_.size());
    slots_.emplace_back();
  } else {
    unused_ = slots_[handle].length;
  }
  Slot& slot = slots_[handle];
  slot.text = std::make_unique_for_overwrite<char[]>(text.size());
  if (!text.empty()) std::memcpy(slot.text.get(), text.data(), text.size());
  slot.length = static_cast<uint32_t>(text.size());
  slot.uses = 1;
  if (table.cells.empty() || (table.used + 1) * 4 > table.cells.size() * 3)
    resize(table, table.cells.empty() ? smallest : table.cells.size() * 2);
  place(table.cells, {upper_half(hash), handle});
  ++table.used;
  ++size_;
  return handle;
}

void TextPool::drop(Handle handle) {
  Slot& slot = slots_[handle];
  if (--slot.uses > 0) return;
  const size_t hash = hash_of(text(handle));
  Table& table = table_of(hash);
  remove(table, cell_of(table, upper_half(hash), text(handle)));
  slot.text.reset();
  slot.length = unused_;
  unused_ = handle;
  if (--size_ > 0) return;
  slots_.clear();
  slots_.shrink_to_fit();
  unused_ = none;
}

void TextPool::place(std::vector<Cell>& cells, Cell cell) {
  const size_t mask = cells.size() - 1;
  size_t at = cell.hash & mask;
  while (cells[at].handle != none) at = (at + 1) & mask;
  cells[at] = cell;
}

void TextPool::resize(Table& table, size_t cells) {
  std::vector<Cell> grown(cells);
  for (const Cell& cell : table.cells)
    if (cell.handle != none) place(grown, cell);
  table.cells.swap(grown);
}

// Those behind it move up, so that none is behind a gap.
void TextPool::remove(Table& table, size_t at) {
  const size_t mask = table.cells.size() - 1;
  size_t gap = at;
  for (size_t next = (gap + 1) & mask; table.cells[next].handle != none; next = (next + 1) & mask) {
    if (((next - table.cells[next].hash) & mask) < ((next - gap) & mask)) continue;
    table.cells[gap] = table.cells[next];
    gap = next;
  }
  table.cells[gap] = {};
  if (--table.used == 0)
    std::vector<Cell>().swap(table.cells);
  else if (table.cells.size() > smallest && table.used * 8 < table.cells.size())
    resize(table, table.cells.size() / 2);
}

}  // namespace impulse
