#include "api/job.h"

#include "api/requests.h"
#include "api/times.h"
#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace impulse::api {

std::expected<std::unique_ptr<Job>, Error> make_job(Style style, Call call, std::shared_ptr<const Policy> policy) {
  switch (style) {
    case Style::transmissions:
      return read_transmission(std::move(call), std::move(policy));
    case Style::inject:
      return read_inject(std::move(call), std::move(policy));
    case Style::impulse:
      break;
  }
  return read_messages(std::move(call), std::move(policy));
}

std::string media_type(std::string_view content_type) {
  return lower(trim(content_type.substr(0, content_type.find(';'))));
}

std::expected<void, Error> expect_json(const Call& call) {
  const std::string type = media_type(call.content_type);
  if (type.empty() || type == "application/json" || type.ends_with("+json")) return {};
  return std::unexpected(Error{Fault::media_type, "",
                               fmt::format("Content-Type must be application/json, not {}", escape_line(type, 80))});
}

std::expected<void, Error> expect_query(const Call& call, std::initializer_list<std::string_view> names,
                                        std::string_view repeatable) {
  std::vector<std::string_view> seen;
  for (const auto& [name, value] : call.query) {
    if (std::ranges::find(names, name) == names.end())
      return std::unexpected(
          Error{Fault::unsupported, escape_line(name, 80), "there is no such parameter of the query here"});
    if (name == repeatable) continue;
    // Which of them is meant nobody knows.
    if (std::ranges::find(seen, name) != seen.end())
      return std::unexpected(Error{Fault::invalid, name, "the parameter is there more than once"});
    seen.push_back(name);
  }
  return {};
}

std::expected<WallTime, Error> hold_until(std::string_view text, std::string field, const Call& call,
                                          const Policy& policy) {
  if (text == "now") return WallTime{};
  const auto time = parse_time(text);
  if (!time) return std::unexpected(Error{Fault::invalid, std::move(field), time.error().message});
  if (*time <= call.now) return WallTime{};
  if (*time - call.now > policy.max_hold)
    return std::unexpected(Error{Fault::invalid, std::move(field),
                                 fmt::format("the time is more than {} hours off",
                                             std::chrono::duration_cast<std::chrono::hours>(policy.max_hold).count())});
  return *time;
}

}  // namespace impulse::api
