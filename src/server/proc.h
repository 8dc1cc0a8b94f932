// What the kernel and the C library tell of this process.
#pragma once

#include "control/process.h"

#include <cstdint>
#include <string>
#include <vector>

namespace impulse::server {

// The first thread first, then by id; without what only loops know.
std::vector<control::ThreadStatus> process_threads();
// A line of /proc/<pid>/task/<tid>/stat; `ticks` a second. False: not such a line.
bool parse_thread_stat(std::string_view line, int64_t ticks, control::ThreadStatus& thread);

// All but the parts.
control::MemoryStatus process_memory();
// A field of /proc/self/status or /proc/meminfo in bytes ("VmRSS:    1234 kB"); 0: not there.
uint64_t kilobytes_field(std::string_view text, std::string_view name);

// All of it.
control::SystemInfo system_information();

}  // namespace impulse::server
