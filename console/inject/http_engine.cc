#include "console/inject/http_engine.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace impulse::ecinject {

namespace {

// The text behind "name": in JSON, its escapes left as they are; empty: none.
std::string_view text_in(std::string_view json, std::string_view name) {
  const size_t at = json.find(fmt::format("\"{}\":", name));
  if (at == std::string_view::npos) return {};
  json.remove_prefix(at + name.size() + 3);
  json.remove_prefix(std::min(json.find_first_not_of(' '), json.size()));
  if (!json.starts_with('"')) return {};
  size_t end = 1;
  while (end < json.size() && json[end] != '"') end += json[end] == '\\' ? 2 : 1;
  return json.substr(1, std::min(end, json.size()) - 1);
}

// Why a request was refused, in one line.
std::string reason_of(std::string_view body) {
  const std::string_view message = text_in(body, "message");
  const std::string_view description = text_in(body, "description");
  const std::string_view field = text_in(body, "field");
  if (message.empty()) return escape_line(body, 300);
  return escape_line(fmt::format("{}{}{}{}{}", message, field.empty() ? "" : ", ", field,
                                 description.empty() ? "" : ": ", description),
                     300);
}

}  // namespace

uint64_t number_in(std::string_view json, std::string_view name) {
  const size_t at = json.find(fmt::format("\"{}\":", name));
  if (at == std::string_view::npos) return 0;
  json.remove_prefix(at + name.size() + 3);
  json.remove_prefix(std::min(json.find_first_not_of(' '), json.size()));
  return parse_unsigned(json.substr(0, json.find_first_not_of("0123456789"))).value_or(0);
}

void HttpEngine::start(bool confidential, Output& out) {
  reader_ = {};
  ready_ = leaving_ = false;
  if (!settings_.authorization.empty() && !confidential)
    return fail("neither password nor key goes without TLS", true, out);
  ready_ = true;
}

void HttpEngine::fail(std::string why, bool fatal, Output& out) {
  out.close = true;
  ready_ = false;
  host_.failed(std::move(why), fatal);
}

void HttpEngine::send(const Mail& mail, Output& out) {
  mail_ = &mail;
  begun_ = host_.micros();
  append_request(mail, settings_, body_, out.bytes);
  end_ = out.end();
}

void HttpEngine::feed(std::string_view bytes, Output& out) {
  while (!bytes.empty() && !out.close) {
    const bool complete = reader_.take(bytes);
    if (!reader_.error().empty()) return fail(std::string(reader_.error()), true, out);
    if (!complete) continue;
    if (mail_ == nullptr) return fail(fmt::format("{} {}", reader_.status(), reason_of(reader_.body())), false, out);
    on_answer(out);
  }
}

bool HttpEngine::read_counts(uint64_t asked, Settled& settled) {
  const std::string_view body = trim(reader_.body());
  if (!body.starts_with('{') || !body.ends_with('}')) return false;
  if (settings_.api == Api::messages) {
    if (text_in(body, "id").empty()) return false;
    settled.messages = 1;
    settled.recipients = asked;
    return true;
  }
  // A request that was carried out before may be answered in transmissions' words in any case.
  const bool kumo = settings_.api == Api::inject && body.contains("\"success_count\":");
  const uint64_t accepted = number_in(body, kumo ? "success_count" : "total_accepted_recipients");
  uint64_t rejected = number_in(body, kumo ? "fail_count" : "total_rejected_recipients");
  // ... and then without those that were rejected.
  if (!settings_.key_prefix.empty() && accepted != 0 && accepted < asked && rejected == 0) rejected = asked - accepted;
  if (accepted > asked || rejected != asked - accepted) return false;
  if (rejected != 0) host_.refused(reader_.status(), rejected, rejected, reason_of(body));
  settled.messages = settled.recipients = accepted;
  return true;
}

void HttpEngine::on_answer(Output& out) {
  const int status = reader_.status();
  Settled settled;
  const uint64_t asked = mail_->recipients.size();
  bool understood = true;
  if (status == 409 && !settings_.key_prefix.empty()) {
    // The request that was broken off is still being carried out.
    settled.how = Settled::How::unknown;
    settled.pause = std::max<uint64_t>(1, reader_.retry_after()) * 1'000'000;
  } else if (status == 503 && reader_.retry_after() != 0 && !settings_.key_prefix.empty()) {
    // Not now: the server is full, or reads yet which keys it has seen before its start.
    settled.how = Settled::How::unsent;
    settled.pause = reader_.retry_after() * 1'000'000;
  } else if (status != 200) {
    host_.refused(status, settings_.api == Api::messages ? 1 : asked, asked, reason_of(reader_.body()));
  } else {
    understood = read_counts(asked, settled);
    if (!understood) settled.how = Settled::How::unknown;
  }
  settled.bytes = mail_->size() * settled.messages;
  settle(settled);
  if (!understood)
    return fail(fmt::format("200, but not what this API answers: {}", escape_line(reader_.body(), 200)), false, out);
  if (reader_.closes() || leaving_) {
    out.close = true;
    ready_ = false;
  }
}

void HttpEngine::settle(Settled settled) {
  settled.index = mail_->index;
  settled.micros = host_.micros() - begun_;
  mail_ = nullptr;
  host_.settled(settled);
}

void HttpEngine::quit(Output& out) {
  leaving_ = true;
  if (mail_ == nullptr) out.close = true;
}

void HttpEngine::lost(const Output& out) {
  ready_ = false;
  if (mail_ == nullptr) return;
  if (reader_.finish()) {  // an answer without a length, which the end completes
    Output ending;
    return on_answer(ending);
  }
  Settled settled;
  settled.how = out.has_sent(end_) ? Settled::How::unknown : Settled::How::unsent;
  settle(settled);
}

}  // namespace impulse::ecinject
