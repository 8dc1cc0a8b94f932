// What is said: responses, and refusals of the engine's own.
#include "http/response_writer.h"
#include "http/server_impl.h"

#include <string>
#include <utility>

namespace impulse::http {

void ServerSession::Impl::reply(const Response& response, std::string_view cause, std::string_view message,
                                bool stays) {
  stays = stays && !response.close && !ending_ && head_known_ && head_.keep_alive;
  if (head_.id.empty()) head_.id = host_.make_id();
  ResponseFrame frame;
  frame.now = host_.now();
  frame.server = policy_->server_name;
  frame.id = head_.id;
  frame.without_body = head_known_ ? head_.method == Method::head : parse_method(reader_.method()) == Method::head;
  if (!stays)
    frame.connection = "close";
  else if (head_.minor == 0)
    frame.connection = "keep-alive";
  const size_t before = out_->reply.size();
  append_response(out_->reply, response, frame);
  Replied replied;
  replied.status = response.status;
  replied.cause = cause;
  replied.message = message;
  replied.head = head_known_ ? &head_ : nullptr;
  replied.received = sent_size_;
  replied.sent = out_->reply.size() - before;
  host_.replied(replied);
  enter(stays ? Phase::idle : Phase::closed);
  // A client that waits for 100 Continue sends nothing; of any other the body is
  // on its way, and a closed socket would take the response from it.
  if (!stays && body_began_ && framing_ && !head_.expects_continue) enter(Phase::drain);
  forget_request();
}

void ServerSession::Impl::refuse(const Fault& fault) {
  Response response = error_response(fault.status, {.code = std::string(fault.cause), .message = fault.message});
  if (fault.status == 405) response.with("Allow", std::string(all_methods));
  if (fault.status == 415) response.with("Accept-Encoding", "gzip, deflate");
  if (fault.status == 503) response.with("Retry-After", "1");
  reply(response, fault.cause, fault.message, false);
}

void ServerSession::Impl::forget_request() {
  reader_.reset();
  head_ = {};
  head_known_ = false;
  inflater_.reset();
  if (phase_ != Phase::drain) framing_.reset();
  std::string().swap(body_);  // an assignment would keep its memory
  sent_size_ = progress_ = asked_ = 0;
  body_began_ = false;
}

}  // namespace impulse::http
