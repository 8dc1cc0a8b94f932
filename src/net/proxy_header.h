// The PROXY protocol, versions 1 (a line of text) and 2 (binary): what a proxy
// says about its client before the client's own first byte. Without sockets;
// proxy_preface.h takes a header off one. Specification: HAProxy's
// doc/proxy-protocol.txt.
#pragma once

#include "base/endpoint.h"
#include "base/result.h"

#include <optional>
#include <string>
#include <string_view>

namespace impulse::net {

// What a version 2 header says of the TLS that the proxy ended. Texts are
// printable UTF-8 of at most 255 bytes, empty when the proxy did not say.
struct ProxyTls {
  std::string version;       // "TLSv1.3"
  std::string cipher;        // "TLS_AES_256_GCM_SHA384"
  bool certificate = false;  // the client has shown one, on this connection or when its TLS session began
  bool verified = false;     // and the proxy has verified it
  std::string common_name;   // of that certificate; believe it only when it was verified

  friend bool operator==(const ProxyTls&, const ProxyTls&) = default;
};

struct ProxyHeader {
  int version = 1;
  // No client is named, and the real peer stays the peer: LOCAL (the proxy
  // speaks for itself, as in a health check), UNKNOWN and UNSPEC.
  bool local = true;
  // When not local: the client, and where it connected to. Ports may be 0.
  // Of Unix sockets the paths, which may be empty or abstract (first byte NUL).
  Endpoint source;
  Endpoint destination;
  // Version 2 only, and never with `local`.
  std::optional<ProxyTls> tls;
  std::string authority;  // the host name that the client asked for (SNI); at most 255 bytes
  std::string unique_id;  // any bytes, at most 128
  std::string alpn;       // any bytes
  std::string network_namespace;

  friend bool operator==(const ProxyHeader&, const ProxyHeader&) = default;
};

// Reads one header, given bytes as they come in pieces of any size. Refuses at
// the first byte that cannot belong to one; takes no byte behind it.
class ProxyParser {
 public:
  // Real headers of version 2 have up to a few hundred bytes; the format would allow 64 KiB.
  static constexpr size_t default_limit = 4096;
  explicit ProxyParser(size_t limit = default_limit) : limit_(limit) {}

  // How many bytes were taken: all of them until the header is complete.
  // Errc::invalid with a reason for people; nothing may be fed after that.
  Result<size_t> feed(std::string_view bytes);
  bool complete() const { return state_ == State::complete; }
  size_t size() const { return bytes_.size(); }          // taken so far
  const ProxyHeader& header() const { return header_; }  // once complete()

 private:
  enum class State : uint8_t { unknown, text, binary, complete };
  Result<> feed_unknown(char byte);
  Result<> feed_text(char byte);
  Result<size_t> feed_binary(std::string_view bytes);
  Result<> check_start();

  size_t limit_;
  State state_ = State::unknown;
  std::string bytes_;
  size_t length_ = 0;  // of a binary header, once its first 16 bytes are there
  ProxyHeader header_;
};

// The two formats, each given a complete header. net/ only.
Result<ProxyHeader> parse_proxy_text(std::string_view line);     // with its CRLF
Result<ProxyHeader> parse_proxy_binary(std::string_view bytes);  // begins with the signature, length checked

}  // namespace impulse::net
