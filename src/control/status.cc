#include "control/status.h"

#include "config/syntax.h"
#include "control/safe_text.h"

namespace impulse::control {

std::string_view to_string(Code code) {
  switch (code) {
    case Code::ok:
      return "ok";
    case Code::failed:
      return "failed";
    case Code::usage:
      return "usage";
    case Code::not_found:
      return "not-found";
    case Code::conflict:
      return "conflict";
    case Code::degraded:
      return "degraded";
    case Code::denied:
      return "denied";
    case Code::busy:
      return "busy";
  }
  return "failed";
}

Code code_of(Errc error) {
  switch (error) {
    case Errc::not_found:
      return Code::not_found;
    case Errc::conflict:
      return Code::conflict;
    case Errc::denied:
      return Code::denied;
    case Errc::busy:
    case Errc::timeout:
      return Code::busy;
    case Errc::invalid:
    case Errc::exists:
    case Errc::io:
    case Errc::no_space:
    case Errc::no_files:
    case Errc::unavailable:
      break;
  }
  return Code::failed;
}

Status& Status::with(std::string key, std::string value) {
  fields.emplace_back(std::move(key), std::move(value));
  return *this;
}

Status& Status::with(std::string key, uint64_t value) { return with(std::move(key), std::to_string(value)); }

std::string Status::to_line(std::string_view tag) const {
  std::string line = fmt::format("={} {}", static_cast<unsigned>(code), word.empty() ? to_string(code) : word);
  for (const auto& [key, value] : fields) line += fmt::format(" {}={}", key, safe_text(config::quote_if_needed(value)));
  if (!tag.empty()) line += fmt::format(" @{}", tag);
  return line;
}

}  // namespace impulse::control
