// Attached parts: a file, or an image that the HTML shows. Made once, as the
// bytes they have in every message of a request.
#pragma once

#include "compose/composer.h"

#include <expected>
#include <string>
#include <string_view>

namespace impulse::compose {

struct AttachmentSource {
  std::string field{};       // content.attachments[0]
  std::string type{};        // "image/png", perhaps with parameters
  std::string name{};        // of the file; empty: none
  std::string content_id{};  // set: shown inline, <img src="cid:…">
  std::string_view data{};
  bool base64 = true;  // else it is the text itself
  bool padded = true;  // … else that need not be padded
};

// Header section, empty line and body, lines in CRLF.
std::expected<std::string, Fault> make_part(const AttachmentSource& source);

}  // namespace impulse::compose
