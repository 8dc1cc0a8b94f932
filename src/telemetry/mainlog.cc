// The main log's lines. The offsets of the fields are Momentum's, see
// doc/logs.md for the table and for what is different.
#include "telemetry/mainlog.h"

#include "base/concat.h"
#include "base/text.h"
#include "telemetry/line_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace impulse::telemetry {
namespace {

using Buffer = fmt::memory_buffer;

// What an outsider can make long (a local part, a reply) is cut to so many
// bytes, which bounds the line.
constexpr size_t field_limit = 1024;

void add(Buffer& line, std::string_view text) { line.append(text.data(), text.data() + text.size()); }

bool is_plain(char c) { return c >= ' ' && c < 0x7F && c != '@' && c != '\\'; }

// One more field. '@' inside it is written as \x40, so that every '@' of a
// line is a separator.
void field(Buffer& line, std::string_view text) {
  line.push_back('@');
  if (text.size() <= field_limit && std::all_of(text.begin(), text.end(), is_plain)) {
    add(line, text);
    return;
  }
  for (const char c : escape_line(text, field_limit)) {
    if (c == '@') {
      add(line, "\\x40");
    } else {
      line.push_back(c);
    }
  }
}

void field(Buffer& line, uint64_t number) {
  line.push_back('@');
  add(line, Digits(number));
}

// Seconds with milliseconds; a clock that was set back makes it 0.
void field(Buffer& line, Duration delay) {
  const auto ms = std::max<int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(delay).count(), 0);
  field(line, static_cast<uint64_t>(ms / 1000));
  line.push_back('.');
  add(line, Digits(static_cast<uint64_t>(ms % 1000), 3));
}

// Local part and domain are two fields. The last '@' divides them: a domain
// has none, and a quoted local part ends before it.
std::pair<std::string_view, std::string_view> divide(std::string_view address) {
  const size_t at = address.ends_with('"') ? std::string_view::npos : address.rfind('@');
  if (at == std::string_view::npos) return {address, {}};
  return {address.substr(0, at), address.substr(at + 1)};
}

void protocol_field(Buffer& line, std::string_view protocol) { field(line, lower(protocol)); }

// Offsets 0 to 4. One message id serves all recipients of a message here, so
// it is also the batch id; connections have no ids yet.
Buffer begin(const Record& record, std::string_view kind) {
  Buffer line;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(record.time).time_since_epoch().count();
  if (seconds < 0) line.push_back('-');
  add(line, Digits(static_cast<uint64_t>(std::abs(seconds))));
  field(line, record.id);
  field(line, record.id);
  add(line, "@@");
  add(line, kind);
  return line;
}

void binding(Buffer& line) { add(line, "@default@default"); }

class FileMainlog final : public Mainlog {
 public:
  explicit FileMainlog(std::unique_ptr<LineWriter> writer) : writer_(std::move(writer)) {}

  void reception(const Record& record) override {
    Buffer line = begin(record, "R");
    const auto [to, to_domain] = divide(record.recipient);
    const auto [from, from_domain] = divide(record.sender);
    field(line, to);
    field(line, to_domain);
    field(line, from);
    field(line, from_domain);
    field(line, record.peer);
    field(line, record.size);
    protocol_field(line, record.protocol);
    binding(line);
    field(line, record.local);
    finish(line, record);
  }

  void delivery(const Record& record) override {
    Buffer line = begin(record, "D");
    field(line, record.domain);
    field(line, record.size);
    binding(line);
    field(line, uint64_t{record.attempts});
    field(line, record.delay);
    field(line, record.peer);
    ours(line, record);
    field(line, record.response);
    finish(line, record);
  }

  void transient(const Record& record) override { failure(record, "T"); }
  void permanent(const Record& record) override { failure(record, "P"); }
  Result<> reopen() override { return writer_->reopen(); }
  void flush() override { writer_->flush(); }

 private:
  void failure(const Record& record, std::string_view kind) {
    Buffer line = begin(record, kind);
    field(line, record.domain);
    field(line, std::string_view());  // bytes transferred: not known
    binding(line);
    field(line, std::string_view("22"));  // stage: Momentum's "in unknown state"
    field(line, uint64_t{record.attempts});
    field(line, record.delay);
    field(line, record.peer);
    field(line, record.response);
    ours(line, record);
    finish(line, record);
  }

  // What Momentum does not write: which recipient it was, and how.
  void ours(Buffer& line, const Record& record) {
    field(line, divide(record.recipient).first);
    protocol_field(line, record.protocol);
    field(line, record.local);
  }

  // A tenant's lines have its name for a last field.
  void finish(Buffer& line, const Record& record) {
    if (!record.tenant.empty()) field(line, record.tenant);
    line.push_back('\n');
    writer_->append({line.data(), line.size()});
  }

  std::unique_ptr<LineWriter> writer_;
};

class NoMainlog final : public Mainlog {
 public:
  void reception(const Record&) override {}
  void delivery(const Record&) override {}
  void transient(const Record&) override {}
  void permanent(const Record&) override {}
  Result<> reopen() override { return {}; }
  void flush() override {}
};

std::string loss_line(uint64_t lines) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(wall_now()).time_since_epoch().count();
  return fmt::format("{}@@@@L@{}\n", seconds, lines);
}

}  // namespace

Result<std::unique_ptr<Mainlog>> Mainlog::open(const std::string& path) {
  if (path.empty()) return std::make_unique<NoMainlog>();
  LineWriter::Options options;
  options.name = "mainlog";
  options.loss = loss_line;
  auto writer = LineWriter::open(path, std::move(options));
  if (!writer) return std::unexpected(writer.error());
  return std::make_unique<FileMainlog>(std::move(*writer));
}

}  // namespace impulse::telemetry
