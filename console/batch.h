// Batch mode: requests one after the other, without a banner or a prompt.
#pragma once

#include "console/printer.h"

#include <cstdio>
#include <functional>
#include <optional>
#include <string>

namespace impulse::console {

// Gives lines without their ends; nullopt at the end of the input.
using LineSource = std::function<std::optional<std::string>()>;
LineSource lines_of(std::FILE* file);  // borrowed

// Collects the payload lines up to the one that is WORD, with it, each with an
// LF. nullopt: the input ended before.
std::optional<std::string> read_payload(const LineSource& lines, const std::string& word);

// Runs one command; its payload, if it has one, comes from `lines`. Returns the exit status.
int run_command(Client& client, Printer& printer, const std::string& command, const LineSource& lines);

// Runs a script. Stops at the first request that fails, or with `keep_going`
// runs them all; returns the status of the (last) one that failed, else 0.
// What goes wrong is said with the place in `file`, unless that is empty.
int run_script(Client& client, Printer& printer, const LineSource& lines, bool keep_going,
               const std::string& file = {});

}  // namespace impulse::console
