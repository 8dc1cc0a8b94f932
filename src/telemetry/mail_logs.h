// MailLogs: what happens to mail, written down: the main log, the bounce log, and
// the same as JSON lines (doc/logs.md). Who tells of something hands over what it
// has at hand; a thread here makes the lines of it.
#pragma once

#include "telemetry/line_writer.h"
#include "telemetry/mail_lines.h"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace impulse::telemetry {

class MailLogs {
 public:
  struct Settings {
    // Files (made with 0640); empty: that log is not written.
    std::string mainlog{};
    std::string bouncelog{};
    std::string jsonlog{};
    LineFacts facts{};
  };
  static Result<std::unique_ptr<MailLogs>> open(const Settings& settings, const LogContext& context = {});
  ~MailLogs();  // writes what is waiting
  MailLogs(const MailLogs&) = delete;
  MailLogs& operator=(const MailLogs&) = delete;

  // What the JSON log says of messages themselves. Any thread.
  void choose(Choice choice);
  // Null: nothing is chosen, or there is no JSON log. Of outcomes that are told from now on
  // Record::note is wanted; of messages that come in, Envelope::headers. Any thread, cheap.
  ChoicePtr choice() const;

  // Reports that come in for such a domain are read, and what they say is told as
  // out-of-band bounces, or as a complaint. Null: none are. Any thread.
  using OfDomain = std::function<bool(std::string_view domain)>;
  void read_reports(OfDomain of_domain);
  // Whether there is such a recipient: then Reception::report is wanted. Any thread, cheap where none are.
  bool reads_reports(const message::Envelope& envelope) const;

  // Whether there is a JSON log: some records are of it alone.
  bool writes_json() const { return json_ != nullptr; }

  // Any thread; never waits for a disk. Lines stand in the order of the calls.
  void reception(Reception reception);
  void outcome(Record record);  // any kind but a reception
  void flush();                 // waits until all so far is in the files

  // The logs that there are, by the names of their options. The same as long as it lives.
  std::vector<std::pair<std::string_view, LineWriter*>> writers() const;

 private:
  using Event = std::variant<Reception, Record>;
  struct Lines {
    std::string main, bounce, json;
  };
  static size_t extra_bytes(const Event& event);

  explicit MailLogs(LineFacts facts) : facts_(std::move(facts)) {}
  void push(Event event);
  void lose(const Event& event) const;  // counts what found no room
  void run();
  // The number of the first recipient whose reports are read; nothing: there is none.
  std::optional<size_t> addressee(const message::Envelope& envelope) const;
  void add(Lines& lines, const Record& record) const;
  void add(Lines& lines, const Reception& reception) const;
  void append(Lines& lines) const;

  const LineFacts facts_;
  std::unique_ptr<LineWriter> main_, bounce_, json_;  // null: not written

  std::atomic<bool> chosen_ = false;
  mutable std::mutex choice_mutex_;
  ChoicePtr choice_;  // null: nothing
  std::atomic<bool> reports_ = false;
  std::shared_ptr<const OfDomain> reports_of_;  // null: none; by choice_mutex_, too

  std::mutex mutex_;              // guards what follows
  std::condition_variable wake_;  // the thread waits here
  std::condition_variable done_;  // flush() waits here
  std::vector<Event> waiting_;
  size_t waiting_bytes_ = 0;  // of their notes
  uint64_t pushed_ = 0;
  uint64_t made_ = 0;
  bool urgent_ = false;
  bool stop_ = false;
  std::thread thread_;  // not started when there is no log
};

}  // namespace impulse::telemetry
