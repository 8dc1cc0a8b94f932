// The insides of ServerSession, shared by the files that implement it:
// server_session.cc (life and end of the session, what is taken when),
// server_request.cc (a head, then a body, become a request) and
// server_reply.cc (responses and refusals).
//
// Invariants:
// - phase_ says who is to move. Only in `idle`, `head`, `body` and `drain` are
//   bytes taken.
// - Each request gets one final response, in the order they came; drain and
//   closed are behind it.
// - What is said does not depend on how the bytes were cut.
#pragma once

#include "http/framing.h"
#include "http/head_reader.h"
#include "http/inflater.h"
#include "http/server_session.h"
#include "http/syntax.h"

#include <optional>
#include <string_view>
#include <utility>

namespace impulse::http {

// For Allow, where no path says which of them it takes.
constexpr std::string_view all_methods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

struct ServerSession::Impl {
  enum class Phase : uint8_t { idle, head, body, answer, drain, closed };

  Impl(std::shared_ptr<const Policy> policy, ServerHost& host) : policy_(std::move(policy)), host_(host) {}

  // server_session.cc
  size_t feed(std::string_view bytes);
  void begin(Output& out);  // of a call
  void finish();
  void enter(Phase phase);
  void close() { enter(Phase::closed); }

  // server_request.cc
  size_t take_head(std::string_view bytes);
  size_t take_body(std::string_view bytes);
  size_t take_drain(std::string_view bytes);
  void head_complete();
  bool ask_host();     // whether the request is wanted
  bool body_wanted();  // … and its body can be taken
  void body_data(std::string_view data);
  void body_complete();
  void inflated(Inflater::Verdict verdict);
  void keep(std::string_view data);
  Request take_request();

  // server_reply.cc
  // A final response; `stays`: the connection may.
  void reply(const Response& response, std::string_view cause, std::string_view message, bool stays);
  // The engine's own refusal; the connection ends, behind the body when its end is known.
  void refuse(const Fault& fault);
  void forget_request();

  std::shared_ptr<const Policy> policy_;
  ServerHost& host_;
  Output* out_ = nullptr;  // of the call that is running

  Phase phase_ = Phase::idle;
  bool restart_ = false;
  bool ending_ = false;  // asked to: the present request is the last

  HeadReader reader_;
  RequestHead head_;
  bool head_known_ = false;  // head_ says something of the present request
  std::optional<Framing> framing_;
  std::optional<Inflater> inflater_;
  std::string body_;
  uint64_t sent_size_ = 0;   // of the body, as it came
  uint64_t progress_ = 0;    // bytes since the body's deadline began anew
  uint64_t drained_ = 0;     // bytes
  size_t asked_ = 0;         // size of the body when the host was asked last
  bool body_began_ = false;  // its framing is known, and its end not reached
  uint64_t requests_ = 0;
};

}  // namespace impulse::http
