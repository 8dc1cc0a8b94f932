// TlsSession: one TLS connection over a non-blocking socket, which OpenSSL
// reads and writes itself (no BIO of ours, no copies). net/ only.
#pragma once

#include "base/result.h"
#include "net/io.h"
#include "net/tls.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

typedef struct ssl_st SSL;

namespace impulse::net {

struct TlsNotes;

class TlsSession {
 public:
  static Result<std::unique_ptr<TlsSession>> server(TlsContextPtr context);
  // `server_name` empty: no SNI, and nothing to verify the certificate against.
  static Result<std::unique_ptr<TlsSession>> client(TlsContextPtr context, const std::string& server_name,
                                                    bool verify_name);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  bool is_server() const { return server_; }

  // Io::ok when the handshake is complete; need_read, need_write; failed with
  // a text for people. `fd` is borrowed from the first call on.
  IoResult handshake(int fd);
  // As many records as fit. Io::end on close_notify, and on an end of file
  // without one (`detail` says so): what runs above has its own framing.
  IoResult read(std::span<char> into);
  IoResult write(std::string_view bytes);
  // Sends close_notify. Io::ok, need_write, or failed.
  IoResult close_notify();
  TlsInfo info() const;
  // After the handshake; see Connection.
  std::optional<std::string> channel_binding(std::string_view type) const;

 private:
  TlsSession(TlsContextPtr context, SSL* ssl, bool server);
  IoResult explain(int result, std::string_view doing);
  std::string handshake_failure() const;

  TlsContextPtr context_;
  std::unique_ptr<TlsNotes> state_;  // what callbacks write down; a server's
  SSL* ssl_;
  bool server_;
};

// "\"EHLO…\"" when the first bytes of a peer (peeked) cannot begin a TLS
// handshake; empty when they can.
std::string not_tls(std::string_view first_bytes);

}  // namespace impulse::net
