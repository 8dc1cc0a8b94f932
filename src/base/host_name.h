// What the system calls itself.
#pragma once

#include <string>

namespace impulse {

// "localhost" where it has no name.
std::string host_name();

}  // namespace impulse
