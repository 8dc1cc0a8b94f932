// Transport: the bytes under a console's connection, plain or in TLS, over a
// socket that never blocks. Whoever uses it waits, for what `wait` says.
#pragma once

#include "base/fd.h"
#include "console/failure.h"

#include <memory>
#include <string>
#include <string_view>

typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_st SSL;

namespace impulse::console {

// What a user said about TLS.
struct TlsOptions {
  bool enabled = false;
  bool verify = true;       // the daemon's certificate, and that it is for the host that was named
  std::string ca;           // file or folder of trusted issuers; empty: the system's
  std::string name;         // that the certificate has to have; empty: the host
  std::string certificate;  // of the client, PEM; empty: none
  std::string key;          // empty: in the same file
};

class Transport {
 public:
  Transport() = default;
  explicit Transport(UniqueFd socket) : socket_(std::move(socket)) {}
  Transport(Transport&&) = default;
  Transport& operator=(Transport&&) = default;

  struct Io {
    size_t bytes = 0;
    short wait = 0;       // nothing was done: POLLIN or POLLOUT has to come first
    bool closed = false;  // reading: the peer has closed in order
    std::string error;    // the connection is lost
  };
  Io read(char* into, size_t size);
  Io write(std::string_view bytes);

  // The handshake: call until `wait` is 0; `error` says why it failed. `host`
  // is a name or an address.
  Outcome<> start_tls(const TlsOptions& options, const std::string& host);
  Io handshake();

  bool encrypted() const { return ssl_ != nullptr; }
  int fd() const { return socket_.get(); }

 private:
  struct FreeContext {
    void operator()(SSL_CTX* context) const;
  };
  struct FreeSession {
    void operator()(SSL* session) const;
  };
  Io trouble(int result);  // of an OpenSSL call

  UniqueFd socket_;
  std::unique_ptr<SSL_CTX, FreeContext> context_;
  std::unique_ptr<SSL, FreeSession> ssl_;
};

}  // namespace impulse::console
