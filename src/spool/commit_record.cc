#include "spool/commit_record.h"

#include "spool/wire.h"

namespace impulse::spool {

namespace {

constexpr size_t fixed_size = 40;
constexpr uint32_t flag_settled = 1;
constexpr uint32_t flag_value_in_body = 2;
constexpr uint32_t flag_states = 4;

}  // namespace

void CommitRecord::update(char* at) const {
  store(at, batch);
  store(at + 8, members);
  store(at + 12,
        (settled ? flag_settled : 0) | (value_in_body ? flag_value_in_body : 0) | (states.empty() ? 0 : flag_states));
  store(at + 16, sequence);
  store(at + 24, forgotten);
  store(at + 32, int64_t{receipt.expires.time_since_epoch().count()});
}

void CommitRecord::encode(std::string& out) const {
  const size_t start = out.size();
  out.resize(start + fixed_size);
  update(out.data() + start);
  const std::string_view value = value_in_body ? std::string_view() : receipt.value;
  put(out, static_cast<uint32_t>(receipt.owner.size()));
  put(out, static_cast<uint32_t>(receipt.key.size()));
  put(out, static_cast<uint32_t>(value.size()));
  out += receipt.owner;
  out += receipt.key;
  out += value;
  for (const JournalEntry& entry : states) encode_entry(entry, out);
}

std::optional<CommitRecord> CommitRecord::decode(std::string_view metadata) {
  WireReader reader(metadata);
  CommitRecord record;
  record.batch = reader.get<uint64_t>();
  record.members = reader.get<uint32_t>();
  const auto flags = reader.get<uint32_t>();
  record.settled = (flags & flag_settled) != 0;
  record.value_in_body = (flags & flag_value_in_body) != 0;
  record.sequence = reader.get<uint64_t>();
  record.forgotten = reader.get<uint64_t>();
  record.receipt.expires = WallTime(Duration(reader.get<int64_t>()));
  const auto owner = reader.get<uint32_t>();
  const auto key = reader.get<uint32_t>();
  const auto value = reader.get<uint32_t>();
  record.receipt.owner = reader.take(owner);
  record.receipt.key = reader.take(key);
  record.receipt.value = reader.take(value);
  if (reader.failed()) return std::nullopt;
  if ((flags & flag_states) == 0) return reader.left() > 0 ? std::nullopt : std::optional(std::move(record));
  const bool good =
      decode_entries(reader.take(reader.left()), [&](const JournalEntry& entry) { record.states.push_back(entry); });
  return good ? std::optional(std::move(record)) : std::nullopt;
}

}  // namespace impulse::spool
