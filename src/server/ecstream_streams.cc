#include "server/ecstream_streams.h"

#include <utility>

namespace impulse::server {

std::shared_ptr<const OpenStreams::Claim> OpenStreams::claim(std::string name, Calls calls) {
  const auto made = std::make_shared<const Claim>(table_, std::move(name), std::move(calls));
  const std::lock_guard lock(table_->mutex);
  Entry& entry = table_->entries[made->name_];
  if (entry.holder == nullptr) {
    entry.holder = made.get();
    made->calls_.granted();
    return made;
  }
  if (entry.next != nullptr) entry.next->calls_.taken_over();
  entry.next = made.get();
  entry.holder->calls_.taken_over();
  return made;
}

OpenStreams::Claim::~Claim() {
  const std::lock_guard lock(table_->mutex);
  const auto found = table_->entries.find(name_);
  if (found == table_->entries.end()) return;
  Entry& entry = found->second;
  if (entry.next == this) entry.next = nullptr;
  if (entry.holder != this) return;
  entry.holder = std::exchange(entry.next, nullptr);
  if (entry.holder != nullptr)
    entry.holder->calls_.granted();
  else
    table_->entries.erase(found);
}

}  // namespace impulse::server
