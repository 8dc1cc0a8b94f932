// What the Auth…Parameters and AuthorizationParameters options say: which
// mechanism is to be had, and where its credentials are.
//   uri = "file:///path"     user:password
//   uri = "digest:///path"   user:realm:hash
//   uri = "scram:///path"    keys of SCRAM
//   uri = "groups:///path"   who is in which group
//   uri = "keys:///path"     API keys
#pragma once

#include "auth/credentials.h"
#include "auth/mechanism.h"
#include "base/result.h"
#include "config/snapshot.h"

#include <string>
#include <vector>

namespace impulse::auth {

// One mechanism that is configured.
struct Source {
  Mechanism mechanism = Mechanism::login;
  Format format = Format::file;
  std::string path;   // absolute
  std::string realm;  // DIGEST-MD5; empty: the server's name
  bool log = true;    // log_authentication

  friend bool operator==(const Source&, const Source&) = default;
};

struct GroupSource {
  std::string path;  // absolute; empty: none
  bool log = true;   // log_authorization
};

struct KeySource {
  std::string path;  // absolute; empty: none
  bool log = true;   // log_authentication
};

// What one option says. An empty dictionary: nothing. Errors say which key is
// wrong and why. AuthScramParameters gives four sources: one a hash function,
// with and without channel binding.
Result<std::vector<Source>> read_parameters(Mechanism mechanism, const config::Dictionary& dictionary);
Result<GroupSource> read_group_parameters(const config::Dictionary& dictionary);
Result<KeySource> read_key_parameters(const config::Dictionary& dictionary);

// The options in which mechanisms are configured for a console.
struct ParameterOption {
  config::Key<config::Dictionary> key;
  Mechanism mechanism;
};
std::span<const ParameterOption> console_parameters();

// All that a console's options configure, the mechanism to prefer first; no
// channel binding. What cannot be read is left out (a commit has refused it).
std::vector<Source> console_sources(const config::Options& options);
// The same for a listener that takes mail: PLAIN and channel binding too.
std::vector<Source> mail_sources(const config::Options& options);
std::span<const ParameterOption> mail_parameters();
GroupSource console_groups(const config::Options& options);
// API_Keys of a listener for HTTP or ECStream.
KeySource key_source(const config::Options& options);

}  // namespace impulse::auth
