#include "message/address.h"

#include "base/text.h"
#include "message/envelope.h"

namespace impulse::message {

namespace {

bool is_8bit(char c) { return static_cast<unsigned char>(c) >= 0x80; }

// RFC 5322 atext; bytes beyond ASCII are let through here and judged at the end.
bool is_atext(char c) {
  return is_alpha(c) || is_digit(c) || is_8bit(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").contains(c);
}

// What may stand in a domain name, right or wrong; the name as a whole is judged then.
bool is_domain_char(char c) { return is_alpha(c) || is_digit(c) || is_8bit(c) || c == '-' || c == '.' || c == '_'; }

// A cursor over the text; each reader takes its piece or reports the fault.
class Reader {
 public:
  Reader(std::string_view text, const AddressRules& rules) : text_(text), rules_(rules) {}

  size_t position() const { return at_; }
  bool at_end() const { return at_ == text_.size(); }
  bool next_is(char c) const { return !at_end() && text_[at_] == c; }
  bool take(char c) {
    if (!next_is(c)) return false;
    ++at_;
    return true;
  }
  void skip_whitespace() {
    while (!at_end() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }

  std::expected<std::string_view, AddressFault> local_part() {
    const size_t start = at_;
    if (!(next_is('"') ? quoted_string() : dot_string())) return std::unexpected(AddressFault::syntax);
    const std::string_view local = text_.substr(start, at_ - start);
    if (local.size() > max_local_part) return std::unexpected(AddressFault::too_long);
    return local;
  }

  // A domain name, or an address literal where `literal` allows one.
  std::expected<std::string_view, AddressFault> domain(bool literal) {
    const size_t start = at_;
    if (next_is('[')) {
      const size_t close = text_.find(']', at_);
      if (!literal || close == std::string_view::npos) return std::unexpected(AddressFault::syntax);
      at_ = close + 1;
      const std::string_view found = text_.substr(start, at_ - start);
      if (!is_address_literal(found)) return std::unexpected(AddressFault::syntax);
      if (!rules_.ip_literals) return std::unexpected(AddressFault::ip_literal);
      return found;
    }
    while (!at_end() && is_domain_char(text_[at_])) ++at_;
    const std::string_view found = text_.substr(start, at_ - start);
    if (const auto shape = check_domain_shape(found, rules_.pedantic); !shape) return std::unexpected(shape.error());
    if (rules_.smtputf8)
      if (const auto ascii = ascii_domain(found); !ascii) return std::unexpected(ascii.error());
    return found;
  }

 private:
  bool quoted_string() {
    ++at_;
    while (!at_end()) {
      char c = text_[at_++];
      if (c == '"') return true;
      if (c == '\\') {
        if (at_end()) return false;
        c = text_[at_++];
        if (is_8bit(c)) return false;  // RFC 6531 widens qtext, not the quoted pair
      }
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return false;
    }
    return false;
  }

  bool dot_string() {
    const size_t start = at_;
    bool dot_before = true;  // one at the start is as wrong as two in a row
    while (!at_end() && (is_atext(text_[at_]) || text_[at_] == '.')) {
      const bool dot = text_[at_] == '.';
      if (dot && dot_before && rules_.pedantic) return false;
      dot_before = dot;
      ++at_;
    }
    return at_ > start && !(dot_before && rules_.pedantic);
  }

  std::string_view text_;
  const AddressRules& rules_;
  size_t at_ = 0;
};

// RFC 5321 A-d-l: "@one,@two:" in front of the mailbox. Read and forgotten.
std::expected<void, AddressFault> skip_route(Reader& reader) {
  do {
    if (!reader.take('@')) return std::unexpected(AddressFault::syntax);
    if (const auto host = reader.domain(true); !host) return std::unexpected(host.error());
  } while (reader.take(','));
  if (!reader.take(':')) return std::unexpected(AddressFault::syntax);
  return {};
}

}  // namespace

std::expected<Path, AddressFault> parse_path(std::string_view text, const AddressRules& rules) {
  Reader reader(text, rules);
  Path path;
  if (!reader.take('<')) return std::unexpected(AddressFault::syntax);
  if (rules.whitespace) reader.skip_whitespace();
  if (!reader.next_is('>')) {
    path.source_route = reader.next_is('@');
    if (path.source_route)
      if (const auto route = skip_route(reader); !route) return std::unexpected(route.error());
    const auto local = reader.local_part();
    if (!local) return std::unexpected(local.error());
    path.address = *local;
    if (reader.take('@')) {
      const auto domain = reader.domain(true);
      if (!domain) return std::unexpected(domain.error());
      path.address += '@';
      path.address += *domain;
      path.has_domain = true;
    }
    if (rules.whitespace) reader.skip_whitespace();
  }
  if (!reader.take('>')) return std::unexpected(AddressFault::syntax);
  path.used = reader.position();
  const std::string_view taken = text.substr(0, path.used);
  if (!is_ascii(taken)) {
    if (!is_utf8(taken)) return std::unexpected(AddressFault::syntax);
    if (!rules.smtputf8) return std::unexpected(AddressFault::not_ascii);
  }
  if (taken.size() > max_path) return std::unexpected(AddressFault::too_long);
  return path;
}

bool is_postmaster(std::string_view address) {
  const std::string_view local = local_part_of(address);
  return iequals(local, "postmaster") || iequals(local, "\"postmaster\"");
}

bool names_a_route(std::string_view local_part) {
  if (local_part.size() >= 2 && local_part.front() == '"') local_part = local_part.substr(1, local_part.size() - 2);
  if (local_part.size() < 3) return false;
  return local_part.substr(1, local_part.size() - 2).find_first_of("%!@") != std::string_view::npos;
}

}  // namespace impulse::message
