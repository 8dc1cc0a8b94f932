// Writes DNS messages, good and bad, byte by byte.
#pragma once

#include "dns/message.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::dns::test {

using Bytes = std::vector<uint8_t>;

inline void put16(Bytes& to, unsigned value) {
  to.push_back(static_cast<uint8_t>(value >> 8));
  to.push_back(static_cast<uint8_t>(value));
}

inline void put_name(Bytes& to, std::string_view name) {
  while (!name.empty()) {
    const size_t dot = std::min(name.find('.'), name.size());
    to.push_back(static_cast<uint8_t>(dot));
    to.insert(to.end(), name.begin(), name.begin() + static_cast<std::ptrdiff_t>(dot));
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  to.push_back(0);
}

class Wire {
 public:
  // RA is set; `rcode` in the low bits.
  explicit Wire(std::string_view name, Type type, unsigned rcode = 0, unsigned id = 0) {
    put16(bytes_, id);
    put16(bytes_, 0x8180 | rcode);
    for (const unsigned count : {1U, 0U, 0U, 0U}) put16(bytes_, count);
    put_name(bytes_, name);
    put16(bytes_, static_cast<unsigned>(type));
    put16(bytes_, 1);
  }
  Wire& a(std::string_view owner, std::string_view address, uint32_t ttl = 300) {
    const auto parsed = IpAddress::parse(address).value();
    const auto& all = parsed.bytes();
    return record(owner, parsed.is_v4() ? 1 : 28, ttl, Bytes(all.begin(), all.begin() + (parsed.is_v4() ? 4 : 16)));
  }
  Wire& mx(std::string_view owner, unsigned preference, std::string_view host, uint32_t ttl = 300) {
    Bytes data;
    put16(data, preference);
    put_name(data, host);
    return record(owner, 15, ttl, data);
  }
  Wire& cname(std::string_view owner, std::string_view target, uint32_t ttl = 300) {
    Bytes data;
    put_name(data, target);
    return record(owner, 5, ttl, data);
  }
  // Into the authority section: no more answers after it.
  Wire& soa(std::string_view owner, uint32_t ttl, uint32_t minimum) {
    Bytes data;
    put_name(data, "ns." + std::string(owner));
    put_name(data, "root." + std::string(owner));
    for (const uint32_t each : {1U, 2U, 3U, 4U, minimum}) {
      put16(data, each >> 16);
      put16(data, each & 0xFFFF);
    }
    return record(owner, 6, ttl, data, 8);
  }
  Wire& record(std::string_view owner, unsigned type, uint32_t ttl, const Bytes& data, size_t count = 6) {
    put_name(bytes_, owner);
    put16(bytes_, type);
    put16(bytes_, 1);
    put16(bytes_, ttl >> 16);
    put16(bytes_, ttl & 0xFFFF);
    put16(bytes_, static_cast<unsigned>(data.size()));
    bytes_.insert(bytes_.end(), data.begin(), data.end());
    if (++bytes_[count + 1] == 0) ++bytes_[count];
    return *this;
  }
  Wire& flags(unsigned value) {
    bytes_[2] = static_cast<uint8_t>(value >> 8);
    bytes_[3] = static_cast<uint8_t>(value);
    return *this;
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

}  // namespace impulse::dns::test
