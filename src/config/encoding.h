// Is a text fit to be configuration: UTF-8, and no NUL in it?
#pragma once

#include "config/diagnostic_sink.h"

#include <string_view>

namespace impulse::config {

// Reports each run of bytes that are not. False when the whole text is in
// another encoding, so that there is no sense in parsing it.
bool check_encoding(std::string_view text, DiagnosticSink& sink);

}  // namespace impulse::config
