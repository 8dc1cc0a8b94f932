#include "spool/segment_writer.h"

#include "base/clock.h"
#include "base/crc32c.h"

#include <algorithm>
#include <random>
#include <utility>

namespace impulse::spool {

namespace {

// Zeros to write; one block, used as often as needed.
constexpr size_t zero_block = 65536;
const char zeros[zero_block] = {};

// A batch larger than this gains nothing from zeros written ahead.
constexpr uint64_t small_batch = 128 << 10;
constexpr uint64_t page = 4096;

// What reports tell goes into records of about that size.
constexpr size_t told_record = 16 << 10;

// A whole record that is no message, as it lies at `offset`.
std::string encode_other(uint32_t number, uint32_t nonce, uint64_t offset, RecordType type, std::string_view payload,
                         bool repeats) {
  RecordHeader header;
  header.type = type;
  header.segment = number;
  header.nonce = nonce;
  header.offset = static_cast<uint32_t>(offset);
  header.meta_length = static_cast<uint32_t>(payload.size());
  header.meta_crc = crc32c(0, payload);
  header.repeats = repeats;
  std::string bytes(record_header_size, '\0');
  header.encode(bytes.data());
  bytes += payload;
  bytes.resize(aligned(bytes.size()), '\0');
  return bytes;
}

}  // namespace

void WriteGroup::add(std::string_view bytes) {
  if (bytes.empty()) return;
  parts_.push_back({const_cast<char*>(bytes.data()), bytes.size()});
  size_ += bytes.size();
}

void WriteGroup::pad() { add({zeros, static_cast<size_t>(aligned(size_) - size_)}); }

void Seal::add_told(std::string_view entries) {
  const uint64_t at = end_ + bytes_.size();
  others_.push_back({RecordType::journal, static_cast<uint32_t>(at), static_cast<uint32_t>(entries.size())});
  bytes_ += encode_other(number_, nonce_, at, RecordType::journal, entries, true);
}

std::string Seal::finish(std::vector<Footer::Message> live, std::vector<Footer::Member> members) {
  const uint64_t at = end_ + bytes_.size();
  const Footer footer{std::move(live), std::move(others_), std::move(members)};
  bytes_ += encode_other(number_, nonce_, at, RecordType::footer, footer.encode(), false);
  bytes_ += Trailer{number_, nonce_, static_cast<uint32_t>(at)}.encode();
  return std::move(bytes_);
}

Result<> SegmentWriter::begin(int64_t seconds, bool durable, uint32_t format) {
  const int64_t number = std::max(int64_t{last_number_} + 1, seconds);
  if (number > UINT32_MAX) return fail(Errc::io, "segment numbers are used up");
  auto made = files_.create(static_cast<uint32_t>(number));
  if (!made) return std::unexpected(made.error());
  SegmentHeader header;
  header.version = format;
  header.segment = static_cast<uint32_t>(number);
  header.nonce = std::random_device()();
  header.created = wall_now().time_since_epoch().count();
  const File& file = **made;
  Result<> done;
  if (const int result = file.write(header.encode(), 0); result < 0)
    done = file_error(result, files_.path(header.segment));
  if (done && durable)
    if (const int result = file.ops().sync_data(file.fd()); result < 0)
      done = file_error(result, files_.path(header.segment));
  if (done) done = files_.sync_names();
  if (!done) {
    // Should this fail too, an empty segment stays behind; the number is lost.
    if (!files_.remove(header.segment)) last_number_ = header.segment;
    return done;
  }
  file_ = std::move(*made);
  last_number_ = header.segment;
  nonce_ = header.nonce;
  format_ = format;
  end_ = file_end_ = segment_header_size;
  others_.clear();
  told_.clear();
  return {};
}

uint32_t SegmentWriter::add_record(WriteGroup& batch, RecordType type, std::string& head, uint32_t meta_crc,
                                   const std::vector<std::string_view>& body, uint32_t body_length, uint32_t body_crc) {
  RecordHeader header;
  header.type = type;
  header.segment = last_number_;
  header.nonce = nonce_;
  header.offset = static_cast<uint32_t>(next_offset(batch));
  header.meta_length = static_cast<uint32_t>(head.size() - record_header_size);
  header.body_length = body_length;
  header.meta_crc = meta_crc;
  header.body_crc = body_crc;
  header.encode(head.data());
  batch.add(head);
  for (const std::string_view part : body) batch.add(part);
  batch.pad();
  if (type != RecordType::message) batch.others_.push_back({type, header.offset, header.meta_length});
  return header.offset;
}

void SegmentWriter::add_other(WriteGroup& batch, RecordType type, std::string_view payload, bool listed) {
  const auto offset = static_cast<uint32_t>(next_offset(batch));
  batch.add(batch.own_.emplace_back(encode_other(last_number_, nonce_, offset, type, payload, false)));
  if (listed) batch.others_.push_back({type, offset, static_cast<uint32_t>(payload.size())});
}

void SegmentWriter::add_told(WriteGroup& batch, std::string_view entries) {
  batch.others_.push_back({RecordType::journal, 0, static_cast<uint32_t>(entries.size())});
  batch.told_ += entries;
}

// A file that grows makes the file system commit its own journal with every
// sync. So small batches write some zeros beyond themselves, into which the
// next ones go: they cost a third less. Returns where the file ends then.
uint64_t SegmentWriter::extend(WriteGroup& batch) {
  const uint64_t end = end_ + batch.size_;
  if (end <= file_end_) return file_end_;
  if (zero_ahead_ == 0 || batch.size_ > small_batch) return end;
  const uint64_t target = (end + zero_ahead_) / page * page;
  for (uint64_t at = end; at < target; at += zero_block)
    batch.parts_.push_back(
        {const_cast<char*>(zeros), static_cast<size_t>(std::min<uint64_t>(zero_block, target - at))});
  return std::max(end, target);
}

Result<> SegmentWriter::write(WriteGroup& batch, bool sync) {
  const uint64_t new_end = end_ + batch.size_;
  const uint64_t new_file_end = extend(batch);
  if (const int result = file_->write(batch.parts_, end_); result < 0)
    return file_error(result, files_.path(last_number_));
  if (sync)
    if (const int result = file_->ops().sync_data(file_->fd()); result < 0)
      return file_error(result, files_.path(last_number_));
  end_ = new_end;
  file_end_ = new_file_end;
  others_.insert(others_.end(), batch.others_.begin(), batch.others_.end());
  told_ += batch.told_;
  batch.parts_.clear();
  batch.size_ = 0;
  batch.own_.clear();
  batch.others_.clear();
  batch.told_.clear();
  return {};
}

Result<> SegmentWriter::seal(std::vector<Footer::Message> live, std::vector<Footer::Member> members,
                             const std::function<bool(uint32_t offset)>& wanted) {
  const std::shared_ptr<File> file = std::move(file_);
  Seal made(last_number_, nonce_, end_);
  size_t at = 0, waiting = 0;  // of told_
  const auto flush = [&] {
    if (waiting > 0) made.add_told(std::string_view(told_).substr(at, waiting));
    at += std::exchange(waiting, 0);
  };
  for (const Footer::Other& other : others_) {
    if (other.type == RecordType::commit && !wanted(other.offset)) continue;
    if (other.offset != 0 || waiting + other.meta_length > told_record) flush();
    if (other.offset != 0)
      made.add(other);
    else
      waiting += other.meta_length;
  }
  flush();
  const std::string seal = made.finish(std::move(live), std::move(members));
  others_.clear();
  told_ = {};
  int result = file->write(seal, end_);
  // The trailer has to be the end of the file.
  if (result >= 0 && file_end_ > end_ + seal.size()) result = file->ops().truncate(file->fd(), end_ + seal.size());
  if (result >= 0) result = file->ops().sync_data(file->fd());
  end_ += seal.size();
  if (result < 0) return file_error(result, files_.path(last_number_));
  return {};
}

std::optional<VoidRange> SegmentWriter::abandon() {
  const std::shared_ptr<File> file = std::move(file_);
  others_.clear();
  told_ = {};
  FileOps& ops = file->ops();
  if (ops.truncate(file->fd(), end_) >= 0 && ops.sync_file(file->fd()) >= 0) return std::nullopt;
  return VoidRange{last_number_, static_cast<uint32_t>(end_)};
}

}  // namespace impulse::spool
