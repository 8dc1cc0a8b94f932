// Parameters of MAIL and RCPT (RFC 5321 §4.1.2): what each extension lets a
// client say there, checked and taken apart. Pure functions of the text.
//
// SIZE RFC 1870 · BODY RFC 6152, RFC 3030 · SMTPUTF8 RFC 6531 · RET, ENVID,
// NOTIFY, ORCPT RFC 3461 · AUTH RFC 4954 · BY RFC 2852 · HOLDFOR, HOLDUNTIL
// RFC 4865 · MT-PRIORITY RFC 6710 · REQUIRETLS RFC 8689
#pragma once

#include "base/clock.h"
#include "message/envelope.h"
#include "smtp/policy.h"
#include "smtp/replies.h"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::smtp {

// Why a parameter was refused: the reply, and the stable word for the counters.
struct ParameterRefusal {
  const ServerReply* reply;
  std::string_view cause;
};

struct MailParameters {
  uint64_t size = 0;  // bytes as announced (SIZE=); 0: not told
  message::BodyType body_type = message::BodyType::seven_bit;
  bool smtputf8 = false;
  message::Ret ret = message::Ret::not_given;
  std::string envid;
  std::string auth;  // mailbox, or "<>"; empty: not given
  message::DeliverBy deliver_by{};
  WallTime hold_until{};
  int8_t priority = 0;
  bool require_tls = false;
};

struct RcptParameters {
  uint8_t notify = 0;  // bits of message::notify
  std::string orcpt;
};

// What a session is that sends parameters.
struct ParameterContext {
  bool tls = false;
  bool auth_offered = false;
  WallTime now{};
};

// `text` stands behind the path. What the policy does not offer is refused as
// unknown (555), what is wrong is 501 5.5.4, and a SIZE beyond the limit 552.
std::expected<MailParameters, ParameterRefusal> mail_parameters(std::string_view text, const Policy& policy,
                                                                const ParameterContext& context);
// `utf8`: the transaction is one of SMTPUTF8 (RFC 6533 §3: ORCPT may hold UTF-8).
std::expected<RcptParameters, ParameterRefusal> rcpt_parameters(std::string_view text, const Policy& policy, bool utf8);

// RFC 3461 §4: "+41" is 'A'; nothing below '!' or above '~', and no '='.
// Nothing when the text is no xtext, or holds a control character.
std::optional<std::string> decode_xtext(std::string_view text);

// "2030-01-31T12:00:00Z", "…+01:00", fractions of a second (RFC 3339).
std::optional<WallTime> parse_date_time(std::string_view text);

}  // namespace impulse::smtp
