#include "net/tls_session.h"

#include "base/ip.h"
#include "base/text.h"
#include "net/tls_peer.h"
#include "net/tls_rules.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

namespace impulse::net {

namespace {

Result<SSL*> new_ssl(const TlsContextPtr& context) {
  if (!context) return fail(Errc::invalid, "TLS: no certificate is set up");
  ERR_clear_error();
  SSL* ssl = SSL_new(context->native());
  if (ssl == nullptr) return fail(Errc::no_space, "TLS: out of memory");
  return ssl;
}

int at_most_int(size_t size) { return static_cast<int>(std::min(size, static_cast<size_t>(INT_MAX))); }

}  // namespace

TlsSession::TlsSession(TlsContextPtr context, SSL* ssl, bool server)
    : context_(std::move(context)), ssl_(ssl), server_(server) {
  if (!server) return;
  state_ = std::make_unique<TlsNotes>();
  SSL_set_app_data(ssl_, state_.get());
}

Result<std::unique_ptr<TlsSession>> TlsSession::server(TlsContextPtr context) {
  const auto ssl = new_ssl(context);
  if (!ssl) return std::unexpected(ssl.error());
  SSL_set_accept_state(*ssl);
  return std::unique_ptr<TlsSession>(new TlsSession(std::move(context), *ssl, true));
}

Result<std::unique_ptr<TlsSession>> TlsSession::client(TlsContextPtr context, const std::string& name,
                                                       bool verify_name) {
  // Neither SNI (RFC 6066 §3) nor certificates have the root's dot.
  const std::string server_name = name.ends_with('.') ? name.substr(0, name.size() - 1) : name;
  const auto ssl = new_ssl(context);
  if (!ssl) return std::unexpected(ssl.error());
  std::unique_ptr<TlsSession> session(new TlsSession(std::move(context), *ssl, false));
  SSL_set_connect_state(*ssl);
  const bool literal = IpAddress::parse(server_name).has_value();
  if (!server_name.empty() && !literal && SSL_set_tlsext_host_name(*ssl, server_name.c_str()) != 1)
    return fail(Errc::invalid, "TLS: '{}' cannot be a server name", escape_line(server_name, 64));
  if (!verify_name) return session;
  if (server_name.empty()) return fail(Errc::invalid, "TLS: no server name to verify the certificate against");
  X509_VERIFY_PARAM* param = SSL_get0_param(*ssl);
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const int set = literal ? X509_VERIFY_PARAM_set1_ip_asc(param, server_name.c_str())
                          : X509_VERIFY_PARAM_set1_host(param, server_name.data(), server_name.size());
  if (set != 1) return fail(Errc::invalid, "TLS: '{}' cannot be verified", escape_line(server_name, 64));
  // A name means nothing without the chain, whatever the context says.
  SSL_set_verify(*ssl, SSL_VERIFY_PEER, nullptr);
  return session;
}

TlsSession::~TlsSession() { SSL_free(ssl_); }

IoResult TlsSession::handshake(int fd) {
  ERR_clear_error();
  if (SSL_get_fd(ssl_) != fd && SSL_set_fd(ssl_, fd) != 1) return {Io::failed, 0, false, "TLS: out of memory"};
  errno = 0;
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) return {};
  const int saved = errno;
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return {Io::need_read, 0, false, {}};
    case SSL_ERROR_WANT_WRITE:
      return {Io::need_write, 0, false, {}};
    case SSL_ERROR_SYSCALL:
      if (saved != 0) return {Io::failed, 0, false, "TLS handshake: " + errno_text(saved)};
      return {Io::failed, 0, false, "the peer closed during the TLS handshake"};
    default:
      return {Io::failed, 0, false, handshake_failure()};
  }
}

std::string TlsSession::handshake_failure() const {
  // The peer is told the same as with a wrong key.
  if (state_ && state_->psk_unknown)
    return fmt::format("unknown pre-shared key identity '{}'", escape_line(state_->psk_identity, 128));
  const unsigned long error = ERR_peek_error();
  const int reason = ERR_GET_REASON(error);
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) {
    const char* text = ERR_reason_error_string(error);
    return fmt::format("TLS handshake: {}", text != nullptr ? text : "failed");
  }
  if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) return "the peer closed during the TLS handshake";
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    const long verdict = state_ && state_->verify_error != 0 ? state_->verify_error : SSL_get_verify_result(ssl_);
    return fmt::format("certificate of the peer: {}", X509_verify_cert_error_string(verdict));
  }
  if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) return "the peer has no certificate, and one is required";
  // The peer's alerts are numbered from 1000 on, RFC 8446 §6.
  if (reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256)
    return fmt::format("TLS handshake: the peer refused with alert \"{}\"",
                       SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
  const char* text = ERR_reason_error_string(error);
  return fmt::format("TLS handshake: {}", text != nullptr ? text : "failed");
}

IoResult TlsSession::explain(int result, std::string_view doing) {
  const int saved = errno;
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return {Io::need_read, 0, false, {}};
    case SSL_ERROR_WANT_WRITE:
      return {Io::need_write, 0, false, {}};
    case SSL_ERROR_ZERO_RETURN:
      return {Io::end, 0, false, {}};
    case SSL_ERROR_SYSCALL:
      if (saved != 0) return {Io::failed, 0, false, fmt::format("{}: {}", doing, errno_text(saved))};
      return {Io::end, 0, false, "end without TLS close_notify"};
    default:
      break;
  }
  const unsigned long error = ERR_peek_error();
  if (ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
    return {Io::end, 0, false, "end without TLS close_notify"};
  const char* text = ERR_reason_error_string(error);
  return {Io::failed, 0, false, fmt::format("{}: TLS: {}", doing, text != nullptr ? text : "failed")};
}

IoResult TlsSession::read(std::span<char> into) {
  size_t filled = 0;
  while (filled < into.size()) {
    ERR_clear_error();
    errno = 0;
    const int got = SSL_read(ssl_, into.data() + filled, at_most_int(into.size() - filled));
    if (got > 0) {
      filled += static_cast<size_t>(got);
      continue;
    }
    IoResult result = explain(got, "read");
    if (filled == 0) return result;
    // What was read comes first; an end or a failure shows again at the next call.
    return {Io::ok, filled, result.io != Io::need_read, {}};
  }
  return {Io::ok, filled, true, {}};
}

IoResult TlsSession::write(std::string_view bytes) {
  ERR_clear_error();
  errno = 0;
  const int put = SSL_write(ssl_, bytes.data(), at_most_int(bytes.size()));
  if (put > 0) return {Io::ok, static_cast<size_t>(put), false, {}};
  return explain(put, "write");
}

IoResult TlsSession::close_notify() {
  ERR_clear_error();
  errno = 0;
  const int result = SSL_shutdown(ssl_);
  if (result >= 0) return {};
  return explain(result, "close");
}

TlsInfo TlsSession::info() const {
  TlsInfo info;
  info.version = SSL_get_version(ssl_);
  info.cipher = SSL_get_cipher_name(ssl_);
  info.bits = SSL_get_cipher_bits(ssl_, nullptr);
  info.peer = peer_of(ssl_);
  info.ktls = BIO_get_ktls_send(SSL_get_wbio(ssl_)) != 0;
  if (!server_) {
    const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
    X509* certificate = SSL_get0_peer_certificate(ssl_);
    info.name_verified = name != nullptr && certificate != nullptr && SSL_get_verify_result(ssl_) == X509_V_OK &&
                         X509_check_host(certificate, name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, nullptr) == 1;
    return info;
  }
  const bool reused = SSL_session_reused(ssl_) == 1;
  info.server_name = state_->server_name;
  // A key of TLS 1.3 comes in as a session that is resumed.
  info.resumed = reused && !state_->psk_used;
  if (const char* identity = SSL_get_psk_identity(ssl_); identity != nullptr) {
    info.psk_identity = identity;  // TLS 1.2
  } else if (reused) {
    void* data = nullptr;
    size_t size = 0;
    if (SSL_SESSION_get0_ticket_appdata(SSL_get_session(ssl_), &data, &size) == 1 && data != nullptr)
      info.psk_identity.assign(static_cast<const char*>(data), size);
  }
  return info;
}

std::optional<std::string> TlsSession::channel_binding(std::string_view type) const {
  return channel_binding_of(ssl_, type, server_);
}

std::string not_tls(std::string_view first_bytes) {
  const auto first = static_cast<unsigned char>(first_bytes.front());
  // A handshake or alert record (RFC 8446 §5.1), or an SSLv2 hello, about
  // which OpenSSL has its own words.
  if (first == 0x16 || first == 0x15 || (first & 0x80) != 0) return {};
  return fmt::format("\"{}\"", escape_line(first_bytes, 80));
}

}  // namespace impulse::net
