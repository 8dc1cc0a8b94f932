// Writer: the lines of a reply, as ECTL/1 spells them. Whatever it is given
// becomes safe, whole lines: no command can break the protocol by what it says.
#pragma once

#include "base/clock.h"
#include "config/source.h"
#include "control/limits.h"
#include "control/status.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace impulse::control {

using Json = nlohmann::ordered_json;

class Writer {
 public:
  // Appends to `out`, which must outlive the writer. `json`: what the request
  // asked for; commands look at it and call document() instead of text().
  Writer(std::string& out, bool json) : out_(&out), json_(json) {}

  bool json() const { return json_; }

  // Payload. A text longer than a line goes on in the next payload line.
  void text(std::string_view line);
  // Payload of a --json request: one document, in ASCII. One that cannot fit
  // into a line is left out, and a warning says so.
  void document(const Json& document);

  // "!error id place: text"; `place` may be empty.
  void notice(config::Diagnostic::Severity severity, std::string_view id, std::string_view place,
              std::string_view text);
  void error(std::string_view id, std::string_view text) { notice(config::Diagnostic::Severity::error, id, {}, text); }
  void warning(std::string_view id, std::string_view text) {
    notice(config::Diagnostic::Severity::warning, id, {}, text);
  }
  void remark(std::string_view id, std::string_view text) {
    notice(config::Diagnostic::Severity::notice, id, {}, text);
  }
  // What the configuration says about itself. Places in `console`, the
  // request's own text, are called "console:line:column". Those in files are
  // followed by the line and a caret, unless the request wanted JSON.
  void diagnostic(const config::Diagnostic& diagnostic, const config::Source* console);

  void status(const Status& status, std::string_view tag);

  // There is nothing to say yet: the step is asked again after that time, and
  // should return true.
  void wait(Duration time) { wait_ = time; }
  Duration waits() const { return wait_; }
  // What began well has gone wrong: the status will be that.
  void fail(Code code) { failed_ = code; }
  const std::optional<Code>& failed() const { return failed_; }

 private:
  Duration wait_{0};
  std::optional<Code> failed_;
  std::string* out_;
  bool json_;
};

}  // namespace impulse::control
