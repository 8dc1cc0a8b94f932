#include "net/certificate.h"

#include "base/text.h"
#include "net/tls_pem.h"

#include <openssl/bn.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>
#include <utility>

namespace impulse::net {

namespace {

template <auto free>
struct Free {
  template <class T>
  void operator()(T* object) const {
    free(object);
  }
};
template <class T, auto free>
using Owned = std::unique_ptr<T, Free<free>>;

std::string name_text(const X509_NAME* name) {
  const Owned<BIO, BIO_free> out(BIO_new(BIO_s_mem()));
  if (name == nullptr || !out || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253) < 0) return {};
  char* text = nullptr;
  const long length = BIO_get_mem_data(out.get(), &text);
  return length > 0 ? std::string(text, static_cast<size_t>(length)) : std::string();
}

std::string ia5_text(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<size_t>(ASN1_STRING_length(string))};
}

std::string address_text(const ASN1_OCTET_STRING* address) {
  const unsigned char* bytes = ASN1_STRING_get0_data(address);
  const int length = ASN1_STRING_length(address);
  std::string text;
  if (length == 4) return fmt::format("IP:{}.{}.{}.{}", bytes[0], bytes[1], bytes[2], bytes[3]);
  for (int i = 0; i + 1 < length; i += 2)
    text += fmt::format("{}{:x}", i == 0 ? "" : ":", bytes[i] << 8 | bytes[i + 1]);
  return "IP:" + text;
}

std::vector<std::string> alternative_names(const X509* certificate) {
  std::vector<std::string> found;
  const Owned<GENERAL_NAMES, GENERAL_NAMES_free> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  if (!names) return found;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS)
      found.push_back("DNS:" + ia5_text(name->d.dNSName));
    else if (name->type == GEN_EMAIL)
      found.push_back("email:" + ia5_text(name->d.rfc822Name));
    else if (name->type == GEN_URI)
      found.push_back("URI:" + ia5_text(name->d.uniformResourceIdentifier));
    else if (name->type == GEN_IPADD)
      found.push_back(address_text(name->d.iPAddress));
  }
  return found;
}

std::string serial_text(const X509* certificate) {
  const Owned<BIGNUM, BN_free> number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  if (!number) return {};
  char* text = BN_bn2hex(number.get());
  std::string found = text == nullptr ? std::string() : lower(text);
  OPENSSL_free(text);
  return found;
}

std::string key_text(X509* certificate) {
  const EVP_PKEY* key = X509_get0_pubkey(certificate);
  if (key == nullptr) return {};
  const char* kind = EVP_PKEY_get0_type_name(key);
  return fmt::format("{} {} bits", kind == nullptr ? "unknown" : kind, EVP_PKEY_get_bits(key));
}

WallTime time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return WallTime(std::chrono::seconds(::timegm(&parts)));
}

STACK_OF(X509) * chain_of(const TlsContext& context) {
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(context.native(), &chain);
  return chain;
}

bool issued(X509* issuer, X509* subject) { return X509_check_issued(issuer, subject) == X509_V_OK; }

}  // namespace

std::optional<Certificate> certificate_of(const TlsContext& context) {
  X509* first = SSL_CTX_get0_certificate(context.native());
  if (first == nullptr) return std::nullopt;
  Certificate found;
  found.subject = name_text(X509_get_subject_name(first));
  found.names = alternative_names(first);
  found.issuer = name_text(X509_get_issuer_name(first));
  found.serial = serial_text(first);
  found.key = key_text(first);
  found.begins = time_of(X509_get0_notBefore(first));
  found.expires = time_of(X509_get0_notAfter(first));
  const STACK_OF(X509)* chain = chain_of(context);
  found.chain = chain == nullptr ? 0 : static_cast<size_t>(sk_X509_num(chain));
  return found;
}

std::string chain_trouble(const TlsContext& context, WallTime now) {
  X509* last = SSL_CTX_get0_certificate(context.native());
  if (last == nullptr) return {};
  STACK_OF(X509)* chain = chain_of(context);
  const int count = chain == nullptr ? 0 : sk_X509_num(chain);
  for (int i = 0; i < count; ++i) {
    X509* next = sk_X509_value(chain, i);
    if (!issued(next, last))
      return fmt::format("the chain is out of order: {} did not issue {}", name_text(X509_get_subject_name(next)),
                         name_text(X509_get_subject_name(last)));
    if (time_of(X509_get0_notAfter(next)) <= now)
      return fmt::format("in its chain, {} is over", name_text(X509_get_subject_name(next)));
    last = next;
  }
  if (count > 0 || issued(last, last)) return {};  // a private issuer may be known to those who come
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
