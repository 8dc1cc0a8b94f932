// LinkWatch: is a place within a link? Values that stand in one are
// percent-encoded.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace impulse::compose {

// Fed with a template's texts in order. A word that holds http:// or https://
// is a link from there on; it ends at white space, quotes and angle brackets.
class LinkWatch {
 public:
  // In time of the text's length, however many there were.
  void follow(std::string_view text);
  bool inside() const { return inside_; }
  // Bytes of earlier texts that are looked at again with the next one.
  size_t kept() const { return tail_.size(); }

 private:
  bool inside_ = false;
  std::string tail_;  // of the word that goes on: what may be a beginning of https://
};

}  // namespace impulse::compose
