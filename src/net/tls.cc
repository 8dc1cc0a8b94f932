// TLS contexts: settings in, a checked and finished SSL_CTX out.
#include "net/tls.h"

#include "base/text.h"
#include "net/tls_pem.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <ctime>

namespace impulse::net {

namespace {

struct ContextDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using ContextPtr = std::unique_ptr<SSL_CTX, ContextDeleter>;

// The parts of a list between any of ':', ',' and white space.
std::vector<std::string_view> list_items(std::string_view list) {
  std::vector<std::string_view> items;
  size_t start = 0;
  for (size_t i = 0; i <= list.size(); ++i) {
    if (i < list.size() && list[i] != ':' && list[i] != ',' && !is_space(list[i])) continue;
    if (i > start) items.push_back(list.substr(start, i - start));
    start = i + 1;
  }
  return items;
}

// "+TLSv1.2:-TLSv1.3", "TLSv1.2, TLSv1.3": a name adds, a minus takes away; a
// list of minuses only takes away from all. What is older than 1.2 may be
// taken away but not be asked for.
Result<> use_protocols(SSL_CTX* context, std::string_view list) {
  constexpr std::array<std::string_view, 8> known = {"TLSv1.2", "TLSv1.3", "ALL",   "TLSv1",
                                                     "TLSv1.0", "TLSv1.1", "SSLv2", "SSLv3"};
  const auto items = list_items(list);
  bool v12 = true, v13 = true;
  for (const auto item : items) {
    if (!item.starts_with('-')) v12 = v13 = false;
  }
  for (const auto item : items) {
    const bool remove = item.starts_with('-');
    const std::string_view name = remove || item.starts_with('+') ? item.substr(1) : item;
    if (iequals(name, "ALL")) {
      v12 = v13 = !remove;
    } else if (iequals(name, "TLSv1.2")) {
      v12 = !remove;
    } else if (iequals(name, "TLSv1.3")) {
      v13 = !remove;
    } else if (std::find_if(known.begin(), known.end(), [&](auto k) { return iequals(k, name); }) == known.end()) {
      const auto guess = nearest(name, known);
      return fail(Errc::invalid, "unknown TLS protocol '{}'{}", escape_line(name, 32),
                  guess.empty() ? std::string() : fmt::format(", did you mean {}?", guess));
    } else if (!remove) {
      return fail(Errc::invalid, "{} is not supported: it is broken; TLSv1.2 and TLSv1.3 are possible", name);
    }
  }
  if (!v12 && !v13) return fail(Errc::invalid, "no TLS protocol is left by '{}'", escape_line(list, 64));
  SSL_CTX_set_min_proto_version(context, v12 ? TLS1_2_VERSION : TLS1_3_VERSION);
  SSL_CTX_set_max_proto_version(context, v13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  return {};
}

// OpenSSL passes over names it does not know as long as one is good; a
// misspelt cipher should be told, so each is tried alone.
Result<> check_items(std::string_view list, std::string_view kind, int (*set)(SSL_CTX*, const char*)) {
  const ContextPtr trial(SSL_CTX_new(TLS_method()));
  if (!trial) return fail(Errc::no_space, "TLS: out of memory");
  for (auto item : list_items(list)) {
    if (item.starts_with('!') || item.starts_with('-') || item.starts_with('@')) continue;
    if (item.starts_with('+')) item.remove_prefix(1);
    if (set(trial.get(), std::string(item).c_str()) == 1) continue;
    ERR_clear_error();
    return fail(Errc::invalid, "unknown {} '{}'", kind, escape_line(item, 64));
  }
  return {};
}

Result<> use_list(SSL_CTX* context, const std::string& list, std::string_view kind, int (*set)(SSL_CTX*, const char*)) {
  if (list_items(list).empty()) return {};  // the library's own
  if (auto known = check_items(list, kind, set); !known) return known;
  // OpenSSL wants colons.
  std::string joined;
  for (const auto item : list_items(list)) joined.append(joined.empty() ? "" : ":").append(item);
  if (set(context, joined.c_str()) == 1) return {};
  return fail(Errc::invalid, "no usable {} in '{}': {}", kind, escape_line(list, 128), openssl_error());
}

int set_groups(SSL_CTX* context, const char* list) {
  return static_cast<int>(SSL_CTX_set1_groups_list(context, const_cast<char*>(list)));
}

// Optional: a certificate is looked at, and none or a bad one is no reason to
// end the session; whoever grants rights by it asks for the verdict.
int accept_any(int, X509_STORE_CTX*) { return 1; }

Result<> use_verification(SSL_CTX* context, const TlsSettings& settings, bool server) {
  SSL_CTX_set_verify_depth(context, settings.verify_depth);
  if (!settings.ca.empty()) {
    if (auto used = use_issuers(context, settings.ca, server); !used) return used;
  } else if (!server && SSL_CTX_set_default_verify_paths(context) != 1) {
    return fail(Errc::io, "the system's trusted issuers cannot be loaded: {}", openssl_error());
  }
  if (server && settings.ca.empty()) {
    if (settings.verify == TlsVerify::require)
      return fail(Errc::invalid, "client certificates are required, but no issuers to verify them by are given");
    return {};  // asking for certificates that nothing can verify would only trouble clients
  }
  switch (settings.verify) {
    case TlsVerify::none:
      SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
      break;
    case TlsVerify::optional:
      SSL_CTX_set_verify(context, SSL_VERIFY_PEER, accept_any);
      break;
    case TlsVerify::require:
      SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
      break;
  }
  return {};
}

Result<> use_sessions(SSL_CTX* context, const TlsSettings& settings) {
  // Each context has ticket keys and a session id context of its own, so that
  // nothing is resumed across listeners whose rules differ.
  std::array<unsigned char, SSL_MAX_SSL_SESSION_ID_LENGTH> id{};
  if (RAND_bytes(id.data(), static_cast<int>(id.size())) != 1 ||
      SSL_CTX_set_session_id_context(context, id.data(), id.size()) != 1)
    return fail(Errc::io, "TLS: no random numbers: {}", openssl_error());
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets need no memory of ours
  if (settings.session_tickets) return {};
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
  return {};
}

Result<> configure(SSL_CTX* context, const TlsSettings& settings, bool server) {
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  if (settings.prefer_server_ciphers) SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context,
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);  // one recv for a record, not two
  SSL_CTX_set_dh_auto(context, 1);
  auto done = use_protocols(context, settings.protocols);
  if (done) done = use_list(context, settings.ciphers, "TLS 1.2 cipher", SSL_CTX_set_cipher_list);
  if (done) done = use_list(context, settings.ciphersuites, "TLS 1.3 cipher suite", SSL_CTX_set_ciphersuites);
  if (done) done = use_list(context, settings.groups, "TLS group", set_groups);
  if (done) done = use_verification(context, settings, server);
  if (done) done = use_sessions(context, settings);
  return done;
}

Result<ContextPtr> make(const TlsSettings& settings, bool server) {
  ERR_clear_error();
  ContextPtr context(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()));
  if (!context) return fail(Errc::no_space, "TLS: {}", openssl_error());
  if (!settings.certificate.empty()) {
    if (auto used = use_certificate(context.get(), settings); !used) return std::unexpected(used.error());
  } else if (server) {
    return fail(Errc::invalid, "TLS needs a certificate, and none is given");
  } else if (!settings.key.empty()) {
    return fail(Errc::invalid, "a private key is given, but no certificate");
  }
  if (auto done = configure(context.get(), settings, server); !done) return std::unexpected(done.error());
  return context;
}

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::server(const TlsSettings& settings) {
  auto context = make(settings, true);
  if (!context) return std::unexpected(context.error());
  return std::shared_ptr<const TlsContext>(new TlsContext(context->release()));
}

Result<std::shared_ptr<const TlsContext>> TlsContext::client(const TlsSettings& settings) {
  auto context = make(settings, false);
  if (!context) return std::unexpected(context.error());
  return std::shared_ptr<const TlsContext>(new TlsContext(context->release()));
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

namespace {

std::string name_text(const X509_NAME* name) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), &BIO_free);
  if (name == nullptr || !out || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253) < 0) return {};
  char* text = nullptr;
  const long length = BIO_get_mem_data(out.get(), &text);
  return length > 0 ? std::string(text, static_cast<size_t>(length)) : std::string();
}

}  // namespace

std::string TlsContext::certificate_subject() const {
  const X509* certificate = SSL_CTX_get0_certificate(context_);
  return certificate == nullptr ? std::string() : name_text(X509_get_subject_name(certificate));
}

std::string TlsContext::certificate_issuer() const {
  const X509* certificate = SSL_CTX_get0_certificate(context_);
  return certificate == nullptr ? std::string() : name_text(X509_get_issuer_name(certificate));
}

std::optional<WallTime> TlsContext::certificate_expiry() const {
  const X509* certificate = SSL_CTX_get0_certificate(context_);
  std::tm when{};
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &when) != 1) return std::nullopt;
  return WallTime(std::chrono::seconds(::timegm(&when)));
}

}  // namespace impulse::net
