// HttpEngine: one request behind the other, to one of the server's APIs for
// injection (doc/http-injection.md).
#pragma once

#include "console/inject/engine.h"
#include "console/inject/http_response.h"
#include "console/inject/options.h"

#include <string>
#include <string_view>

namespace impulse::ecinject {

struct HttpSettings {
  Api api = Api::messages;
  std::string host;           // of Host
  std::string authorization;  // the field's value; empty: none
  std::string key_prefix;     // of Idempotency-Key; empty: there is none
};

// The request for one mail, whole.
void append_request(const Mail& mail, const HttpSettings& settings, std::string& body, std::string& out);
// As the inside of a JSON string.
void append_json_text(std::string_view text, std::string& out);
// N of "name": N in an answer in JSON; 0 when it does not stand there.
uint64_t number_in(std::string_view json, std::string_view name);

class HttpEngine final : public Engine {
 public:
  // Both outlive it.
  HttpEngine(const HttpSettings& settings, EngineHost& host) : settings_(settings), host_(host) {}

  void start(bool confidential, Output& out) override;
  void tls_started(Output&) override {}
  void feed(std::string_view bytes, Output& out) override;
  bool wants(const Output& out) const override { return ready_ && mail_ == nullptr && !out.close; }
  void send(const Mail& mail, Output& out) override;
  void quit(Output& out) override;
  void lost(const Output& out) override;
  size_t pending() const override { return mail_ != nullptr ? 1 : 0; }
  bool ready() const override { return ready_; }

 private:
  void on_answer(Output& out);
  // What an answer of 200 says; false: that is not understood.
  bool read_counts(uint64_t asked, Settled& settled);
  void settle(Settled settled);
  void fail(std::string why, bool fatal, Output& out);

  const HttpSettings& settings_;
  EngineHost& host_;
  HttpResponseReader reader_;
  std::string body_;  // of the request; its memory is used again
  const Mail* mail_ = nullptr;
  uint64_t end_ = 0;
  uint64_t begun_ = 0;
  bool ready_ = false;
  bool leaving_ = false;
};

}  // namespace impulse::ecinject
