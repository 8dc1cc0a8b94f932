// Body: a message's text until it is sent. Small ones stay in memory, others
// wait in a temporary file without a name.
#pragma once

#include "base/fd.h"
#include "console/sendmail/failure.h"
#include "smtp/data_encoder.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace impulse::sendmail {

class Body {
 public:
  static constexpr size_t kept_in_memory = size_t{1} << 20;

  // EX_DATAERR for NUL, EX_IOERR or EX_CANTCREAT when the file fails.
  Outcome<> add(std::string_view bytes);

  // Of all of it, with CRLF line ends.
  smtp::DataMeasure measure() const;

  // All of it in order, in pieces; ends early when `take` fails.
  Outcome<> read(const std::function<Outcome<>(std::string_view)>& take) const;

 private:
  Outcome<> spill();

  std::string memory_;  // the end of it, once there is a file
  UniqueFd file_;
  uint64_t in_file_ = 0;
  smtp::DataMeasure measured_;
  char last_ = '\n';
};

}  // namespace impulse::sendmail
