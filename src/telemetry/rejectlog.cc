// The rejection log's lines, see doc/logs.md.
#include "telemetry/rejectlog.h"

#include "base/text.h"
#include "telemetry/line_writer.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace impulse::telemetry {
namespace {

constexpr size_t field_limit = 1024;  // bytes of what an outsider can make long

int64_t seconds_of(WallTime time) { return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count(); }

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

// The last '@' divides: a domain has none, and a quoted local part ends before it.
void address(std::string& line, std::string_view name, std::string_view text) {
  const size_t at = text.ends_with('"') ? std::string_view::npos : text.rfind('@');
  const bool whole = at == std::string_view::npos;
  context(line, fmt::format("{}_localpart", name), whole ? text : text.substr(0, at));
  context(line, fmt::format("{}_domain", name), whole ? std::string_view() : text.substr(at + 1));
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

void json(std::string& line, std::string_view name, std::string_view text) {
  line += line.size() == 1 ? "\"" : ",\"";
  line.append(name).append("\":\"");
  // Well-formed UTF-8 in one line; JSON has its own sign for what is not printable.
  const std::string cut(text.substr(0, field_limit));
  const bool harmless = is_utf8(cut);
  for (const char c : cut) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      line.append("\\").append(1, c);
    else if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !harmless))
      fmt::format_to(std::back_inserter(line), "\\u{:04x}", byte);
    else
      line += c;
  }
  line += '"';
}

std::string time_text(WallTime time) {
  const auto ms = std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count();
  const std::time_t seconds = static_cast<std::time_t>(seconds_of(time));
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds), ((ms % 1000) + 1000) % 1000);
}

std::string json_line(const Rejection& what) {
  std::string line = "{";
  json(line, "time", time_text(what.time));
  fmt::format_to(std::back_inserter(line), ",\"session\":{}", what.session);
  json(line, "listener", what.listener);
  json(line, "listen", what.listen);
  json(line, "local", what.local);
  json(line, "peer", what.peer);
  json(line, "pathway", what.pathway);
  if (!what.tenant.empty()) json(line, "tenant", what.tenant);
  json(line, "phase", what.phase);
  if (!what.helo.empty()) json(line, "helo", what.helo);
  if (!what.user.empty()) json(line, "user", what.user);
  if (!what.command.empty()) json(line, "command", what.command);
  if (what.in_transaction) json(line, "sender", what.sender);
  if (!what.recipient.empty()) json(line, "recipient", what.recipient);
  fmt::format_to(std::back_inserter(line), ",\"code\":{}", what.code);
  json(line, "text", what.text);
  json(line, "cause", what.cause);
  return line + "}\n";
}

class FileRejectlog final : public Rejectlog {
 public:
  FileRejectlog(std::unique_ptr<LineWriter> writer, Form form) : writer_(std::move(writer)), form_(form) {}

  bool wanted() const override { return true; }
  void rejection(const Rejection& rejection) override {
    writer_->append(form_ == Form::json ? json_line(rejection) : momentum_line(rejection));
  }
  Result<> reopen() override { return writer_->reopen(); }
  void flush() override { writer_->flush(); }

 private:
  std::unique_ptr<LineWriter> writer_;
  Form form_;
};

class NoRejectlog final : public Rejectlog {
 public:
  bool wanted() const override { return false; }
  void rejection(const Rejection&) override {}
  Result<> reopen() override { return {}; }
  void flush() override {}
};

}  // namespace

Result<std::unique_ptr<Rejectlog>> Rejectlog::open(const std::string& path, Form form) {
  if (path.empty()) return std::make_unique<NoRejectlog>();
  LineWriter::Options options;
  options.name = "rejectlog";
  options.loss = [form](uint64_t lines) {
    if (form == Form::momentum) return fmt::format("{}: Lost {}\n", seconds_of(wall_now()), lines);
    return fmt::format("{{\"time\":\"{}\",\"lost\":{}}}\n", time_text(wall_now()), lines);
  };
  auto writer = LineWriter::open(path, std::move(options));
  if (!writer) return std::unexpected(writer.error());
  return std::make_unique<FileRejectlog>(std::move(*writer), form);
}

}  // namespace impulse::telemetry
