// The rejection log's lines, see doc/logs.md.
#include "telemetry/rejectlog.h"

#include "base/text.h"
#include "telemetry/log_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace impulse::telemetry {
namespace {

// What stands between quotes: a quote inside is \x22, so that each one of a
// line begins or ends a field.
void quoted(std::string& line, std::string_view text) {
  line += '"';
  for (const char c : escape_line(text, field_limit)) {
    if (c == '"')
      line += "\\x22";
    else
      line += c;
  }
  line += '"';
}

// Of a context: bare where it is a plain word, as Momentum writes it.
void context(std::string& line, std::string_view name, std::string_view text) {
  if (line.back() != '[') line += ',';
  line.append(name).append("=");
  const auto plain = [](char c) { return is_alpha(c) || is_digit(c) || std::string_view("._-+/:").contains(c); };
  if (text.size() <= field_limit && std::all_of(text.begin(), text.end(), plain))
    line += text;
  else
    quoted(line, text);
}

void address(std::string& line, std::string_view name, std::string_view text) {
  const auto [local, domain] = divide_address(text);
  context(line, fmt::format("{}_localpart", name), local);
  context(line, fmt::format("{}_domain", name), domain);
}

// Momentum's words for what is waited for.
std::string_view phase_of(std::string_view state) {
  static constexpr std::pair<std::string_view, std::string_view> phases[] = {
      {"connected", "awaiting ehlo"},  {"greeted", "awaiting mailfrom"}, {"auth", "awaiting auth"},
      {"mail", "awaiting rcptto"},     {"rcpt", "awaiting rcptto"},      {"data", "awaiting body"},
      {"commit", "awaiting reception"}};
  for (const auto& [ours, theirs] : phases)
    if (ours == state) return theirs;
  return state;
}

std::string momentum_line(const Rejection& what) {
  std::string line = fmt::format("{}: R=", seconds_of(what.time));
  quoted(line, what.peer);
  line += " L=";
  quoted(line, what.local);
  fmt::format_to(std::back_inserter(line), " C=\"{}\" PATH=", what.session);
  quoted(line, what.pathway);
  line += " PATH_GRP=";
  quoted(line, what.group);
  fmt::format_to(std::back_inserter(line), " P=\"{}\" E={} M={} CTXCONN=[", phase_of(what.phase), what.code,
                 what.cause);
  context(line, "pathway", what.pathway);
  context(line, "listen", what.listen);
  if (!what.tenant.empty()) context(line, "tenant", what.tenant);
  if (!what.helo.empty()) context(line, "ehlo_domain", what.helo);
  if (!what.user.empty()) context(line, "auth_user", what.user);
  line += "] CTXMESS=[";
  const bool mail = istarts_with(what.command, "MAIL");
  if (what.in_transaction) address(line, "mailfrom", what.sender);
  if (mail) context(line, "mailfrom_string", what.command);
  if (!what.recipient.empty()) address(line, "rcptto", what.recipient);
  if (!mail && !what.command.empty()) context(line, "rcptto_string", what.command);
  return line + "] " + escape_line(what.text, field_limit) + '\n';
}

std::string json_line(const Rejection& what) {
  JsonLine line;
  line.text("time", time_text(what.time));
  line.number("session", what.session);
  line.text("listener", what.listener);
  line.text("listen", what.listen);
  line.text("local", what.local);
  line.text("peer", what.peer);
  line.text("pathway", what.pathway);
  if (!what.tenant.empty()) line.text("tenant", what.tenant);
  line.text("phase", what.phase);
  if (!what.helo.empty()) line.text("helo", what.helo);
  if (!what.user.empty()) line.text("user", what.user);
  if (!what.command.empty()) line.text("command", what.command);
  if (what.in_transaction) line.text("sender", what.sender);
  if (!what.recipient.empty()) line.text("recipient", what.recipient);
  line.number("code", static_cast<uint64_t>(what.code));
  line.text("text", what.text);
  line.text("cause", what.cause);
  return std::move(line).finish();
}

class FileRejectlog final : public Rejectlog {
 public:
  FileRejectlog(std::unique_ptr<LineWriter> writer, Form form) : writer_(std::move(writer)), form_(form) {}

  bool wanted() const override { return true; }
  void rejection(const Rejection& rejection) override {
    writer_->append(form_ == Form::json ? json_line(rejection) : momentum_line(rejection));
  }
  LineWriter* writer() override { return writer_.get(); }

 private:
  std::unique_ptr<LineWriter> writer_;
  Form form_;
};

class NoRejectlog final : public Rejectlog {
 public:
  bool wanted() const override { return false; }
  void rejection(const Rejection&) override {}
  LineWriter* writer() override { return nullptr; }
};

}  // namespace

Result<std::unique_ptr<Rejectlog>> Rejectlog::open(const std::string& path, Form form, const LogContext& context) {
  if (path.empty()) return std::make_unique<NoRejectlog>();
  LineWriter::Options options;
  options.name = "rejectlog";
  options.lost = Counter::rejectlog_lines_lost;
  options.context = context;
  if (form == Form::momentum)
    options.heartbeat = [](WallTime now) { return fmt::format("{}: Marker 1\n", seconds_of(now)); };
  options.loss = [form](uint64_t lines) {
    if (form == Form::momentum) return fmt::format("{}: Lost {}\n", seconds_of(wall_now()), lines);
    return fmt::format("{{\"time\":\"{}\",\"lost\":{}}}\n", time_text(wall_now()), lines);
  };
  auto writer = LineWriter::open(path, std::move(options));
  if (!writer) return std::unexpected(writer.error());
  return std::make_unique<FileRejectlog>(std::move(*writer), form);
}

}  // namespace impulse::telemetry
