#include "config/secrecy.h"

#include "base/text.h"
#include "config/catalogue.h"

#include <algorithm>
#include <array>
#include <string>

namespace impulse::config {
namespace {

constexpr size_t reach = 16384;
constexpr std::string_view pem_begin = "-----BEGIN";
constexpr std::string_view pem_end = "-----END";

bool of_word(char c) { return is_alpha(c) || is_digit(c) || c == '_' || c == '-'; }

// Does the line begin inside a private key?
bool in_private_key(std::string_view before) {
  const size_t begin = before.rfind(pem_begin);
  if (begin == std::string_view::npos) return false;
  const std::string_view block = before.substr(begin);
  return block.find(pem_end) == std::string_view::npos &&
         block.substr(0, block.find('\n')).find("PRIVATE KEY") != std::string_view::npos;
}

}  // namespace

bool names_secret(std::string_view word) {
  if (const OptionDef* option = find_option(word)) return option->type == Type::secret;
  const std::string name = lower(word);
  static constexpr std::array<std::string_view, 4> parts = {"passw", "pasw", "auth_pas", "secret"};
  return std::ranges::any_of(parts, [&](std::string_view part) { return name.find(part) != std::string::npos; });
}

size_t secret_in_line(std::string_view text, size_t begin, size_t end, size_t at) {
  end = std::min({end, text.size(), at + reach});
  begin = std::min(std::max(begin, at > reach ? at - reach : 0), end);
  if (in_private_key(text.substr(begin > reach ? begin - reach : 0, std::min(begin, reach)))) return begin;
  const std::string_view line = text.substr(begin, end - begin);
  size_t found = std::string_view::npos;
  if (const size_t pem = line.find(pem_begin);
      pem != std::string_view::npos && line.substr(pem).find("PRIVATE KEY") != std::string_view::npos)
    found = begin + pem;
  for (size_t i = 0; i < line.size();) {
    if (!of_word(line[i])) {
      ++i;
      continue;
    }
    const size_t word = i;
    while (i < line.size() && of_word(line[i])) ++i;
    const std::string_view rest = trim(line.substr(i));
    if (rest.empty() || rest == "=" || !names_secret(line.substr(word, i - word))) continue;
    return std::min(found, begin + i);
  }
  return found;
}

}  // namespace impulse::config
