// EcstreamEngine: one stream of ECStream. What is not acknowledged is kept, and
// goes on over the next connection: nothing is lost, and nothing comes twice.
#pragma once

#include "console/ecstream/authenticator.h"
#include "console/inject/engine.h"
#include "ecstream/client_session.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>

namespace impulse::ecinject {

struct StreamSettings {
  std::string hostname;
  std::string user;
  std::string password;
  std::string host;          // for SASL
  uint64_t flush_every = 0;  // messages; 0: when the server likes
};

class EcstreamEngine final : public Engine {
 public:
  // `settings` and `host` outlive it. `known`: the name may be one of an earlier run.
  EcstreamEngine(const StreamSettings& settings, const std::string& name, bool known, EngineHost& host);

  void start(bool confidential, Output& out) override;
  void tls_started(Output&) override {}
  void feed(std::string_view bytes, Output& out) override;
  void drained(Output& out) override;
  bool wants(const Output& out) const override;
  void send(const Mail& mail, Output& out) override;
  void quit(Output& out) override;
  void lost(const Output& out) override;
  void give_up() override;
  size_t pending() const override { return sent_.size(); }
  bool ready() const override { return session_ && session_->open(); }
  bool awaits() const override { return Engine::awaits() || stream_.last() >= session_->limit(); }
  bool let_go() const override {
    return told_to_go_ && sent_.empty() && ecstream::again(*told_to_go_) == ecstream::Again::at_once;
  }
  uint64_t resumed() const override { return resumed_; }
  uint64_t refused_before() const override { return refused_before_; }

 private:
  struct Sent {
    uint64_t index = 0;
    uint64_t begun = 0;
    uint64_t bytes = 0;
    uint32_t recipients = 0;
    bool refused = false;
  };
  void take(Output& out);
  void on_event(const ecstream::ClientEvent& event);
  void acknowledge(uint64_t sequence);
  void settle_front(Settled::How how);

  const StreamSettings& settings_;
  EngineHost& host_;
  ecstream::ClientStream stream_;
  std::unique_ptr<console::SaslAuthenticator> authenticator_;
  std::unique_ptr<ecstream::ClientSession> session_;
  ecstream::ClientOutput told_;
  ecstream::MessageHead head_;
  std::deque<Sent> sent_;  // not settled, in order of their sequences
  uint64_t first_ = 0;     // sequence of the front
  uint64_t resumed_ = 0;
  uint64_t refused_before_ = 0;
  uint64_t since_flush_ = 0;
  std::optional<ecstream::GoAway> told_to_go_;  // on this connection
  std::string farewell_;                        // … in these words
  bool opened_once_ = false;
  bool leaving_ = false;
};

}  // namespace impulse::ecinject
