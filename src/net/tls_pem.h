// Certificates and keys from PEM: a path, "file:///path", or the PEM itself.
// net/ only.
#pragma once

#include "base/result.h"
#include "net/tls.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

namespace impulse::net {

struct X509Deleter {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct KeyDeleter {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using X509Ptr = std::unique_ptr<X509, X509Deleter>;
using KeyPtr = std::unique_ptr<EVP_PKEY, KeyDeleter>;

struct Pem {
  std::string name;  // for messages: the path, or "inline PEM"
  std::string text;
};

// The path that `source` names; empty for inline PEM.
std::string pem_path(const std::string& source);
// `what` is what it should be ("certificate"), for messages.
Result<Pem> load_pem(const std::string& source, std::string_view what);
// All of them, in order; at least one.
Result<std::vector<X509Ptr>> certificates_in(const Pem& pem);
// The first private key. `password`: literal, "file:/path", or empty.
Result<KeyPtr> key_in(const Pem& pem, const std::string& password);

// Certificate, chain and key of `settings` into `context`, checked against each other.
Result<> use_certificate(SSL_CTX* context, const TlsSettings& settings);
// The issuers that `context` trusts: PEM file, or a folder with hashed names
// (c_rehash). A server also names them to its clients.
Result<> use_issuers(SSL_CTX* context, const std::string& source, bool server);

// What OpenSSL's error queue says last, in words; empties the queue.
std::string openssl_error();

}  // namespace impulse::net
