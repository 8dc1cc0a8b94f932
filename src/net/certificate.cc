#include "net/certificate.h"

#include "base/text.h"
#include "net/tls_pem.h"
#include "net/tls_rules.h"
#include "net/tls_x509.h"

#include <openssl/x509v3.h>

#include <string_view>

namespace impulse::net {

namespace {

// "DNS:mx.example.com"; what no line can hold is escaped.
std::vector<std::string> names_of(const X509* certificate) {
  constexpr std::string_view kinds[] = {"DNS", "email", "URI", "IP"};
  std::vector<std::string> found;
  for (const AlternativeName& name : alternative_names(certificate))
    found.push_back(fmt::format("{}:{}", kinds[static_cast<size_t>(name.kind)], escape_line(name.text)));
  return found;
}

std::string key_text(X509* certificate) {
  const EVP_PKEY* key = X509_get0_pubkey(certificate);
  if (key == nullptr) return {};
  const char* kind = EVP_PKEY_get0_type_name(key);
  return fmt::format("{} {} bits", kind == nullptr ? "unknown" : kind, EVP_PKEY_get_bits(key));
}

// The certificates that are served: the first, and those by server name.
const Credentials* served(const TlsContext& context, size_t index) {
  const TlsRules* rules = context.rules();
  if (rules == nullptr || index >= rules->served.size()) return nullptr;
  return &rules->served[index].credentials;
}

bool issued(X509* issuer, X509* subject) { return X509_check_issued(issuer, subject) == X509_V_OK; }

}  // namespace

std::optional<Certificate> certificate_of(const TlsContext& context, size_t index) {
  const Credentials* credentials = served(context, index);
  if (credentials == nullptr) return std::nullopt;
  X509* first = credentials->leaf.get();
  Certificate found;
  found.subject = name_text(X509_get_subject_name(first));
  found.names = names_of(first);
  found.issuer = name_text(X509_get_issuer_name(first));
  found.serial = serial_text(first);
  found.key = key_text(first);
  found.begins = time_of(X509_get0_notBefore(first));
  found.expires = time_of(X509_get0_notAfter(first));
  found.chain = credentials->chain.size();
  return found;
}

std::string chain_trouble(const TlsContext& context, WallTime now, size_t index) {
  const Credentials* credentials = served(context, index);
  if (credentials == nullptr) return {};
  X509* last = credentials->leaf.get();
  for (const X509Ptr& behind : credentials->chain) {
    X509* next = behind.get();
    if (!issued(next, last))
      return fmt::format("the chain is out of order: {} did not issue {}", name_text(X509_get_subject_name(next)),
                         name_text(X509_get_subject_name(last)));
    if (time_of(X509_get0_notAfter(next)) <= now)
      return fmt::format("in its chain, {} is over", name_text(X509_get_subject_name(next)));
    last = next;
  }
  if (!credentials->chain.empty() || issued(last, last)) return {};  // a private issuer may be known to those who come
  const Owned<X509_STORE, X509_STORE_free> store(X509_STORE_new());
  const Owned<X509_STORE_CTX, X509_STORE_CTX_free> look(X509_STORE_CTX_new());
  if (!store || !look || X509_STORE_set_default_paths(store.get()) != 1 ||
      X509_STORE_CTX_init(look.get(), store.get(), last, nullptr) != 1)
    return {};
  X509* issuer = nullptr;
  const bool known = X509_STORE_CTX_get1_issuer(&issuer, look.get(), last) == 1;
  X509_free(issuer);
  (void)openssl_error();  // empties the queue
  if (known) return {};
  return fmt::format("the chain is incomplete: the certificate of its issuer, {}, is not in the file",
                     name_text(X509_get_issuer_name(last)));
}

}  // namespace impulse::net
