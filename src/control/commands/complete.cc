// complete: for clients that edit lines. See completion.h.
#include "control/commands/commands.h"
#include "control/completion.h"

namespace impulse::control {

Answer complete(const Invocation& call) {
  auto found = std::make_shared<const Candidates>(completions(call.table, call.system, call.rest));
  Status status;
  status.with("candidates", found->words.size());
  if (found->cut) status.with("cut", uint64_t{1});
  Answer answer{std::move(status),
                each(found->words.size(),
                     [found](Writer& writer, size_t i) {
                       if (writer.json())
                         writer.document(Json::object({{"word", found->words[i]}}));
                       else
                         writer.text(found->words[i]);
                     }),
                false};
  answer.audit = false;
  return answer;
}

}  // namespace impulse::control
