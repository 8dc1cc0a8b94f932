// How much of anything ECTL/1 takes and gives (doc/control-protocol.md).
#pragma once

#include <cstddef>

namespace impulse::control {

constexpr size_t max_line = 65536;       // bytes of one line, either way, with its line end
constexpr size_t max_payload = 1 << 20;  // bytes of a request's payload lines together, with LFs
constexpr size_t max_tag = 64;           // bytes, without the '@'
constexpr size_t max_word = 64;          // bytes of the WORD that ends a payload
constexpr size_t max_candidates = 1000;  // that `complete` gives
constexpr size_t page = 256;             // rows a command holds at a time

}  // namespace impulse::control
