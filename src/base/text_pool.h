// TextPool: texts that many have in common (domains, error texts, senders), kept
// once, and named by a small number. One that nobody shares costs its length and
// some 45 bytes. Its tables are many small ones: none takes long to grow. One thread
// at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace impulse {

class TextPool {
 public:
  using Handle = uint32_t;  // small numbers come first, and again

  // What add() gives, and share() with it, is good until as many calls of drop().
  Handle add(std::string_view text);
  void share(Handle handle) { ++slots_[handle].uses; }
  void drop(Handle handle);
  std::optional<Handle> find(std::string_view text) const;
  std::string_view text(Handle handle) const { return {slots_[handle].text.get(), slots_[handle].length}; }
  size_t size() const { return size_; }  // different texts

 private:
  static constexpr Handle none = UINT32_MAX;
  struct Slot {
    std::unique_ptr<char[]> text;
    uint32_t length = 0;  // unused: the next one that is
    uint32_t uses = 0;
  };
  // Open addressing, a power of two or none, at most three quarters in use.
  struct Cell {
    uint32_t hash = 0;
    Handle handle = none;
  };
  struct Table {
    std::vector<Cell> cells;
    size_t used = 0;
  };
  static constexpr size_t tables = 1024;

  static size_t hash_of(std::string_view text);
  Table& table_of(size_t hash) { return tables_[hash % tables]; }
  const Table& table_of(size_t hash) const { return tables_[hash % tables]; }
  // Of a text in its table; SIZE_MAX: it is not there.
  size_t cell_of(const Table& table, uint32_t hash, std::string_view text) const;
  static void place(std::vector<Cell>& cells, Cell cell);
  static void resize(Table& table, size_t cells);
  static void remove(Table& table, size_t at);

  std::deque<Slot> slots_;
  std::array<Table, tables> tables_;
  Handle unused_ = none;
  size_t size_ = 0;
};

}  // namespace impulse
