#include "spool/recovery.h"

#include "spool/message_reader.h"
#include "spool/segment_writer.h"
#include "spool/survey.h"

#include <algorithm>
#include <optional>
#include <set>

namespace impulse::spool {

namespace {

class Recovery {
 public:
  Recovery(SegmentFiles& files, const LargeFiles& large, Index& index, Receipts& receipts, RecoveryReport& report)
      : files_(files), large_(large), index_(index), survey_(files, index, receipts, report), report_(report) {}

  Result<Recovered> run(const std::function<void(Summary)>& live, WallTime now) {
    // What was removed before must not come back when that which remembers its end is removed, too.
    if (auto synced = files_.sync_names(); !synced) return std::unexpected(synced.error());
    const auto numbers = Survey::list(files_);
    if (!numbers) return std::unexpected(numbers.error());
    if (auto read = survey_.read(*numbers, true); !read) return std::unexpected(read.error());
    for (const Survey::Foreign& foreign : survey_.foreign())
      if (auto moved = move(foreign); !moved) return std::unexpected(moved.error());
    survey_.resolve(now);
    unread_ = survey_.unread();
    if (unread_)
      leave_batches();
    else
      keep_batches_aside();
    recovered_.settling = batches_.settling();
    std::set<uint32_t> scanned;
    for (const Survey::Segment& segment : survey_.unsealed()) {
      if (segment.content.by_footer) continue;
      scanned.insert(segment.number);
      finish(segment.number, segment.content);
    }
    for (const auto& [number, damage] : survey_.under_footers()) keep_aside(number, damage, "bad", "is damaged");
    report_.damaged += survey_.under_footers().size();
    for (const MessageId id : index_.live())
      if (auto announced = announce(id, scanned, live); !announced) return std::unexpected(announced.error());
    remove_orphans();
    if (!numbers->empty()) recovered_.last_number = numbers->back();
    report_.messages = index_.messages();
    return std::move(recovered_);
  }

 private:
  template <class... Args>
  void note(fmt::format_string<Args...> format, Args&&... args) {
    report_.notes.push_back(fmt::format(format, std::forward<Args>(args)...));
  }

  // What the disk cannot read now it may read at a later start.
  void leave(uint32_t number) {
    unread_ = true;
    index_.keep(number);
    note("{}: the disk cannot read all of it; it stays as it is, and the next start tries again", segment_name(number));
  }

  Result<> move(const Survey::Foreign& foreign) {
    if (foreign.size == 0) {
      note("{}: empty, from a stop while it was being made; it will be removed", segment_name(foreign.number));
      return {};
    }
    files_.forget(foreign.number);
    if (auto moved = files_.keep_aside_whole(foreign.number); !moved) return moved;
    if (foreign.torn) {
      report_.torn_bytes += foreign.size;
      note("{}: {} bytes, torn while it was being made; it was {}", segment_name(foreign.number), foreign.size,
           files_.moved());
    } else {
      ++report_.damaged;
      note("{}; it was {}", foreign.why, files_.moved());
    }
    return {};
  }

  // What counts shows when all can be read: messages whose commit may be there
  // then, and commits (and what proves them) whose messages may.
  void leave_batches() {
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
  void keep_batches_aside() {
    bool damaged = report_.damaged > 0 || !survey_.under_footers().empty();
    for (const Survey::Segment& segment : survey_.unsealed()) damaged |= !segment.content.damage.empty();
    const auto suspected = batches_.suspected(survey_.suspects(), damaged);
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
      note("{} messages of batches without a commit record were {}: it may be what is damaged", count, files_.kept());
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
         kept ? ", " : ", and cannot be kept aside: ", kept ? files_.kept() : kept.error().message);
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
        made.add({record.type, record.offset, record.meta_length});
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

  // `scanned`: nothing says that these segments were left in order, so the bodies in them are looked through.
  Result<> announce(MessageId id, const std::set<uint32_t>& scanned, const std::function<void(Summary)>& live) {
    auto located = index_.find(id);
    const MessageId place = located->place;
    const uint64_t length = record_header_size + uint64_t{located->meta_length} + located->body_length;
    std::optional<Rest> rest;
    auto summary = read_summary(files_, id, std::move(*located), &rest);
    if (!summary && summary.error().code == Errc::unavailable)
      return fail(Errc::unavailable, "{} at {:08X}: {}", segment_name(place.segment), place.offset,
                  summary.error().message);
    if (!summary && !is_damage(summary.error())) return std::unexpected(summary.error());
    if (!summary && summary.error().code == Errc::io) {
      unread_ = true;
      index_.keep(place.segment);
      note("{}; the message stays, and the next start tries again", summary.error().message);
      return {};
    }
    Result<> whole;
    if (summary && rest) {
      whole = large_.check(*rest, scanned.contains(place.segment));
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
      keep_aside(place.segment, {place.offset, length}, "bad", "is damaged");
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
           keep ? fmt::format("{}, since there is damage", files_.moved()) : "removed");
  }

  SegmentFiles& files_;
  const LargeFiles& large_;
  Index& index_;
  Survey survey_;
  const BatchRecovery& batches_ = survey_.batches();
  RecoveryReport& report_;
  Recovered recovered_;
  std::set<uint32_t> untouched_;  // segments of batches that cannot be judged yet
  std::set<uint64_t> rests_;      // of live messages
  bool unread_ = false;           // there is what the disk did not give
};

}  // namespace

Result<Recovered> recover(SegmentFiles& files, const LargeFiles& large, Index& index, Receipts& receipts, WallTime now,
                          const std::function<void(Summary)>& live, RecoveryReport& report) {
  return Recovery(files, large, index, receipts, report).run(live, now);
}

}  // namespace impulse::spool
