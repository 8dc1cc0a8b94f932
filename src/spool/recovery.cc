#include "spool/recovery.h"

#include "spool/commit_record.h"
#include "spool/message_reader.h"
#include "spool/range_reader.h"

#include <algorithm>
#include <map>
#include <string_view>

namespace impulse::spool {

namespace {

// No descriptors, no permission, a field of a newer version: that says nothing about the message.
bool is_damage(const Error& why) {
  return why.code == Errc::invalid || why.code == Errc::not_found || why.code == Errc::io;
}

// Of so many it is looked up at once how they stand, and where they lie.
constexpr size_t window_messages = 4096;
constexpr size_t window_recipients = 16384;

}  // namespace

Recovery::Recovery(SegmentFiles& files, const LargeFiles& large, Index& index, Receipts& receipts,
                   RecoveryReport& report, Setup setup)
    : files_(files),
      large_(large),
      index_(index),
      survey_(files, index, receipts, report),
      report_(report),
      setup_(std::move(setup)) {}

template <class Call>
auto Recovery::retrying(Call call) -> decltype(call()) {
  auto result = call();
  while (!result && setup_.again && setup_.again(result.error())) result = call();
  return result;
}

Result<> Recovery::begin() {
  // What was removed before must not come back when that which remembers its end is removed, too.
  if (auto synced = files_.sync_names(); !synced) return synced;
  auto numbers = Survey::list(files_);
  if (!numbers) return std::unexpected(std::move(numbers.error()));
  numbers_ = std::move(*numbers);
  for (const uint32_t number : numbers_) {
    const auto file = files_.get(number);
    if (!file) return std::unexpected(file.error());
    if (auto known = check_format(**file, number); !known) return known;
  }
  // Those that come from now on are of messages that come from now on.
  bodies_ = large_.list();
  setup_.progress.segments = numbers_.size();
  return {};
}

Result<> Recovery::survey(WallTime now) {
  const auto step = [this] {
    ++setup_.progress.segments_read;
    if (setup_.step) setup_.step();
  };
  const Survey::Watch watch{&setup_.stop, step, setup_.again};
  if (auto read = survey_.read(numbers_, true, watch); !read) return read;
  survey_.resolve(now);
  unread_ = survey_.unread();
  if (unread_)
    leave_batches();
  else
    keep_batches_aside();
  if (setup_.stop) return stopped();  // not all may be aside
  // Behind that: the next start would not see any more that there was damage.
  for (const Survey::Foreign& foreign : survey_.foreign()) move(foreign);
  for (const Survey::Segment& segment : survey_.unsealed()) {
    if (segment.content.by_footer) continue;
    if (setup_.stop) return stopped();
    scanned_.insert(segment.number);
    finish(segment.number, segment.content);
  }
  survey_.drop_unsealed();
  for (const auto& [number, damage] : survey_.under_footers()) {
    if (setup_.stop) return stopped();
    keep_aside(number, damage, "bad", "is damaged");
  }
  report_.damaged += survey_.under_footers().size();
  uint64_t messages = 0;
  for (const uint32_t number : numbers_) messages += index_.messages(number);
  setup_.progress.messages = messages;
  return {};
}

// What the disk cannot read now it may read at a later start.
void Recovery::leave(uint32_t number) {
  unread_ = true;
  index_.keep(number);
  note("{}: the disk cannot read all of it; it stays as it is, and the next start tries again", segment_name(number));
}

// What cannot be moved is in nobody's way: it stays, and the next start tries again.
void Recovery::move(const Survey::Foreign& foreign) {
  if (foreign.size == 0)
    return note("{}: empty, from a stop while it was being made; it will be removed", segment_name(foreign.number));
  files_.forget(foreign.number);
  const auto moved = files_.keep_aside_whole(foreign.number);
  const std::string now = moved ? fmt::format("it was {}", files_.moved())
                                : fmt::format("it could not be {}: {}", files_.moved(), moved.error().message);
  if (!moved) {
    index_.add_segment(foreign.number, 0);
    index_.set_bytes(foreign.number, foreign.size);
    index_.keep(foreign.number);
    index_.seal(foreign.number);
  }
  if (foreign.torn) {
    report_.torn_bytes += foreign.size;
    note("{}: {} bytes, torn while it was being made; {}", segment_name(foreign.number), foreign.size, now);
  } else {
    ++report_.damaged;
    note("{}; {}", foreign.why, now);
  }
}

// What counts shows when all can be read: messages whose commit may be there
// then, and commits (and what proves them) whose messages may.
void Recovery::leave_batches() {
  std::set<uint32_t> needed = survey_.proofs();
  for (const auto& [id, member] : batches_.waiting()) needed.insert(id.segment);
  // So that what is damaged is seen then, too.
  if (!needed.empty())
    for (const MessageId at : survey_.suspects()) needed.insert(at.segment);
  if (batches_.left() > 0)
    note("{} messages of batches are left out, and stay, until the disk can read all", batches_.left());
  for (const uint32_t number : needed) {
    index_.keep(number);
    untouched_.insert(number);
  }
}

// Messages without a commit are nothing to a crash, but what is damaged behind
// them may have been it; and what is damaged among those of a torn batch may
// have been whole once. In runs, since they may be many.
void Recovery::keep_batches_aside() {
  bool damaged = report_.damaged > 0 || !survey_.under_footers().empty() ||
                 std::ranges::any_of(survey_.foreign(), [](const auto& each) { return each.size > 0 && !each.torn; });
  for (const Survey::Segment& segment : survey_.unsealed()) damaged |= !segment.content.damage.empty();
  const auto suspected = batches_.suspected(survey_.suspects(), damaged);
  size_t count = 0;
  for (auto at = suspected.begin(); at != suspected.end() && !setup_.stop;) {
    const MessageId first = at->first;
    uint64_t end = first.offset;
    for (; at != suspected.end() && at->first.segment == first.segment && at->first.offset == end; ++at, ++count)
      end += aligned(record_header_size + uint64_t{at->second.meta_length} + at->second.body_length);
    const auto file = files_.get(first.segment);
    const auto kept =
        file ? files_.keep_aside(**file, first.segment, first.offset, end - first.offset, "batch", &setup_.stop)
             : Result<>(std::unexpected(file.error()));
    if (kept) continue;
    if (setup_.stop) return;
    note("{} at {:08X}: messages of a batch cannot be kept aside: {}", segment_name(first.segment), first.offset,
         kept.error().message);
    index_.keep(first.segment);
    untouched_.insert(first.segment);
  }
  if (count > 0)
    note("{} messages of batches without a commit record were {}: it may be what is damaged", count, files_.kept());
}

// A segment without a footer gets one, when what is no record is safe.
void Recovery::finish(uint32_t number, const SegmentContent& content) {
  bool safe = true;
  for (const Damage& damage : content.damage) safe &= keep_aside(number, damage, "bad", "is damaged");
  report_.damaged += content.damage.size();
  if (content.torn > 0) safe &= keep_aside(number, {content.end, content.torn}, "torn", "is torn");
  report_.torn_bytes += content.torn;
  if (content.unreadable) leave(number);
  if (!safe || content.unreadable || untouched_.contains(number)) return;  // as it is
  // An empty one too: what a process before cut off must not come back with a power cut.
  if (auto sealed = seal(number, content); !sealed)
    note("{}: no footer: {}", segment_name(number), sealed.error().message);
}

bool Recovery::keep_aside(uint32_t number, const Damage& damage, std::string_view suffix, std::string_view what) {
  const auto file = files_.get(number);
  const auto kept = file ? files_.keep_aside(**file, number, damage.offset, damage.length, suffix, &setup_.stop)
                         : Result<>(std::unexpected(file.error()));
  if (!kept) index_.keep(number);
  if (!kept && setup_.stop) return false;
  note("{} at {:08X}: {} bytes {}{}{}", segment_name(number), damage.offset, damage.length, what,
       kept ? ", " : ", and cannot be kept aside: ", kept ? files_.kept() : kept.error().message);
  return kept.has_value();
}

// Footers do not say any more which messages were of the batch: that there are states of them, journal records do.
void Recovery::seal_states(const OtherRecord& record, Seal& made) {
  const auto commit = CommitRecord::decode(record.payload);
  if (!commit || commit->states.empty()) return;
  std::string entries;
  for (const JournalEntry& entry : commit->states) encode_entry(entry, entries);
  made.add_told(entries);
}

Result<> Recovery::seal(uint32_t number, const SegmentContent& content) {
  const auto file = files_.open_writable(number);
  if (!file) return std::unexpected(file.error());
  Seal made(number, content.nonce, content.end);
  for (const OtherRecord& record : content.others) {
    const bool commit = record.type == RecordType::commit;
    if (commit && batches_.is_torn({number, record.offset})) continue;
    if (record.within)
      made.add_told(record.payload);
    else
      made.add({record.type, record.offset, record.meta_length});
    if (commit) seal_states(record, made);
  }
  const std::string bytes = made.finish(index_.live_in(number));
  FileOps& ops = (*file)->ops();
  int result = ops.truncate((*file)->fd(), content.end);
  if (result >= 0) result = (*file)->write(bytes, content.end);
  if (result >= 0) result = ops.sync_file((*file)->fd());
  if (result < 0) return file_error(result, files_.path(number));
  index_.set_bytes(number, content.end + bytes.size());
  return {};
}

// Of announce(): what is told, and to whom.
struct Recovery::Announcing {
  Slice most;
  const std::function<void(std::vector<Summary>)>& live;
  const std::function<void(const JournalEntry&)>& finished;
  std::vector<Summary> slice;
  size_t recipients = 0;                // of these
  std::map<uint32_t, uint64_t> unread;  // what the disk did not give now: messages, by segment

  void add(Summary summary) {
    recipients += summary.envelope.recipients.size();
    slice.push_back(std::move(summary));
  }
  bool full() const { return slice.size() >= most.messages || recipients >= most.recipients; }
  void flush() {
    if (!slice.empty() && live) live(std::move(slice));
    slice.clear();
    recipients = 0;
  }
};

Result<> Recovery::announce(const Slice& slice, const std::function<void(std::vector<Summary>)>& live,
                            const std::function<void(const JournalEntry&)>& finished) {
  Announcing to{slice, live, finished, {}, 0, {}};
  // Copies lie in later segments than their ids say.
  const std::vector<MessageId> copies = index_.copies();
  std::vector<uint32_t> visited = numbers_;
  for (const MessageId id : copies) visited.push_back(id.segment);
  std::sort(visited.begin(), visited.end());
  visited.erase(std::unique(visited.begin(), visited.end()), visited.end());
  auto copy = copies.begin();
  for (const uint32_t number : visited) {
    std::vector<MessageId> ids = index_.ids_in(number);
    std::erase_if(ids, [number](MessageId id) { return id.segment != number; });
    for (; copy != copies.end() && copy->segment == number; ++copy) ids.push_back(*copy);
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());  // one copied to its own segment
    auto announced = announce(number, ids, to);
    // Also when it is to stop: what is told is known.
    to.flush();
    if (!announced) return announced;
    setup_.progress.reached = number + 1;
  }
  for (const auto& [number, messages] : to.unread)
    if (messages > 1) note("{}: {} messages in all that cannot be read now", segment_name(number), messages);
  remove_orphans();
  return {};
}

// Of some messages at a time it is looked up how their recipients stand: those of a segment may be millions.
Result<> Recovery::announce(uint32_t number, const std::vector<MessageId>& ids, Announcing& to) {
  for (size_t next = 0; next < ids.size();) {
    std::vector<Found> window;
    for (size_t recipients = 0; next < ids.size() && window.size() < window_messages && recipients < window_recipients;
         ++next) {
      auto located = index_.find(ids[next]);
      if (!located) continue;  // gone
      recipients += located->states.size();
      window.push_back({ids[next], std::move(*located)});
    }
    if (auto announced = announce(number, std::move(window), to); !announced) return announced;
    if (setup_.step) setup_.step();
  }
  return {};
}

Result<> Recovery::announce(uint32_t number, std::vector<Found> window, Announcing& to) {
  std::vector<RangeReader::Range> ranges;
  for (const auto& [id, located] : window)
    if (located.place == id) ranges.push_back({id.offset, record_header_size + uint64_t{located.meta_length}});
  const auto file = ranges.empty() ? Result<std::shared_ptr<File>>() : retrying([&] { return files_.get(number); });
  std::optional<RangeReader> reader;
  if (file && *file) reader.emplace(**file, std::move(ranges));
  size_t next = 0;
  for (auto& [id, located] : window) {
    if (setup_.stop) return stopped();
    std::optional<Rest> rest;
    Result<Summary> summary;
    const Place place{located.place, record_header_size + uint64_t{located.meta_length} + located.body_length};
    if (located.place != id) {
      summary = retrying([&] { return read_summary(files_, id, located, &rest); });
    } else if (!reader) {
      summary = std::unexpected(file.error());
    } else {
      std::string_view bytes;
      const int result = reader->read(next++, bytes);
      const auto head =
          check_head(result, bytes, number, located.nonce, RecordType::message, id.offset, located.meta_length);
      if (head)
        summary = summary_of(id, std::move(located), *head, &rest);
      else
        summary = std::unexpected(head.error());
    }
    if (auto announced = announce(id, place, std::move(summary), rest, to); !announced) return announced;
    ++setup_.progress.announced;
    if (!to.full()) continue;
    to.flush();
    if (setup_.step) setup_.step();
  }
  return {};
}

Result<> Recovery::announce(MessageId id, const Place& at, Result<Summary> summary, const std::optional<Rest>& rest,
                            Announcing& to) {
  const auto& [place, length] = at;
  if (!summary && summary.error().code == Errc::unavailable)
    return fail(Errc::unavailable, "{} at {:08X}: {}", segment_name(place.segment), place.offset,
                summary.error().message);
  if (!summary && !is_damage(summary.error())) return std::unexpected(summary.error());
  if (!summary && summary.error().code == Errc::io) {
    ++report_.messages;
    unread_ = true;
    index_.add_unread(id);
    index_.keep(place.segment);
    if (to.unread[place.segment]++ == 0)
      note("{}; the message stays, and the next start tries again", summary.error().message);
    return {};
  }
  Result<> whole;
  if (summary && rest) {
    whole = retrying([&] { return large_.check(*rest, scanned_.contains(place.segment), &setup_.stop); });
    if (!whole && !is_damage(whole.error())) return whole;
  }
  // What the disk cannot read now it may read when it is wanted.
  const bool usable = whole || whole.error().code == Errc::io;
  if (summary && usable && rest) {
    index_.add_rest(id, *rest);
    rests_.insert(rest->number);
  }
  if (!whole) note("{}", whole.error().message);
  if (!summary || !usable) {
    ++report_.damaged;
    const bool kept = keep_aside(place.segment, {place.offset, length}, "bad", "is damaged");
    // Nobody is told that it is finished, before a start has kept what is left of it.
    if (!kept && setup_.stop) return stopped();
  }
  if (summary) {  // also without its body: there is somebody who has to hear of it
    ++report_.messages;
    to.add(std::move(*summary));
    return {};
  }
  const JournalEntry tombstone{id, JournalEntry::whole_message, {}};
  index_.apply(tombstone);
  to.finished(tombstone);
  return {};
}

// Bodies that were under way when the process before ended, or whose messages had
// finished. Where damage was found one of them may belong to what is lost.
void Recovery::remove_orphans() {
  if (unread_) return;  // they may be of messages that a later start can read
  // One that got its last outcome before it was told: whether that is durable yet is not known here.
  if (setup_.progress.announced != setup_.progress.messages) return;
  if (!bodies_) return note("{}", bodies_.error().message);
  const bool keep = report_.damaged > 0;
  for (const uint64_t number : *bodies_) {
    if (setup_.stop) return;
    if (rests_.contains(number)) continue;
    if (const auto gone = keep ? large_.keep_aside(number) : large_.remove(number); gone)
      ++report_.orphans;
    else
      note("{}", gone.error().message);
  }
  if (report_.orphans > 0)
    note("{} bodies that no message names were {}", report_.orphans,
         keep ? fmt::format("{}, since there is damage", files_.moved()) : "removed");
}

}  // namespace impulse::spool
