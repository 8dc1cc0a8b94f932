// Policy: everything an ECStream server session has to know about its
// configuration, compiled once per commit and Peer chain, shared by all
// sessions under it.
#pragma once

#include "auth/login.h"
#include "base/clock.h"
#include "intake/message_rules.h"
#include "intake/sender_match.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace impulse::config {
class Options;
}

namespace impulse::ecstream {

struct Policy : intake::MessageRules, auth::LoginPolicy {
  // EXTERNAL is listed where the connection has an identity.
  Policy() { auth_external = true; }

  std::string hostname;  // HELLO's field 7

  static constexpr uint32_t largest_window = 32768;
  uint32_t window = 4096;                           // ECStream_Window, 1 to largest_window
  uint32_t max_batch = 10000;                       // ECStream_Max_Batch_Size, messages; at least 1
  uint64_t max_batch_bytes = uint64_t{16} << 20;    // of bodies in memory, and envelopes, that gather
  uint32_t max_frame = uint32_t{256} << 10;         // payload; at least smallest_max_frame
  Duration idle_time = std::chrono::seconds(300);   // ECStream_Idle_Time; 0 no limit
  Duration hello_time = std::chrono::seconds(30);   // until OPEN, each step
  Duration frame_time = std::chrono::seconds(300);  // for 16 KiB of a frame that has begun

  using SenderMatch = intake::SenderMatch;
  SenderMatch sender_match = SenderMatch::off;  // Sender_Must_Match_User
  bool verified_peer_can_relay = false;
  bool tls_required = false;
  bool deny = false;

  std::string reconfig_message = "4.3.2 Reconfiguration in progress";
  bool reconfig_always = false;

  friend bool operator==(const Policy&, const Policy&) = default;
};

// The policy of a Peer chain. Who may relay is not in it: see
// ServerHost::admit_recipient. Names that are not set are the system's host name.
std::shared_ptr<const Policy> make_policy(const config::Options& options);

}  // namespace impulse::ecstream
