#include "smtp/client_offers.h"

#include "base/text.h"

namespace impulse::smtp {

ClientOffers read_offers(const ParsedReply& ehlo) {
  ClientOffers offers;
  bool chunking = false;
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
      const std::string_view first = parts[0].substr(parts[0].size() > 4 ? 5 : 4);
      if (!first.empty()) offers.mechanisms.emplace_back(first);
      offers.mechanisms.insert(offers.mechanisms.end(), parts.begin() + 1, parts.end());
    }
    if (says("XCLIENT"))
      for (size_t part = 1; part < parts.size(); ++part) offers.xclient.push_back(upper(parts[part]));
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
