// Messages as servers without 8BITMIME get them. The first byte: BINARYMIME or not.
#include "compose/seven_bit.h"

#include "base/text.h"
#include "compose/mime_scan.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace impulse;
using namespace impulse::compose;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const bool binary = data[0] % 2 == 1;
  const std::string_view message(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto made = seven_bit(message, binary);
  if (!made) return 0;
  require(is_ascii(*made));
  // Nothing is left to do; by the rules of both.
  const auto again = seven_bit(*made, binary);
  require(again && *again == *made);
  if (!binary) return 0;
  for (size_t i = 0; i < made->size(); ++i)
    if ((*made)[i] == '\n') require(i > 0 && (*made)[i - 1] == '\r');
  return 0;
}
