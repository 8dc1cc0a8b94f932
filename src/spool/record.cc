#include "spool/record.h"

#include "base/crc32c.h"
#include "spool/wire.h"

#include <fmt/format.h>

#include <charconv>

namespace impulse::spool {

namespace {

constexpr std::string_view trailer_magic = "IMPULEND";
constexpr std::string_view record_magic = "IMPR";
constexpr uint8_t record_version = 1;
constexpr uint16_t flag_repeats = 1;

void seal(std::string& bytes, size_t size) {
  bytes.resize(size - 4, '\0');
  put(bytes, crc32c(0, bytes));
}

bool sealed(std::string_view bytes, size_t size, std::string_view magic) {
  return bytes.size() >= size && bytes.starts_with(magic) &&
         load<uint32_t>(bytes.data() + size - 4) == crc32c(0, bytes.substr(0, size - 4));
}

}  // namespace

std::string SegmentHeader::encode() const {
  std::string bytes(segment_magic);
  put(bytes, version);
  put(bytes, segment);
  put(bytes, nonce);
  put(bytes, uint32_t{0});
  put(bytes, created);
  seal(bytes, segment_header_size);
  return bytes;
}

std::optional<SegmentHeader> SegmentHeader::decode(std::string_view bytes) {
  if (!sealed(bytes, segment_header_size, segment_magic)) return std::nullopt;
  const char* at = bytes.data();
  return SegmentHeader{load<uint32_t>(at + 8), load<uint32_t>(at + 12), load<uint32_t>(at + 16),
                       load<int64_t>(at + 24)};
}

void RecordHeader::encode(char* out) const {
  std::memcpy(out, record_magic.data(), 4);
  store(out + 4, record_version);
  store(out + 5, static_cast<uint8_t>(type));
  store(out + 6, static_cast<uint16_t>(repeats ? flag_repeats : 0));
  store(out + 8, segment);
  store(out + 12, nonce);
  store(out + 16, offset);
  store(out + 20, meta_length);
  store(out + 24, body_length);
  store(out + 28, meta_crc);
  store(out + 32, body_crc);
  store(out + 36, crc32c(0, std::string_view(out, 36)));
}

std::optional<RecordHeader> RecordHeader::decode(std::string_view bytes) {
  if (bytes.size() < record_header_size || !may_be_record(bytes)) return std::nullopt;
  const char* at = bytes.data();
  if (load<uint32_t>(at + 36) != crc32c(0, bytes.substr(0, 36))) return std::nullopt;
  RecordHeader header;
  header.type = static_cast<RecordType>(load<uint8_t>(at + 5));
  header.repeats = (load<uint16_t>(at + 6) & flag_repeats) != 0;
  header.segment = load<uint32_t>(at + 8);
  header.nonce = load<uint32_t>(at + 12);
  header.offset = load<uint32_t>(at + 16);
  header.meta_length = load<uint32_t>(at + 20);
  header.body_length = load<uint32_t>(at + 24);
  header.meta_crc = load<uint32_t>(at + 28);
  header.body_crc = load<uint32_t>(at + 32);
  return header;
}

bool may_be_record(std::string_view bytes) {
  return bytes.size() >= 8 && bytes.starts_with(record_magic) && load<uint8_t>(bytes.data() + 4) == record_version;
}

std::string Trailer::encode() const {
  std::string bytes(trailer_magic);
  put(bytes, segment);
  put(bytes, nonce);
  put(bytes, footer);
  seal(bytes, trailer_size);
  return bytes;
}

std::optional<Trailer> Trailer::decode(std::string_view bytes) {
  if (!sealed(bytes, trailer_size, trailer_magic)) return std::nullopt;
  const char* at = bytes.data();
  return Trailer{load<uint32_t>(at + 8), load<uint32_t>(at + 12), load<uint32_t>(at + 16)};
}

std::string segment_name(uint32_t number) { return fmt::format("{:08X}.seg", number); }

std::optional<uint32_t> parse_segment_name(std::string_view file_name) {
  uint32_t number = 0;
  if (file_name.size() != 12 || !file_name.ends_with(".seg")) return std::nullopt;
  const auto [end, error] = std::from_chars(file_name.data(), file_name.data() + 8, number, 16);
  if (error != std::errc() || end != file_name.data() + 8 || segment_name(number) != file_name) return std::nullopt;
  return number;
}

}  // namespace impulse::spool
