// MimeScan: where the texts of a MIME message are (RFC 2046), as stretches of
// its bytes. Finds the first text/plain and the first text/html that are no
// attachments: those are the ones that SparkPost fills.
#pragma once

#include "base/result.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::compose {

struct MimeLeaf {
  size_t header = 0;  // offset of its header section
  size_t body = 0;    // … of its body, behind the empty line
  size_t end = 0;     // behind its body, the line end of a boundary apart
  bool html = false;
  std::string charset;   // lower case; "us-ascii" when none is named
  std::string encoding;  // of transfer, lower case; "7bit" when none is named
};

struct MimeScan {
  std::optional<MimeLeaf> plain;
  std::optional<MimeLeaf> html;
  // "--" and the boundary of each multipart that was looked into: in order, and
  // without those that another one begins.
  std::vector<std::string> boundaries;
};

// `message` has CRLF line ends. What is signed or encrypted is not looked
// into, nor are messages within the message. invalid: a multipart without
// boundary, nested more than 16 deep, or with more than 500 parts.
Result<MimeScan> scan_mime(std::string_view message);

// A line of the text begins with one of those boundaries. In time of the text's
// length; of the boundaries' number it takes the logarithm.
bool has_boundary(std::string_view text, const std::vector<std::string>& boundaries);

// The bytes of a leaf's body as UTF-8 text. invalid: an unknown encoding or
// charset, or bytes that are not what they should be.
Result<std::string> leaf_text(std::string_view message, const MimeLeaf& leaf);

}  // namespace impulse::compose
