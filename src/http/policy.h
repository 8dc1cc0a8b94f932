// Policy: everything a HTTP session has to know about its configuration, shared
// by all sessions under the same Peer chain. Plain: who knows the
// configuration's options fills it in.
#pragma once

#include "base/clock.h"

#include <cstdint>
#include <string>

namespace impulse::http {

struct Policy {
  uint32_t max_request_line = 8192;      // Max_Request_Line_Length: bytes with CRLF; 414
  uint32_t max_header_size = 65536;      // Max_Header_Size: all header lines, bytes with CRLFs; 431. Of trailers too
  uint32_t max_header_fields = 128;      // 431
  uint64_t max_request_size = 33554432;  // Max_Request_Size: bytes of a body, as sent and as expanded; 413
  uint32_t max_expansion = 256;  // how many times its size a body of over 1 MiB may expand to; 413; 0: as it likes
  uint64_t max_drain = uint64_t{4} << 20;  // bytes of a refused request's body that are read and thrown away

  // HTTP_Versions; 505 for any other.
  bool http_1_0 = true;
  bool http_1_1 = true;

  std::string server_name;  // the Server field; empty: none is sent

  // 0: no limit.
  Duration idle_timeout = std::chrono::seconds(300);  // between requests: closed without a word
  Duration head_timeout = std::chrono::seconds(30);   // for a whole head, from its first byte; 408
  Duration body_timeout = std::chrono::seconds(30);   // for each 16 KiB of a body; 408
  Duration drain_timeout = std::chrono::seconds(10);  // for all of what is thrown away
  Duration answer_timeout{0};                         // for the owner's answer; 503

  friend bool operator==(const Policy&, const Policy&) = default;
};

}  // namespace impulse::http
