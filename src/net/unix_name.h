// Names of Unix listening sockets. A socket is bound under a temporary name in
// the same folder and renamed over its own, so that the own name always leads
// to a socket that listens. The kernel goes on reporting the name it was bound
// under, which is why the way back is here too. net/ only.
#pragma once

#include "base/fd.h"
#include "base/result.h"

#include <string>
#include <string_view>

namespace impulse::net {

// One byte longer than `path`, since paths of sockets are short of room.
inline std::string temporary_name(std::string_view path) { return std::string(path) + "~"; }
// The published name of a socket that reports `bound`.
inline std::string published_name(std::string_view bound) {
  if (bound.ends_with('~')) bound.remove_suffix(1);
  return std::string(bound);
}

}  // namespace impulse::net
