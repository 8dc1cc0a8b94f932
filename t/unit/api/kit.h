// What the tests of api/ share: a caller, and jobs made and carried out.
#pragma once

#include "api/job.h"

#include <cppunit/extensions/HelperMacros.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse::api {

inline std::shared_ptr<Policy> usual_policy() {
  auto policy = std::make_shared<Policy>();
  policy->received_hostname = "mx.example";
  return policy;
}

inline Call usual_call(std::string body, std::string type = "application/json") {
  Call call;
  call.body = std::move(body);
  call.content_type = std::move(type);
  call.client = *IpAddress::parse("192.0.2.7");
  call.client_port = 4711;
  call.listener = "*:80";
  call.user = "app";
  call.context = {{"stream", "main"}};
  call.now = WallTime(std::chrono::seconds(1700557500));
  call.number = 42;
  return call;
}

using Made = std::expected<std::unique_ptr<Job>, Error>;

inline Made make(Style style, std::string body, std::shared_ptr<Policy> policy = usual_policy()) {
  return make_job(style, usual_call(std::move(body)), std::move(policy));
}

// "422 missing_field recipients[0].address", of a request or of its first bad message.
inline std::string told(const Error& error) {
  CPPUNIT_ASSERT(!error.reason.empty() && !error.reason.contains('\n') && !error.reason.contains('\r'));
  CPPUNIT_ASSERT(nlohmann::json::accept(error_body(error, Style::transmissions)));
  return std::to_string(status_of(error.fault)) + " " + std::string(code_of(error.fault)) +
         (error.field.empty() ? "" : " " + error.field);
}
inline std::string outcome(const Made& made) {
  if (!made) return told(made.error());
  for (size_t i = 0; i < (*made)->total(); ++i)
    if (const auto built = (*made)->build(i); !built) return told(built.error());
  return "ok";
}

inline spool::Incoming built(const Made& made, size_t index = 0) {
  CPPUNIT_ASSERT_MESSAGE(made ? "" : made.error().field + ": " + made.error().reason, made.has_value());
  auto incoming = (*made)->build(index);
  CPPUNIT_ASSERT_MESSAGE(incoming ? "" : incoming.error().field + ": " + incoming.error().reason, incoming.has_value());
  return std::move(*incoming);
}

inline nlohmann::json answered(const Made& made) {
  std::vector<MessageId> ids;
  for (uint32_t i = 0; i < (*made)->total(); ++i) ids.push_back({1, i});
  return nlohmann::json::parse((*made)->answer(ids, "node"));
}

inline std::string context_of(const message::Envelope& envelope, std::string_view name) {
  for (const auto& [key, value] : envelope.context)
    if (key == name) return value;
  return "(none)";
}

inline void contains(const spool::Incoming& incoming, std::string_view what) {
  const std::string body = incoming.body.to_string();
  CPPUNIT_ASSERT_MESSAGE(body, body.contains(what));
}

}  // namespace impulse::api
