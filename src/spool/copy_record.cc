#include "spool/copy_record.h"

#include "spool/journal.h"
#include "spool/wire.h"

namespace impulse::spool {

void CopyRecord::encode(std::string& out) const {
  put(out, id.segment);
  put(out, id.offset);
  put(out, static_cast<uint32_t>(states.size()));
  for (const RecipientState& state : states) encode_state(state, out);
}

std::optional<CopyRecord> CopyRecord::decode(std::string_view metadata, size_t& size) {
  WireReader reader(metadata);
  CopyRecord copy;
  copy.id.segment = reader.get<uint32_t>();
  copy.id.offset = reader.get<uint32_t>();
  for (auto count = reader.get<uint32_t>(); count > 0; --count)
    if (!decode_state(reader, copy.states.emplace_back())) return std::nullopt;
  if (reader.failed()) return std::nullopt;
  size = metadata.size() - reader.left();
  return copy;
}

}  // namespace impulse::spool
