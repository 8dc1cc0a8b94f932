// ChainCache: from a chain of scopes to its block of effective values. Reading
// takes no lock; a block that is not there yet is made under one, once, and
// stays as long as the cache.
//
// An open-addressed table of atomic pointers. Entries are only ever added, so a
// reader that follows a published pointer sees a whole entry. A full table is
// replaced by one of twice the size; old ones are kept until the end, since a
// reader may still be in them (together they are as large as the new one).
#pragma once

#include "config/snapshot.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace impulse::config {

class ChainCache {
 public:
  // The deepest Peer matched inside the Listen and the deepest one directly
  // inside the listener: together they fix the whole chain. Not owned: whoever
  // has the cache keeps the scopes alive, so that no address is used twice.
  struct Chain {
    const Scope* inner = nullptr;
    const Scope* outer = nullptr;
    friend bool operator==(const Chain&, const Chain&) = default;
  };

  ChainCache() = default;
  ChainCache(const ChainCache&) = delete;
  ChainCache& operator=(const ChainCache&) = delete;

  // `fill(Options&)` makes the values of a new block. Any thread.
  template <class Fill>
  const Options& get(Chain chain, const Fill& fill) const {
    if (const Entry* entry = find(table_.load(std::memory_order_acquire), chain)) return entry->options;
    const std::lock_guard lock(mutex_);
    if (const Entry* entry = find(table_.load(std::memory_order_relaxed), chain)) return entry->options;
    auto entry = std::make_unique<Entry>();
    entry->chain = chain;
    fill(entry->options);
    const Entry& added = *entry;
    entries_.push_back(std::move(entry));
    add(&added);
    return added.options;
  }

  size_t size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
  }

 private:
  struct Entry {
    Chain chain;
    Options options;
  };
  struct Table {
    explicit Table(size_t capacity) : slots(capacity) {}
    std::vector<std::atomic<const Entry*>> slots;  // a power of two
  };

  static size_t hash(Chain chain) {
    const auto mix = [](uint64_t x) {
      x ^= x >> 33;
      x *= 0xff51afd7ed558ccdULL;
      return x ^ x >> 33;
    };
    return static_cast<size_t>(mix(reinterpret_cast<uintptr_t>(chain.inner)) ^
                               mix(reinterpret_cast<uintptr_t>(chain.outer) + 0x9e3779b97f4a7c15ULL));
  }

  static const Entry* find(const Table* table, Chain chain) {
    if (!table) return nullptr;
    const size_t mask = table->slots.size() - 1;
    for (size_t at = hash(chain) & mask;; at = (at + 1) & mask) {
      const Entry* entry = table->slots[at].load(std::memory_order_acquire);
      if (!entry || entry->chain == chain) return entry;
    }
  }

  static void place(Table& table, const Entry* entry) {
    const size_t mask = table.slots.size() - 1;
    size_t at = hash(entry->chain) & mask;
    while (table.slots[at].load(std::memory_order_relaxed)) at = (at + 1) & mask;
    table.slots[at].store(entry, std::memory_order_release);
  }

  // Under the lock; the new entry is the last of entries_.
  void add(const Entry* entry) const {
    Table* table = tables_.empty() ? nullptr : tables_.back().get();
    if (table && entries_.size() * 2 <= table->slots.size()) return place(*table, entry);
    tables_.push_back(std::make_unique<Table>(table ? table->slots.size() * 2 : 8));
    for (const auto& each : entries_) place(*tables_.back(), each.get());
    table_.store(tables_.back().get(), std::memory_order_release);
  }

  mutable std::atomic<const Table*> table_{nullptr};
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Entry>> entries_;
  mutable std::vector<std::unique_ptr<Table>> tables_;
};

}  // namespace impulse::config
