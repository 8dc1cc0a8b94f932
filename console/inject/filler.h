// Filler: the body that all generated messages share: any number of octets of
// it in lines that end in CRLF, none of them beginning with a dot.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace impulse::ecinject {

class Filler {
 public:
  // For bodies up to `largest` octets. The text depends on nothing.
  explicit Filler(size_t largest);

  // `size` octets: any number but 1. Lines of 64 octets, a last one of 2 to 65.
  void append(size_t size, std::string& out) const;
  // The same as the inside of a JSON string.
  void append_json(size_t size, std::string& out) const;

 private:
  struct Cut {
    size_t lines;
    size_t rest;  // octets of the last line
  };
  static Cut cut(size_t size);
  std::string text_;
  std::string escaped_;
};

}  // namespace impulse::ecinject
