#include "net/tls_pem.h"

#include "base/files.h"
#include "base/text.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

namespace impulse::net {

namespace {

constexpr size_t largest_pem = 16 << 20;

struct BioDeleter {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using BioPtr = std::unique_ptr<BIO, BioDeleter>;

BioPtr reader(const Pem& pem) { return BioPtr(BIO_new_mem_buf(pem.text.data(), static_cast<int>(pem.text.size()))); }

bool is_pem_end() {
  const unsigned long error = ERR_peek_last_error();
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

// Never asks on the terminal, which is OpenSSL's default.
int give_password(char* buffer, int size, int, void* password) {
  const auto& text = *static_cast<const std::string*>(password);
  if (text.empty() || text.size() > static_cast<size_t>(size)) return -1;
  std::memcpy(buffer, text.data(), text.size());
  return static_cast<int>(text.size());
}

int no_password(char*, int, int, void*) { return -1; }

Result<std::string> password_of(const std::string& setting) {
  if (!setting.starts_with("file:")) return setting;
  std::string path = setting.substr(5);
  if (path.starts_with("//")) path.erase(0, 2);
  auto content = read_file(path, 64 << 10);
  if (!content) return fail(content.error().code, "password of the key: {}", content.error().message);
  return content->substr(0, content->find_first_of("\r\n"));
}

}  // namespace

std::string openssl_error() {
  const unsigned long error = ERR_peek_last_error();
  const char* text = ERR_reason_error_string(error);
  ERR_clear_error();
  return text != nullptr ? text : "unknown error";
}

std::string pem_path(const std::string& source) {
  if (source.find("-----BEGIN") != std::string::npos) return {};
  return source.starts_with("file://") ? source.substr(7) : source;
}

std::string pem_name(const std::string& source) {
  std::string path = pem_path(source);
  return path.empty() ? "inline PEM" : path;
}

Result<Pem> load_pem(const std::string& source, std::string_view what) {
  const std::string path = pem_path(source);
  if (path.empty()) return Pem{pem_name(source), source};
  auto text = read_file(path, largest_pem);
  if (!text) return fail(text.error().code, "{}: {}", what, text.error().message);
  if (text->find("-----BEGIN") == std::string::npos) return fail(Errc::invalid, "{}: {}: not a PEM file", what, path);
  return Pem{path, std::move(*text)};
}

Result<std::vector<X509Ptr>> certificates_in(const Pem& pem) {
  const BioPtr bio = reader(pem);
  std::vector<X509Ptr> all;
  ERR_clear_error();
  while (X509* next = PEM_read_bio_X509_AUX(bio.get(), nullptr, no_password, nullptr)) all.emplace_back(next);
  if (!is_pem_end()) return fail(Errc::invalid, "{}: damaged certificate: {}", pem.name, openssl_error());
  ERR_clear_error();
  if (all.empty()) return fail(Errc::invalid, "{}: no certificate in it", pem.name);
  return all;
}

Result<KeyPtr> key_in(const Pem& pem, const std::string& password) {
  auto secret = password_of(password);
  if (!secret) return std::unexpected(secret.error());
  if (pem.text.find("PRIVATE KEY-----") == std::string::npos)
    return fail(Errc::invalid, "{}: no private key in it", pem.name);
  const BioPtr bio = reader(pem);
  ERR_clear_error();
  KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, give_password, &*secret));
  const std::string reason = key ? std::string() : openssl_error();
  ERR_clear_error();
  if (!secret->empty()) OPENSSL_cleanse(secret->data(), secret->size());
  if (key) return key;
  // PKCS #8 says ENCRYPTED in its label, the older formats in a header (RFC 1421).
  if (pem.text.find("ENCRYPTED") == std::string::npos)
    return fail(Errc::invalid, "{}: damaged private key: {}", pem.name, reason);
  if (secret->empty())
    return fail(Errc::denied, "{}: the private key is encrypted, and no password is given", pem.name);
  return fail(Errc::denied, "{}: wrong password for the private key", pem.name);
}

Result<Credentials> load_credentials(const std::string& certificate, const std::string& key_source,
                                     const std::string& password) {
  auto pem = load_pem(certificate, "certificate");
  if (!pem) return std::unexpected(pem.error());
  auto chain = certificates_in(*pem);
  if (!chain) return std::unexpected(chain.error());
  Result<Pem> key_pem = key_source.empty() ? pem : load_pem(key_source, "private key");
  if (!key_pem) return std::unexpected(key_pem.error());
  if (key_source.empty() && pem->text.find("PRIVATE KEY-----") == std::string::npos)
    return fail(Errc::invalid, "{}: no private key in it, and none is given elsewhere", pem->name);
  auto key = key_in(*key_pem, password);
  if (!key) return std::unexpected(key.error());
  ERR_clear_error();
  if (X509_check_private_key(chain->front().get(), key->get()) != 1) {
    ERR_clear_error();
    return fail(Errc::invalid, "{}: this private key does not belong to the certificate in {}", key_pem->name,
                pem->name);
  }
  Credentials loaded;
  loaded.leaf = std::move(chain->front());
  loaded.chain.assign(std::make_move_iterator(chain->begin() + 1), std::make_move_iterator(chain->end()));
  loaded.key = std::move(*key);
  return loaded;
}

Result<> use_credentials(SSL_CTX* context, const Credentials& credentials, std::string_view name) {
  ERR_clear_error();
  if (SSL_CTX_use_certificate(context, credentials.leaf.get()) != 1)
    return fail(Errc::invalid, "{}: unusable certificate: {}", name, openssl_error());
  if (SSL_CTX_use_PrivateKey(context, credentials.key.get()) != 1)
    return fail(Errc::invalid, "{}: unusable private key: {}", name, openssl_error());
  for (const X509Ptr& issuer : credentials.chain) {
    if (SSL_CTX_add1_chain_cert(context, issuer.get()) != 1)
      return fail(Errc::invalid, "{}: unusable chain: {}", name, openssl_error());
  }
  return {};
}

Result<KeyPtr> load_dh_parameters(const std::string& source) {
  constexpr int least_bits = 2048;
  auto pem = load_pem(source, "Diffie-Hellman parameters");
  if (!pem) return std::unexpected(pem.error());
  const BioPtr bio = reader(*pem);
  ERR_clear_error();
  KeyPtr parameters(PEM_read_bio_Parameters(bio.get(), nullptr));
  if (!parameters) {
    ERR_clear_error();
    return fail(Errc::invalid, "{}: no Diffie-Hellman parameters in it", pem->name);
  }
  if (EVP_PKEY_is_a(parameters.get(), "DH") != 1 && EVP_PKEY_is_a(parameters.get(), "DHX") != 1)
    return fail(Errc::invalid, "{}: these are no Diffie-Hellman parameters", pem->name);
  if (const int bits = EVP_PKEY_get_bits(parameters.get()); bits < least_bits)
    return fail(Errc::invalid, "{}: Diffie-Hellman parameters of {} bits are too weak; {} is the least", pem->name,
                bits, least_bits);
  return parameters;
}

}  // namespace impulse::net
