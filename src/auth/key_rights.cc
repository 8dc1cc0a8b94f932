#include "auth/key_rights.h"

#include "base/text.h"

namespace impulse::auth {

std::string_view name(Right right) {
  switch (right) {
    case Right::inject:
      return "inject";
    case Right::metrics:
      return "metrics";
    case Right::admin:
      return "admin";
  }
  return {};
}

std::optional<Right> find_right(std::string_view text) {
  for (const Right right : all_rights)
    if (iequals(name(right), text)) return right;
  return std::nullopt;
}

Result<Rights> Rights::parse(std::string_view text) {
  Rights rights;
  for (const std::string_view word : split(text, ',')) {
    const auto right = find_right(trim(word));
    if (!right) return fail(Errc::invalid, "rights are inject, metrics and admin, with commas between them");
    if (rights.has(*right)) return fail(Errc::invalid, "the right {} is there twice", name(*right));
    rights.add(*right);
  }
  return rights;
}

std::string Rights::to_string() const {
  std::string text;
  for (const Right right : all_rights)
    if (has(right)) text += fmt::format("{}{}", text.empty() ? "" : ",", name(right));
  return text;
}

}  // namespace impulse::auth
