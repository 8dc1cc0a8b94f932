#include "base/result.h"

#include <cerrno>
#include <cstring>

namespace impulse {

namespace {

Errc errc_of(int err) {
  switch (err) {
    case ENOENT:
      return Errc::not_found;
    case EADDRINUSE:
    case EEXIST:
      return Errc::exists;
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
      return Errc::no_space;
    case EMFILE:
    case ENFILE:
      return Errc::no_files;
    case EACCES:
    case EPERM:
      return Errc::denied;
    default:
      return Errc::io;
  }
}

}  // namespace

std::string errno_text(int err) {
  char buffer[256];
  return strerror_r(err, buffer, sizeof buffer);  // the GNU form
}

std::unexpected<Error> fail_errno(int err, std::string_view what) {
  return fail(errc_of(err), "{}: {}", what, errno_text(err));
}

}  // namespace impulse
