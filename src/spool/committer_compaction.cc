// What is still live in mostly dead segments goes where the log is: copies,
// each of which counts by itself, durable before the old segment goes.
#include "spool/committer.h"
#include "spool/copy_record.h"

#include "base/crc32c.h"

#include <algorithm>
#include <utility>

namespace impulse::spool {

void Committer::compact() {
  if (sick_ || !writer_.is_open()) return;
  std::vector<Compactor::Copy> copies = compactor_.take();
  if (!copies.empty()) {
    for (Compactor::Copy& copy : copies) {
      auto located = index_.find(copy.id);
      if (!located || located->place != copy.from) continue;
      Move move;
      move.recipients = static_cast<uint32_t>(located->states.size());
      const auto untouched = [](const RecipientState& state) { return state == RecipientState{}; };
      CopyRecord record{copy.id, std::move(located->states)};
      if (std::ranges::all_of(record.states, untouched)) record.states.clear();
      move.head.assign(record_header_size, '\0');
      record.encode(move.head);
      move.head += copy.meta;
      move.copy = std::move(copy);
      moves_.push_back(std::move(move));
    }
    if (!moves_.empty()) {
      format_ = std::max(format_, copy_format);
      work_.messages.clear();
      process();
      moves_.clear();  // when the disk failed
      maintain();
    }
  }
  // It frees space, but takes some first.
  if (health_.free_bytes() > 4 * tuning_.compact_slice + 2 * tuning_.zero_ahead)
    compactor_.step(steady_now(), now_.compaction_rate);
}

uint64_t Committer::moves_size() const {
  uint64_t size = 0;
  for (const Move& move : moves_) size += aligned(move.head.size() + move.copy.body.size());
  return size;
}

// They are in no group with messages: what a report tells would be said before
// them, and they would say what was before that.
void Committer::add_moves(WriteGroup& group) {
  for (Move& move : moves_) {
    const auto meta_crc = crc32c(0, std::string_view(move.head).substr(record_header_size));
    std::vector<std::string_view> body;
    if (!move.copy.body.empty()) body.push_back(move.copy.body);
    move.offset = writer_.add_record(group, RecordType::copy, move.head, meta_crc, body,
                                     static_cast<uint32_t>(move.copy.body.size()), move.copy.body_crc);
  }
}

void Committer::complete_moves(uint32_t number) {
  for (const Move& move : moves_)
    index_.move(move.copy.id, number,
                {move.offset, static_cast<uint32_t>(move.head.size() - record_header_size),
                 static_cast<uint32_t>(move.copy.body.size()), move.recipients});
  copied_ += moves_.size();
  copied_bytes_ += moves_size();
  moves_.clear();
}

}  // namespace impulse::spool
