// PasswordFile: a file of credentials as somebody edits it: lines are made,
// replaced and taken out; comments, order and everybody else stay as they are.
#pragma once

#include "auth/credentials.h"
#include "base/result.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::auth {

// What a new line is to be like.
struct NewCredential {
  std::string user;  // as the client says it
  std::string password;
  std::string realm{};                                      // digest
  std::vector<Mechanism> hashes{Mechanism::scram_sha_256};  // scram: SCRAM-SHA-256, SCRAM-SHA-1, or both
  uint32_t iterations = 4096;                               // scram: 4,096 to 10,000,000
  std::string tenant{};                                     // whose user it is; empty: of no tenant
};

// A tenant's users stand in it behind the tenant's name: "blue/alice".
class PasswordFile {
 public:
  // `format`: file, digest or scram. Errors name the line that is none.
  static Result<PasswordFile> parse(Format format, std::string_view text);
  // The format of a text that has lines: scram or digest when all are of that, else file.
  static std::optional<Format> guess(std::string_view text);

  const std::string& text() const { return text_; }
  struct User {
    std::string name;
    std::string qualifier;  // realm, or mechanism
  };
  std::vector<User> users() const;  // in order

  // The user's lines go (of digest: the one of that realm), the new ones stand
  // where the first of them stood, or at the end. Errc::invalid: the format
  // cannot hold that user or password. True: there was such a user.
  Result<bool> set(const NewCredential& credential);
  // By the name in the file. `realm` empty: of all realms. How many lines went.
  size_t remove(std::string_view user, std::string_view realm = {});
  // Whether that is the user's password; nothing: there is no such user.
  std::optional<bool> verify(std::string_view user, std::string_view password, std::string_view realm = {},
                             std::string_view tenant = {}) const;

 private:
  PasswordFile(Format format, std::string_view text) : format_(format), text_(text) {}
  Format format_;
  std::string text_;
};

}  // namespace impulse::auth
