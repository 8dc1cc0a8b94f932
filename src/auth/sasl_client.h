// SASL from the client's side: one exchange with a next host, over GNU SASL.
// Bytes are raw here; base64 is the carrying protocol's.
#pragma once

#include "auth/client_mechanisms.h"
#include "base/result.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

struct Gsasl_session;

namespace impulse::auth {

// Who logs in.
struct ClientIdentity {
  std::string user;
  std::string password;
};

// One thread at a time.
class SaslClient {
 public:
  // SCRAM has a server choose how much work the proof is; more is refused.
  static constexpr size_t most_iterations = 200'000;

  ~SaslClient();
  SaslClient(const SaslClient&) = delete;
  SaslClient& operator=(const SaslClient&) = delete;

  // `mechanism`: one of client_mechanisms(). unavailable: the library has it not.
  static Result<std::unique_ptr<SaslClient>> begin(std::string_view mechanism, ClientIdentity identity);

  // The client has the first word, and may send it along with its request.
  bool speaks_first() const;
  // The response to a challenge; speaking first, to an empty one. invalid: the
  // challenge is none of this mechanism, or the server's proof is wrong.
  Result<std::string> step(std::string_view challenge);
  // Nothing is to come: all was said, and the server has proved what it has to
  // (SCRAM: that it knows the password, too).
  bool complete() const { return complete_; }

 private:
  SaslClient(std::string_view mechanism, ClientIdentity identity);

  const std::string_view mechanism_;
  const ClientIdentity identity_;
  Gsasl_session* session_ = nullptr;  // none: XOAUTH2
  bool complete_ = false;
  int steps_ = 0;
};

}  // namespace impulse::auth
