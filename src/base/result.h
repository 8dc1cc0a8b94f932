// Result<T>: the return type of everything that can fail.
#pragma once

#include <fmt/format.h>

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace impulse {

// What kind of failure it was, for those who have to react to the kind.
// The text is for people.
enum class Errc {
  invalid,      // bad input
  not_found,    // no such thing
  exists,       // already there, in use
  conflict,     // somebody else was first
  denied,       // not allowed
  io,           // the operating system failed us
  no_space,     // disk or memory is used up
  no_files,     // descriptors are, of the process or of the machine: try again later
  busy,         // try again later
  unavailable,  // known, but not in this version or this build
  timeout,
};

struct Error {
  Errc code = Errc::invalid;
  std::string message;  // one line, no full stop, fit to be shown to an operator
};

template <class T = void>
using Result = std::expected<T, Error>;

// return fail(Errc::invalid, "no such option: {}", name);
template <class... Args>
[[nodiscard]] std::unexpected<Error> fail(Errc code, fmt::format_string<Args...> format, Args&&... args) {
  return std::unexpected(Error{code, fmt::format(format, std::forward<Args>(args)...)});
}

// An Error for errno value `err`; "what: strerror". ENOENT becomes not_found,
// EADDRINUSE and EEXIST exists, ENOSPC, EDQUOT and ENOMEM no_space, EMFILE and
// ENFILE no_files, EACCES and EPERM denied, all others io.
[[nodiscard]] std::unexpected<Error> fail_errno(int err, std::string_view what);

// strerror, thread-safe.
std::string errno_text(int err);

}  // namespace impulse
