// An engine as any other, but that its participants fail where they shall:
// before they have done their part, or when they have.
#pragma once

#include "config/engine.h"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

namespace impulse::server::test {

// Where the next commit fails.
struct Fault {
  std::string who;    // the participant's class; empty: nowhere
  std::string phase;  // check, prepare
  bool after = false;
  bool struck = false;  // it has happened

  std::string text() const { return "injected: " + who + ", " + (after ? "after " : "before ") + phase; }
};

// One participant, for real, and what goes wrong with it.
class Faulty : public config::Participant {
 public:
  Faulty(config::Participant& real, Fault& fault) : real_(real), name_(name_of(real)), fault_(fault) {}
  const std::string& name() const { return name_; }

  void check(const config::Snapshot& next, config::Diagnostics& diagnostics) override {
    if (!strikes("check", false)) real_.check(next, diagnostics);
    if (fault_.struck || strikes("check", true))
      diagnostics.push_back({config::Diagnostic::Severity::error, "fault", {}, 1, fault_.text(), {}, {}});
  }
  Result<> prepare(const config::SnapshotPtr& current, const config::SnapshotPtr& next) override {
    if (strikes("prepare", false)) return fail(Errc::io, "{}", fault_.text());
    auto prepared = real_.prepare(current, next);
    if (!prepared || !strikes("prepare", true)) return prepared;
    real_.abort();  // as it would have done itself
    return fail(Errc::io, "{}", fault_.text());
  }
  void abort() noexcept override { real_.abort(); }
  void apply(const config::SnapshotPtr& next) noexcept override { real_.apply(next); }
  void finish() noexcept override { real_.finish(); }
  void refreshed() noexcept override { real_.refreshed(); }

 private:
  static std::string name_of(const config::Participant& real) {
    const std::unique_ptr<char, decltype(&std::free)> text(
        abi::__cxa_demangle(typeid(real).name(), nullptr, nullptr, nullptr), &std::free);
    const std::string name = text.get();
    return name.substr(name.rfind(':') + 1);
  }
  bool strikes(std::string_view phase, bool after) {
    if (fault_.who != name_ || fault_.phase != phase || fault_.after != after) return false;
    return fault_.struck = true;
  }

  config::Participant& real_;
  std::string name_;
  Fault& fault_;
};

class FaultyEngine : public config::Engine {
 public:
  explicit FaultyEngine(std::unique_ptr<config::Engine> real, Fault& fault) : real_(std::move(real)), fault_(fault) {}

  std::vector<std::string> participants() const {
    std::vector<std::string> names;
    for (const auto& each : participants_) names.push_back(each->name());
    return names;
  }

  void add_participant(config::Participant& participant) override {
    participants_.push_back(std::make_unique<Faulty>(participant, fault_));
    real_->add_participant(*participants_.back());
  }
  config::Report load(bool check_only) override { return real_->load(check_only); }
  config::Report reload(const config::ReloadOptions& options, const config::Author& author) override {
    return real_->reload(options, author);
  }
  config::Report set(const config::ScopePath& path, const std::string& option, const config::RawValue& value,
                     std::shared_ptr<const config::Source> source) override {
    return real_->set(path, option, value, std::move(source));
  }
  config::Report unset(const config::ScopePath& path, const std::string& option,
                       std::shared_ptr<const config::Source> source) override {
    return real_->unset(path, option, std::move(source));
  }
  Result<std::shared_ptr<config::Transaction>> begin(const config::BeginOptions& options,
                                                     const config::Author& author) override {
    return real_->begin(options, author);
  }
  std::shared_ptr<config::Transaction> find(std::string_view name) override { return real_->find(name); }
  void rollback(std::string_view name) override { real_->rollback(name); }
  std::vector<std::shared_ptr<config::Transaction>> named() const override { return real_->named(); }
  std::optional<WallTime> unconfirmed() const override { return real_->unconfirmed(); }
  config::Report confirm(const config::Author& author) override { return real_->confirm(author); }
  std::optional<WallTime> tick() override { return real_->tick(); }
  std::vector<config::Generation> history() const override { return real_->history(); }
  config::Report revert(uint64_t generation, const config::Author& author) override {
    return real_->revert(generation, author);
  }
  Result<std::vector<config::Change>> diff(uint64_t before, uint64_t after) const override {
    return real_->diff(before, after);
  }
  config::Report drift() override { return real_->drift(); }
  config::WritebackReport writeback(const std::string& path, const config::Author& author) override {
    return real_->writeback(path, author);
  }
  config::SnapshotPtr current() const override { return real_->current(); }
  const std::string& file() const override { return real_->file(); }

 private:
  std::unique_ptr<config::Engine> real_;
  Fault& fault_;
  std::vector<std::unique_ptr<Faulty>> participants_;
};

}  // namespace impulse::server::test
