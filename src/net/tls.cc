// TLS contexts: settings in, a checked and finished SSL_CTX out.
#include "net/tls.h"

#include "net/tls_lists.h"
#include "net/tls_pem.h"
#include "net/tls_rules.h"
#include "net/tls_verify.h"
#include "net/tls_x509.h"

#include "base/files.h"
#include "base/text.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <tuple>
#include <utility>

namespace impulse::net {

namespace {

struct ContextDeleter {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using ContextPtr = std::unique_ptr<SSL_CTX, ContextDeleter>;

// SHA-256 over parts, each with its length before it.
class Hash {
 public:
  Hash() : context_(EVP_MD_CTX_new()) { EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr); }
  Hash& add(std::string_view part) {
    const uint64_t size = part.size();
    EVP_DigestUpdate(context_.get(), &size, sizeof size);
    EVP_DigestUpdate(context_.get(), part.data(), part.size());
    return *this;
  }
  RuleDigest digest() {
    RuleDigest digest{};
    EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr);
    return digest;
  }

 private:
  const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context_;
};

std::string_view bytes_of(const RuleDigest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// The content of a file, of inline PEM, or of a folder as its names and times
// tell. What could be read a moment ago and cannot now is as good as changed.
std::string content_of(const std::string& source) {
  if (source.empty()) return {};
  const std::string path = pem_path(source);
  if (path.empty()) return source;
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return read_file(path).value_or(std::string());
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(path, error)) {
    const auto time = file.last_write_time(error).time_since_epoch().count();
    names.push_back(fmt::format("{} {}\n", file.path().string(), time));
  }
  std::ranges::sort(names);
  std::string all;
  for (const std::string& name : names) all += name;
  return all;
}

// What makes a session what it is. One that began under other rules is not
// resumed: what it proved then may not count now.
RuleDigest rules_digest(const TlsSettings& settings, const PskTable& psk) {
  Hash hash;
  for (const std::string& part : {settings.protocols, settings.ciphers, settings.ciphersuites, settings.groups,
                                  content_of(settings.ca), content_of(settings.crl_file), settings.psk_hint})
    hash.add(part);
  hash.add(fmt::format("{} {} {} {}", settings.prefer_server_ciphers, static_cast<int>(settings.verify),
                       settings.verify_depth, settings.psk));
  hash.add(bytes_of(psk.digest()));
  return hash.digest();
}

RuleDigest session_context(const RuleDigest& rules, const X509* certificate) {
  return Hash().add(bytes_of(rules)).add(certificate == nullptr ? "" : fingerprint_text(certificate)).digest();
}

// SHA-256 goes with these; in the order of `list`.
std::string sha256_suites(std::string_view list) {
  constexpr std::array<std::string_view, 4> suites = {"TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256",
                                                      "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"};
  if (trim(list).empty()) return "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";
  std::string spaced(list), found;
  for (char& c : spaced)
    if (c == ':' || c == ',') c = ' ';
  for (const std::string_view word : words(spaced))
    if (std::ranges::find(suites, word) != suites.end()) found.append(found.empty() ? "" : ":").append(word);
  return found;
}

// Each certificate is loaded once, however many names lead to it.
Result<> load_served(SSL_CTX* context, TlsRules& rules, const TlsSettings& settings) {
  if (!settings.certificate.empty()) {
    auto first = load_credentials(settings.certificate, settings.key, settings.key_password);
    if (!first) return std::unexpected(first.error());
    if (auto used = use_credentials(context, *first, pem_name(settings.certificate)); !used) return used;
    rules.served.push_back({std::move(*first), {}, {}, {}});
    rules.has_default = true;
  }
  std::map<std::tuple<std::string, std::string, std::string>, size_t> known;
  ContextPtr trial;
  for (const TlsSni& sni : settings.sni) {
    const auto wrong = [&](const Error& error) {
      return fail(error.code, "server name {}: {}", escape_line(sni.pattern, 80), error.message);
    };
    const auto [at, fresh] =
        known.try_emplace(std::tuple(sni.certificate, sni.key, sni.key_password), rules.served.size());
    if (fresh) {
      auto loaded = load_credentials(sni.certificate, sni.key, sni.key_password);
      if (!loaded) return wrong(loaded.error());
      if (!trial) trial.reset(SSL_CTX_new(TLS_server_method()));
      if (!trial) return fail(Errc::no_space, "TLS: out of memory");
      SSL_CTX_clear_chain_certs(trial.get());
      if (auto used = use_credentials(trial.get(), *loaded, pem_name(sni.certificate)); !used)
        return wrong(used.error());
      rules.served.push_back({std::move(*loaded), sni.name, {}, {}});
    }
    rules.served[at->second].patterns.push_back(sni.pattern);
    if (auto added = rules.sni.add(sni.pattern, at->second); !added) return added;
  }
  return {};
}

// Asked once, when a context is made: trying costs each handshake a system call.
bool kernel_has_tls() {
  const auto protocols = read_file("/proc/sys/net/ipv4/tcp_available_ulp", 4096);
  if (!protocols) return false;
  const auto names = words(*protocols);
  return std::ranges::find(names, "tls") != names.end();
}

Result<> use_psk_settings(SSL_CTX* context, TlsRules& rules, const TlsSettings& settings) {
  if (!settings.psk) return {};
  if (settings.psk_file.empty()) return fail(Errc::invalid, "pre-shared keys are on, but no file of them is given");
  auto table = PskTable::load(settings.psk_file);
  if (!table) return std::unexpected(table.error());
  rules.psk = std::move(*table);
  rules.psk_suites = sha256_suites(settings.ciphersuites);
  return use_psk(context, settings.psk_hint);
}

Result<> use_dh(SSL_CTX* context, const std::string& source) {
  SSL_CTX_set_dh_auto(context, 1);
  if (source.empty()) return {};
  auto parameters = load_dh_parameters(source);
  if (!parameters) return std::unexpected(parameters.error());
  if (SSL_CTX_set0_tmp_dh_pkey(context, parameters->get()) != 1)
    return fail(Errc::invalid, "{}: unusable Diffie-Hellman parameters: {}", pem_name(source), openssl_error());
  (void)parameters->release();  // it is the context's now
  SSL_CTX_set_dh_auto(context, 0);
  return {};
}

Result<> configure(SSL_CTX* context, const TlsSettings& settings) {
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context,
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);  // one recv for a record, not two
  if (settings.ktls && kernel_has_tls()) SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS);
  return use_lists(context, settings);
}

Result<ContextPtr> new_context(const SSL_METHOD* method) {
  ERR_clear_error();
  ContextPtr context(SSL_CTX_new(method));
  if (!context) return fail(Errc::no_space, "TLS: {}", openssl_error());
  return context;
}

}  // namespace

TlsContext::TlsContext(SSL_CTX* context, std::unique_ptr<TlsRules> rules)
    : context_(context), rules_(std::move(rules)) {}

Result<std::shared_ptr<const TlsContext>> TlsContext::server(const TlsSettings& settings) {
  auto made = new_context(TLS_server_method());
  if (!made) return std::unexpected(made.error());
  SSL_CTX* context = made->get();
  auto rules = std::make_unique<TlsRules>();
  SSL_CTX_set_app_data(context, rules.get());
  if (settings.certificate.empty() && !settings.psk)
    return fail(Errc::invalid, "TLS needs a certificate, and none is given");
  auto done = configure(context, settings);
  if (done) done = load_served(context, *rules, settings);
  if (done) done = use_dh(context, settings.dh_params);
  if (done) done = use_psk_settings(context, *rules, settings);
  if (!done) return std::unexpected(done.error());
  auto crl_expiry = use_verification(context, settings, true);
  if (!crl_expiry) return std::unexpected(crl_expiry.error());
  rules->crl_expiry = *crl_expiry;
  rules->verify = settings.verify;
  auto tickets = TicketKeys::create();
  if (!tickets) return std::unexpected(tickets.error());
  rules->tickets = std::move(*tickets);
  const RuleDigest digest = rules_digest(settings, rules->psk);
  for (TlsRules::Served& served : rules->served)
    served.session_context = session_context(digest, served.credentials.leaf.get());
  rules->session_context =
      rules->has_default ? rules->served.front().session_context : session_context(digest, nullptr);
  use_hello(context);
  if (auto used = use_sessions(context, *rules, settings.session_tickets); !used) return std::unexpected(used.error());
  return std::shared_ptr<const TlsContext>(new TlsContext(made->release(), std::move(rules)));
}

Result<std::shared_ptr<const TlsContext>> TlsContext::client(const TlsSettings& settings) {
  auto context = new_context(TLS_client_method());
  if (!context) return std::unexpected(context.error());
  if (settings.certificate.empty() && !settings.key.empty())
    return fail(Errc::invalid, "a private key is given, but no certificate");
  if (!settings.certificate.empty()) {
    auto own = load_credentials(settings.certificate, settings.key, settings.key_password);
    if (!own) return std::unexpected(own.error());
    if (auto used = use_credentials(context->get(), *own, pem_name(settings.certificate)); !used)
      return std::unexpected(used.error());
  }
  if (auto done = configure(context->get(), settings); !done) return std::unexpected(done.error());
  if (auto used = use_verification(context->get(), settings, false); !used) return std::unexpected(used.error());
  SSL_CTX_set_session_cache_mode(context->get(), SSL_SESS_CACHE_OFF);
  return std::shared_ptr<const TlsContext>(new TlsContext(context->release(), nullptr));
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

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
  if (certificate == nullptr) return std::nullopt;
  return time_of(X509_get0_notAfter(certificate));
}

std::vector<TlsContext::Served> TlsContext::served() const {
  std::vector<Served> found;
  if (rules_)
    for (const TlsRules::Served& one : rules_->served) found.push_back({one.name, one.patterns});
  return found;
}

size_t TlsContext::psk_identities() const { return rules_ ? rules_->psk.size() : 0; }

std::optional<WallTime> TlsContext::crl_expiry() const { return rules_ ? rules_->crl_expiry : std::nullopt; }

}  // namespace impulse::net
