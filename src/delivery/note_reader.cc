#include "delivery/note_reader.h"

#include "net/loop.h"
#include "spool/spool.h"

#include <utility>

namespace impulse::delivery {

void NoteReader::fetch(MessageId id, Got got) {
  const telemetry::ChoicePtr choice = parts_.mainlog.choice();
  if (closed_) return got(nullptr);
  auto& asking = asked_[id];
  asking.push_back(std::move(got));
  ++pending_;
  if (asking.size() > 1) return;
  workers_.post([this, weak = std::weak_ptr(alive_), &spool = parts_.spool, &loop = parts_.loop, id, choice] {
    telemetry::NotePtr note;
    if (choice)
      if (const auto summary = spool.summary(id)) note = telemetry::note_of(*choice, summary->envelope);
    loop.post([this, weak, id, note = std::move(note)] {
      if (!weak.expired()) tell(id, note);
    });
  });
}

void NoteReader::tell(MessageId id, const telemetry::NotePtr& note) {
  const auto found = asked_.find(id);
  if (found == asked_.end()) return;
  const std::vector<Got> asking = std::move(found->second);
  asked_.erase(found);
  pending_ -= asking.size();
  for (const Got& got : asking) got(note);
}

void NoteReader::close() {
  closed_ = true;
  while (!asked_.empty()) tell(asked_.begin()->first, nullptr);
}

}  // namespace impulse::delivery
