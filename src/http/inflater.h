// Inflater: Content-Encoding gzip and deflate (RFC 9110 §8.4.1) of a body, with
// bounds on what comes out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace impulse::http {

class Inflater {
 public:
  enum class Coding : uint8_t { gzip, deflate };  // deflate is zlib's format, not the bare stream
  enum class Verdict : uint8_t {
    good,
    too_large,  // over max_size
    bomb,       // expands more than max_expansion times
    broken,     // no such data, or something else behind its end
    no_memory,
  };

  // max_size: bytes. max_expansion: what comes out may be so many times what went
  // in, looked at each whole MiB of it; 0: no matter.
  Inflater(Coding coding, uint64_t max_size, uint32_t max_expansion);
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Appends to `out`, which is the caller's but only it adds to. Anything but good is final.
  Verdict feed(std::string_view bytes, std::string& out);
  // All has been fed: good, or broken when the end is missing.
  Verdict finish() const;

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
  uint64_t max_size_;
  uint32_t max_expansion_;
  bool members_;  // several may follow each other (RFC 1952 §2.2): one text, bounded as such
  uint64_t went_in_ = 0;
  uint64_t came_out_ = 0;
  bool ended_ = false;
};

}  // namespace impulse::http
