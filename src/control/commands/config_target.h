// What the words of a `config` command name: a scope, an option, a value.
#pragma once

#include "config/tree.h"
#include "control/command.h"

#include <expected>
#include <optional>
#include <string>

namespace impulse::control {

struct Target {
  config::ScopePath path;
  std::span<const config::RawValue> rest;  // behind the path
};

// The leading words that are a path. The error is the whole answer.
std::expected<Target, Answer> read_target(const Invocation& call);

// An option by its name, as a word of the command.
std::expected<const config::OptionDef*, Answer> read_option(const Target& target, const config::RawValue& word);

// Place of a word in the request: "console:1:12".
std::string place_of(const config::RawValue& word);

// Usage: "config get [SCOPE...] OPTION".
Answer usage(std::string_view name, std::string text);
// One error with a place.
Answer placed_error(Code code, std::string id, const config::RawValue& word, std::string text);

// A report of the engine as an answer: diagnostics, changes, status.
// `extra` is said behind the changes when it went well.
Answer report_answer(config::Report report, const Invocation& call, Step extra = {});

// What is in the whole scope that was added or removed.
Step say_content(const config::Change& change);

}  // namespace impulse::control
