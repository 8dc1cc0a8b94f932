#include "smtp/client_offers.h"

#include "auth/client_mechanisms.h"
#include "base/text.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <utility>

namespace impulse::smtp {

namespace {

constexpr std::array<std::string_view, 6> xclient_attributes{"NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN"};
constexpr size_t longest_mechanism = 20;  // RFC 4422 §3.1
constexpr size_t most_others = 6;

template <typename Range>
bool has(const Range& range, std::string_view word) {
  return std::ranges::find(range, word) != std::ranges::end(range);
}

void add_mechanism(std::vector<std::string>& mechanisms, size_t& others, std::string_view word) {
  if (word.empty() || word.size() > longest_mechanism) return;
  std::string name = upper(word);
  if (has(mechanisms, name) || (!has(auth::client_mechanisms(), name) && others++ >= most_others)) return;
  mechanisms.push_back(std::move(name));
}

}  // namespace

ClientOffers read_offers(const ParsedReply& ehlo) {
  ClientOffers offers;
  bool chunking = false;
  size_t others = 0;  // mechanisms that are none of ours
  for (size_t i = 1; i < ehlo.lines.size(); ++i) {
    const auto parts = words(ehlo.lines[i]);
    if (parts.empty()) continue;
    const auto says = [&](std::string_view keyword) { return iequals(parts[0], keyword); };
    const auto number = [&] { return parts.size() > 1 ? parse_unsigned(parts[1]).value_or(0) : 0; };
    offers.pipelining |= says("PIPELINING");
    offers.eight_bit_mime |= says("8BITMIME");
    offers.binary_mime |= says("BINARYMIME");
    chunking |= says("CHUNKING");
    offers.smtputf8 |= says("SMTPUTF8");
    offers.starttls |= says("STARTTLS");
    offers.dsn |= says("DSN");
    offers.auth |= says("AUTH");
    // Also as it was before RFC 2554: AUTH=LOGIN.
    if (says("AUTH") || istarts_with(parts[0], "AUTH=")) {
      add_mechanism(offers.mechanisms, others, parts[0].substr(parts[0].size() > 4 ? 5 : 4));
      for (size_t part = 1; part < parts.size(); ++part) add_mechanism(offers.mechanisms, others, parts[part]);
    }
    if (says("XCLIENT")) {
      for (size_t part = 1; part < parts.size(); ++part) {
        std::string attribute = upper(parts[part]);
        if (has(xclient_attributes, attribute) && !has(offers.xclient, attribute))
          offers.xclient.push_back(std::move(attribute));
      }
    }
    offers.require_tls |= says("REQUIRETLS");
    offers.mt_priority |= says("MT-PRIORITY");
    if (says("SIZE")) {
      offers.size = true;
      offers.max_size = number();
    } else if (says("DELIVERBY")) {
      offers.deliver_by = true;
      offers.min_by = number();
    }
  }
  offers.binary_mime &= chunking;
  return offers;
}

}  // namespace impulse::smtp
