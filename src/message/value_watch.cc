#include "message/value_watch.h"

#include "base/text.h"
#include "message/domain.h"

namespace impulse::message {

namespace {

// RFC 2045 §5.1: what ends a token.
bool is_tspecial(char c) { return std::string_view("()<>@,;:\\\"/[]?=").contains(c); }

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// "mx.example" and "MX.Example." are one name.
std::string_view without_dot(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return name;
}

}  // namespace

void ValueWatch::begin() {
  word_.clear();
  state_ = State::before;
  escaped_ = more_ = was_quoted_ = false;
  depth_ = 0;
}

void ValueWatch::take(char c) {
  if (depth_ > 0 || state_ == State::quoted) {
    if (escaped_) {
      escaped_ = false;
    } else if (c == '\\') {
      escaped_ = true;
      return;
    } else if (depth_ > 0) {
      depth_ += c == '(' ? 1U : 0U;
      depth_ -= c == ')' ? 1U : 0U;
      return;
    } else if (c == '"') {
      state_ = State::after;
      return;
    }
    // Folding inside of quotes is not part of what is quoted.
    if (depth_ == 0 && c != '\r' && c != '\n' && word_.size() <= max_word) word_ += c;
    return;
  }
  if (is_blank(c)) {
    if (state_ == State::word) state_ = State::after;
  } else if (c == '(') {
    if (state_ == State::word) state_ = State::after;
    depth_ = 1;
  } else if (state_ == State::before && c == '"') {
    state_ = State::quoted;
    was_quoted_ = true;
  } else if (state_ == State::after || is_tspecial(c)) {
    state_ = State::after;
    more_ = true;
  } else {
    state_ = State::word;
    if (word_.size() <= max_word) word_ += c;
  }
}

void ValueWatch::finish() {
  if (depth_ > 0 || state_ == State::quoted) more_ = true;
  state_ = State::after;
}

bool ValueWatch::is_ours() const {
  if (word_.empty() || word_.size() > max_word) return false;
  const std::string_view word = without_dot(word_);
  const std::string_view id = without_dot(id_);
  if (iequals(word, id)) return true;
  if (is_ascii(word) && is_ascii(id)) return false;
  const auto ascii = ascii_domain(word);
  return ascii && ascii == ascii_domain(id);
}

bool ValueWatch::says_no() const { return !more_ && !was_quoted_ && iequals(word_, "no"); }

}  // namespace impulse::message
