#include "spool/survey.h"

#include "spool/commit_record.h"
#include "spool/copy_record.h"

#include <algorithm>

namespace impulse::spool {

namespace {

// What was voided was never acknowledged, and is not there: messages, and what
// is said of others (a checkpoint that goes must not count as written).
void cut(SegmentContent& content, uint64_t offset) {
  if (offset >= content.end) return;
  content.end = offset;
  content.torn = 0;
  const auto voided = [&](const auto& record) { return record.offset >= offset; };
  std::erase_if(content.messages, voided);
  std::erase_if(content.members, [&](const Footer::Member& member) { return voided(member.message); });
  std::erase_if(content.others, voided);
  std::erase_if(content.damage, voided);
}

// Whether a stop in the middle of writing the header may have left this.
bool torn_header(const File& file, uint64_t size) {
  std::string bytes(size <= segment_header_size ? size : 0, '\0');
  if (bytes.empty() || file.read(bytes.data(), bytes.size(), 0) < 0) return false;
  const std::string_view magic = std::string_view(bytes).substr(0, segment_magic.size());
  return segment_magic.starts_with(magic) || bytes.find_first_not_of('\0') == std::string::npos;
}

}  // namespace

Result<std::vector<uint32_t>> Survey::list(const SegmentFiles& files) {
  std::vector<std::string> names;
  if (const int result = files.ops().list(files.base(), names); result < 0) return file_error(result, files.base());
  std::vector<uint32_t> numbers;
  for (const std::string& name : names)
    if (const auto number = parse_segment_name(name)) numbers.push_back(*number);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

Result<> Survey::read(const std::vector<uint32_t>& numbers, bool renew, const Watch& watch) {
  // In order: a segment's journal speaks only of itself and of older ones.
  for (const uint32_t number : numbers) {
    if (auto loaded = load(number, renew, watch); !loaded) return loaded;
    if (watch.step) watch.step();
  }
  for (Segment& segment : waiting_) {
    for (const VoidRange& range : voids_)
      if (range.segment == segment.number && !segment.content.by_footer) cut(segment.content, range.offset);
    take(segment.number, segment.content);
  }
  return {};
}

Result<> Survey::load(uint32_t number, bool renew, const Watch& watch) {
  auto file = files_.get(number);
  while (!file && watch.again && watch.again(file.error())) file = files_.get(number);
  if (watch.stop != nullptr && *watch.stop) return fail(Errc::busy, "it is to stop");
  if (!file) return std::unexpected(file.error());
  if (renew) {
    // What a process before failed to sync the kernel may still show, for clean,
    // although the disk does not have it.
    (void)(*file)->ops().sync_file((*file)->fd());
    (void)(*file)->ops().drop_cache((*file)->fd());
  }
  auto content = read_segment(**file, number, watch.stop);
  if (!content) return unreadable(number, **file, content.error());
  ++report_.segments;
  if (content->by_footer) ++report_.footers_used;
  for (const OtherRecord& record : content->others)
    if (const auto range = VoidRange::decode(record.payload); record.type == RecordType::void_range && range)
      voids_.push_back(*range);
  // Without a footer a part of it may be void, which younger ones tell; and what those say counts after it.
  if (content->by_footer && waiting_.empty())
    take(number, *content);
  else
    waiting_.push_back({number, std::move(*content)});
  return {};
}

// No header, and nothing to be found: an empty one, or all damaged.
Result<> Survey::unreadable(uint32_t number, const File& file, const Error& why) {
  if (why.code == Errc::io) {
    index_.add_segment(number, 0);
    unread_ = true;
    index_.keep(number);
    note("{}: the disk cannot read all of it; it stays as it is, and the next start tries again", segment_name(number));
    index_.seal(number);
    return {};
  }
  if (why.code != Errc::invalid) return std::unexpected(why);
  const int64_t size = file.ops().size(file.fd());
  if (size < 0) return file_error(size, files_.path(number));
  if (size == 0) {
    index_.add_segment(number, 0);
    index_.seal(number);
    foreign_.push_back({number, 0, true, ""});
    return {};
  }
  const bool torn = torn_header(file, static_cast<uint64_t>(size));
  if (!torn) suspects_.push_back({number, 0});
  foreign_.push_back({number, static_cast<uint64_t>(size), torn, why.message});
  return {};
}

bool Survey::unread() const {
  return unread_ || std::ranges::any_of(waiting_, [](const Segment& segment) { return segment.content.unreadable; });
}

void Survey::take(uint32_t number, const SegmentContent& content) {
  index_.add_segment(number, content.nonce);
  index_.set_bytes(number, content.file_size);
  index_.add_messages(number, content.messages);
  for (const Footer::Member& member : content.members) batches_.add(number, member);
  for (const OtherRecord& record : content.others) take(number, content, record);
  for (const Damage& damage : content.damage) {
    if (!damage.message) suspects_.push_back({number, static_cast<uint32_t>(damage.offset)});
    if (content.by_footer) under_footers_.emplace_back(number, damage);
  }
  index_.seal(number);
}

void Survey::take(uint32_t holder, const SegmentContent& content, const OtherRecord& record) {
  bool good = true;
  if (record.type == RecordType::journal) {
    good = decode_entries(record.payload, [&](const JournalEntry& entry) {
      index_.apply(entry);
      index_.add_target(holder, entry.target);
    });
  } else if (record.type == RecordType::checkpoint) {
    const auto checkpoint = Checkpoint::decode(record.payload);
    if ((good = checkpoint.has_value())) {
      batches_.checkpoint(*checkpoint);
      index_.add_checkpoint(holder, *checkpoint, true);
    }
  } else if (record.type == RecordType::void_range) {
    const auto range = VoidRange::decode(record.payload);
    if ((good = range.has_value())) index_.add_target(holder, range->segment);
  } else if (record.type == RecordType::commit) {
    const auto commit = CommitRecord::decode(record.payload);
    if ((good = commit.has_value())) take_commit(holder, content, record, *commit);
    if (good && commit->batch != 0) proofs_.insert(holder);
  } else if (record.type == RecordType::settled) {
    const auto settled = decode_settled(record.payload);
    if ((good = settled.has_value()))
      for (const uint64_t batch : *settled) batches_.settled(holder, batch);
    proofs_.insert(holder);
  } else if (record.type == RecordType::copy) {
    size_t size = 0;
    const auto copy = CopyRecord::decode(record.payload, size);
    if ((good = copy.has_value()))
      index_.restore_copy(copy->id, holder, {record.offset, record.meta_length, record.body_length, record.recipients},
                          copy->states, record.live);
  }
  if (!good) note("{} at {:08X}: the record is malformed and was ignored", segment_name(holder), record.offset);
}

void Survey::take_commit(uint32_t holder, const SegmentContent& content, const OtherRecord& record,
                         const CommitRecord& commit) {
  const MessageId at{holder, record.offset};
  const Receipts::Place place{holder, content.nonce, record.offset, static_cast<uint32_t>(record.payload.size()),
                              record.body_length};
  // A footer is written when all in front of it is durable.
  if (batches_.commit(at, commit, content.by_footer))
    receipts_.apply(commit, place);
  else
    unproven_.emplace_back(commit, place);
}

void Survey::resolve(WallTime now) {
  for (const auto& [commit, place] : unproven_)
    if (!batches_.is_torn({place.segment, place.offset})) receipts_.apply(commit, place);
  receipts_.recovered(now);
  report_.receipts = receipts_.size();
  report_.uncommitted = batches_.left();
  for (const BatchRecovery::Torn& torn : batches_.torn()) {
    note(
        "{} at {:08X}: a batch of {} messages, of which {} are there: it is left out, as one that was never "
        "acknowledged{}",
        segment_name(torn.commit.segment), torn.commit.offset, torn.members, torn.found.size(),
        unread() ? ", until the disk can read all" : "");
  }
}

}  // namespace impulse::spool
