// The diagnostic log: an spdlog logger gives the lines their form, a
// LineWriter behind its sink takes them to the file.
#include "telemetry/log.h"

#include "base/clock.h"
#include "base/text.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>

#include <algorithm>
#include <array>
#include <deque>
#include <mutex>
#include <utility>

namespace impulse::telemetry {
namespace {

constexpr size_t text_limit = 8192;
constexpr std::string_view level_names[] = {"critical", "error", "warning", "notice", "info", "debug"};
constexpr std::string_view area_names[] = {"server", "config",   "net",     "tls",  "smtp",    "spool",
                                           "queue",  "delivery", "control", "http", "ecstream"};
static_assert(std::size(area_names) == static_cast<size_t>(Area::count_));

// Level and area stand in the message itself: spdlog's levels have no notice.
// Its own level only carries ours to the sink.
constexpr spdlog::level::level_enum carried[] = {spdlog::level::critical, spdlog::level::err,   spdlog::level::warn,
                                                 spdlog::level::info,     spdlog::level::debug, spdlog::level::trace};
constexpr size_t levels = std::size(carried);
constexpr size_t kept_lines = 100;  // of each level
constexpr size_t kept_text = 1024;

Level level_of(spdlog::level::level_enum carrier) {
  for (size_t i = 0; i < levels; ++i)
    if (carried[i] == carrier) return static_cast<Level>(i);
  return Level::notice;
}

std::unique_ptr<spdlog::formatter> make_formatter() {
  return std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %v", spdlog::pattern_time_type::utc, "\n");
}

class WriterSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit WriterSink(std::unique_ptr<LineWriter> writer) : base_sink(make_formatter()), writer_(std::move(writer)) {}
  LineWriter& writer() { return *writer_; }

  std::vector<LogLine> recent(size_t each) {
    std::vector<LogLine> found;
    {
      const std::lock_guard lock(mutex_);
      for (const std::deque<LogLine>& lines : recent_) {
        const size_t count = std::min(each, lines.size());
        found.insert(found.end(), lines.end() - static_cast<std::ptrdiff_t>(count), lines.end());
      }
    }
    std::sort(found.begin(), found.end(), [](const LogLine& a, const LogLine& b) { return a.number < b.number; });
    return found;
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    const std::string_view text(line.data(), line.size());
    writer_->append(text, message.level >= spdlog::level::err);
    const Level level = level_of(message.level);
    std::deque<LogLine>& lines = recent_[static_cast<size_t>(level)];
    if (lines.size() == kept_lines) lines.pop_front();
    lines.push_back({++number_, level, std::string(text.substr(0, std::min(text.size() - 1, kept_text)))});
  }
  void flush_() override { writer_->flush(); }

 private:
  std::unique_ptr<LineWriter> writer_;
  std::array<std::deque<LogLine>, levels> recent_;  // guarded by mutex_, as is number_
  uint64_t number_ = 0;
};

class SpdLog final : public Log {
 public:
  explicit SpdLog(std::unique_ptr<LineWriter> writer)
      : sink_(std::make_shared<WriterSink>(std::move(writer))), logger_("impulse", sink_) {
    logger_.set_level(spdlog::level::trace);  // Log::write has chosen already
  }
  LineWriter* writer() override { return &sink_->writer(); }
  std::vector<LogLine> recent(size_t each) const override { return sink_->recent(each); }

 protected:
  void emit(Level level, Area area, std::string_view id, std::string_view text) override {
    fmt::memory_buffer line;
    fmt::format_to(std::back_inserter(line), "{} {} {}: {}", to_string(level), to_string(area), id,
                   escape_line(text, text_limit));
    logger_.log(carried[static_cast<size_t>(level)], spdlog::string_view_t(line.data(), line.size()));
  }

 private:
  std::shared_ptr<WriterSink> sink_;
  spdlog::logger logger_;
};

std::string loss_line(uint64_t lines) {
  spdlog::memory_buf_t line;
  const std::string text = fmt::format("error server log-lines-lost: {} lines could not be written", lines);
  make_formatter()->format(spdlog::details::log_msg("impulse", spdlog::level::err, text), line);
  return {line.data(), line.size()};
}

}  // namespace

std::string_view to_string(Level level) { return level_names[static_cast<size_t>(level)]; }
std::string_view to_string(Area area) { return area_names[static_cast<size_t>(area)]; }

Log::Log() {
  for (auto& level : levels_) level.store(static_cast<uint8_t>(Level::notice), std::memory_order_relaxed);
}

Result<std::unique_ptr<Log>> Log::open(const std::string& path, const LogContext& context) {
  LineWriter::Options options;
  options.loss = loss_line;
  options.name = "diagnostic-log";
  options.lost = Counter::diagnostic_log_lines_lost;
  options.context = context;
  auto writer = LineWriter::open(path, std::move(options));
  if (!writer) return std::unexpected(writer.error());
  return std::make_unique<SpdLog>(std::move(*writer));
}

}  // namespace impulse::telemetry
