// Link: one of the connections: socket, TLS, and the engine that speaks on it.
// It comes back when it breaks; when is the runner's decision.
#pragma once

#include "console/inject/engine.h"
#include "console/inject/target.h"
#include "console/transport.h"

#include <memory>
#include <string>

namespace impulse::ecinject {

class Link;

// What links tell the run they belong to.
class LinkHost {
 public:
  virtual ~LinkHost() = default;
  virtual void settled(Link& link, const Settled& settled) = 0;
  virtual void refused(int code, uint64_t messages, uint64_t recipients, std::string_view text) = 0;
  // The connection has ended (or could not be made): `why` is empty when that was meant.
  virtual void down(Link& link, const std::string& why, bool fatal) = 0;
  virtual uint64_t micros() const = 0;
};

struct LinkSettings {
  const Target* target = nullptr;
  console::TlsOptions tls;
  bool tls_at_once = false;
  std::string host;  // that the certificate is for
};

class Link final : public EngineHost {
 public:
  // What is borrowed outlives it. `poll`: an epoll descriptor that tells of it, as data.ptr.
  Link(const LinkSettings& settings, LinkHost& host, int poll, size_t number)
      : settings_(settings), host_(host), poll_(poll), number_(number) {}
  ~Link() override = default;
  void speak(std::unique_ptr<Engine> engine) { engine_ = std::move(engine); }

  void connect();
  void on_event(uint32_t events);
  // The connection is given up; tells down().
  void drop(const std::string& why, bool fatal = false);
  // Nothing came in time: the next address, where this one never answered; else as drop().
  void time_out(const std::string& why);

  bool wants() const { return state_ == State::open && engine_->wants(out_); }
  // Into mail() first. flush() when all is given that is to be.
  void send();
  Mail& mail() { return mail_; }
  void flush();
  void quit();
  void give_up() { engine_->give_up(); }

  size_t number() const { return number_; }
  bool is_down() const { return state_ == State::off; }
  bool ready() const { return state_ == State::open && engine_->ready(); }
  size_t pending() const { return engine_->pending(); }
  uint64_t resumed() const { return engine_->resumed(); }
  uint64_t refused_before() const { return engine_->refused_before(); }
  uint64_t sent_here() const { return sent_here_; }        // mails, on this connection
  uint64_t settled_here() const { return settled_here_; }  // … answered
  uint64_t moved() const { return moved_; }                // micros() when something last went or came
  bool waits() const { return state_ != State::open || out_.waiting() != 0 || engine_->awaits(); }  // for the server
  bool was_idle() const { return was_idle_; }       // when it ended: nobody waited for anything
  bool is_dismissed() const { return dismissed_; }  // for good
  uint64_t wire_bytes() const { return wire_bytes_; }

  // The runner's notes.
  bool queued = false;      // stands in its list of links that want
  uint64_t next_index = 0;  // of a stream with a name
  bool numbered = false;    // … which is known
  uint64_t again_at = 0;    // micros(): when to connect
  unsigned failures = 0;    // connections in a row that brought nothing

  // EngineHost
  void settled(const Settled& settled) override;
  void refused(int code, uint64_t messages, uint64_t recipients, std::string_view text) override;
  void failed(std::string why, bool fatal) override;
  void dismissed(std::string why) override;
  uint64_t micros() const override { return host_.micros(); }

 private:
  enum class State : uint8_t { off, connecting, handshake, open };
  bool try_address();
  void on_connected();
  void shake();
  void receive();
  bool pump();  // false: the connection has ended
  void begin_tls();
  void watch(uint32_t events);

  const LinkSettings& settings_;
  LinkHost& host_;
  int poll_;
  size_t number_;
  std::unique_ptr<Engine> engine_;
  console::Transport transport_;
  Output out_;
  Mail mail_;
  State state_ = State::off;
  size_t address_ = 0;
  size_t tried_ = 0;
  bool stays_here_ = false;
  uint32_t watched_ = 0;
  uint64_t moved_ = 0;
  uint64_t sent_here_ = 0;
  uint64_t settled_here_ = 0;
  uint64_t wire_bytes_ = 0;
  std::string failure_;  // what failed() said
  bool failed_ = false;
  bool fatal_ = false;
  bool was_idle_ = false;
  bool dismissed_ = false;
};

}  // namespace impulse::ecinject
