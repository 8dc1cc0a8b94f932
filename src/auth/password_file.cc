#include "auth/password_file.h"

#include "auth/password.h"
#include "base/tenant.h"
#include "base/text.h"

#include <gsasl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstdlib>

namespace impulse::auth {

namespace {

constexpr size_t salt_size = 16;  // bytes

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

std::string hashed(const EVP_MD* hash, std::string_view text) {
  std::string out(static_cast<size_t>(EVP_MD_get_size(hash)), '\0');
  if (EVP_Digest(text.data(), text.size(), bytes_of(out), nullptr, hash, nullptr) != 1) std::abort();
  return out;
}

std::string keyed(const EVP_MD* hash, std::string_view key, std::string_view text) {
  std::string out(static_cast<size_t>(EVP_MD_get_size(hash)), '\0');
  if (HMAC(hash, key.data(), static_cast<int>(key.size()), bytes_of(text), text.size(), bytes_of(out), nullptr) ==
      nullptr)
    std::abort();
  return out;
}

std::string hex_of(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

std::string digest_of(std::string_view user, std::string_view realm, std::string_view password) {
  return hex_of(hashed(EVP_md5(), fmt::format("{}:{}:{}", user, realm, password)));
}

// As SCRAM's clients prepare it (RFC 4013).
Result<std::string> prepared(const std::string& password) {
  if (password.find('\0') != std::string::npos) return fail(Errc::invalid, "a password with a NUL in it");
  char* out = nullptr;
  if (gsasl_saslprep(password.c_str(), GSASL_ALLOW_UNASSIGNED, &out, nullptr) != GSASL_OK || out == nullptr)
    return fail(Errc::invalid, "the password has characters that SCRAM does not allow (RFC 4013), or is not UTF-8");
  std::string result(out);
  std::free(out);  // NOLINT(cppcoreguidelines-no-malloc): it comes from a C library
  if (result.empty()) return fail(Errc::invalid, "an empty password");
  return result;
}

struct ScramKeys {
  std::string stored;
  std::string server;
};

// RFC 5802, section 3.
ScramKeys scram_keys(Mechanism mechanism, std::string_view password, std::string_view salt, uint32_t iterations) {
  const EVP_MD* hash = mechanism == Mechanism::scram_sha_1 ? EVP_sha1() : EVP_sha256();
  std::string salted(static_cast<size_t>(EVP_MD_get_size(hash)), '\0');
  if (PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), bytes_of(salt),
                        static_cast<int>(salt.size()), static_cast<int>(iterations), hash,
                        static_cast<int>(salted.size()), bytes_of(salted)) != 1)
    std::abort();
  return {hashed(hash, keyed(hash, salted, "Client Key")), keyed(hash, salted, "Server Key")};
}

Result<std::string> lines_for(Format format, const NewCredential& credential) {
  const std::string entry = tenant_name(credential.tenant, credential.user);
  switch (format) {
    case Format::file:
      return fmt::format("{}:{}\n", entry, credential.password);
    case Format::digest:
      // The client knows nothing of its tenant: the hash is of the name it says.
      return fmt::format("{}:{}:{}\n", entry, credential.realm,
                         digest_of(credential.user, credential.realm, credential.password));
    case Format::scram: {
      const auto password = prepared(credential.password);
      if (!password) return std::unexpected(password.error());
      std::string lines;
      for (const Mechanism mechanism : credential.hashes) {
        const std::string salt = random_bytes(salt_size);
        const ScramKeys keys = scram_keys(mechanism, *password, salt, credential.iterations);
        lines += fmt::format("{}:{}${}:{}${}:{}\n", entry, name(mechanism), credential.iterations, to_base64(salt),
                             to_base64(keys.stored), to_base64(keys.server));
      }
      return lines;
    }
    case Format::digest_cleartext:
      break;
  }
  return fail(Errc::invalid, "files of that format are not made here");
}

// Of a line: whose it is, and of which realm or mechanism. Empty user: of nobody.
struct Owner {
  std::string_view user;
  std::string_view qualifier;
};

Owner owner_of(Format format, std::string_view line) {
  if (line.starts_with('#')) return {};
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return {};
  Owner owner{line.substr(0, colon), {}};
  const std::string_view rest = line.substr(colon + 1);
  if (format == Format::digest) owner.qualifier = rest.substr(0, rest.find(':'));
  if (format == Format::scram) owner.qualifier = rest.substr(0, rest.find('$'));
  return owner;
}

// With its line end, where it has one.
std::string_view take_line(std::string_view& text) {
  const size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end == std::string_view::npos ? end : end + 1);
  text.remove_prefix(line.size());
  return line;
}

}  // namespace

Result<PasswordFile> PasswordFile::parse(Format format, std::string_view text) {
  std::vector<BadLine> bad;
  Credentials::parse(format, text, bad);
  if (!bad.empty()) return fail(Errc::invalid, "line {}: {}", bad.front().line, bad.front().why);
  return PasswordFile(format, text);
}

std::optional<Format> PasswordFile::guess(std::string_view text) {
  for (const Format format : {Format::scram, Format::digest, Format::file}) {
    std::vector<BadLine> bad;
    const auto all = Credentials::parse(format, text, bad);
    if (bad.empty() && all->size() == 0) return std::nullopt;  // comments alone
    if (bad.empty()) return format;
  }
  return Format::file;
}

std::vector<PasswordFile::User> PasswordFile::users() const {
  std::vector<User> found;
  for (std::string_view rest = text_; !rest.empty();)
    if (const Owner owner = owner_of(format_, take_line(rest)); !owner.user.empty())
      found.push_back({std::string(owner.user), std::string(owner.qualifier)});
  return found;
}

Result<bool> PasswordFile::set(const NewCredential& credential) {
  const auto lines = lines_for(format_, credential);
  if (!lines) return std::unexpected(lines.error());
  // Whether they say what they should: a user with a colon would be somebody else.
  std::vector<BadLine> bad;
  const auto alone = Credentials::parse(format_, *lines, bad);
  if (!bad.empty()) return fail(Errc::invalid, "{}", bad.front().why);
  const auto fresh = parse(format_, *lines);
  if (alone->size() != (format_ == Format::scram ? credential.hashes.size() : 1) ||
      fresh->verify(credential.user, credential.password, credential.realm, credential.tenant) != true)
    return fail(Errc::invalid,
                "a file of this format cannot hold that user or password: no ':' and no '#' at the "
                "beginning of a user, no ':' in a realm, no line end in a password");
  const std::string entry = tenant_name(credential.tenant, credential.user);
  std::string made;
  bool there = false;
  for (std::string_view rest = text_; !rest.empty();) {
    const std::string_view line = take_line(rest);
    const Owner owner = owner_of(format_, line);
    if (owner.user != entry || (format_ == Format::digest && owner.qualifier != credential.realm)) {
      made += line;
      continue;
    }
    if (!there) made += *lines;
    there = true;
  }
  if (!there) {
    if (!made.empty() && !made.ends_with('\n')) made += '\n';
    made += *lines;
  }
  text_ = std::move(made);
  return there;
}

size_t PasswordFile::remove(std::string_view user, std::string_view realm) {
  std::string made;
  size_t gone = 0;
  for (std::string_view rest = text_; !rest.empty();) {
    const std::string_view line = take_line(rest);
    const Owner owner = owner_of(format_, line);
    if (!owner.user.empty() && owner.user == user && (realm.empty() || owner.qualifier == realm))
      ++gone;
    else
      made += line;
  }
  text_ = std::move(made);
  return gone;
}

std::optional<bool> PasswordFile::verify(std::string_view user, std::string_view password, std::string_view realm,
                                         std::string_view tenant) const {
  const std::string entry = tenant_name(tenant, user);
  std::vector<BadLine> bad;
  const auto all = Credentials::parse(format_, text_, bad);
  if (format_ == Format::scram) {
    std::optional<bool> good;
    for (const Mechanism mechanism : {Mechanism::scram_sha_256, Mechanism::scram_sha_1}) {
      const Credential* credential = all->find(entry, name(mechanism));
      if (credential == nullptr) continue;
      std::string salt;
      from_base64(credential->salt, salt);
      const auto plain = prepared(std::string(password));
      const bool same =
          plain && same_secret(to_base64(scram_keys(mechanism, *plain, salt, credential->iterations).stored),
                               credential->stored_key);
      good = same && good.value_or(true);
    }
    return good;
  }
  const Credential* credential = all->find(entry, format_ == Format::digest ? realm : std::string_view());
  if (credential == nullptr) return std::nullopt;
  if (format_ == Format::digest) return same_secret(credential->digest, digest_of(user, realm, password));
  return same_secret(credential->password, password);
}

}  // namespace impulse::auth
