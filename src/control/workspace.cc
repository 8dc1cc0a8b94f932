#include "control/workspace.h"

#include <utility>

namespace impulse::control {

Result<std::shared_ptr<config::Transaction>> Workspace::transaction(config::Engine& engine) const {
  if (name_.empty()) return own_;
  auto found = engine.find(name_);
  if (!found || found->ended())
    return fail(Errc::not_found,
                "the transaction '{}' has ended: committed, rolled back, or "
                "its time was over",
                name_);
  return found;
}

void Workspace::take(std::shared_ptr<config::Transaction> own) { own_ = std::move(own); }

void Workspace::attach(std::string name) { name_ = std::move(name); }

void Workspace::leave() { *this = Workspace(); }

size_t Workspace::unsaved() const { return own_ && !own_->ended() ? own_->operations().size() : 0; }

config::SnapshotPtr Workspace::compiled(const config::Engine& engine, const config::Transaction& transaction,
                                        config::Diagnostics& diagnostics) {
  const config::SnapshotPtr running = engine.current();
  if (compiled_root_ != transaction.candidate() || compiled_under_ != running) {
    reasons_.clear();
    compiled_ = config::compile(transaction.candidate(), running->generation() + 1, reasons_, running);
    compiled_root_ = transaction.candidate();
    compiled_under_ = running;
  }
  diagnostics.insert(diagnostics.end(), reasons_.begin(), reasons_.end());
  return compiled_;
}

}  // namespace impulse::control
