// version, pid, shutdown, quit.
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"

#include <unistd.h>

namespace impulse::control {

Answer version(const Invocation& call) {
  if (!call.words.empty()) return usage("version", "nothing is expected behind it");
  return Answer::once({}, [version = call.about.version, node = call.system.node()](Writer& writer) {
    if (writer.json())
      writer.document({{"product", "impulse"}, {"version", version}, {"protocol", "ECTL/1"}, {"node", node}});
    else
      writer.text(fmt::format("impulse {}", version));
  });
}

Answer pid(const Invocation& call) {
  if (!call.words.empty()) return usage("pid", "nothing is expected behind it");
  return Answer::once({}, [](Writer& writer) {
    if (writer.json())
      writer.document(Json::object({{"pid", getpid()}}));
    else
      writer.text(fmt::format("{}", getpid()));
  });
}

Answer shut_down(const Invocation& call) {
  if (!call.words.empty()) return usage("shutdown", "nothing is expected behind it");
  call.system.shut_down();
  Answer answer;
  answer.finish = true;
  return answer;
}

Answer quit(const Invocation& call) {
  if (!call.words.empty()) return usage("quit", "nothing is expected behind it");
  Answer answer;
  if (const size_t edits = call.workspace.unsaved())
    answer.lines = each(1, [edits](Writer& writer, size_t) {
      writer.remark("config-transaction-dropped",
                    fmt::format("the open transaction ends with this session: {} dropped", counted(edits, "edit")));
    });
  answer.status.word = "bye";
  answer.finish = true;
  return answer;
}

}  // namespace impulse::control
