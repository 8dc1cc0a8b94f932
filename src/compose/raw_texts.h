// SparkPost's way to fill a message that came whole: values go into header
// fields and into the first text and the first HTML; all else stays.
#pragma once

#include "compose/composer.h"

#include <expected>
#include <memory>
#include <string>

namespace impulse::compose {

// `message` has CRLF line ends. A text that was filled is written anew as
// UTF-8, in the transfer encoding that it needs.
std::expected<std::unique_ptr<Composer>, Fault> compose_texts(std::string message, Dialect dialect, std::string field);

}  // namespace impulse::compose
