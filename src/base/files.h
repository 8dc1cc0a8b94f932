// Small helpers over the file system, for files read and written whole.
#pragma once

#include "base/result.h"

#include <sys/types.h>

#include <string>
#include <string_view>

namespace impulse {

// The whole file; Errc::invalid when it is larger than `limit` bytes, or is
// not a regular file.
Result<std::string> read_file(const std::string& path, size_t limit = size_t{1} << 30);

// Writes to a temporary file beside `path`, fsyncs, renames over it and fsyncs
// the folder: readers see the old or the new content, whatever happens.
Result<> replace_file(const std::string& path, std::string_view content, mode_t mode);

// fsync of the directory itself, so that names in it are durable.
Result<> sync_directory(const std::string& path);

// mkdir -p; the mode is for directories that it makes.
Result<> make_directories(const std::string& path, mode_t mode);

// Writes all of it, going on after short writes and EINTR.
Result<> write_all(int fd, std::string_view bytes);

}  // namespace impulse
