// The accounting log's lines: Momentum's offsets, doc/logs.md.
#include "telemetry/acctlog.h"

#include "base/text.h"
#include "telemetry/log_text.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

namespace impulse::telemetry {
namespace {

// One more field. A backslash stands before '@' and '\' inside it; what would
// break the line, or a terminal, is escaped as in C.
void field(std::string& line, std::string_view text) {
  line += '@';
  std::string whole(text.substr(0, field_limit));
  if (text.size() > field_limit) whole += "...";
  const bool harmless = is_utf8(whole);
  unsigned char before = 0;
  for (const char c : whole) {
    const auto byte = static_cast<unsigned char>(c);
    const unsigned char last = std::exchange(before, byte);
    if (c == '@' || c == '\\') {
      line += '\\';
      line += c;
    } else if (c == '\n') {
      line += "\\n";
    } else if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !harmless)) {
      fmt::format_to(std::back_inserter(line), "\\x{:02X}", byte);
    } else if (last == 0xC2 && byte < 0xA0) {  // a C1 control (U+0080 to U+009F) acts on terminals as a C0 control does
      line.pop_back();
      fmt::format_to(std::back_inserter(line), "\\xC2\\x{:02X}", byte);
    } else {
      line += c;
    }
  }
}

std::string begin(const Account& account, std::string_view kind) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(account.time).time_since_epoch().count();
  std::string line = fmt::format("{}@{}", seconds, kind);
  field(line, account.listen);
  field(line, account.peer);
  field(line, account.user);
  return line;
}

class FileAcctlog final : public Acctlog {
 public:
  explicit FileAcctlog(std::unique_ptr<LineWriter> writer) : writer_(std::move(writer)) {}

  void authentication(const Account& account, bool good) override {
    std::string line = begin(account, "N");
    line += good ? "@1" : "@0";
    finish(line);
  }
  void timeout(const Account& account) override {
    std::string line = begin(account, "T");
    line += "@0";
    finish(line);
  }
  void command(const Account& account, bool allowed, std::string_view command, std::string_view role) override {
    std::string line = begin(account, "Z");
    line += allowed ? "@1" : "@0";
    field(line, command);
    if (!role.empty()) field(line, role);
    finish(line);
  }
  LineWriter* writer() override { return writer_.get(); }

 private:
  void finish(std::string& line) {
    line += '\n';
    writer_->append(line);
  }

  std::unique_ptr<LineWriter> writer_;
};

class NoAcctlog final : public Acctlog {
 public:
  void authentication(const Account&, bool) override {}
  void timeout(const Account&) override {}
  void command(const Account&, bool, std::string_view, std::string_view) override {}
  LineWriter* writer() override { return nullptr; }
};

std::string loss_line(uint64_t lines) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(wall_now()).time_since_epoch().count();
  return fmt::format("{}@L@{}\n", seconds, lines);
}

}  // namespace

Result<std::unique_ptr<Acctlog>> Acctlog::open(const std::string& path, const LogContext& context) {
  if (path.empty()) return std::make_unique<NoAcctlog>();
  LineWriter::Options options;
  options.name = "acctlog";
  options.lost = Counter::acctlog_lines_lost;
  options.context = context;
  options.loss = loss_line;
  auto writer = LineWriter::open(path, std::move(options));
  if (!writer) return std::unexpected(writer.error());
  return std::make_unique<FileAcctlog>(std::move(*writer));
}

}  // namespace impulse::telemetry
