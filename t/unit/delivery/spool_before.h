// A Spool before another one, to which it hands all on: tests override what they
// are about.
#pragma once

#include "spool/spool.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace impulse::delivery::test {

class SpoolBefore : public spool::Spool {
 public:
  explicit SpoolBefore(std::unique_ptr<spool::Spool> real) : real_(std::move(real)) {}
  Result<spool::Summary> summary(MessageId id) const override { return real_->summary(id); }
  Result<spool::Stored> open(MessageId id) const override { return real_->open(id); }
  Result<spool::Stored> read(MessageId id) const override { return real_->read(id); }
  Result<> admission() const override { return real_->admission(); }
  void commit(std::shared_ptr<const spool::Incoming> message, std::function<void(Result<MessageId>)> done) override {
    real_->commit(std::move(message), std::move(done));
  }
  void record(MessageId id, uint32_t recipient, const spool::RecipientState& state,
              std::function<void(Result<>)> done) override {
    real_->record(id, recipient, state, std::move(done));
  }
  spool::Status status() const override { return real_->status(); }
  void set_live_settings(const spool::Settings& settings) override { real_->set_live_settings(settings); }
  const std::string& node() const override { return real_->node(); }

 private:
  const std::unique_ptr<spool::Spool> real_;
};

}  // namespace impulse::delivery::test
