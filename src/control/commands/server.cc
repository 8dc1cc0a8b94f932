// version, pid, shutdown, quit.
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
  answer.status.word = "bye";
  answer.finish = true;
  return answer;
}

}  // namespace impulse::control
