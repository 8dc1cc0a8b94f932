#include "telemetry/mail_logs.h"

#include "base/thread_name.h"
#include "telemetry/log_text.h"

#include <fmt/format.h>

#include <utility>

namespace impulse::telemetry {
namespace {

// Together with the writers' delay lines are in the file within 100 ms.
constexpr Duration gathering = std::chrono::milliseconds(20);
constexpr Duration writing = std::chrono::milliseconds(80);
constexpr size_t worth_waking = 1024;             // events that are not left to gather
constexpr size_t most_waiting = size_t{1} << 16;  // events; more are counted and dropped
constexpr size_t most_bytes = size_t{64} << 20;   // of their notes
constexpr size_t piece = size_t{64} << 10;        // bytes of lines that go to a writer at once

// Whether the bounce log has it.
bool is_failure(Record::Kind kind) {
  return kind != Record::Kind::reception && kind != Record::Kind::delivery && kind != Record::Kind::admin_rebind;
}

Result<std::unique_ptr<LineWriter>> open_log(const std::string& path, const char* name, Counter lost,
                                             const LogContext& context, std::string_view loss, std::string_view beat) {
  if (path.empty()) return std::unique_ptr<LineWriter>();
  LineWriter::Options options;
  options.name = name;
  options.delay = writing;
  options.lost = lost;
  options.context = context;
  options.loss = [loss](uint64_t lines) {
    if (loss.empty())
      return fmt::format("{{\"type\":\"Lost\",\"timestamp\":{},\"lines\":{}}}\n", seconds_of(wall_now()), lines);
    return fmt::format("{}{}{}\n", seconds_of(wall_now()), loss, lines);
  };
  if (!beat.empty()) options.heartbeat = [beat](WallTime now) { return fmt::format("{}{}\n", seconds_of(now), beat); };
  return LineWriter::open(path, std::move(options));
}

}  // namespace

Result<std::unique_ptr<MailLogs>> MailLogs::open(const Settings& settings, const LogContext& context) {
  std::unique_ptr<MailLogs> logs(new MailLogs(settings.facts));
  auto main = open_log(settings.mainlog, "mainlog", Counter::mainlog_lines_lost, context, "@@@@L@", "@@@@M");
  if (!main) return std::unexpected(main.error());
  auto bounce = open_log(settings.bouncelog, "bouncelog", Counter::bouncelog_lines_lost, context, "@@@@L@", "@@@@M1");
  if (!bounce) return std::unexpected(bounce.error());
  auto json = open_log(settings.jsonlog, "jsonlog", Counter::jsonlog_lines_lost, context, "", "");
  if (!json) return std::unexpected(json.error());
  logs->main_ = std::move(*main);
  logs->bounce_ = std::move(*bounce);
  logs->json_ = std::move(*json);
  if (logs->main_ || logs->bounce_ || logs->json_) logs->thread_ = std::thread([&self = *logs] { self.run(); });
  return logs;
}

MailLogs::~MailLogs() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

std::vector<std::pair<std::string_view, LineWriter*>> MailLogs::writers() const {
  std::vector<std::pair<std::string_view, LineWriter*>> found;
  if (main_) found.emplace_back("Mainlog", main_.get());
  if (bounce_) found.emplace_back("Bouncelog", bounce_.get());
  if (json_) found.emplace_back("Jsonlog", json_.get());
  return found;
}

void MailLogs::choose(Choice choice) {
  const bool any = json_ && !choice.empty();
  auto next = any ? std::make_shared<const Choice>(std::move(choice)) : nullptr;
  const std::lock_guard lock(choice_mutex_);
  choice_.swap(next);
  chosen_ = any;
}

ChoicePtr MailLogs::choice() const {
  if (!chosen_) return nullptr;
  const std::lock_guard lock(choice_mutex_);
  return choice_;
}

void MailLogs::read_reports(OfDomain of_domain) {
  const bool any = of_domain && (bounce_ || json_);
  auto next = any ? std::make_shared<const OfDomain>(std::move(of_domain)) : nullptr;
  const std::lock_guard lock(choice_mutex_);
  reports_of_.swap(next);
  reports_ = any;
}

bool MailLogs::reads_reports(const message::Envelope& envelope) const { return addressee(envelope).has_value(); }

std::optional<size_t> MailLogs::addressee(const message::Envelope& envelope) const {
  if (!reports_) return std::nullopt;
  std::shared_ptr<const OfDomain> of_domain;
  {
    const std::lock_guard lock(choice_mutex_);
    of_domain = reports_of_;
  }
  if (!of_domain) return std::nullopt;
  for (size_t i = 0; i < envelope.recipients.size(); ++i)
    if ((*of_domain)(message::domain_of(envelope.recipients[i].address))) return i;
  return std::nullopt;
}

// What an event takes beyond what all of them do.
size_t MailLogs::extra_bytes(const Event& event) {
  if (const auto* record = std::get_if<Record>(&event)) return record->note ? record->note->size() : 0;
  size_t bytes = 0;
  const auto& reception = std::get<Reception>(event);
  for (const auto& [name, value] : reception.envelope->headers) bytes += name.size() + value.size();
  if (reception.report) bytes += reception.report->size();
  return bytes;
}

void MailLogs::reception(Reception reception) {
  if (main_ || json_ || (bounce_ && reception.report)) push(std::move(reception));
}

void MailLogs::outcome(Record record) {
  const bool wanted =
      json_ || (main_ && record.kind != Record::Kind::admin_rebind) || (bounce_ && is_failure(record.kind));
  if (wanted) push(std::move(record));
}

void MailLogs::push(Event event) {
  const size_t extra = extra_bytes(event);
  bool wake = false;
  {
    std::unique_lock lock(mutex_);
    if (waiting_.size() >= most_waiting || waiting_bytes_ + extra > most_bytes) {
      lock.unlock();
      return lose(event);
    }
    waiting_.push_back(std::move(event));
    waiting_bytes_ += extra;
    ++pushed_;
    wake = waiting_.size() == 1 || waiting_.size() == worth_waking;
  }
  if (wake) wake_.notify_one();
}

void MailLogs::lose(const Event& event) const {
  const auto* reception = std::get_if<Reception>(&event);
  const uint64_t lines = reception != nullptr ? reception->envelope->recipients.size() : 1;
  // Nobody knows how many a report tells of; one at least.
  const uint64_t reported = reception != nullptr && reception->report ? 1 : 0;
  const bool failed = reception == nullptr && is_failure(std::get<Record>(event).kind);
  const bool rebound = reception == nullptr && std::get<Record>(event).kind == Record::Kind::admin_rebind;
  if (main_ && !rebound) main_->lose(lines);
  if (json_) json_->lose(lines + reported);
  if (bounce_ && (failed || reported > 0)) bounce_->lose(1);
}

void MailLogs::flush() {
  {
    std::unique_lock lock(mutex_);
    const uint64_t target = pushed_;
    urgent_ = true;
    wake_.notify_one();
    if (thread_.joinable()) done_.wait(lock, [&] { return made_ >= target; });
  }
  for (const auto& [name, writer] : writers()) writer->flush();
}

void MailLogs::add(Lines& lines, const Record& record) const {
  const bool of_main = record.kind != Record::Kind::out_of_band && record.kind != Record::Kind::admin_rebind;
  if (main_ && of_main) add_main_line(lines.main, record, facts_);
  if (bounce_ && is_failure(record.kind)) add_bounce_line(lines.bounce, record, facts_);
  if (json_) add_json_line(lines.json, record, facts_);
}

void MailLogs::add(Lines& lines, const Reception& reception) const {
  const bool no_room = reception.report && reception.report->empty();
  const size_t nobody = reception.envelope->recipients.size();
  const size_t told = reception.report && !no_room ? addressee(*reception.envelope).value_or(nobody) : nobody;
  const auto feedback = json_ && told != nobody ? feedback_in(reception) : nullptr;
  const ChoicePtr chosen = choice();
  const NotePtr note = chosen ? note_of(*chosen, *reception.envelope) : nullptr;
  for (size_t i = 0; i < nobody; ++i) {
    Record record = record_of(reception, i);
    record.note = note;
    if (i == told) record.feedback = feedback;
    add(lines, record);
    if (lines.main.size() + lines.json.size() >= piece) append(lines);
  }
  if (no_room) {
    if (json_) json_->lose(1);
    if (bounce_) bounce_->lose(1);
  }
  if (told == nobody) return;
  for (Record& record : out_of_band(reception, told)) {
    record.note = note;
    add(lines, record);
    if (lines.bounce.size() + lines.json.size() >= piece) append(lines);
  }
}

void MailLogs::append(Lines& lines) const {
  const auto pass = [](std::string& text, const std::unique_ptr<LineWriter>& writer) {
    if (!text.empty()) writer->append(text);
    text.clear();
  };
  pass(lines.main, main_);
  pass(lines.bounce, bounce_);
  pass(lines.json, json_);
}

void MailLogs::run() {
  name_thread("mail-logs");
  std::vector<Event> events;
  Lines lines;
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    wake_.wait_for(lock, gathering, [this] { return stop_ || urgent_ || waiting_.size() >= worth_waking; });
    urgent_ = false;
    events.swap(waiting_);
    waiting_bytes_ = 0;
    lock.unlock();
    for (const Event& event : events) {
      if (const auto* record = std::get_if<Record>(&event)) {
        add(lines, *record);
      } else {
        add(lines, std::get<Reception>(event));
      }
      if (lines.main.size() + lines.bounce.size() + lines.json.size() >= piece) append(lines);
    }
    append(lines);
    const size_t count = events.size();
    events.clear();
    if (events.capacity() > 4 * worth_waking) std::vector<Event>().swap(events);
    lock.lock();
    made_ += count;
    done_.notify_all();
  }
}

}  // namespace impulse::telemetry
