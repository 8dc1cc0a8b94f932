// Standard output, that is known to have been written or not; times and texts
// as they stand there.
#pragma once

#include "base/clock.h"
#include "base/id.h"
#include "spool/spool.h"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace impulse::ecshow {

using Json = nlohmann::ordered_json;

void print(std::string_view text);      // to standard output
void print_json(const Json& document);  // a line; what is no UTF-8 is replaced
void complain(std::string_view text);   // a line on standard error
bool all_printed();                     // flushes; false when somebody would not take it

std::string time_text(WallTime time);                // "2027-01-31T12:00:05Z"; the epoch: "-"
Json time_json(WallTime time);                       // the same; the epoch: null
std::string address_text(std::string_view address);  // in <>, without control characters
std::string id_text(MessageId id, std::string_view node);
std::string_view state_text(const spool::RecipientState& state);  // waiting, retrying, held, delivered, failed, expired

}  // namespace impulse::ecshow
