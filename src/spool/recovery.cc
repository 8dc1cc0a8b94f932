#include "spool/recovery.h"

#include "spool/batch_recovery.h"
#include "spool/commit_record.h"
#include "spool/message_codec.h"
#include "spool/segment_reader.h"
#include "spool/segment_writer.h"

#include <algorithm>
#include <optional>
#include <set>

namespace impulse::spool {

namespace {

// A segment that is read, and waits for what younger ones say of it.
struct Waiting {
  uint32_t number = 0;
  SegmentContent content;
};

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

class Recovery {
 public:
  Recovery(SegmentFiles& files, const LargeFiles& large, Index& index, Receipts& receipts, RecoveryReport& report)
      : files_(files), large_(large), index_(index), receipts_(receipts), batches_(index), report_(report) {}

  Result<Recovered> run(const std::function<void(Summary)>& live, WallTime now) {
    // What was removed before must not come back when that which remembers its end is removed, too.
    if (auto synced = files_.sync_names(); !synced) return std::unexpected(synced.error());
    std::vector<std::string> names;
    if (const int result = files_.ops().list(files_.base(), names); result < 0)
      return file_error(result, files_.base());
    std::vector<uint32_t> numbers;
    for (const std::string& name : names)
      if (const auto number = parse_segment_name(name)) numbers.push_back(*number);
    std::sort(numbers.begin(), numbers.end());
    // In order: a segment's journal speaks only of itself and of older ones.
    for (const uint32_t number : numbers)
      if (auto loaded = load(number); !loaded) return std::unexpected(loaded.error());
    for (Waiting& segment : waiting_) {
      for (const VoidRange& range : voids_)
        if (range.segment == segment.number && !segment.content.by_footer) cut(segment.content, range.offset);
      take(segment.number, segment.content);
    }
    resolve(now);
    for (const Waiting& segment : waiting_)
      if (!segment.content.by_footer) finish(segment.number, segment.content);
    for (const auto& [number, damage] : under_footers_) keep_aside(number, damage, "bad", "is damaged");
    report_.damaged += under_footers_.size();
    std::set<uint32_t> scanned;
    for (const Waiting& segment : waiting_)
      if (!segment.content.by_footer) scanned.insert(segment.number);
    for (const MessageId id : index_.live())
      if (auto announced = announce(id, scanned.contains(id.segment), live); !announced)
        return std::unexpected(announced.error());
    remove_orphans();
    if (!numbers.empty()) recovered_.last_number = numbers.back();
    report_.messages = index_.messages();
    return std::move(recovered_);
  }

 private:
  template <class... Args>
  void note(fmt::format_string<Args...> format, Args&&... args) {
    report_.notes.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  Result<> load(uint32_t number) {
    const auto file = files_.get(number);
    if (!file) return std::unexpected(file.error());
    // What a process before failed to sync the kernel may still show, for clean,
    // although the disk does not have it. Only what the disk has counts.
    (void)(*file)->ops().sync_file((*file)->fd());
    (void)(*file)->ops().drop_cache((*file)->fd());
    auto content = read_segment(**file, number);
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

  // What the disk cannot read now it may read at a later start.
  void leave(uint32_t number) {
    unread_ = true;
    index_.keep(number);
    note("{}: the disk cannot read all of it; it stays as it is, and the next start tries again", segment_name(number));
  }

  // No header, and nothing to be found: an empty one, or all damaged.
  Result<> unreadable(uint32_t number, const File& file, const Error& why) {
    if (why.code == Errc::io) {
      index_.add_segment(number, 0);
      leave(number);
      index_.seal(number);
      return {};
    }
    if (why.code != Errc::invalid) return std::unexpected(why);
    const int64_t size = file.ops().size(file.fd());
    if (size < 0) return file_error(size, files_.path(number));
    if (size == 0) {
      note("{}: empty, from a stop while it was being made; it will be removed", segment_name(number));
      index_.add_segment(number, 0);
      index_.seal(number);
      return {};
    }
    const bool torn = torn_header(file, static_cast<uint64_t>(size));
    files_.forget(number);
    if (auto moved = files_.keep_aside_whole(number); !moved) return moved;
    if (torn) {
      report_.torn_bytes += static_cast<uint64_t>(size);
      note("{}: {} bytes, torn while it was being made; it was moved to quarantine", segment_name(number), size);
    } else {
      ++report_.damaged;
      suspects_.push_back({number, 0});
      note("{}; it was moved to quarantine", why.message);
    }
    return {};
  }

  // Whether a stop in the middle of writing the header may have left this.
  static bool torn_header(const File& file, uint64_t size) {
    std::string bytes(size <= segment_header_size ? size : 0, '\0');
    if (bytes.empty() || file.read(bytes.data(), bytes.size(), 0) < 0) return false;
    const std::string_view magic = std::string_view(bytes).substr(0, segment_magic.size());
    return segment_magic.starts_with(magic) || bytes.find_first_not_of('\0') == std::string::npos;
  }

  void take(uint32_t number, const SegmentContent& content) {
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

  void take(uint32_t holder, const SegmentContent& content, const OtherRecord& record) {
    bool good = true;
    if (record.type == RecordType::journal) {
      good = decode_entries(record.payload, [&](const JournalEntry& entry) {
        index_.apply(entry);
        index_.add_target(holder, entry.target.segment);
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
    }
    if (!good) note("{} at {:08X}: the record is malformed and was ignored", segment_name(holder), record.offset);
  }

  void take_commit(uint32_t holder, const SegmentContent& content, const OtherRecord& record,
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

  // All is read: what is no part of a batch that counts is dead.
  void resolve(WallTime now) {
    for (const auto& [commit, place] : unproven_)
      if (!batches_.is_torn({place.segment, place.offset})) receipts_.apply(commit, place);
    receipts_.recovered(now);
    report_.receipts = receipts_.size();
    report_.uncommitted = batches_.left();
    bool unread = unread_;
    for (const Waiting& segment : waiting_) unread |= segment.content.unreadable;
    for (const BatchRecovery::Torn& torn : batches_.torn()) {
      note(
          "{} at {:08X}: a batch of {} messages, of which {} are there: it is left out, as one that was never "
          "acknowledged{}",
          segment_name(torn.commit.segment), torn.commit.offset, torn.members, torn.found.size(),
          unread ? ", until the disk can read all" : "");
    }
    if (unread)
      leave_batches();
    else
      keep_batches_aside();
    recovered_.settling = batches_.settling();
  }

  // What counts shows when all can be read: messages whose commit may be there
  // then, and commits (and what proves them) whose messages may.
  void leave_batches() {
    for (const auto& [id, member] : batches_.waiting()) proofs_.insert(id.segment);
    // So that what is damaged is seen then, too.
    if (!proofs_.empty())
      for (const MessageId at : suspects_) proofs_.insert(at.segment);
    if (batches_.left() > 0)
      note("{} messages of batches are left out, and stay, until the disk can read all", batches_.left());
    for (const uint32_t number : proofs_) {
      index_.keep(number);
      untouched_.insert(number);
    }
  }

  // Messages without a commit are nothing to a crash, but what is damaged behind
  // them may have been it; and what is damaged among those of a torn batch may
  // have been whole once. In runs, since they may be many.
  void keep_batches_aside() {
    bool damaged = report_.damaged > 0 || !under_footers_.empty();
    for (const Waiting& segment : waiting_) damaged |= !segment.content.damage.empty();
    const auto suspected = batches_.suspected(suspects_, damaged);
    size_t count = 0;
    for (auto at = suspected.begin(); at != suspected.end();) {
      const MessageId first = at->first;
      uint64_t end = first.offset;
      for (; at != suspected.end() && at->first.segment == first.segment && at->first.offset == end; ++at, ++count)
        end += aligned(record_header_size + uint64_t{at->second.meta_length} + at->second.body_length);
      const auto file = files_.get(first.segment);
      const auto kept = file ? files_.keep_aside(**file, first.segment, first.offset, end - first.offset, "batch")
                             : Result<>(std::unexpected(file.error()));
      if (kept) continue;
      note("{} at {:08X}: messages of a batch cannot be kept aside: {}", segment_name(first.segment), first.offset,
           kept.error().message);
      index_.keep(first.segment);
      untouched_.insert(first.segment);
    }
    if (count > 0)
      note("{} messages of batches without a commit record were kept aside in quarantine: it may be what is damaged",
           count);
  }

  // A segment without a footer gets one, when what is no record is safe.
  void finish(uint32_t number, const SegmentContent& content) {
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

  bool keep_aside(uint32_t number, const Damage& damage, std::string_view suffix, std::string_view what) {
    const auto file = files_.get(number);
    const auto kept = file ? files_.keep_aside(**file, number, damage.offset, damage.length, suffix)
                           : Result<>(std::unexpected(file.error()));
    note("{} at {:08X}: {} bytes {}{}{}", segment_name(number), damage.offset, damage.length, what,
         kept ? ", kept aside in quarantine" : ", and cannot be kept aside: ", kept ? "" : kept.error().message);
    if (!kept) index_.keep(number);
    return kept.has_value();
  }

  Result<> seal(uint32_t number, const SegmentContent& content) {
    const auto file = files_.open_writable(number);
    if (!file) return std::unexpected(file.error());
    Seal made(number, content.nonce, content.end);
    for (const OtherRecord& record : content.others) {
      if (record.type == RecordType::commit && batches_.is_torn({number, record.offset})) continue;
      if (record.within)
        made.add_told(record.payload);
      else
        made.add({record.type, record.offset, static_cast<uint32_t>(record.payload.size())});
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

  // No descriptors, no permission, a field of a newer version: that says nothing about the message.
  static bool is_damage(const Error& why) {
    return why.code == Errc::invalid || why.code == Errc::not_found || why.code == Errc::io;
  }

  // `scanned`: nothing says that its segment was left in order, so its body is looked through.
  Result<> announce(MessageId id, bool scanned, const std::function<void(Summary)>& live) {
    auto located = index_.find(id);
    const uint64_t length = record_header_size + uint64_t{located->meta_length} + located->body_length;
    std::optional<Rest> rest;
    auto summary = read_summary(files_, id, std::move(*located), &rest);
    if (!summary && summary.error().code == Errc::unavailable)
      return fail(Errc::unavailable, "{} at {:08X}: {}", segment_name(id.segment), id.offset, summary.error().message);
    if (!summary && !is_damage(summary.error())) return std::unexpected(summary.error());
    if (!summary && summary.error().code == Errc::io) {
      unread_ = true;
      index_.keep(id.segment);
      note("{}; the message stays, and the next start tries again", summary.error().message);
      return {};
    }
    Result<> whole;
    if (summary && rest) {
      whole = large_.check(*rest, scanned);
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
      keep_aside(id.segment, {id.offset, length}, "bad", "is damaged");
    }
    if (summary) {  // also without its body: there is somebody who has to hear of it
      if (live) live(std::move(*summary));
      return {};
    }
    const JournalEntry tombstone{id, JournalEntry::whole_message, {}};
    index_.apply(tombstone);
    recovered_.tombstones.push_back(tombstone);
    return {};
  }

  // Bodies that were under way when the process ended, or whose messages had
  // finished. Where damage was found one of them may belong to what is lost.
  void remove_orphans() {
    if (unread_) return;  // they may be of messages that a later start can read
    const auto numbers = large_.list();
    if (!numbers) return note("{}", numbers.error().message);
    const bool keep = report_.damaged > 0;
    for (const uint64_t number : *numbers) {
      if (rests_.contains(number)) continue;
      if (const auto gone = keep ? large_.keep_aside(number) : large_.remove(number); gone)
        ++report_.orphans;
      else
        note("{}", gone.error().message);
    }
    if (report_.orphans > 0)
      note("{} bodies that no message names were {}", report_.orphans,
           keep ? "moved to quarantine, since there is damage" : "removed");
  }

  SegmentFiles& files_;
  const LargeFiles& large_;
  Index& index_;
  Receipts& receipts_;
  BatchRecovery batches_;
  RecoveryReport& report_;
  Recovered recovered_;
  std::vector<Waiting> waiting_;  // from the oldest without a footer on
  std::vector<VoidRange> voids_;
  std::vector<std::pair<CommitRecord, Receipts::Place>> unproven_;
  std::vector<MessageId> suspects_;  // damage that may have been a commit of a batch
  std::vector<std::pair<uint32_t, Damage>> under_footers_;
  std::set<uint32_t> proofs_;     // segments with commits of batches, or what proves them
  std::set<uint32_t> untouched_;  // segments of batches that cannot be judged yet
  std::set<uint64_t> rests_;      // of live messages
  bool unread_ = false;           // there is what the disk did not give
};

}  // namespace

Result<Recovered> recover(SegmentFiles& files, const LargeFiles& large, Index& index, Receipts& receipts, WallTime now,
                          const std::function<void(Summary)>& live, RecoveryReport& report) {
  return Recovery(files, large, index, receipts, report).run(live, now);
}

Result<Summary> read_summary(const SegmentFiles& files, MessageId id, Located located, std::optional<Rest>* rest) {
  const auto file = files.get(id.segment);
  if (!file) return std::unexpected(file.error());
  auto head = read_head(**file, id.segment, located.nonce, RecordType::message, id.offset, located.meta_length);
  if (!head) return std::unexpected(head.error());
  auto meta = decode_message(head->meta);
  if (!meta) return std::unexpected(std::move(meta.error()));
  if (meta->envelope.recipients.size() != located.states.size() || head->header.body_length != located.body_length)
    return fail(Errc::invalid, "{} at {:08X}: not the message the index says", segment_name(id.segment), id.offset);
  Summary summary;
  summary.id = id;
  summary.size = meta->trace_size() + head->header.body_length + (meta->rest ? meta->rest->length : 0);
  if (rest != nullptr) *rest = meta->rest;
  summary.envelope = std::move(meta->envelope);
  summary.states = std::move(located.states);
  return summary;
}

}  // namespace impulse::spool
