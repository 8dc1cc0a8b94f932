#include "spool/message_reader.h"

#include "spool/copy_record.h"

#include <memory>
#include <utility>
#include <vector>

namespace impulse::spool {

Result<RecordHead> read_message_head(const SegmentFiles& files, MessageId id, const Located& located) {
  const MessageId place = located.place;
  const auto file = files.get(place.segment);
  if (!file) return std::unexpected(file.error());
  const RecordType type = place == id ? RecordType::message : RecordType::copy;
  auto head = read_head(**file, place.segment, located.nonce, type, place.offset, located.meta_length);
  if (!head || place == id) return head;
  size_t size = 0;
  const auto copy = CopyRecord::decode(head->meta, size);
  if (!copy || copy->id != id)
    return fail(Errc::invalid, "{} at {:08X}: not the message the index says", segment_name(place.segment),
                place.offset);
  head->meta.erase(0, size);
  return head;
}

namespace {

struct Read {
  RecordHead head;
  MessageMeta meta;
};

Result<MessageMeta> meta_of(const Located& located, const RecordHeader& header, std::string_view bytes) {
  auto meta = decode_message(bytes);
  if (!meta) return std::unexpected(std::move(meta.error()));
  if (meta->envelope.recipients.size() != located.states.size() || header.body_length != located.body_length)
    return fail(Errc::invalid, "{} at {:08X}: not the message the index says", segment_name(located.place.segment),
                located.place.offset);
  return meta;
}

Result<Read> read_meta(const SegmentFiles& files, MessageId id, const Located& located) {
  auto head = read_message_head(files, id, located);
  if (!head) return std::unexpected(std::move(head.error()));
  auto meta = meta_of(located, head->header, head->meta);
  if (!meta) return std::unexpected(std::move(meta.error()));
  return Read{std::move(*head), std::move(*meta)};
}

Stored stored_of(MessageId id, MessageMeta&& meta, std::vector<RecipientState>&& states, std::string&& body) {
  Stored stored;
  stored.id = id;
  stored.trace = meta.trace_with(id);
  stored.envelope = std::move(meta.envelope);
  stored.states = std::move(states);
  stored.body = std::move(body);
  stored.node = std::move(meta.node);
  return stored;
}

Summary summary_of(MessageId id, Located located, MessageMeta meta, std::optional<Rest>* rest) {
  Summary summary;
  summary.id = id;
  summary.size = meta.trace_size() + located.body_length + (meta.rest ? meta.rest->length : 0);
  if (rest != nullptr) *rest = meta.rest;
  summary.envelope = std::move(meta.envelope);
  summary.states = std::move(located.states);
  summary.node = std::move(meta.node);
  return summary;
}

}  // namespace

Result<Summary> read_summary(const SegmentFiles& files, MessageId id, Located located, std::optional<Rest>* rest) {
  auto read = read_meta(files, id, located);
  if (!read) return std::unexpected(std::move(read.error()));
  return summary_of(id, std::move(located), std::move(read->meta), rest);
}

Result<Summary> summary_of(MessageId id, Located located, const HeadView& head, std::optional<Rest>* rest) {
  auto meta = meta_of(located, head.header, head.meta);
  if (!meta) return std::unexpected(std::move(meta.error()));
  return summary_of(id, std::move(located), std::move(*meta), rest);
}

Result<Stored> read_stored(const SegmentFiles& files, const LargeFiles& large, MessageId id, Located located,
                           std::optional<Rest>* bad_rest, RestWanted wanted) {
  auto read = read_meta(files, id, located);
  if (!read) return std::unexpected(std::move(read.error()));
  const auto file = files.get(located.place.segment);
  if (!file) return std::unexpected(file.error());
  auto body = read_body(**file, read->head.header);
  if (!body) return std::unexpected(std::move(body.error()));
  MessageMeta& meta = read->meta;
  std::shared_ptr<const message::BodySource> rest;
  if (meta.rest) {
    Result<> had;
    if (wanted == RestWanted::in_memory) {
      had = large.read(*meta.rest, *body);
    } else if (auto source = large.source(*meta.rest)) {
      rest = std::move(*source);
    } else {
      had = std::unexpected(std::move(source.error()));
    }
    if (!had) {
      if (bad_rest != nullptr) *bad_rest = meta.rest;
      return std::unexpected(std::move(had.error()));
    }
  }
  Stored stored = stored_of(id, std::move(meta), std::move(located.states), std::move(*body));
  stored.rest = std::move(rest);
  return stored;
}

std::optional<Stored> stored_of(MessageId id, Located located, std::string_view meta, std::string body) {
  auto decoded = decode_message(meta);
  if (!decoded || decoded->envelope.recipients.size() != located.states.size() || body.size() != located.body_length)
    return std::nullopt;
  return stored_of(id, std::move(*decoded), std::move(located.states), std::move(body));
}

}  // namespace impulse::spool
