// ControlCall: what POST /api/impulse/v1/control asks for, under way: a console
// session of its own that lasts as long as the request.
#pragma once

#include "api/control_call.h"
#include "control/command.h"
#include "control/protocol.h"
#include "net/loop.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::server {

// Whose request it is, and what it is.
struct ControlAsk {
  control::Client client;  // with its proof
  Endpoint local;          // that it came to
  IpAddress address;       // of the client; loopback for Unix sockets
  api::ControlOrder order;
};

struct ControlAnswer {
  int status = 200;
  std::string body;   // JSON
  bool busy = false;  // nothing was done: too many are being answered
};

// Why a list cannot be all or nothing: a command of it does more than to edit the
// configuration or to look at it. Any thread.
std::optional<api::Error> wrong_with_list(const control::CommandTable& table, const api::ControlOrder& order);

// On the main loop, in small steps, so that others are served meanwhile.
class ControlCall {
 public:
  // `done` is called once, from the loop, unless the call goes before; it may destroy it.
  ControlCall(net::Loop& loop, std::unique_ptr<control::Session> session, api::ControlOrder order,
              std::function<void(ControlAnswer)> done);
  ~ControlCall();
  ControlCall(const ControlCall&) = delete;
  ControlCall& operator=(const ControlCall&) = delete;

  void start() { step(); }

 private:
  enum class Part : uint8_t { begin, commands, commit };  // of a list; else only its one command
  std::string_view request() const;
  void step();
  void later();
  void replied();
  void finish();
  std::string field() const;

  net::Loop& loop_;
  std::unique_ptr<control::Session> session_;
  api::ControlOrder order_;
  std::function<void(ControlAnswer)> done_;
  Part part_ = Part::commands;
  net::Timer timer_;  // while its answer is worked on
  size_t next_ = 0;   // of the order's requests
  size_t given_ = 0;  // bytes of the present request that the session took
  api::ControlReply reply_;
  std::string results_;                 // of a list: JSON, without the brackets
  std::shared_ptr<ControlCall*> self_;  // null inside once it is gone
};

}  // namespace impulse::server
