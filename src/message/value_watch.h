// ValueWatch: reads the first word of a structured field's value as it streams
// by, over comments, folding and quotes (RFC 5322 §3.2.2). For the two fields
// whose value decides something here: TLS-Required (RFC 8689 §5) and
// Authentication-Results (RFC 8601 §2.2).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace impulse::message {

class ValueWatch {
 public:
  ValueWatch() = default;
  explicit ValueWatch(std::string_view authserv_id) : id_(authserv_id) {}

  bool wanted() const { return !id_.empty(); }  // there is a name to look for

  void begin();
  // The next byte of the value, line ends included.
  void take(char c);
  void finish();

  // Once the first word has ended:
  bool knows_word() const { return state_ == State::after; }
  bool is_ours() const;  // it is the authserv-id; names are compared as domains are
  // After finish(): the whole value is "No", with nothing but white space and comments about it.
  bool says_no() const;

 private:
  enum class State : uint8_t { before, word, quoted, after };
  static constexpr size_t max_word = 255;

  std::string_view id_;
  std::string word_;
  State state_ = State::before;
  bool escaped_ = false;
  bool more_ = false;  // something stood behind the word, or the word had no end
  bool was_quoted_ = false;
  uint32_t depth_ = 0;  // of comments
};

}  // namespace impulse::message
