// Channel: asks name servers over UDP, and over TCP where an answer is cut
// short; again, and the next server, where none comes. c-ares on an event loop.
// Loop thread.
#pragma once

#include "dns/message.h"
#include "dns/resolv_conf.h"
#include "net/loop.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::dns {

// What asks for us; tests have one of their own.
class Transport {
 public:
  // The message as it came, NXDOMAIN and the like too; or why there is none:
  // timeout, busy (SERVFAIL, REFUSED, nobody there), unavailable (the transport ends).
  using Reply = std::function<void(Result<std::vector<uint8_t>>)>;
  virtual ~Transport() = default;  // questions that are open are answered first
  // `name`: is_host_name(). The reply may come from inside the call.
  virtual void ask(const std::string& name, Type type, Reply reply) = 0;
};

// Errc::no_space when c-ares cannot be had.
Result<std::unique_ptr<Transport>> make_channel(net::Loop& loop, const ResolvConf& conf);

}  // namespace impulse::dns
