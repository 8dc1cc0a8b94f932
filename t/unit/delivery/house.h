// A Dispatcher with everything it needs, for real: spool, logs, configuration,
// and a loop that is run until something is true. Its DSNs go into the same
// spool, as they do in the daemon.
#pragma once

#include "../config/kit.h"
#include "../net/kit.h"
#include "delivery/dispatcher.h"

#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>
#include <string>
#include <vector>

namespace impulse::delivery::test {

inline std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

inline message::Envelope envelope(const std::string& sender, const std::vector<std::string>& recipients) {
  message::Envelope made;
  made.sender = sender;
  for (const auto& recipient : recipients) made.recipients.push_back({recipient});
  made.received = wall_now();
  return made;
}

class House {
 public:
  // Puts something between the spool and who uses it.
  using Wrap = std::function<std::unique_ptr<spool::Spool>(std::unique_ptr<spool::Spool>)>;
  // `configuration` stands at the global scope; Hostname is there already.
  explicit House(const std::string& configuration, const Wrap& wrap = nullptr) { open(configuration, wrap); }
  ~House() { close(); }
  House(const House&) = delete;
  House& operator=(const House&) = delete;

  void open(const std::string& configuration, const Wrap& wrap = nullptr) {
    configure(configuration);
    std::vector<spool::Summary> live;
    spool::Settings settings;
    settings.base = dir / "spool";
    settings.min_free_percent = 0;
    auto opened = spool::Spool::open(
        settings, "mx1", [&](spool::Summary summary) { live.push_back(std::move(summary)); }, [](std::string_view) {});
    CPPUNIT_ASSERT_MESSAGE(opened ? "" : opened.error().message, opened.has_value());
    spool = wrap ? wrap(std::move(*opened)) : std::move(*opened);
    mainlog = std::move(*telemetry::MailLogs::open({.mainlog = dir / "mainlog", .jsonlog = dir / "jsonlog"}));
    log = std::move(*telemetry::Log::open(dir / "log"));
    dispatcher = Dispatcher::create({*loop, *spool, *mainlog, *log, counters,
                                     [this] {
                                       const std::lock_guard lock(mutex_);
                                       return snapshot_;
                                     },
                                     [this](spool::Incoming incoming, std::function<void(Result<MessageId>)> done) {
                                       inject(std::move(incoming), std::move(done));
                                     }});
    {
      const std::lock_guard lock(mutex_);
      queue_ = dispatcher.get();
    }
    for (auto& summary : live) {
      auto envelope = std::make_shared<const message::Envelope>(std::move(summary.envelope));
      dispatcher->enqueue(summary.id, envelope, summary.size, std::move(summary.states));
    }
  }

  // As a daemon that goes down in order, but for the waiting: what the spool still
  // commits then comes into no queue.
  void close() {
    net::test::spin(*loop);
    {
      const std::lock_guard lock(mutex_);
      queue_ = nullptr;
    }
    dispatcher.reset();
    if (between) between();
    spool.reset();
    mainlog.reset();
    log.reset();
  }

  void configure(const std::string& configuration) {
    // Nobody answers there: no test asks a real name server.
    if (!std::filesystem::exists(resolv_conf())) std::ofstream(resolv_conf()) << "nameserver 127.0.0.1:1\n";
    auto next = config::test::snapshot(
        fmt::format("Hostname = mx1.example\nResolv_Conf = \"{}\"\n{}", resolv_conf(), configuration));
    const std::lock_guard lock(mutex_);
    snapshot_ = std::move(next);
  }
  void reconfigure(const std::string& configuration) {
    configure(configuration);
    dispatcher->reconfigured();
  }

  // `more` may say what else the envelope holds.
  MessageId submit(const std::string& sender, const std::vector<std::string>& recipients,
                   const std::string& body = "Subject: hello\r\n\r\nbody\r\n", Duration age = Duration{0},
                   const std::function<void(message::Envelope&)>& more = nullptr) {
    spool::Incoming incoming;
    incoming.envelope = envelope(sender, recipients);
    incoming.envelope.received -= age;
    incoming.envelope.listener = "*:25";
    if (more) more(incoming.envelope);
    incoming.trace = "Received: by mx1.example with ESMTP id ;\r\n\tnow\r\n";
    incoming.id_offset = 39;
    incoming.body.append(body);
    std::promise<Result<MessageId>> promise;
    commit(std::move(incoming), [&](Result<MessageId> id) { promise.set_value(std::move(id)); });
    const auto id = promise.get_future().get();
    CPPUNIT_ASSERT(id.has_value());
    return *id;
  }

  // Into the spool alone; give() brings it into the queue, as a start does. So a
  // test that counts on time need not count on the disk's.
  MessageId store(message::Envelope envelope) const {
    spool::Incoming incoming;
    incoming.envelope = std::move(envelope);
    incoming.body.append("Subject: hello\r\n\r\nbody\r\n");
    std::promise<Result<MessageId>> promise;
    spool->commit(std::make_shared<const spool::Incoming>(std::move(incoming)),
                  [&](Result<MessageId> id) { promise.set_value(std::move(id)); });
    const auto id = promise.get_future().get();
    CPPUNIT_ASSERT(id.has_value());
    return *id;
  }
  void give(MessageId id, message::Envelope envelope) {
    dispatcher->enqueue(id, std::make_shared<const message::Envelope>(std::move(envelope)), 100, {});
  }

  void run_until(const std::function<bool()>& done, std::string_view what = "condition") {
    net::test::run_until(*loop, done, what);
  }
  void run_until_empty() {
    run_until([this] { return dispatcher->size() == 0 && spool->status().messages == 0; }, "an empty queue");
  }

  std::string mails() {
    mainlog->flush();
    return slurp(dir / "mainlog");
  }
  // Records of the JSON log of one type: "Delivery".
  std::vector<std::string> records(std::string_view type) {
    mainlog->flush();
    std::istringstream text(slurp(dir / "jsonlog"));
    std::vector<std::string> found;
    for (std::string line; std::getline(text, line);)
      if (holds(line, fmt::format("{{\"type\":\"{}\",", type))) found.push_back(line);
    return found;
  }
  // Lines of the main log of one kind: 'D', 'T', 'P'.
  int lines(char kind) {
    std::istringstream text(mails());
    int count = 0;
    for (std::string line; std::getline(text, line);) {
      if (holds(line, std::string("@") + kind + "@")) ++count;
    }
    return count;
  }
  int64_t counter(telemetry::Counter which) const { return counters.value(which); }

  std::string resolv_conf() const { return dir / "resolv.conf"; }

  // What lies in a Maildir's new/, oldest name first.
  std::vector<std::string> maildir(const std::string& folder) const {
    std::vector<std::filesystem::path> paths;
    const std::filesystem::path in = dir / (folder + "/new");
    if (!std::filesystem::exists(in)) return {};
    for (const auto& each : std::filesystem::directory_iterator(in)) paths.push_back(each.path());
    std::sort(paths.begin(), paths.end());
    std::vector<std::string> texts;
    for (const auto& path : paths) texts.push_back(slurp(path));
    return texts;
  }

  net::test::TempDir dir;
  std::unique_ptr<net::Loop> loop = net::test::make_loop();
  telemetry::Counters counters;
  std::unique_ptr<spool::Spool> spool;
  std::unique_ptr<telemetry::MailLogs> mainlog;
  std::unique_ptr<telemetry::Log> log;
  std::unique_ptr<Dispatcher> dispatcher;
  // Tests may refuse bounces, or look at them.
  std::function<bool(const spool::Incoming&)> take_bounce = [](const spool::Incoming&) { return true; };
  // While it is closed: when the dispatcher has gone, and the spool has not.
  std::function<void()> between;
  int bounces = 0;
  // Or keep them, and look at how things are as long as they are on their way.
  bool hold_bounces = false;
  std::vector<std::function<void()>> held;
  void release() {
    hold_bounces = false;
    for (const auto& each : std::exchange(held, {})) each();
  }

 private:
  void commit(spool::Incoming incoming, std::function<void(Result<MessageId>)> done) {
    auto message = std::make_shared<const spool::Incoming>(std::move(incoming));
    spool->commit(message, [this, message, done = std::move(done)](Result<MessageId> id) {
      {
        const std::lock_guard lock(mutex_);
        if (id && queue_ != nullptr)
          queue_->enqueue(*id, std::make_shared<const message::Envelope>(message->envelope),
                          message->trace.size() + message->body.size(), {});
      }
      done(std::move(id));
    });
  }
  void inject(spool::Incoming incoming, std::function<void(Result<MessageId>)> done) {
    if (!take_bounce(incoming)) return done(fail(Errc::no_space, "the disk is full"));
    ++bounces;
    if (hold_bounces) {
      const auto kept = std::make_shared<spool::Incoming>(std::move(incoming));
      held.emplace_back([this, kept, done = std::move(done)] { commit(std::move(*kept), done); });
      return;
    }
    commit(std::move(incoming), std::move(done));
  }

  std::mutex mutex_;
  config::SnapshotPtr snapshot_;
  Dispatcher* queue_ = nullptr;  // null: closing
};

// Works in the house's folder: paths are relative, and each test has its own.
struct There {
  explicit There(House& house) { CPPUNIT_ASSERT_EQUAL(0, ::chdir(house.dir.path().c_str())); }
  ~There() { CPPUNIT_ASSERT_EQUAL(0, ::chdir("/")); }
  There(const There&) = delete;
  There& operator=(const There&) = delete;
};

}  // namespace impulse::delivery::test
