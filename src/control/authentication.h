// Authentication: a SASL exchange as ECTL/1 carries it (doc/control-protocol.md,
// section 9): base64 in lines, and an answer at the end.
#pragma once

#include "auth/sasl.h"
#include "base/clock.h"
#include "control/access.h"
#include "control/answer.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::control {

class Authentication {
 public:
  // Either a challenge to be sent, or the answer to the request.
  struct Reply {
    std::optional<std::string> challenge;  // base64
    Answer answer;
    bool failed = false;  // the answer waits for `penalty`
  };

  // How long somebody who failed waits for being told.
  static constexpr Duration penalty = std::chrono::seconds(1);

  // `rest` is what stands behind `authenticate`: a mechanism, and perhaps its
  // initial response.
  Reply begin(Access& access, std::string_view rest);
  // A line of the client, without its end; active() only.
  Reply answer(Access& access, std::string_view line);
  bool active() const { return exchange_ != nullptr; }

 private:
  Reply step(Access& access, std::string_view response);
  Reply fail(Access& access, Code code, std::string id, std::string text);

  std::unique_ptr<auth::SaslExchange> exchange_;
};

// `authenticate` as logs may show it: without what may be a password.
std::string loggable_authenticate(std::string_view rest);

}  // namespace impulse::control
