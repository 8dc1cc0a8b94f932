#include "auth/credentials.h"

#include "auth/password.h"

#include <algorithm>

namespace impulse::auth {

namespace {

constexpr size_t longest_user = 255;              // bytes
constexpr size_t longest_password = 1024;         // bytes
constexpr uint64_t fewest_iterations = 4096;      // RFC 7677
constexpr uint64_t most_iterations = 10'000'000;  // the client has to do them: minutes

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

std::string wrong_with_password(std::string_view password) {
  if (password.empty()) return "an empty password";
  if (password.size() > longest_password) return fmt::format("a password has at most {} bytes", longest_password);
  if (password.find('\0') != std::string_view::npos) return "a password with a NUL in it";
  return {};
}

struct Parsed {
  std::string qualifier;
  Credential credential;
  std::string wrong;  // empty: fine
};

Parsed wrong(std::string why) { return {{}, {}, std::move(why)}; }

Parsed parse_plain(std::string_view rest) {
  if (std::string why = wrong_with_password(rest); !why.empty()) return wrong(std::move(why));
  Parsed parsed;
  parsed.credential.password = std::string(rest);
  return parsed;
}

Parsed parse_digest(std::string_view rest, bool cleartext) {
  const size_t colon = rest.find(':');
  if (colon == std::string_view::npos) return wrong("user:realm:hash is expected");
  const std::string_view secret = rest.substr(colon + 1);
  Parsed parsed;
  parsed.qualifier = std::string(rest.substr(0, colon));
  if (cleartext) {
    if (std::string why = wrong_with_password(secret); !why.empty()) return wrong(std::move(why));
    parsed.credential.password = std::string(secret);
    return parsed;
  }
  const std::string hash = lower(secret);
  if (hash.size() != 32 || hash.find_first_not_of("0123456789abcdef") != std::string::npos)
    return wrong("a hash of 32 hexadecimal digits is expected behind the realm");
  parsed.credential.digest = hash;
  return parsed;
}

bool is_key(std::string_view text, size_t size) {
  std::string bytes;
  return from_base64(text, bytes) && bytes.size() == size;
}

// MECHANISM$iterations:salt$StoredKey:ServerKey
Parsed parse_scram(std::string_view rest) {
  const auto parts = split(rest, '$');
  if (parts.size() != 3) return wrong("user:SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey is expected");
  const auto mechanism = find_mechanism(parts[0]);
  if (mechanism != Mechanism::scram_sha_256 && mechanism != Mechanism::scram_sha_1)
    return wrong("SCRAM-SHA-256 or SCRAM-SHA-1 is expected behind the user");
  const size_t key_size = mechanism == Mechanism::scram_sha_256 ? 32 : 20;
  const auto cost = split(parts[1], ':');
  const auto keys = split(parts[2], ':');
  if (cost.size() != 2 || keys.size() != 2) return wrong("iterations:salt and StoredKey:ServerKey are expected");
  const auto iterations = parse_unsigned(cost[0], most_iterations);
  if (!iterations || *iterations < fewest_iterations)
    return wrong(fmt::format("iterations are a number from {} to {}", fewest_iterations, most_iterations));
  std::string salt;
  if (!from_base64(cost[1], salt) || salt.empty()) return wrong("the salt is not base64");
  if (!is_key(keys[0], key_size) || !is_key(keys[1], key_size))
    return wrong(fmt::format("the keys are to be {} bytes each, in base64", key_size));
  Parsed parsed;
  parsed.qualifier = std::string(name(*mechanism));
  parsed.credential.iterations = static_cast<uint32_t>(*iterations);
  parsed.credential.salt = std::string(cost[1]);
  parsed.credential.stored_key = std::string(keys[0]);
  parsed.credential.server_key = std::string(keys[1]);
  return parsed;
}

Parsed parse_rest(Format format, std::string_view rest) {
  switch (format) {
    case Format::file:
      return parse_plain(rest);
    case Format::digest:
    case Format::digest_cleartext:
      return parse_digest(rest, format == Format::digest_cleartext);
    case Format::scram:
      return parse_scram(rest);
  }
  return wrong("an unknown format");
}

}  // namespace

// Names go into logs, replies and the roles' patterns: whole, and harmless.
std::string wrong_with_user(std::string_view user) {
  if (user.empty()) return "a user name is expected";
  if (user.size() > longest_user) return fmt::format("a user name has at most {} bytes", longest_user);
  if (std::any_of(user.begin(), user.end(), is_control) || !is_utf8(user) || trim(user) != user)
    return "a user name is UTF-8 without control characters, and without blanks at its ends";
  return {};
}

std::shared_ptr<const Credentials> Credentials::parse(Format format, std::string_view text, std::vector<BadLine>& bad) {
  auto made = std::make_shared<Credentials>();
  uint32_t number = 0;
  for (std::string_view line : split(text, '\n')) {
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (trim(line).empty() || line.starts_with('#')) continue;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) {
      bad.push_back({number, "a ':' is expected behind the user"});
      continue;
    }
    const std::string_view user = line.substr(0, colon);
    std::string why = wrong_with_user(user);
    Parsed parsed;
    if (why.empty()) {
      parsed = parse_rest(format, line.substr(colon + 1));
      why = std::move(parsed.wrong);
    }
    if (why.empty()) {
      parsed.credential.fingerprint = fingerprint(line);
      const auto [at, fresh] =
          made->credentials_.try_emplace(std::pair(std::string(user), parsed.qualifier), std::move(parsed.credential));
      if (fresh)
        made->examples_.try_emplace(parsed.qualifier, &at->second);
      else
        why = "this user is in the file already";
    }
    if (!why.empty()) bad.push_back({number, std::move(why)});
  }
  return made;
}

const Credential* Credentials::find(std::string_view user, std::string_view qualifier) const {
  const auto at = credentials_.find(std::pair(std::string(user), std::string(qualifier)));
  return at == credentials_.end() ? nullptr : &at->second;
}

const Credential* Credentials::any(std::string_view qualifier) const {
  const auto at = examples_.find(qualifier);
  return at == examples_.end() ? nullptr : at->second;
}

}  // namespace impulse::auth
