// A small model of the server's state machine, written from the RFCs and not
// from the engine: what a client may send at random, and what must come back.
#pragma once

#include "support.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace smtp_test {

// What is sent, and the codes that must come back for it.
struct Exchange {
  std::string input;
  std::string expected;
};

struct Model {
  const Policy& policy;
  bool ehlo = false;  // or LHLO
  bool helo = false;
  bool tls = false;
  bool user = false;
  bool transaction = false;
  bool utf8 = false;
  bool binary = false;
  bool tried = false;  // a RCPT was refused in this transaction
  size_t recipients = 0;
  bool chunked = false;
  std::string fault{};   // of a chunk
  std::string chunks{};  // what they brought
  std::vector<std::string> bodies{};

  void reset() {
    transaction = utf8 = binary = tried = chunked = false;
    recipients = 0;
    fault.clear();
    chunks.clear();
  }
  void forget() {
    ehlo = helo = user = false;
    reset();
  }
  std::string missing() const {
    if (policy.tls_required && !tls) return "530";
    return policy.auth_required && !user ? "530" : "";
  }
  std::string each(const std::string& code) const { return repeated(code, policy.lmtp ? recipients : 1); }
  static std::string repeated(const std::string& code, size_t count) {
    std::string all;
    while (count-- > 0) all += (all.empty() ? "" : " ") + code;
    return all;
  }
};

inline std::string greeting(Model& model, std::string_view verb) {
  const bool lhlo = verb == "LHLO";
  if (lhlo != model.policy.lmtp) return "500";
  if (verb == "HELO" && model.policy.tls_required && !model.tls) return "530";
  model.ehlo = verb != "HELO";
  model.helo = !model.ehlo;
  model.reset();
  return "250";
}

struct Sender {
  std::string_view text;
  bool Policy::* offered = nullptr;  // null: of the core, or as `always` says
  std::string_view always = "250";   // the code where it is offered
  bool utf8 = false;
  bool binary = false;
  bool address = false;  // what is wrong is the address, whatever is offered
};

inline const std::vector<Sender>& senders() {
  static const std::vector<Sender> all{
      {"<a@b>"},
      {"<>"},
      {"<a@b> SIZE=10 BODY=8BITMIME"},
      {"<a@b> SIZE=101", nullptr, "552"},
      {"<a@b> FOO", nullptr, "555"},
      {"<a@b> NOTIFY=NEVER", nullptr, "555"},
      {"a@b", nullptr, "501"},
      {"<a@b", nullptr, "501"},
      {"<nodomain>", nullptr, "550"},
      {"<a@b> BODY=BINARYMIME", &Policy::binary_mime, "250", false, true},
      {"<a@b> SMTPUTF8", &Policy::smtputf8, "250", true},
      {"<\xC3\xBC@b> SMTPUTF8", &Policy::smtputf8, "250", true, false, true},
      {"<\xC3\xBC@b>", nullptr, "553"},
      {"<\xFF@b>", nullptr, "501"},
      {"<a@b> RET=HDRS ENVID=x", &Policy::dsn},
      {"<a@b> RET=ALL", &Policy::dsn, "501"},
      {"<a@b> BY=120;R", &Policy::deliver_by},
      {"<a@b> BY=0;R", &Policy::deliver_by, "501"},
      {"<a@b> HOLDFOR=60", &Policy::future_release},
      {"<a@b> MT-PRIORITY=3", &Policy::mt_priority},
  };
  return all;
}

inline std::string mail(Model& model, const Sender& sender) {
  const Policy& policy = model.policy;
  if (model.transaction) return "503";
  if (const std::string missing = model.missing(); !missing.empty()) return missing;
  if (policy.require_ehlo && !model.ehlo && !model.helo) return "503";
  std::string code(sender.always);
  if (sender.offered != nullptr && !(policy.*sender.offered)) code = sender.address ? "553" : "555";
  if (sender.binary && !policy.binary_mime) code = "501";  // BODY is known, that value is not
  if (code != "250") return code;
  model.transaction = true;
  model.utf8 = sender.utf8;
  model.binary = sender.binary;
  return code;
}

inline std::string rcpt(Model& model, std::string code) {
  if (const std::string missing = model.missing(); !missing.empty()) return missing;
  if (!model.transaction || model.chunked) return "503";
  if (code == "utf8") code = model.utf8 ? "250" : "553";
  if (code == "dsn") code = model.policy.dsn ? "250" : "555";
  if (code == "bad dsn") code = model.policy.dsn ? "501" : "555";
  if (code == "250" && model.recipients >= model.policy.max_recipients) code = "452";
  if (code == "250")
    ++model.recipients;
  else
    model.tried = true;
  return code;
}

struct Body {
  std::string_view input;
  std::string_view code;
  std::string_view content{};
};

inline const std::vector<Body>& bodies() {
  static const std::string large = std::string(200, 'b') + "\r\n.\r\n";
  static const std::vector<Body> all{
      {".\r\n", "250"},
      {"S: x\r\n\r\nMAIL FROM:<x@y>\r\n..\r\n.\r\n", "250", "S: x\r\n\r\nMAIL FROM:<x@y>\r\n.\r\n"},
      {"lone\nlf\r\n.\r\n", "550"},
      {large, "552"},
      {"Received:\r\nReceived:\r\nReceived:\r\n.\r\n", "554"},
  };
  return all;
}

inline Exchange data(Model& model, const Body& body) {
  const std::string command = "DATA\r\n";
  if (const std::string missing = model.missing(); !missing.empty()) return {command, missing};
  if (!model.transaction || model.chunked || model.binary) return {command, "503"};
  if (model.recipients == 0) return {command, model.tried && !model.policy.lmtp ? "554" : "503"};
  const std::string end = model.each(std::string(body.code));
  if (body.code == "250") model.bodies.emplace_back(body.content);
  model.reset();
  return {command + std::string(body.input), "354 " + end};
}

// Nothing, or the code of what is wrong with the message once `octets` came, too.
inline std::string fault_of(const Model& model, std::string_view octets, bool last) {
  constexpr size_t limit = 100;
  const std::string all = model.chunks + std::string(octets);
  if (!model.binary) {
    size_t at = model.chunks.size();
    while ((at = all.find('\n', at)) != std::string::npos && at > 0 && all[at - 1] == '\r') ++at;
    if (at != std::string::npos) return at > limit ? "552" : "550";
  }
  size_t size = all.size();
  if (last && !model.binary && !all.ends_with("\r\n")) size += 2;
  return size > limit ? "552" : "";
}

inline std::string bdat(Model& model, std::string_view octets, bool last) {
  const Policy& policy = model.policy;
  const auto refused = [&](const std::string& code) {
    std::string replies = code;
    if (last && policy.chunking) {
      replies = model.each(code);  // LMTP: as many as there are recipients, even none
      model.reset();
    }
    return replies;
  };
  if (!policy.chunking) return "502";
  if (const std::string missing = model.missing(); !missing.empty()) return refused(missing);
  if (!model.transaction) return refused("503");
  if (model.recipients == 0) return refused(model.tried && !policy.lmtp ? "554" : "503");
  if (!model.fault.empty()) return refused("503");
  model.chunked = true;
  model.fault = fault_of(model, octets, last);
  model.chunks += octets;
  if (!last) return model.fault.empty() ? "250" : model.fault;
  const std::string replies = model.each(model.fault.empty() ? "250" : model.fault);
  if (model.fault.empty()) {
    if (!model.binary && !model.chunks.ends_with("\r\n")) model.chunks += "\r\n";
    model.bodies.push_back(model.chunks);
  }
  model.reset();
  return replies;
}

// `answer`: to the challenge, where one comes; else a line that is no command.
inline Exchange authenticate(Model& model, const std::string& command, const std::string& answer,
                             const std::string& end) {
  const Policy& policy = model.policy;
  std::string code;
  if (policy.auth_sources.empty())
    code = "502";
  else if (policy.tls_required && !model.tls)
    code = "530";
  else if (!model.ehlo || model.transaction || model.user)
    code = "503";
  const std::string input = command + "\r\n" + (answer.empty() ? "" : answer + "\r\n");
  if (!code.empty()) return {input, code + (answer.empty() ? "" : " 500")};
  model.user = end == "235";
  return {input, (answer.empty() ? "" : "334 ") + end};
}

// XCLIENT and its kin; `good`: what one without fault gets.
inline std::string gateway(Model& model, bool offered, const std::string& good) {
  if (!offered) return "502";
  if (model.policy.tls_required && !model.tls) return "530";
  if (model.transaction) return "503";
  if (good == "220") model.forget();
  return good;
}

inline Exchange starttls(Model& model) {
  const std::string command = "STARTTLS\r\n";
  if (model.tls) return {command, "503"};
  if (!model.policy.starttls) return {command, "502"};
  if (model.transaction) return {command, "503"};
  model.forget();
  model.tls = true;
  return {command, "220"};
}

}  // namespace smtp_test
