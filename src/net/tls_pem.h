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
#include <string_view>
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
// For messages: the path, or "inline PEM".
std::string pem_name(const std::string& source);
// `what` is what it should be ("certificate"), for messages.
Result<Pem> load_pem(const std::string& source, std::string_view what);
// All of them, in order; at least one.
Result<std::vector<X509Ptr>> certificates_in(const Pem& pem);
// The first private key. `password`: literal, "file:/path", or empty.
Result<KeyPtr> key_in(const Pem& pem, const std::string& password);

// A certificate with what belongs to it.
struct Credentials {
  X509Ptr leaf;
  std::vector<X509Ptr> chain;  // behind it, in the file's order
  KeyPtr key;
};
// `key` empty: it is in `certificate`. Checked against each other.
Result<Credentials> load_credentials(const std::string& certificate, const std::string& key,
                                     const std::string& password);
// Into `context`, as its first certificate; refuses what is too weak for it.
Result<> use_credentials(SSL_CTX* context, const Credentials& credentials, std::string_view name);

// Parameters for Diffie-Hellman in finite fields, of 2048 bits or more.
Result<KeyPtr> load_dh_parameters(const std::string& source);

// What OpenSSL's error queue says last, in words; empties the queue.
std::string openssl_error();

}  // namespace impulse::net
