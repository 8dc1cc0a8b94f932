// What the tests of transmissions share: a usual one, and what is asked with it.
#pragma once

#include "kit.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace impulse::api {

inline Made transmit(std::string body, std::shared_ptr<Policy> policy = usual_policy()) {
  return make(Style::transmissions, std::move(body), std::move(policy));
}

// A usual transmission, with members changed: {"content": {"subject": null}} takes one away.
inline std::string patched(const nlohmann::json& patch) {
  auto body = nlohmann::json::parse(R"({
    "recipients": [{"address": {"email": "wilma@flintstone.com", "name": "Wilma"}}],
    "content": {"from": {"email": "fred@flintstone.com", "name": "Fred"}, "subject": "Hello", "text": "Hi"}})");
  body.merge_patch(patch);
  return body.dump();
}
inline std::string with(std::string_view patch) { return patched(nlohmann::json::parse(patch)); }

}  // namespace impulse::api
