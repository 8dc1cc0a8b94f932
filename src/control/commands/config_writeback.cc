// config writeback: what runs, into the files.
#include "base/text.h"
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"

namespace impulse::control {

Answer config_writeback(const Invocation& call) {
  std::string path;
  if (call.words.size() > 1)
    return placed_error(Code::usage, "control-usage", call.words[1], "nothing is expected behind the path");
  if (!call.words.empty()) {
    auto read = read_file_path(call.words.front());
    if (!read) return std::move(read.error());
    path = std::move(*read);
  }
  if (call.workspace.open()) return busy_in_transaction("write");
  config::WritebackReport report = call.system.engine().writeback(path, author_of(call));
  Answer answer;
  answer.status.with("gen", call.system.engine().current()->generation());
  if (!report.ok)
    answer.status.code = report.files.empty() ? refusal_code(report.code) : Code::degraded;
  else if (report.files.empty())
    answer.status.word = "unchanged";
  if (!report.files.empty()) answer.status.with("files", report.files.size());
  const auto held = std::make_shared<const config::WritebackReport>(std::move(report));
  answer.lines = each(held->files.size(), [held](Writer& writer, size_t i) {
    if (writer.json())
      writer.document({{"written", held->files[i]}});
    else
      writer.text("written: " + escape_line(held->files[i], 4096));
  });
  answer.lines = then(std::move(answer.lines), each(held->notes.size(), [held](Writer& writer, size_t i) {
                        writer.remark("config-written-elsewhere", held->notes[i]);
                      }));
  if (!held->ok)
    answer.lines = then(std::move(answer.lines), each(1, [held](Writer& writer, size_t) {
                          writer.error(held->code == Errc::conflict ? "config-file-changed" : "config-not-written",
                                       held->error.empty() ? "not written" : held->error);
                        }));
  return answer;
}

}  // namespace impulse::control
