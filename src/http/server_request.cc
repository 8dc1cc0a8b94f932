// How a head and a body become a request.
#include "base/text.h"
#include "http/head.h"
#include "http/server_impl.h"

#include <algorithm>
#include <string>
#include <utility>

namespace impulse::http {

namespace {

// A body's deadline begins anew after so many bytes.
constexpr uint64_t progress_step = 16384;
constexpr size_t growth_step = size_t{1} << 20;  // bytes of a body between questions whether it may grow
// What is set aside for a body before any of it has come: a length is only a claim.
constexpr uint64_t first_room = 65536;

Fault too_large() { return {.status = 413, .cause = "size", .message = "The body is too large"}; }

}  // namespace

size_t ServerSession::Impl::take_head(std::string_view bytes) {
  const size_t used = reader_.feed(bytes, *policy_);
  if (reader_.begun()) enter(Phase::head);
  if (reader_.fault())
    refuse(*reader_.fault());
  else if (reader_.done())
    head_complete();
  return used;
}

void ServerSession::Impl::head_complete() {
  head_known_ = true;
  const std::optional<Fault> fault = read_head(reader_, *policy_, head_);
  if (head_.id.empty()) head_.id = host_.make_id();
  if (fault) return refuse(*fault);
  Result<std::shared_ptr<const Policy>> next = host_.safe_point();
  if (!next) return refuse({.status = 503, .cause = "shutdown", .message = next.error().message});
  if (*next != nullptr) policy_ = std::move(*next);
  if (host_.parting()) ending_ = true;
  framing_.emplace();
  if (const std::optional<Fault> disagreed = framing_->begin(reader_.text(), head_, *policy_)) {
    framing_.reset();
    return refuse(*disagreed);
  }
  ++requests_;
  reader_.reset();
  body_began_ = head_.has_body;
  if (!ask_host() || !body_wanted()) return;
  if (!head_.has_body) return body_complete();
  // Once it has been told so it waits no more: what it sends is on its way.
  if (std::exchange(head_.expects_continue, false)) out_->reply += "HTTP/1.1 100 Continue\r\n\r\n";
  body_.reserve(std::min(first_room, head_.content_length.value_or(first_room)) + body_padding);
  enter(Phase::body);
}

bool ServerSession::Impl::ask_host() {
  if (head_.path == "*") {  // what all resources have in common (RFC 9110 §9.3.7)
    Response response;
    response.status = 204;
    response.with("Allow", std::string(all_methods));
    reply(response, "answered", {}, !head_.has_body);
    return false;
  }
  const std::optional<Response> response = host_.on_head(head_);
  if (!response) return true;
  reply(*response, "host", {}, !head_.has_body);
  return false;
}

bool ServerSession::Impl::body_wanted() {
  if (!head_.has_body) return true;
  const std::string_view coding = head_.fields.find("Content-Encoding").value_or("");
  const bool gzip = iequals(coding, "gzip") || iequals(coding, "x-gzip");
  if (gzip || iequals(coding, "deflate")) {
    inflater_.emplace(gzip ? Inflater::Coding::gzip : Inflater::Coding::deflate, policy_->max_request_size,
                      policy_->max_expansion);
  } else if (!coding.empty() && !iequals(coding, "identity")) {
    refuse({.status = 415, .cause = "coding", .message = "Content-Encoding is neither gzip nor deflate"});
    return false;
  }
  if (framing_->announced() > policy_->max_request_size) {
    refuse(too_large());
    return false;
  }
  return true;
}

size_t ServerSession::Impl::take_body(std::string_view bytes) {
  const Framing::Step step = framing_->feed(bytes);
  progress_ += step.used;
  if (progress_ >= progress_step) {
    progress_ %= progress_step;
    restart_ = true;
  }
  if (framing_->fault()) {
    body_began_ = false;
    refuse(*framing_->fault());
  } else if (framing_->announced() > policy_->max_request_size) {
    refuse(too_large());
  } else {
    if (framing_->done()) body_began_ = false;
    body_data(step.data);
    if (phase_ == Phase::body && body_.size() >= asked_ + growth_step) {
      asked_ = body_.size();
      if (!host_.on_growth(asked_))
        return refuse({.status = 503, .cause = "memory", .message = "There is no memory for the body now"}), step.used;
    }
    if (phase_ == Phase::body && framing_->done()) body_complete();
  }
  return step.used;
}

void ServerSession::Impl::body_data(std::string_view data) {
  sent_size_ += data.size();
  if (!inflater_) return keep(data);
  inflated(inflater_->feed(data, body_));
}

void ServerSession::Impl::keep(std::string_view data) {
  const size_t needed = body_.size() + data.size() + body_padding;
  if (needed > body_.capacity()) {
    const uint64_t most = head_.content_length.value_or(policy_->max_request_size) + body_padding;
    body_.reserve(std::max<size_t>(needed, static_cast<size_t>(std::min<uint64_t>(most, 2 * body_.capacity()))));
  }
  body_ += data;
}

void ServerSession::Impl::inflated(Inflater::Verdict verdict) {
  switch (verdict) {
    case Inflater::Verdict::good:
      return;
    case Inflater::Verdict::too_large:
      return refuse(too_large());
    case Inflater::Verdict::bomb:
      return refuse({.status = 413, .cause = "size", .message = "The body expands too much"});
    case Inflater::Verdict::broken:
      return refuse({.status = 400, .cause = "coded_body", .message = "The body is not what Content-Encoding says"});
    case Inflater::Verdict::no_memory:
      return refuse({.status = 503, .cause = "memory", .message = "There is no memory to decode the body"});
  }
}

void ServerSession::Impl::body_complete() {
  if (inflater_ && sent_size_ > 0) {
    inflated(inflater_->finish());
    if (phase_ != Phase::body) return;
  }
  inflater_.reset();
  framing_.reset();
  body_.reserve(body_.size() + body_padding);
  enter(Phase::answer);
}

size_t ServerSession::Impl::take_drain(std::string_view bytes) {
  const Framing::Step step = framing_->feed(bytes);
  drained_ += step.used;
  if (framing_->done() || framing_->fault() || drained_ > policy_->max_drain) close();
  return step.used;
}

Request ServerSession::Impl::take_request() {
  Request request;
  request.head = head_;
  request.body = std::exchange(body_, {});
  request.sent_size = sent_size_;
  return request;
}

}  // namespace impulse::http
