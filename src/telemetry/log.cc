// The diagnostic log: an spdlog logger gives the lines their form, a
// LineWriter behind its sink takes them to the file.
#include "telemetry/log.h"

#include "base/clock.h"
#include "base/text.h"
#include "telemetry/line_writer.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>

#include <mutex>
#include <utility>

namespace impulse::telemetry {
namespace {

constexpr size_t text_limit = 8192;
constexpr std::string_view level_names[] = {"critical", "error", "warning", "notice", "info", "debug"};
constexpr std::string_view area_names[] = {"server", "config", "net",      "tls",    "smtp",
                                           "spool",  "queue",  "delivery", "control"};
static_assert(std::size(area_names) == static_cast<size_t>(Area::count_));

// Level and area stand in the message itself: spdlog's levels have no notice.
// Its own level tells the sink only what must not wait.
std::unique_ptr<spdlog::formatter> make_formatter() {
  return std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %v", spdlog::pattern_time_type::utc, "\n");
}

class WriterSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit WriterSink(std::unique_ptr<LineWriter> writer) : base_sink(make_formatter()), writer_(std::move(writer)) {}
  LineWriter& writer() { return *writer_; }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    writer_->append({line.data(), line.size()}, message.level >= spdlog::level::err);
  }
  void flush_() override { writer_->flush(); }

 private:
  std::unique_ptr<LineWriter> writer_;
};

class SpdLog final : public Log {
 public:
  explicit SpdLog(std::unique_ptr<LineWriter> writer)
      : sink_(std::make_shared<WriterSink>(std::move(writer))), logger_("impulse", sink_) {
    logger_.set_level(spdlog::level::trace);  // Log::write has chosen already
  }
  Result<> reopen() override { return sink_->writer().reopen(); }
  void flush() override { sink_->writer().flush(); }

 protected:
  void emit(Level level, Area area, std::string_view id, std::string_view text) override {
    fmt::memory_buffer line;
    fmt::format_to(std::back_inserter(line), "{} {} {}: {}", to_string(level), to_string(area), id,
                   escape_line(text, text_limit));
    logger_.log(level <= Level::error ? spdlog::level::err : spdlog::level::info,
                spdlog::string_view_t(line.data(), line.size()));
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

Result<std::unique_ptr<Log>> Log::open(const std::string& path) {
  LineWriter::Options options;
  options.loss = loss_line;
  auto writer = LineWriter::open(path, std::move(options));
  if (!writer) return std::unexpected(writer.error());
  return std::make_unique<SpdLog>(std::move(*writer));
}

}  // namespace impulse::telemetry
