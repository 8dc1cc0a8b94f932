// Exchanges for tests of whatever carries them: alice's password is "sesame",
// bob's "other".
#pragma once

#include "auth/sasl.h"

#include <memory>
#include <utility>
#include <vector>

namespace impulse::auth::test {

class Exchanges {
 public:
  Result<std::unique_ptr<SaslExchange>> begin(Mechanism mechanism) {
    if (sasl_ == nullptr) sasl_ = *Sasl::create();
    std::vector<BadLine> bad;
    SaslSettings settings;
    settings.mechanism = mechanism;
    settings.credentials = Credentials::parse(Format::file, "alice:sesame\nbob:other\n", bad);
    settings.host = "mx.example";
    settings.service = "smtp";
    return sasl_->begin(std::move(settings));
  }

 private:
  std::unique_ptr<Sasl> sasl_;
};

}  // namespace impulse::auth::test
