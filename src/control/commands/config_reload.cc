// config reload: the files, read again.
#include "base/text.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"

namespace impulse::control {

Answer config_reload(const Invocation& call) {
  config::ReloadOptions options;
  for (const config::RawValue& word : call.words) {
    if (is_plain(word) && iequals(word.text, "--check") && !options.check_only) {
      options.check_only = true;
      continue;
    }
    if (!options.file.empty())
      return placed_error(Code::usage, "control-usage", word, "nothing is expected behind the file");
    auto path = read_file_path(word);
    if (!path) return std::move(path.error());
    options.file = std::move(*path);
  }
  if (call.workspace.open()) return busy_in_transaction("reload");
  config::Report report = call.system.engine().reload(options, author_of(call));
  report.check_only = options.check_only;  // also of one that failed before it came to that
  const bool other = report.ok && !options.check_only && !options.file.empty();
  return report_answer(
      std::move(report), call, !other ? Step() : each(1, [file = options.file](Writer& writer, size_t) {
        writer.remark("config-file", fmt::format("the configuration file is {} from now on", escape_line(file, 512)));
      }));
}

}  // namespace impulse::control
