// What the spool's tests share: a folder of their own, messages, and waiting
// for the committer.
#pragma once

#include "spool/log_spool.h"

#include <cppunit/extensions/HelperMacros.h>

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace impulse::spool::kit {

// A folder under /tmp that goes away with its owner.
class Folder {
 public:
  Folder() {
    char name[] = "/tmp/impulse-spool-XXXXXX";
    CPPUNIT_ASSERT(::mkdtemp(name));
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline std::string noise(size_t size, unsigned seed) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) {
    seed = seed * 1664525 + 1013904223;
    text[i] = static_cast<char>(seed >> 24);
  }
  return text;
}

inline std::shared_ptr<Incoming> message(std::string_view body, size_t recipients = 1) {
  auto incoming = std::make_shared<Incoming>();
  incoming->envelope.sender = "sender@example.com";
  for (size_t i = 0; i < recipients; ++i)
    incoming->envelope.recipients.push_back({"user" + std::to_string(i) + "@example.net"});
  incoming->envelope.received = WallTime(Duration(1700000000000000));
  incoming->envelope.client_helo = "client.example";
  incoming->envelope.listener = "*:25";
  incoming->trace = "Received: by mx with ESMTP id ;\r\n";
  incoming->id_offset = 30;
  incoming->body.append(body);
  return incoming;
}

inline Result<MessageId> commit(Spool& spool, std::shared_ptr<const Incoming> incoming) {
  auto promise = std::make_shared<std::promise<Result<MessageId>>>();
  auto future = promise->get_future();
  spool.commit(std::move(incoming), [promise](Result<MessageId> id) { promise->set_value(std::move(id)); });
  return future.get();
}
inline MessageId accept(Spool& spool, std::shared_ptr<const Incoming> incoming) {
  auto id = commit(spool, std::move(incoming));
  CPPUNIT_ASSERT_MESSAGE(id ? "" : id.error().message, id.has_value());
  return *id;
}
inline Result<std::vector<MessageId>> commit(Batch& batch, std::optional<Receipt> receipt = std::nullopt) {
  auto promise = std::make_shared<std::promise<Result<std::vector<MessageId>>>>();
  auto future = promise->get_future();
  batch.commit(std::move(receipt), [promise](auto ids) { promise->set_value(std::move(ids)); });
  return future.get();
}
inline std::vector<MessageId> accept(Batch& batch, std::optional<Receipt> receipt = std::nullopt) {
  auto ids = commit(batch, std::move(receipt));
  CPPUNIT_ASSERT_MESSAGE(ids ? "" : ids.error().message, ids.has_value());
  return *ids;
}
inline std::unique_ptr<Batch> begin(Spool& spool) {
  auto batch = spool.begin_batch();
  CPPUNIT_ASSERT_MESSAGE(batch ? "" : batch.error().message, batch.has_value());
  return std::move(*batch);
}
// Without messages: the receipt alone.
inline void remember(Spool& spool, Receipt receipt) { accept(*begin(spool), std::move(receipt)); }
// Its value; "-" when there is none, "!" when it cannot be read.
inline std::string remembered(const Spool& spool, std::string_view key, std::string_view owner = "owner") {
  const auto receipt = spool.receipt(owner, key);
  return !receipt ? "!" : *receipt ? (*receipt)->value : "-";
}
inline Result<> record(Spool& spool, MessageId id, uint32_t recipient, const RecipientState& state) {
  auto promise = std::make_shared<std::promise<Result<>>>();
  auto future = promise->get_future();
  spool.record(id, recipient, state, [promise](Result<> done) { promise->set_value(std::move(done)); });
  return future.get();
}
// After this all that was handed in before has been dealt with, be it refused
// or, of the journal, kept for better times. Twice: the first may be answered
// in the middle of what the committer has taken.
inline void settle(Spool& spool) {
  for (int i = 0; i < 2; ++i) CPPUNIT_ASSERT(!commit(spool, message("", 0)));
}

inline RecipientState outcome(State state, uint32_t attempts = 1, std::string error = "") {
  return {state, attempts, {}, std::move(error)};
}
inline RecipientState later(uint32_t attempts, int64_t when, std::string error) {
  return {State::pending, attempts, WallTime(Duration(when)), std::move(error)};
}

// The operator's log, which can be waited on.
class Log {
 public:
  std::function<void(std::string_view)> sink() {
    return [this](std::string_view line) {
      const std::lock_guard lock(mutex_);
      lines_.emplace_back(line);
      changed_.notify_all();
    };
  }
  // Until a line holding `text` was said `times` times in all.
  void wait_for(std::string_view text, size_t times = 1) {
    std::unique_lock lock(mutex_);
    const bool said = changed_.wait_for(lock, std::chrono::seconds(60), [&] { return count_locked(text) >= times; });
    CPPUNIT_ASSERT_MESSAGE("never said: " + std::string(text), said);
  }
  size_t count(std::string_view text) const {
    const std::lock_guard lock(mutex_);
    return count_locked(text);
  }

 private:
  size_t count_locked(std::string_view text) const {
    size_t count = 0;
    for (const std::string& line : lines_) count += line.find(text) != line.npos ? 1 : 0;
    return count;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

// A spool opened, with what its recovery said.
struct Opened {
  std::vector<Summary> live;
  RecoveryReport report;
  std::unique_ptr<Spool> spool;  // first to go

  Spool* operator->() const { return spool.get(); }
  Spool& operator*() const { return *spool; }
  std::vector<MessageId> ids() const {
    std::vector<MessageId> ids;
    for (const Summary& summary : live) ids.push_back(summary.id);
    return ids;
  }
};

// Everything happens early, and nothing by the clock.
inline Tuning small_tuning() {
  return {.batch_piece = 1000,
          .batch_window = 4000,
          .compact_gain = 500,
          .compact_slice = 1500,
          .compact_every = Duration(0),
          .zero_ahead = 8192,
          .large_block = 300,
          .probe_every = Duration(1000),
          .space_every = Duration(1000),
          .seconds = nullptr};
}

inline Result<Opened> try_open(const std::shared_ptr<FileOps>& ops, const Settings& settings, const Tuning& tuning = {},
                               std::function<void(std::string_view)> log = nullptr) {
  Opened opened;
  auto spool = open_log_spool(
      ops, tuning, settings, "mx1", [&](Summary summary) { opened.live.push_back(std::move(summary)); }, std::move(log),
      &opened.report);
  if (!spool) return std::unexpected(spool.error());
  opened.spool = std::move(*spool);
  return opened;
}
inline Opened open(const std::shared_ptr<FileOps>& ops, const Settings& settings, const Tuning& tuning = {},
                   std::function<void(std::string_view)> log = nullptr) {
  auto opened = try_open(ops, settings, tuning, std::move(log));
  CPPUNIT_ASSERT_MESSAGE(opened ? "" : opened.error().message, opened.has_value());
  return std::move(*opened);
}
inline Opened open(const Settings& settings) { return open(system_files(), settings); }

}  // namespace impulse::spool::kit
