#include "server/http_pages.h"

#include "api/openapi.h"
#include "base/text.h"
#include "control/columns.h"
#include "http/error.h"

#include <nlohmann/json.hpp>

#include <string>
#include <utility>

namespace impulse::server {

namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& document) { return document.dump(-1, ' ', false, Json::error_handler_t::replace); }

http::Response not_found() {
  return http::error_response(
      404, http::ErrorItem{"not_found", "there is no such message",
                           "it never was, or all its recipients have had their outcome (see the main log)"});
}

}  // namespace

http::Response json_response(int status, std::string body) {
  http::Response response;
  response.status = status;
  response.body = std::move(body);
  response.with("Content-Type", "application/json");
  return response;
}

http::Response message_page(const spool::Spool& spool, std::string_view name, std::string_view tenant) {
  const auto id = MessageId::parse(name);
  // Another node's message has the same number here.
  if (!id || (name.size() > 17 && !iequals(name.substr(18), spool.node()))) return not_found();
  const auto found = spool.summary(*id);
  if (!found) {
    if (found.error().code == Errc::not_found) return not_found();
    if (found.error().code == Errc::busy) {  // the start has not read it yet
      http::Response later = http::error_response(503, http::ErrorItem{"unavailable", found.error().message});
      later.with("Retry-After", "5");
      return later;
    }
    return http::error_response(500, http::ErrorItem{"unreadable", "the message cannot be read now"});
  }
  const message::Envelope& envelope = found->envelope;
  if (!iequals(envelope.tenant, tenant)) return not_found();
  Json recipients = Json::array();
  bool waiting = false;
  for (size_t i = 0; i < envelope.recipients.size(); ++i) {
    const spool::RecipientState state = i < found->states.size() ? found->states[i] : spool::RecipientState{};
    waiting = waiting || state.state == spool::State::pending;
    Json row;
    row["address"] = envelope.recipients[i].address;
    row["state"] = spool::state_name(state);
    row["attempts"] = state.attempts;
    if (state.next_attempt != WallTime{} && !state.held()) row["next_attempt"] = control::time_text(state.next_attempt);
    if (!state.last_error.empty()) row["last_error"] = state.last_error;
    recipients.push_back(std::move(row));
  }
  Json document;
  document["id"] = id->to_string(spool.node());
  document["state"] = waiting ? "queued" : "done";
  document["sender"] = envelope.sender;
  document["received"] = control::time_text(envelope.received);
  document["size"] = found->size;
  document["recipients"] = std::move(recipients);
  return json_response(200, dump(document));
}

http::Response health_page(api::HealthAnswer answer) {
  http::Response response = json_response(answer.status, std::move(answer.body));
  if (response.status == 503) response.with("Retry-After", "30");
  return response;
}

http::Response docs_page() {
  http::Response response;
  response.body = api::docs_page();
  response.with("Content-Type", "text/html; charset=utf-8");
  response.with("Content-Security-Policy", std::string(api::docs_policy));
  return response;
}

}  // namespace impulse::server
