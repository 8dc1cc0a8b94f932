// CRC-32C (Castagnoli), by SSE 4.2 where the processor has it.
#pragma once

#include <cstdint>
#include <string_view>

namespace impulse {

// The checksum of `bytes` appended to what `crc` already covers (0 at the start).
uint32_t crc32c(uint32_t crc, std::string_view bytes);

}  // namespace impulse
