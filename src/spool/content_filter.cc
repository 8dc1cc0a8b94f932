#include "spool/content_filter.h"

#include "base/lines.h"
#include "base/text.h"

#include <algorithm>
#include <optional>

namespace impulse::spool {

namespace {

bool is_field_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7F && c != ':'; });
}

}  // namespace

Result<> ContentFilter::add_meta(std::string_view text) {
  const size_t equal = text.find('=');
  if (equal == std::string_view::npos || equal == 0) return fail(Errc::invalid, "KEY=VALUE is expected");
  return add_meta(text.substr(0, equal), text.substr(equal + 1));
}

Result<> ContentFilter::add_meta(std::string_view key, std::string_view value) {
  if (key.empty()) return fail(Errc::invalid, "a KEY of the context is expected");
  meta_.emplace_back(key, value);
  return {};
}

Result<> ContentFilter::add_header(std::string_view text) {
  const size_t equal = text.find('=');
  const std::string_view name = text.substr(0, equal);
  if (equal == std::string_view::npos || !is_field_name(name))
    return fail(Errc::invalid, "NAME=REGEX is expected, with the name of a header field");
  auto pattern = Pattern::compile(text.substr(equal + 1), true);
  if (!pattern) return std::unexpected(std::move(pattern.error()));
  headers_.push_back({std::string(name), std::move(*pattern), {}});
  return {};
}

Result<> ContentFilter::add_header_line(std::string_view name, std::string_view line) {
  if (!is_field_name(name)) return fail(Errc::invalid, "the name of a header field is expected");
  headers_.push_back({std::string(name), std::nullopt, std::string(line)});
  return {};
}

bool ContentFilter::fits(const message::Envelope& envelope) const {
  return std::ranges::all_of(
      meta_, [&](const auto& pair) { return std::ranges::find(envelope.context, pair) != envelope.context.end(); });
}

bool ContentFilter::fits(const Stored& stored) const {
  if (!fits(stored.envelope)) return false;
  if (headers_.empty()) return true;
  std::vector<bool> found(headers_.size());
  std::string name, value;
  const auto look_at_line = [&](std::string_view line) {
    for (size_t i = 0; i < headers_.size(); ++i)
      if (!headers_[i].value && iequals(name, headers_[i].name) && headers_[i].line == line) found[i] = true;
  };
  const auto look = [&] {
    for (size_t i = 0; i < headers_.size(); ++i)
      if (headers_[i].value && iequals(name, headers_[i].name) && headers_[i].value->matches(trim(value)))
        found[i] = true;
  };
  for (const std::string_view part : {std::string_view(stored.trace), std::string_view(stored.body)}) {
    for (size_t at = 0; at < part.size();) {
      const std::string_view line = next_line(part, at);
      if (line.empty()) break;
      if (line.front() == ' ' || line.front() == '\t') {
        look_at_line(line);
        value += line;
        continue;
      }
      if (!name.empty()) look();
      const size_t colon = std::min(line.find(':'), line.size());
      name = trim(line.substr(0, colon));
      value = line.substr(std::min(colon + 1, line.size()));
      look_at_line(std::string_view(value).substr(std::min(value.find_first_not_of(" \t"), value.size())));
    }
  }
  if (!name.empty()) look();
  return std::ranges::all_of(found, [](bool each) { return each; });
}

}  // namespace impulse::spool
