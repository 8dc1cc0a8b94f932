// The catalogue as documentation: doc/options.md, doc/impulse-options.5 and the
// JSON that editors and tools read are made of it, and so cannot be out of date.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace impulse::config {

// Every scope and every option: name, type, default (by listener, where it
// differs), range or choices, where it may stand, when a change of it applies,
// whether this version has it, and its line of help.
std::string options_markdown();
std::string options_man();  // a page of section 5, for man
std::string options_json();

// By the name that the command line has for it: markdown, man or json.
// Errors: invalid for another one.
Result<std::string> dump_options(std::string_view format);

}  // namespace impulse::config
