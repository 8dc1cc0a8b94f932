// Session: one control connection's side of ECTL/1 (doc/control-protocol.md),
// sans-IO. Bytes go in by feed(), bytes come out of produce(); whoever owns the
// connection carries them:
//
//   pump:       while (room for output && produce(out, budget)) write(out)
//   on data:    pump; while not busy() and bytes are left: feed(bytes), pump.
//               Still busy(): stop reading, ask to be told when drained.
//   on drained: pump; no longer busy(): read on.
//   and then:   finished(): finish the connection.
//
// Requests are answered one after the other, in order: while an answer is
// under way feed() takes nothing, so that what a client pipelines stays in its
// own socket. One thread (System's).
#pragma once

#include "control/access.h"
#include "control/authentication.h"
#include "control/command.h"
#include "control/request.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace impulse::control {

class Session {
 public:
  // Called once for each request, when its status is known and before its
  // lines are sent: who, the command as typed, the status.
  using Audit = std::function<void(const PeerIdentity&, std::string_view command, const Status&)>;

  // `system` and `table` must outlive the session. The greeting is the first
  // thing that produce() gives.
  // `access` decides what the client may do; without one it may do everything.
  Session(System& system, const CommandTable& table, PeerIdentity peer, About about, Audit audit = {},
          std::unique_ptr<Access> access = nullptr);
  // A transaction that is still open is rolled back, and audited as that.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Takes bytes, at most up to the end of one request; returns how many.
  size_t feed(std::string_view bytes);
  // Appends up to about `budget` bytes (at most some 64 KiB more). True: there
  // is more to say, call again when there is room.
  bool produce(std::string& out, size_t budget);

  // Notices, after `watch on`: the owner calls tick() each watch().interval()
  // while watch().on(), and event() when something happens (also from inside
  // feed(), whose answer comes behind it); then it pumps. They are said between
  // answers only, and memory for them is bounded.
  const Watch& watch() const { return watch_; }
  // Who may no longer watch is told nothing more.
  void tick() {
    if (may_watch()) watch_.tick(system_);
  }
  void event(std::string_view id, std::string_view text) {
    if (may_watch()) watch_.event(id, text);
  }

  // A failed authentication, or an answer that is worked on: it waits until
  // release(), which the owner calls so long after it saw this; 0: nothing waits. busy() meanwhile.
  Duration held_back() const { return holding_ ? Authentication::penalty : waits_; }
  // Whether it waits for what it asked of the daemon: nobody has to be made to wait.
  bool works() const { return !holding_ && waits_ > Duration{0}; }
  void release() {
    holding_ = false;
    waits_ = Duration{0};
  }
  // The client's time is over: accounted for, where it owed an authentication.
  void timed_out() const {
    if (access_) access_->timed_out();
  }

  // There is something to say.
  bool busy() const { return !ready_.empty() || answering_ || (watch_.waiting() && !ending_); }
  // The session has ended (quit, shutdown) and all has been said.
  bool finished() const { return ending_ && !busy(); }
  // It is the client's turn. Half a request counts as idle too, so that a
  // time-out catches those who never end their line.
  bool idle() const { return !busy(); }
  // Requests read so far; a time-out for idle clients starts again when it grows.
  uint64_t requests() const { return requests_; }
  const PeerIdentity& peer() const { return peer_; }
  // Memory held for an unfinished request, bytes: bounded, whatever is sent.
  size_t held() const;

 private:
  // A line on its way in. Of one that is too long only the ends are kept: the
  // tag is in the one, the payload marker in the other.
  struct Line {
    std::string text;
    std::string tail;
    bool overlong = false;
    void append(std::string_view piece);
  };

  void end_of_line();
  void end_of_payload_line();
  void received(ReadRequest read);  // a request is complete
  bool is_stranger() const { return access_ && !access_->may_ask(nullptr).allowed; }
  void answer_with(Answer answer, const Request& request);
  bool authenticates(const Request& request) const;  // with a mechanism: an exchange begins
  void exchanged(Authentication::Reply reply);
  Answer dispatch(const Request& request);
  bool is_http() const;  // the line, of a session that has yet to prove itself
  bool may_watch();
  Answer deny(const Request& request, const Decision& decision);
  Answer run_command(const Request& request, const std::shared_ptr<const config::Source>& source);

  System& system_;
  const CommandTable& table_;
  PeerIdentity peer_;
  About about_;
  Audit audit_;

  Workspace workspace_;  // in front of answer_, whose lines may look at it

  std::unique_ptr<Access> access_;
  Authentication authentication_;
  Request authenticating_;  // what asked for the exchange that is under way
  bool holding_ = false;
  Duration waits_{0};
  const Command* watching_by_ = nullptr;  // what began the watch, and how
  std::string watching_as_;

  Line line_;
  ReadRequest waiting_;  // for its payload
  bool in_payload_ = false;
  bool drops_payload_ = false;  // of who has to authenticate first: it costs no memory
  Watch watch_;

  std::string ready_;  // said, not yet produced
  bool answering_ = false;
  Answer answer_;
  std::string late_;  // the command that is being answered, when the log hears of its end
  std::string tag_;   // of the request that is being answered
  bool json_ = false;
  bool ending_ = false;
  bool proven_ = false;  // a request was understood: this is no HTTP client
  uint64_t requests_ = 0;
};

}  // namespace impulse::control
