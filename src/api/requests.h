// The readers of the three APIs' requests, and what they share. make_job()
// chooses.
#pragma once

#include "api/job.h"
#include "api/json.h"

#include <expected>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::api {

using MadeJob = std::expected<std::unique_ptr<Job>, Error>;

MadeJob read_transmission(Call call, std::shared_ptr<const Policy> policy);
MadeJob read_inject(Call call, std::shared_ptr<const Policy> policy);
MadeJob read_messages(Call call, std::shared_ptr<const Policy> policy);

// media_type, unless the body is said to be JSON (application/json, or
// anything that ends in +json), or nothing is said.
std::expected<void, Error> expect_json(const Call& call);
// "application/json" of "application/json; charset=utf-8", in lower case.
std::string media_type(std::string_view content_type);
// unsupported, for a parameter of the query that is none of these; invalid, for
// one that is there twice and is not the one that may be.
std::expected<void, Error> expect_query(const Call& call, std::initializer_list<std::string_view> names,
                                        std::string_view repeatable = {});
// start_time, hold_until: invalid when it is too far off. A time that has
// passed, and "now", hold nothing.
std::expected<WallTime, Error> hold_until(std::string_view text, std::string field, const Call& call,
                                          const Policy& policy);

}  // namespace impulse::api
