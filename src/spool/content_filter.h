// ContentFilter: which messages, by what is not in memory of those that wait:
// the context of the connection they came by, and their header fields.
#pragma once

#include "base/pattern.h"
#include "base/result.h"
#include "spool/spool.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse::spool {

class ContentFilter {
 public:
  // "KEY=VALUE": that pair is in the context, as it is.
  Result<> add_meta(std::string_view text);
  // "NAME=REGEX": in a header field of that name, in any case, its lines joined, the expression is found, in any case.
  Result<> add_header(std::string_view text);

  bool empty() const { return meta_.empty() && headers_.empty(); }
  bool needs_text() const { return !headers_.empty(); }
  // What the envelope says; the header fields are not looked at.
  bool fits(const message::Envelope& envelope) const;
  bool fits(const Stored& stored) const;

 private:
  struct Header {
    std::string name;
    Pattern value;
  };
  std::vector<std::pair<std::string, std::string>> meta_;
  std::vector<Header> headers_;
};

}  // namespace impulse::spool
