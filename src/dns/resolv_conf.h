// The resolver's configuration, in the form of resolv.conf(5): name servers, how
// long to wait for them, and how short names are completed.
#pragma once

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace impulse::dns {

struct ResolvConf {
  std::vector<Endpoint> servers;    // in order; 127.0.0.1:53 where the file names none
  std::vector<std::string> search;  // for names of hosts with fewer dots than ndots; lower case
  unsigned ndots = 1;
  Duration timeout = std::chrono::seconds(5);  // of the first attempt at each server
  unsigned attempts = 2;
  bool rotate = false;
  bool hosts = true;        // /etc/hosts is looked into,
  bool hosts_first = true;  // and first
  friend bool operator==(const ResolvConf&, const ResolvConf&) = default;
};

// "nameserver ADDRESS", "ADDRESS:PORT", "[IPv6]:PORT"; "search", "domain";
// "lookup fb" (file, then DNS), "bf", "f"… ; "options ndots: timeout: attempts:
// rotate" and Momentum's names "retrans:" and "retry:". What else may stand in
// such a file is nothing to mail and is passed over, as resolv.conf(5) wants it.
// An error names the line.
Result<ResolvConf> parse_resolv_conf(std::string_view text);

// /etc/resolv.conf may be missing: then it is as if it were empty.
Result<ResolvConf> read_resolv_conf(const std::string& path);

}  // namespace impulse::dns
