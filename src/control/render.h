// Configuration as the console shows it: "Option = value" that can be pasted
// back into a file, or typed JSON.
#pragma once

#include "config/tree.h"
#include "control/answer.h"

#include <memory>
#include <string>
#include <string_view>

namespace impulse::control {

// The value as JSON: booleans, numbers (sizes in bytes, durations in seconds),
// strings, arrays, objects; secrets are "(redacted)". `from` and `count` choose
// items of a list.
Json json_value(const config::Value& value, const config::OptionDef& option, size_t from = 0, size_t count = SIZE_MAX);

// Says "Option = value", lists of more than a screen's width one item a line;
// with JSON, `head` completed by "value": of a long list several documents,
// numbered by "part", all but the last with "more": true.
// The value is held as long as the step lives.
Step say_setting(std::shared_ptr<const config::Value> value, const config::OptionDef& option, std::string indent,
                 Json head);

// "Listen \"*:25\"", "ESMTP_Listener": a scope's heading in a file.
std::string heading(const config::ScopeDef& scope, std::string_view instance);
// "esmtp_listener listen *:25", "global".
std::string path_text(const config::ScopePath& path);

}  // namespace impulse::control
