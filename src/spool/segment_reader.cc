#include "spool/segment_reader.h"

#include "base/crc32c.h"
#include "spool/copy_record.h"
#include "spool/message_codec.h"
#include "spool/range_reader.h"
#include "spool/segment_files.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>

namespace impulse::spool {

namespace {

constexpr size_t window_size = 1 << 20;

// A window that moves over a file.
class Window {
 public:
  Window(const File& file, uint64_t size, const std::atomic<bool>* stop) : file_(file), size_(size), stop_(stop) {}

  uint64_t size() const { return size_; }
  // Whether there was anything the disk could not read.
  bool unreadable() const { return unreadable_; }
  // The file seems to end at once then.
  bool stopped() const { return stopped_; }
  // Up to `count` (at most window_size) bytes from `offset`; fewer at the end
  // of the file. What the disk cannot read is 0xFF.
  std::string_view at(uint64_t offset, size_t count) {
    if (offset >= size_) return {};
    count = static_cast<size_t>(std::min<uint64_t>(count, size_ - offset));
    if (offset < start_ || offset + count > start_ + bytes_.size()) {
      if (is_to_stop()) return {};
      start_ = offset;
      bytes_.resize(std::min<uint64_t>(window_size, size_ - offset));
      if (file_.read(bytes_.data(), bytes_.size(), offset) < 0) read_piecewise();
    }
    return std::string_view(bytes_).substr(offset - start_, count);
  }
  uint32_t crc(uint64_t offset, uint64_t length) {
    uint32_t crc = 0;
    while (length > 0) {
      const std::string_view part = at(offset, std::min<uint64_t>(length, window_size));
      if (part.empty()) break;  // stopped
      crc = crc32c(crc, part);
      offset += part.size();
      length -= part.size();
    }
    return crc;
  }
  std::string copy(uint64_t offset, uint64_t length) {
    std::string out;
    while (out.size() < length && !stopped_)
      out += at(offset + out.size(), std::min<uint64_t>(length - out.size(), window_size));
    return out;
  }

 private:
  bool is_to_stop() {
    if (stop_ == nullptr || !stop_->load(std::memory_order_relaxed)) return false;
    stopped_ = true;
    size_ = 0;
    return true;
  }

  void read_piecewise() {
    constexpr size_t sector = 4096;
    for (size_t at = 0; at < bytes_.size(); at += sector) {
      if (is_to_stop()) return bytes_.clear();  // each may take seconds
      const size_t count = std::min(sector, bytes_.size() - at);
      if (file_.read(bytes_.data() + at, count, start_ + at) >= 0) continue;
      std::memset(bytes_.data() + at, 0xFF, count);
      unreadable_ = true;
    }
  }

  const File& file_;
  uint64_t size_;
  const std::atomic<bool>* stop_;
  uint64_t start_ = 0;
  std::string bytes_;
  bool unreadable_ = false;
  bool stopped_ = false;
};

// What is looked at of a copy: whose it is, without the message's metadata. Nothing when it is malformed.
std::optional<OtherRecord> copy_of(const RecordHeader& header, std::string_view meta) {
  size_t size = 0;
  const auto copy = CopyRecord::decode(meta, size);
  if (!copy) return std::nullopt;
  const auto recipients = count_recipients(meta.substr(size));
  if (!recipients || (!copy->states.empty() && copy->states.size() != *recipients)) return std::nullopt;
  OtherRecord record;
  record.type = RecordType::copy;
  record.offset = header.offset;
  record.payload = meta.substr(0, size);
  record.meta_length = header.meta_length;
  record.body_length = header.body_length;
  record.recipients = *recipients;
  record.live = true;
  return record;
}

class Scanner {
 public:
  Scanner(Window& window, uint32_t number, uint32_t nonce) : window_(window), number_(number) {
    content_.nonce = nonce;
    content_.file_size = window.size();
  }

  SegmentContent run() {
    uint64_t at = segment_header_size;
    while (at < window_.size() && !finished_) {
      if (const auto header = header_at(at)) {
        take(*header);
        at += header->size();
        continue;
      }
      const uint64_t next = search(at + record_alignment);
      if (next >= window_.size()) {
        content_.torn = nonzero(at);
        break;
      }
      if (nonzero(at, next) > 0) content_.damage.push_back({at, next - at});
      at = next;
    }
    content_.unreadable = window_.unreadable();
    return std::move(content_);
  }

  // A record of ours that lies in the file with its whole length.
  std::optional<RecordHeader> header_at(uint64_t offset) {
    const auto header = RecordHeader::decode(window_.at(offset, record_header_size));
    if (!header || header->segment != number_ || header->nonce != content_.nonce || header->offset != offset ||
        offset + header->content_size() > window_.size())
      return std::nullopt;
    return header;
  }

 private:
  // The next record from `offset` on, or the end of the file.
  uint64_t search(uint64_t offset) {
    for (; offset < window_.size(); offset += record_alignment)
      if (may_be_record(window_.at(offset, record_header_size)) && header_at(offset)) return offset;
    return window_.size();
  }
  // How many bytes there are from the first that is not zero to `to`.
  uint64_t nonzero(uint64_t from, uint64_t to = UINT64_MAX) {
    to = std::min(to, window_.size());
    uint64_t last = from;
    for (uint64_t at = from; at < to;) {
      const std::string_view part = window_.at(at, std::min<uint64_t>(to - at, window_size));
      if (part.empty()) break;  // stopped
      if (const size_t found = part.find_last_not_of('\0'); found != part.npos) last = at + found + 1;
      at += part.size();
    }
    return last - from;
  }
  void take(const RecordHeader& header) {
    if (header.type == RecordType::footer || header.repeats) {
      finished_ = true;  // nothing but the seal is written from there on
      return;
    }
    content_.end = header.offset + header.size();
    const uint64_t meta_at = header.offset + record_header_size;
    const std::string meta = window_.copy(meta_at, header.meta_length);
    const bool good = crc32c(0, meta) == header.meta_crc &&
                      window_.crc(meta_at + header.meta_length, header.body_length) == header.body_crc;
    if (good && header.type == RecordType::message) {
      if (const auto recipients = count_recipients(meta)) {
        const Footer::Message message{header.offset, header.meta_length, header.body_length, *recipients};
        if (const uint64_t batch = batch_of(meta); batch != 0)
          content_.members.push_back({message, batch});
        else
          content_.messages.push_back(message);
        if (std::string told = told_in(meta); !told.empty())
          content_.others.push_back(
              {.type = RecordType::journal, .offset = header.offset, .payload = std::move(told), .within = true});
        return;
      }
    } else if (good && header.type == RecordType::copy) {
      if (auto copy = copy_of(header, meta)) {
        content_.others.push_back(std::move(*copy));
        return;
      }
    } else if (good) {
      content_.others.push_back({.type = header.type,
                                 .offset = header.offset,
                                 .payload = meta,
                                 .meta_length = header.meta_length,
                                 .body_length = header.body_length});
      return;
    }
    const bool message = header.type == RecordType::message || header.type == RecordType::copy;
    content_.damage.push_back({header.offset, header.content_size(), message});
  }

  Window& window_;
  uint32_t number_;
  SegmentContent content_;
  bool finished_ = false;
};

// The nonce of a segment whose header is damaged: the trailer's, or that of
// all the records that can be found; nothing when they differ.
Result<uint32_t> find_nonce(Window& window, uint32_t number) {
  if (window.size() >= segment_header_size + trailer_size)
    if (const auto trailer = Trailer::decode(window.at(window.size() - trailer_size, trailer_size));
        trailer && trailer->segment == number)
      return trailer->nonce;
  std::optional<uint32_t> nonce;
  for (uint64_t at = segment_header_size; at < window.size(); at += record_alignment) {
    const auto bytes = window.at(at, record_header_size);
    if (!may_be_record(bytes)) continue;
    const auto header = RecordHeader::decode(bytes);
    if (!header || header->segment != number || header->offset != at) continue;
    if (nonce && *nonce != header->nonce)
      return fail(Errc::invalid, "{}: its header is damaged, and its records disagree", segment_name(number));
    nonce = header->nonce;
  }
  if (!nonce) return fail(Errc::invalid, "{}: neither a header nor any record is readable", segment_name(number));
  return *nonce;
}

Result<uint32_t> nonce_of(Window& window, uint32_t number) {
  const auto header = SegmentHeader::decode(window.at(0, segment_header_size));
  if (!header) return find_nonce(window, number);
  if (header->version < plain_format || header->version > newest_format)
    return fail(Errc::unavailable, "{}: written by a newer version (format {})", segment_name(number), header->version);
  if (header->segment != number)
    return fail(Errc::invalid, "{}: holds segment {:08X}", segment_name(number), header->segment);
  return header->nonce;
}

// A footer lists what is live, be it a copy or not, and all copies again.
void sort_out_copies(SegmentContent& content) {
  std::set<uint32_t> copies;
  for (const OtherRecord& record : content.others)
    if (record.type == RecordType::copy) copies.insert(record.offset);
  if (copies.empty()) return;
  std::set<uint32_t> live;
  std::erase_if(content.messages, [&](const Footer::Message& message) {
    if (!copies.contains(message.offset)) return false;
    live.insert(message.offset);
    return true;
  });
  for (OtherRecord& record : content.others)
    if (record.type == RecordType::copy) record.live = live.contains(record.offset);
}

// Nothing when the footer cannot be trusted.
std::optional<SegmentContent> by_footer(const File& file, Window& window, uint32_t number, uint32_t nonce) {
  if (window.size() < segment_header_size + record_header_size + trailer_size) return std::nullopt;
  const auto trailer = Trailer::decode(window.at(window.size() - trailer_size, trailer_size));
  if (!trailer || trailer->segment != number || trailer->nonce != nonce) return std::nullopt;
  const auto header = RecordHeader::decode(window.at(trailer->footer, record_header_size));
  if (!header || header->offset + header->size() + trailer_size != window.size()) return std::nullopt;
  auto head = read_head(file, number, nonce, RecordType::footer, trailer->footer, header->meta_length);
  if (!head) return std::nullopt;
  auto footer = Footer::decode(head->meta);
  if (!footer) return std::nullopt;
  SegmentContent content;
  content.nonce = nonce;
  content.file_size = window.size();
  content.end = trailer->footer;
  content.by_footer = true;
  content.messages = std::move(footer->messages);
  content.members = std::move(footer->members);
  std::vector<RangeReader::Range> ranges;
  ranges.reserve(footer->others.size());
  for (const Footer::Other& other : footer->others)
    ranges.push_back({other.offset, record_header_size + uint64_t{other.meta_length}});
  RangeReader reader(file, std::move(ranges));
  content.others.reserve(footer->others.size());
  for (size_t i = 0; i < footer->others.size(); ++i) {
    const Footer::Other& other = footer->others[i];
    std::string_view bytes;
    const int result = reader.read(i, bytes);
    const auto record = check_head(result, bytes, number, nonce, other.type, other.offset, other.meta_length);
    const bool of_batches = other.type == RecordType::commit || other.type == RecordType::settled;
    if (!record && of_batches && record.error().code == Errc::invalid) {
      // A scan would know of the others no more than the footer does, and not which messages they made count.
      content.damage.push_back({other.offset, record_header_size + uint64_t{other.meta_length}});
      continue;
    }
    if (!record) return std::nullopt;  // let the scan find out what is damaged
    if (other.type == RecordType::copy) {
      auto copy = copy_of(record->header, record->meta);
      if (!copy) return std::nullopt;
      content.others.push_back(std::move(*copy));
      continue;
    }
    content.others.push_back({.type = other.type,
                              .offset = other.offset,
                              .payload = std::string(record->meta),
                              .meta_length = other.meta_length,
                              .body_length = record->header.body_length});
  }
  sort_out_copies(content);
  return content;
}

Result<SegmentContent> read_content(const File& file, uint32_t number, bool use_footer, const std::atomic<bool>* stop) {
  const int64_t size = file.ops().size(file.fd());
  if (size < 0) return file_error(size, segment_name(number));
  Window window(file, static_cast<uint64_t>(size), stop);
  const auto stopped = [&] { return fail(Errc::busy, "{}: given up, as it is to stop", segment_name(number)); };
  const auto nonce = nonce_of(window, number);
  if (window.stopped()) return stopped();
  if (!nonce && window.unreadable() && nonce.error().code == Errc::invalid)
    return fail(Errc::io, "{}: the disk cannot read it", segment_name(number));
  if (!nonce) return std::unexpected(nonce.error());
  if (use_footer)
    if (auto content = by_footer(file, window, number, *nonce)) return std::move(*content);
  auto content = Scanner(window, number, *nonce).run();
  if (window.stopped()) return stopped();
  return content;
}

}  // namespace

Result<SegmentContent> read_segment(const File& file, uint32_t number, const std::atomic<bool>* stop) {
  return read_content(file, number, true, stop);
}
Result<SegmentContent> scan_segment(const File& file, uint32_t number) {
  return read_content(file, number, false, nullptr);
}

Result<> check_format(const File& file, uint32_t number) {
  char bytes[segment_header_size];
  if (file.read(bytes, sizeof bytes, 0) < 0) return {};
  const auto header = SegmentHeader::decode({bytes, sizeof bytes});
  if (!header || (header->version >= plain_format && header->version <= newest_format)) return {};
  return fail(Errc::unavailable, "{}: written by a newer version (format {})", segment_name(number), header->version);
}

Result<RecordHead> read_head(const File& file, uint32_t number, uint32_t nonce, RecordType type, uint32_t offset,
                             uint32_t meta_length) {
  RangeReader reader(file, {{offset, record_header_size + uint64_t{meta_length}}});
  std::string_view bytes;
  const int result = reader.read(0, bytes);
  const auto head = check_head(result, bytes, number, nonce, type, offset, meta_length);
  if (!head) return std::unexpected(head.error());
  return RecordHead{head->header, std::string(head->meta)};
}

Result<HeadView> check_head(int result, std::string_view bytes, uint32_t number, uint32_t nonce, RecordType type,
                            uint32_t offset, uint32_t meta_length) {
  const auto where = [&] { return fmt::format("{} at {:08X}", segment_name(number), offset); };
  if (result == RangeReader::file_ends) return fail(Errc::invalid, "{}: the file ends before it", where());
  if (result < 0) return file_error(result, where());
  const auto header = RecordHeader::decode(bytes);
  if (!header || header->type != type || header->segment != number || header->nonce != nonce ||
      header->offset != offset || header->meta_length != meta_length)
    return fail(Errc::invalid, "{}: the record is damaged", where());
  const std::string_view meta = bytes.substr(record_header_size);
  if (crc32c(0, meta) != header->meta_crc) return fail(Errc::invalid, "{}: the record is damaged", where());
  return HeadView{*header, meta};
}

Result<std::string> read_body(const File& file, const RecordHeader& header) {
  std::string body;
  int result = 0;
  const uint64_t at = uint64_t{header.offset} + record_header_size + header.meta_length;
  // Not the lambda's `count`: GCC 12 passes the capacity there.
  body.resize_and_overwrite(header.body_length, [&](char* to, size_t) {
    result = file.read(to, header.body_length, at);
    return result < 0 ? size_t{0} : size_t{header.body_length};
  });
  if (result < 0) return file_error(result, segment_name(header.segment));
  if (crc32c(0, body) != header.body_crc)
    return fail(Errc::invalid, "{} at {:08X}: the body is damaged", segment_name(header.segment), header.offset);
  return body;
}

}  // namespace impulse::spool
