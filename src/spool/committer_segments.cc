// What the committer writes into and on: segments begun, sealed and removed,
// the disk's failures and its free space.
#include "spool/committer.h"

#include "base/crc32c.h"

#include <algorithm>
#include <set>
#include <utility>

namespace impulse::spool {

namespace {

int64_t system_seconds() { return std::chrono::floor<std::chrono::seconds>(wall_now()).time_since_epoch().count(); }

}  // namespace

bool Committer::ready() {
  if (writer_.is_open()) return true;
  const auto now = steady_now();
  if (sick_ && now < next_probe_) return false;
  next_probe_ = now + tuning_.probe_every;
  Space space;
  if (sick_ && sick_->code == Errc::no_space && files_.ops().space(files_.base(), space) >= 0 &&
      space.free < std::max(free_wanted_, 2 * tuning_.zero_ahead))
    return false;
  if (auto begun = begin_segment(true); !begun) {
    go_sick(begun.error());
    return false;
  }
  // Zeros written ahead and synced: the disk has room again, and works.
  WriteGroup nothing;
  if (auto proved = writer_.write(nothing, true); !proved) {
    failed(0, 0, proved.error());
    return false;
  }
  go_well();
  return true;
}

Result<> Committer::begin_segment(bool durable) {
  auto begun = writer_.begin(tuning_.seconds ? tuning_.seconds() : system_seconds(), durable, format_);
  if (!begun) return begun;
  open_batches_.begin_segment();
  index_.add_segment(writer_.number(), writer_.nonce());
  index_.set_bytes(writer_.number(), writer_.end());
  return {};
}

void Committer::close_segment() {
  const uint32_t number = writer_.number();
  // Without a footer the next start scans it: nothing is lost but time.
  const std::set<uint32_t> receipts = receipts_.offsets_in(number);
  const auto wanted = [&](uint32_t offset) { return open_batches_.crosses(offset) || receipts.contains(offset); };
  if (auto sealed = writer_.seal(index_.live_in(number), open_batches_.open_in(number), wanted)) {
    open_batches_.said_durably();
  } else {
    open_batches_.said_in_vain();
    log_(fmt::format("no footer could be written: {}", sealed.error().message));
  }
  index_.set_bytes(number, writer_.end());
  index_.seal(number);
}

void Committer::maintain() {
  if (!indexed_) return;  // what nobody seems to need may be needed by what was not read yet
  while (index_.take_changed() || std::exchange(removal_failed_, false)) {
    Index::Removal plan = index_.plan_removal();
    if (!remove_finished(plan.removable)) {
      removal_failed_ = true;
      return;
    }
    if ((plan.checkpoints.empty() && plan.receipts.empty()) || sick_) continue;
    checkpoints_ = std::move(plan.checkpoints);
    plan_copies(plan.receipts);
    work_.messages.clear();
    process();
  }
}

// Receipts that are all that is needed of some segments go where the log is.
void Committer::plan_copies(const std::vector<uint32_t>& segments) {
  copies_.clear();
  uint64_t size = 0;
  for (const uint32_t segment : segments) {
    for (Receipts::Found& found : receipts_.in(segment)) {
      if (size >= tuning_.max_copies) return;  // the others next
      Copy copy;
      if (found.value_in_body) {
        auto value = read_value(files_, found.place);
        if (!value) {
          index_.keep(segment);
          log_(fmt::format("a receipt cannot be copied, its segment stays: {}", value.error().message));
          break;
        }
        copy.value = std::move(*value);
      }
      copy.record.sequence = found.sequence;
      copy.record.settled = true;
      copy.record.value_in_body = found.value_in_body;
      copy.record.receipt = std::move(found.receipt);
      copy.record.forgotten = receipts_.forgotten();
      copy.head.assign(record_header_size, '\0');
      copy.record.encode(copy.head);
      size += copy.head.size() + copy.value.size();
      copies_.push_back(std::move(copy));
    }
  }
  if (!copies_.empty()) format_ = std::max(format_, batch_format);
}

void Committer::add_copies(WriteGroup& group) {
  for (Copy& copy : copies_) {
    const auto meta_crc = crc32c(0, std::string_view(copy.head).substr(record_header_size));
    std::vector<std::string_view> body;
    if (!copy.value.empty()) body.push_back(copy.value);
    copy.offset = writer_.add_record(group, RecordType::commit, copy.head, meta_crc, body,
                                     static_cast<uint32_t>(copy.value.size()), crc32c(0, copy.value));
  }
}

// False when the disk would not have it; they stay then, until later.
bool Committer::remove_finished(const std::vector<uint32_t>& segments) {
  if (segments.empty()) return true;
  bool removed = true;
  std::vector<uint32_t> gone;
  for (const uint32_t number : segments) {
    if (files_.remove(number))
      gone.push_back(number);
    else
      removed = false;
  }
  // Journal entries for these may be forgotten only when they cannot come back.
  if (!files_.sync_names()) return false;
  for (const uint32_t number : gone) freed_ += index_.remove(number);
  removed_ += gone.size();
  return removed;
}

void Committer::go_sick(Error why) {
  if (why.code != Errc::no_space) why.code = Errc::io;
  next_probe_ = steady_now() + tuning_.probe_every;
  health_.set_sick(why);
  if (!sick_) {
    sick_since_ = steady_now();
    log_(fmt::format("the disk fails, new mail is refused until it works again: {}", why.message));
  }
  sick_ = std::move(why);
}

void Committer::go_well() {
  health_.set_sick(std::nullopt);
  if (!sick_) return;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(steady_now() - sick_since_).count();
  log_(fmt::format("the disk works again after {} s, new mail is accepted", seconds));
  sick_.reset();
}

void Committer::look_at_space(bool always) {
  const auto now = steady_now();
  if (!always && now < next_space_) return;
  next_space_ = now + tuning_.space_every;
  Space space;
  if (files_.ops().space(files_.base(), space) < 0) return;  // a real trouble shows when writing
  free_wanted_ = now_.min_free_bytes > 0 ? now_.min_free_bytes : space.total / 100 * now_.min_free_percent;
  health_.set_free(space.free, space.free - std::min(space.free, free_wanted_));
  // Segments and large bodies are files.
  const unsigned inodes_percent = now_.min_free_bytes > 0 ? 1 : now_.min_free_percent;
  const uint64_t inodes_wanted = space.total_inodes * inodes_percent / 100;
  // Once low, some more is wanted, so as not to swing.
  const auto below = [&](uint64_t free, uint64_t wanted) { return free < (low_ ? wanted + wanted / 64 : wanted); };
  const bool few_inodes = below(space.free_inodes, inodes_wanted);
  const bool low = few_inodes || below(space.free, free_wanted_);
  const auto why = [&] {
    return few_inodes ? fmt::format("{}: only {} inodes are free, Spool_Min_Free is {}", files_.base(),
                                    space.free_inodes, inodes_wanted)
                      : fmt::format("{}: only {} bytes are free, Spool_Min_Free is {}", files_.base(), space.free,
                                    free_wanted_);
  };
  if (low)
    health_.set_low(Error{Errc::no_space, why()});
  else if (low_)
    health_.set_low(std::nullopt);
  if (low != low_)
    log_(low ? why() + ": new mail is refused"
             : fmt::format("{}: {} bytes are free again, new mail is accepted", files_.base(), space.free));
  low_ = low;
}

}  // namespace impulse::spool
