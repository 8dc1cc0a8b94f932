// ContentFilter: which messages, by what is not in memory of those that wait:
// the context of the connection they came by, and their header fields.
#pragma once

#include "base/pattern.h"
#include "base/result.h"
#include "spool/spool.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace impulse::spool {

class ContentFilter {
 public:
  // "KEY=VALUE": that pair is in the context, as it is.
  Result<> add_meta(std::string_view text);
  Result<> add_meta(std::string_view key, std::string_view value);
  // "NAME=REGEX": in a header field of that name, in any case, its lines joined, the expression is found, in any case.
  Result<> add_header(std::string_view text);
  // In a header field of that name, in any case, one of its physical lines is that, as Momentum has it: no folded
  // field is joined. Exactly; but for white space between the colon and what follows it there.
  Result<> add_header_line(std::string_view name, std::string_view line);

  bool empty() const { return meta_.empty() && headers_.empty(); }
  bool needs_text() const { return !headers_.empty(); }
  // What the envelope says; the header fields are not looked at.
  bool fits(const message::Envelope& envelope) const;
  bool fits(const Stored& stored) const;

 private:
  struct Header {
    std::string name;
    std::optional<Pattern> value;  // none: by `line`
    std::string line;
  };
  std::vector<std::pair<std::string, std::string>> meta_;
  std::vector<Header> headers_;
};

}  // namespace impulse::spool
