#include "net/tls_verify.h"

#include "net/tls_pem.h"
#include "net/tls_rules.h"
#include "net/tls_x509.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

namespace impulse::net {

namespace {

struct CrlDeleter {
  void operator()(X509_CRL* crl) const { X509_CRL_free(crl); }
};
using CrlPtr = std::unique_ptr<X509_CRL, CrlDeleter>;

// PEM file, or a folder with hashed names (c_rehash).
Result<> use_issuers(SSL_CTX* context, const std::string& source, bool server) {
  ERR_clear_error();
  const std::string path = pem_path(source);
  struct stat status{};
  if (!path.empty() && ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
    if (SSL_CTX_load_verify_dir(context, path.c_str()) != 1)
      return fail(Errc::invalid, "{}: unusable folder of issuers: {}", path, openssl_error());
    return {};
  }
  auto pem = load_pem(source, "trusted issuers");
  if (!pem) return std::unexpected(pem.error());
  auto issuers = certificates_in(*pem);
  if (!issuers) return std::unexpected(issuers.error());
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  for (const auto& issuer : *issuers) {
    if (X509_STORE_add_cert(store, issuer.get()) != 1 || (server && SSL_CTX_add_client_CA(context, issuer.get()) != 1))
      return fail(Errc::invalid, "{}: unusable issuer: {}", pem->name, openssl_error());
  }
  return {};
}

Result<std::vector<CrlPtr>> crls_in(const Pem& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(pem.text.data(), static_cast<int>(pem.text.size())), &BIO_free);
  std::vector<CrlPtr> all;
  ERR_clear_error();
  while (X509_CRL* next = PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr)) all.emplace_back(next);
  const unsigned long error = ERR_peek_last_error();
  if (ERR_GET_LIB(error) != ERR_LIB_PEM || ERR_GET_REASON(error) != PEM_R_NO_START_LINE)
    return fail(Errc::invalid, "{}: damaged CRL: {}", pem.name, openssl_error());
  ERR_clear_error();
  if (all.empty()) return fail(Errc::invalid, "{}: no CRL in it", pem.name);
  return all;
}

// An issuer that is known and has not signed the list: a mix-up, or worse.
bool is_forged(SSL_CTX* context, X509_CRL* crl) {
  bool named = false, signed_by_one = false;
  STACK_OF(X509)* issuers = X509_STORE_get1_all_certs(SSL_CTX_get_cert_store(context));
  for (int i = 0; i < sk_X509_num(issuers); ++i) {
    X509* issuer = sk_X509_value(issuers, i);
    if (X509_NAME_cmp(X509_get_subject_name(issuer), X509_CRL_get_issuer(crl)) != 0) continue;
    named = true;
    signed_by_one = signed_by_one || X509_CRL_verify(crl, X509_get0_pubkey(issuer)) == 1;
  }
  sk_X509_pop_free(issuers, X509_free);
  ERR_clear_error();
  return named && !signed_by_one;
}

Result<std::optional<WallTime>> use_crls(SSL_CTX* context, const std::string& source) {
  auto pem = load_pem(source, "CRL");
  if (!pem) return std::unexpected(pem.error());
  auto crls = crls_in(*pem);
  if (!crls) return std::unexpected(crls.error());
  std::optional<WallTime> first;
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  for (const CrlPtr& crl : *crls) {
    const std::string issuer = name_text(X509_CRL_get_issuer(crl.get()));
    if (const ASN1_TIME* next = X509_CRL_get0_nextUpdate(crl.get())) {
      const WallTime ends = time_of(next);
      if (ends <= wall_now())
        return fail(Errc::invalid, "{}: the CRL of {} is over: a newer one was due {}", pem->name, issuer,
                    time_text(ends));
      first = std::min(first.value_or(ends), ends);
    }
    if (const WallTime begins = time_of(X509_CRL_get0_lastUpdate(crl.get())); begins > wall_now())
      return fail(Errc::invalid, "{}: the CRL of {} begins in the future: {}", pem->name, issuer, time_text(begins));
    if (is_forged(context, crl.get()))
      return fail(Errc::invalid, "{}: the CRL of {} is not signed by the issuer of that name", pem->name, issuer);
    if (X509_STORE_add_crl(store, crl.get()) != 1)
      return fail(Errc::invalid, "{}: unusable CRL of {}: {}", pem->name, issuer, openssl_error());
  }
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  return first;
}

// Called for each step and each mistake. The first mistake is kept, also
// where the session goes on: what comes later shall not make it look good.
int note_mistakes(int good, X509_STORE_CTX* store) {
  const auto* ssl = static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  TlsNotes& state = TlsNotes::of(ssl);
  const int error = X509_STORE_CTX_get_error(store);
  const bool tolerable = error == X509_V_ERR_UNABLE_TO_GET_CRL && X509_STORE_CTX_get_error_depth(store) > 0;
  if (good == 0 && !tolerable && state.verify_error == X509_V_OK) state.verify_error = error;
  if (good == 0 && !tolerable && TlsRules::of(ssl)->verify == TlsVerify::require) return 0;
  X509_STORE_CTX_set_error(store, state.verify_error);
  return 1;
}

// Clients: a certificate is looked at, and a bad one is no reason to end the session.
int accept_any(int, X509_STORE_CTX*) { return 1; }

}  // namespace

Result<std::optional<WallTime>> use_verification(SSL_CTX* context, const TlsSettings& settings, bool server) {
  SSL_CTX_set_verify_depth(context, settings.verify_depth);
  if (!settings.ca.empty()) {
    if (auto used = use_issuers(context, settings.ca, server); !used) return std::unexpected(used.error());
  } else if (!server && SSL_CTX_set_default_verify_paths(context) != 1) {
    return fail(Errc::io, "the system's trusted issuers cannot be loaded: {}", openssl_error());
  }
  std::optional<WallTime> crl_expiry;
  if (!settings.crl_file.empty()) {
    if (settings.ca.empty())
      return fail(Errc::invalid, "a CRL is given, but no issuers to verify client certificates by");
    auto used = use_crls(context, settings.crl_file);
    if (!used) return std::unexpected(used.error());
    crl_expiry = *used;
  }
  if (server && settings.ca.empty()) {
    if (settings.verify == TlsVerify::require)
      return fail(Errc::invalid, "client certificates are required, but no issuers to verify them by are given");
    return crl_expiry;  // asking for certificates that nothing can verify would only trouble clients
  }
  int mode = SSL_VERIFY_NONE;
  if (settings.verify != TlsVerify::none) mode = SSL_VERIFY_PEER;
  if (settings.verify == TlsVerify::require) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  const bool lenient = settings.verify == TlsVerify::optional;
  SSL_CTX_set_verify(context, mode, server ? note_mistakes : lenient ? accept_any : nullptr);
  return crl_expiry;
}

}  // namespace impulse::net
