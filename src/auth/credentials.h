// Credentials: one file of users and what proves who they are. Formats, all
// with '#' comments and empty lines:
//   file    user:password                    the password in clear
//   digest  user:realm:md5                   md5 = hex MD5(user:realm:password), as htdigest writes it
//   scram   user:SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey
//                                            all in base64, as PostgreSQL writes it; SCRAM-SHA-1 too
// A user has one line, in digest one a realm, in scram one a hash function.
#pragma once

#include "auth/mechanism.h"
#include "base/text.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::auth {

enum class Format : uint8_t { file, digest, digest_cleartext, scram };

// Secret through and through: never shown, never in a message.
struct Credential {
  std::string password;     // file and digest_cleartext; else empty
  std::string digest;       // digest: 32 hexadecimal digits
  uint32_t iterations = 0;  // scram
  std::string salt;         // scram: these three in base64
  std::string stored_key;
  std::string server_key;
  // Of all that: another one means that the password was changed.
  std::string fingerprint;
};

// What is wrong with a line, without saying what is in it.
struct BadLine {
  uint32_t line = 0;  // from 1
  std::string why;
};

// What is wrong with the name of a user, for all files; empty: nothing.
std::string wrong_with_user(std::string_view user);

// Immutable, shared between threads.
class Credentials {
 public:
  // Bad lines are left out, and told: who wants a file to be right refuses it then.
  static std::shared_ptr<const Credentials> parse(Format format, std::string_view text, std::vector<BadLine>& bad);

  // `qualifier`: the realm in digest files, the mechanism's name in scram files, else empty.
  const Credential* find(std::string_view user, std::string_view qualifier) const;
  size_t size() const { return credentials_.size(); }
  // Any entry of that qualifier: what those that are not there are made to look like.
  const Credential* any(std::string_view qualifier) const;

 private:
  std::map<std::pair<std::string, std::string>, Credential> credentials_;  // by user and qualifier
  std::map<std::string, const Credential*, std::less<>> examples_;         // by qualifier
};

}  // namespace impulse::auth
