#include "console/inject/pattern.h"

#include "base/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>

namespace impulse::ecinject {

Result<> parse_domains(std::string_view text, Naming& naming) {
  Naming made;
  for (const std::string_view part : split(text, ',')) {
    // What stands behind the last colon is a weight, unless it is in an address literal.
    const size_t colon = part.ends_with(']') ? std::string_view::npos : part.rfind(':');
    const std::string_view name = trim(part.substr(0, colon));
    double weight = 1;
    if (colon != std::string_view::npos) {
      const std::string_view number = part.substr(colon + 1);
      const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), weight);
      if (error != std::errc() || end != number.data() + number.size() || !(weight > 0 && weight < 1e12))
        return fail(Errc::invalid, "a weight above 0 is expected behind '{}:'", escape_line(name, 64));
    }
    if (name.empty() || name.find_first_of(" \t\r\n@<>") != std::string_view::npos)
      return fail(Errc::invalid, "'{}' is no domain", escape_line(name, 64));
    made.domains.emplace_back(name);
    made.weights.add(weight);
  }
  naming.domains = std::move(made.domains);
  naming.weights = std::move(made.weights);
  return {};
}

Result<AddressPattern> AddressPattern::parse(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, What>, 4> known{
      {{"message", What::message}, {"recipient", What::recipient}, {"random", What::random}, {"domain", What::domain}}};
  AddressPattern made;
  const auto add_text = [&](std::string_view piece) {
    if (piece.empty()) return;
    if (made.pieces_.empty() || made.pieces_.back().what != What::text) made.pieces_.push_back({});
    made.pieces_.back().text += piece;
  };
  for (const unsigned char c : text)
    if (c <= ' ' || c == 0x7F || c == '<' || c == '>')
      return fail(Errc::invalid, "'{}' is no address", escape_line(text, 128));
  for (std::string_view rest = text; !rest.empty();) {
    const size_t open = rest.find('{');
    add_text(rest.substr(0, open));
    if (open == std::string_view::npos) break;
    rest.remove_prefix(open + 1);
    if (rest.starts_with('{')) {
      add_text("{");
      rest.remove_prefix(1);
      continue;
    }
    const size_t close = rest.find('}');
    const std::string_view word = rest.substr(0, close);
    const auto row = std::find_if(known.begin(), known.end(), [&](const auto& each) { return each.first == word; });
    if (close == std::string_view::npos || row == known.end())
      return fail(Errc::invalid, "{{{}}}: {{message}}, {{recipient}}, {{random}} or {{domain}} is expected in '{}'",
                  escape_line(word, 32), escape_line(text, 128));
    made.pieces_.push_back({row->second, {}});
    rest.remove_prefix(close + 1);
  }
  return made;
}

void AddressPattern::fill(uint64_t index, uint64_t recipient, const Naming& naming, Random& random,
                          std::string& out) const {
  out.clear();
  for (const Piece& piece : pieces_) {
    switch (piece.what) {
      case What::text:
        out += piece.text;
        break;
      case What::message:
        fmt::format_to(std::back_inserter(out), "{}", index + 1);
        break;
      case What::recipient:
        fmt::format_to(std::back_inserter(out), "{}", recipient + 1);
        break;
      case What::random:
        fmt::format_to(std::back_inserter(out), "{}", random.below(naming.users));
        break;
      case What::domain:
        out += naming.domains[naming.weights.draw(random)];
        break;
    }
  }
}

}  // namespace impulse::ecinject
