// How a client of ECStream logs in: SASL over GNU SASL, or by the certificate
// that its connection has shown.
#pragma once

#include "ecstream/client_session.h"

#include <memory>
#include <string>

namespace impulse::console {

class SaslAuthenticator final : public ecstream::Authenticator {
 public:
  // `confidential`: nobody can listen, so that the password itself may be sent.
  // Without a user: EXTERNAL where it is offered, else nothing.
  SaslAuthenticator(std::string user, std::string password, std::string host, bool confidential);
  ~SaslAuthenticator() override;
  SaslAuthenticator(const SaslAuthenticator&) = delete;
  SaslAuthenticator& operator=(const SaslAuthenticator&) = delete;

  std::string choose(std::string_view mechanisms) override;
  Result<std::optional<std::string>> step(std::optional<std::string_view> challenge) override;
  Result<> finish() override;

 private:
  struct Exchange;  // of GNU SASL
  std::string user_;
  std::string password_;
  std::string host_;
  bool confidential_;
  std::string mechanism_;
  std::unique_ptr<Exchange> exchange_;
};

}  // namespace impulse::console
