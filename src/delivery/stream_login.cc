#include "delivery/stream_login.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace impulse::delivery {

void StreamLogin::begin(bool confidential) {
  confidential_ = confidential;
  problem_ = "the server does not offer AUTH";
  sasl_.reset();
}

std::string StreamLogin::choose(std::string_view mechanisms) {
  if (login_.requires_tls && !confidential_) {
    problem_ = "there is no TLS, and Outbound_SMTP_AUTH_Requires_TLS";
    return {};
  }
  const auto offered = words(mechanisms);
  const auto common = std::ranges::find_if(login_.mechanisms, [&](const std::string& ours) {
    return std::ranges::any_of(offered, [&](std::string_view theirs) { return iequals(ours, theirs); });
  });
  if (common == login_.mechanisms.end()) {
    problem_ = fmt::format("the server offers {} only, and none of Outbound_SMTP_AUTH_Type",
                           escape_line(std::string(mechanisms), 400));
    return {};
  }
  problem_.clear();
  mechanism_ = upper(*common);
  return mechanism_;
}

Result<std::optional<std::string>> StreamLogin::step(std::optional<std::string_view> challenge) {
  if (!sasl_) {
    auto begun = auth::SaslClient::begin(mechanism_, {login_.user, login_.password});
    if (!begun) return std::unexpected(std::move(begun.error()));
    sasl_ = std::move(*begun);
  }
  if (!challenge && !sasl_->speaks_first()) return std::nullopt;
  auto response = sasl_->step(challenge.value_or(std::string_view()));
  if (!response) return std::unexpected(std::move(response.error()));
  return std::move(*response);
}

Result<> StreamLogin::finish() {
  if (sasl_ && sasl_->complete()) return {};
  return fail(Errc::denied, "the server has not proved that it knows the password");
}

}  // namespace impulse::delivery
