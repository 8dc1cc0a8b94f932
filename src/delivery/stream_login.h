// StreamLogin: authenticates a connection by ECStream to a next host, as
// Outbound_SMTP_AUTH_* say. Loop thread.
#pragma once

#include "auth/sasl_client.h"
#include "ecstream/client_session.h"
#include "smtp/client_session.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::delivery {

class StreamLogin final : public ecstream::Authenticator {
 public:
  explicit StreamLogin(smtp::ClientLogin login) : login_(std::move(login)) {}

  // For a connection, before its session starts. `confidential`: under TLS.
  void begin(bool confidential);
  // Why there is no exchange, though there has to be one; one line.
  const std::string& problem() const { return problem_; }

  std::string choose(std::string_view mechanisms) override;
  Result<std::optional<std::string>> step(std::optional<std::string_view> challenge) override;
  Result<> finish() override;

 private:
  const smtp::ClientLogin login_;
  bool confidential_ = false;
  std::string mechanism_;
  std::string problem_;
  std::unique_ptr<auth::SaslClient> sasl_;
};

}  // namespace impulse::delivery
