#include "console/sendmail/address_list.h"

#include "base/text.h"
#include "message/address.h"

#include <optional>

namespace impulse::sendmail {
namespace {

constexpr bool is_white(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

class ListParser {
 public:
  explicit ListParser(std::string_view text) : text_(text) {}

  Result<std::vector<std::string>> run() {
    while (at_ < text_.size()) {
      if (auto done = step(); !done) return std::unexpected(done.error());
    }
    if (auto done = end_element(); !done) return std::unexpected(done.error());
    return std::move(found_);
  }

 private:
  Result<> step() {
    const char c = text_[at_];
    if (is_white(c)) {
      gap_ = true;
      ++at_;
      return {};
    }
    if (c == '(') {
      gap_ = true;
      return skip_comment();
    }
    if (c == ',' || c == ';') {
      ++at_;
      if (c == ';') in_group_ = false;
      return end_element();
    }
    if (angle_) return fail(Errc::invalid, "something stands behind '>'");
    if (c == '<') return read_angle();
    if (c == ':') {
      if (in_group_) return fail(Errc::invalid, "a group in a group");
      in_group_ = true;
      ++at_;
      reset();
      return {};
    }
    auto piece = read_piece();
    if (!piece) return std::unexpected(piece.error());
    // "joe @ example.com" is one address, "joe doe" is none.
    const bool joins = plain_.empty() || !gap_ || is_joint(plain_.back()) || is_joint(piece->front());
    if (!joins) words_ = true;
    plain_ += *piece;
    gap_ = false;
    return {};
  }

  static bool is_joint(char c) { return c == '@' || c == '.'; }

  // One character, or a quoted string or domain literal as written.
  Result<std::string> read_piece() {
    const char open = text_[at_];
    if (open != '"' && open != '[') return std::string(1, text_[at_++]);
    const char close = open == '"' ? '"' : ']';
    std::string piece(1, open);
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '\r' || c == '\n') continue;  // folding
      piece += c;
      if (c == close) {
        ++at_;
        return piece;
      }
      if (c == '\\' && at_ + 1 < text_.size()) piece += text_[++at_];
    }
    return fail(Errc::invalid, "'{}' without '{}'", open, close);
  }

  Result<> skip_comment() {
    size_t depth = 0;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '\\') {
        ++at_;
      } else if (c == '(') {
        ++depth;
      } else if (c == ')' && --depth == 0) {
        ++at_;
        return {};
      }
    }
    return fail(Errc::invalid, "'(' without ')'");
  }

  Result<> read_angle() {
    std::string inside;
    ++at_;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '>') {
        ++at_;
        if (inside.starts_with('@')) {  // "@one,@two:joe@three"
          const size_t colon = inside.find(':');
          if (colon == std::string::npos) return fail(Errc::invalid, "a source route without an address");
          inside.erase(0, colon + 1);
        }
        angle_ = std::move(inside);
        return {};
      }
      if (is_white(c)) {
        ++at_;
      } else if (c == '(') {
        if (auto done = skip_comment(); !done) return done;
      } else if (c == '<') {
        return fail(Errc::invalid, "'<' inside '<'");
      } else {
        auto piece = read_piece();
        if (!piece) return std::unexpected(piece.error());
        inside += *piece;
      }
    }
    return fail(Errc::invalid, "'<' without '>'");
  }

  Result<> end_element() {
    if (angle_) {
      if (angle_->empty()) return fail(Errc::invalid, "an empty address: <>");
      found_.push_back(std::move(*angle_));
    } else if (words_) {
      return fail(Errc::invalid, "several words that are no address");
    } else if (!plain_.empty()) {
      found_.push_back(std::move(plain_));
    }
    reset();
    return {};
  }

  void reset() {
    angle_.reset();
    plain_.clear();
    words_ = gap_ = false;
  }

  std::string_view text_;
  size_t at_ = 0;
  std::vector<std::string> found_;
  std::optional<std::string> angle_;  // between < and >
  std::string plain_;                 // what stands outside of them
  bool words_ = false;                // plain_ is more than one word
  bool gap_ = false;                  // white space or a comment was passed
  bool in_group_ = false;
};

bool has_domain(std::string_view address) {
  bool quoted = false;
  for (size_t i = 0; i < address.size(); ++i) {
    if (quoted && address[i] == '\\')
      ++i;
    else if (address[i] == '"')
      quoted = !quoted;
    else if (!quoted && address[i] == '@')
      return true;
  }
  return false;
}

}  // namespace

Result<std::vector<std::string>> parse_addresses(std::string_view text) { return ListParser(text).run(); }

Result<std::string> envelope_address(std::string_view address, std::string_view domain) {
  std::string whole(address);
  if (!has_domain(whole)) whole.append("@").append(domain);
  const std::string path = '<' + whole + '>';
  const message::AddressRules rules{.pedantic = false, .smtputf8 = true};
  const auto parsed = message::parse_path(path, rules);
  if (!parsed || parsed->used != path.size() || parsed->address != whole)
    return fail(Errc::invalid, "no address: {}", escape_line(address, 320));
  return whole;
}

}  // namespace impulse::sendmail
