// complete: for clients that edit lines. See completion.h.
#include "control/commands/commands.h"
#include "control/completion.h"

namespace impulse::control {

Answer complete(const Invocation& call) {
  auto found = std::make_shared<const Candidates>(completions(call.table, call.system, call.rest));
  Status status;
  status.with("candidates", found->found.size());
  if (found->cut) status.with("cut", uint64_t{1});
  Answer answer{std::move(status),
                each(found->found.size(),
                     [found](Writer& writer, size_t i) {
                       const Candidate& candidate = found->found[i];
                       if (!writer.json()) return writer.text(candidate.word);
                       Json document{{"word", candidate.word}};
                       if (!candidate.help.empty()) document["help"] = candidate.help;
                       writer.document(document);
                     }),
                false};
  answer.audit = false;
  return answer;
}

}  // namespace impulse::control
