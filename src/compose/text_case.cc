#include "compose/text_case.h"

#include "base/text.h"

#include <glib.h>

#include <memory>

namespace impulse::compose {

namespace {

std::string taken(char* text) {
  const std::unique_ptr<char, decltype(&g_free)> owned(text, &g_free);
  return text != nullptr ? std::string(text) : std::string();
}

}  // namespace

std::string upper_case(std::string_view text) {
  if (is_ascii(text)) return upper(text);
  return taken(g_utf8_strup(text.data(), static_cast<gssize>(text.size())));
}

std::string lower_case(std::string_view text) {
  if (is_ascii(text)) return lower(text);
  return taken(g_utf8_strdown(text.data(), static_cast<gssize>(text.size())));
}

}  // namespace impulse::compose
