#include "console/transport.h"

#include "base/ip.h"
#include "base/text.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

namespace impulse::console {

namespace {

using Kind = Failure::Kind;

// The first of OpenSSL's queued errors, as words; the queue is emptied.
std::string library_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "TLS: unknown error";
  const char* reason = ERR_reason_error_string(code);
  return fmt::format("TLS: {}", reason != nullptr ? reason : "unknown error");
}

bool is_folder(const std::string& path) {
  struct stat about{};
  return ::stat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode);
}

}  // namespace

void Transport::FreeContext::operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
void Transport::FreeSession::operator()(SSL* session) const { SSL_free(session); }

Transport::Io Transport::read(char* into, size_t size) {
  Io done;
  if (ssl_) {
    ERR_clear_error();
    const int got = SSL_read(ssl_.get(), into, static_cast<int>(size));
    if (got <= 0) return trouble(got);
    done.bytes = static_cast<size_t>(got);
    return done;
  }
  ssize_t got = 0;
  do got = ::recv(socket_.get(), into, size, 0);
  while (got < 0 && errno == EINTR);
  if (got > 0)
    done.bytes = static_cast<size_t>(got);
  else if (got == 0)
    done.closed = true;
  else if (errno == EAGAIN)
    done.wait = POLLIN;
  else
    done.error = errno_text(errno);
  return done;
}

Transport::Io Transport::write(std::string_view bytes) {
  Io done;
  if (ssl_) {
    ERR_clear_error();
    const int sent = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(std::min<size_t>(bytes.size(), 1 << 20)));
    if (sent <= 0) return trouble(sent);
    done.bytes = static_cast<size_t>(sent);
    return done;
  }
  ssize_t sent = 0;
  do sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent >= 0)
    done.bytes = static_cast<size_t>(sent);
  else if (errno == EAGAIN)
    done.wait = POLLOUT;
  else
    done.error = errno_text(errno);
  return done;
}

Transport::Io Transport::trouble(int result) {
  Io done;
  const int saved = errno;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      done.wait = POLLIN;
      break;
    case SSL_ERROR_WANT_WRITE:
      done.wait = POLLOUT;
      break;
    case SSL_ERROR_ZERO_RETURN:
      done.closed = true;
      break;
    case SSL_ERROR_SYSCALL:
      done.closed = saved == 0;
      if (saved != 0) done.error = errno_text(saved);
      break;
    default:
      done.error = library_error();
  }
  return done;
}

Outcome<> Transport::start_tls(const TlsOptions& options, const std::string& host) {
  context_.reset(SSL_CTX_new(TLS_client_method()));
  if (!context_) return failed(Kind::unreachable, library_error());
  SSL_CTX* context = context_.get();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  // The daemon says when an answer is complete: a connection cut off is seen as one.
  SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (options.verify) {
    const char* ca = options.ca.c_str();
    const int loaded = options.ca.empty()      ? SSL_CTX_set_default_verify_paths(context)
                       : is_folder(options.ca) ? SSL_CTX_load_verify_locations(context, nullptr, ca)
                                               : SSL_CTX_load_verify_locations(context, ca, nullptr);
    if (loaded != 1) return failed(Kind::misuse, fmt::format("{}: {}", options.ca, library_error()));
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  }
  if (!options.certificate.empty()) {
    const std::string& key = options.key.empty() ? options.certificate : options.key;
    if (SSL_CTX_use_certificate_chain_file(context, options.certificate.c_str()) != 1)
      return failed(Kind::misuse, fmt::format("{}: {}", options.certificate, library_error()));
    if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1)
      return failed(Kind::misuse, fmt::format("{}: {}", key, library_error()));
  }
  ssl_.reset(SSL_new(context));
  if (!ssl_ || SSL_set_fd(ssl_.get(), socket_.get()) != 1) return failed(Kind::unreachable, library_error());
  const std::string& name = options.name.empty() ? host : options.name;
  const bool address = IpAddress::parse(name).has_value();
  if (!address) SSL_set_tlsext_host_name(ssl_.get(), name.c_str());
  if (options.verify) {
    const int set = address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), name.c_str())
                            : SSL_set1_host(ssl_.get(), name.c_str());
    if (set != 1) return failed(Kind::misuse, fmt::format("a certificate cannot be checked for '{}'", name));
  }
  return {};
}

Transport::Io Transport::handshake() {
  ERR_clear_error();
  const int result = SSL_connect(ssl_.get());
  if (result == 1) return {};
  Io done = trouble(result);
  if (done.closed) done.error = "TLS: the connection was closed in the handshake";
  const long verdict = SSL_get_verify_result(ssl_.get());
  if (!done.error.empty() && verdict != X509_V_OK)
    done.error =
        fmt::format("TLS: the daemon's certificate is not trusted: {}", X509_verify_cert_error_string(verdict));
  return done;
}

}  // namespace impulse::console
