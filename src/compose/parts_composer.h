// A message made of parts: fields, text, HTML, images that it shows, files.
//
//   mixed                       when files are attached
//     alternative               when there is more than one of text, AMP, HTML
//       text/plain
//       text/x-amp-html
//       related                 when images are shown inline
//         text/html
//         image …
//     file …
//
// Date, Message-ID and MIME-Version are made here; To is the occasion's. Those
// that the source gives itself are not made (MIME-Version may not be given).
#pragma once

#include "compose/attachment.h"
#include "compose/composer.h"

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::compose {

struct TextSource {
  std::string field{};  // content.subject
  std::string_view text{};
};

struct FieldSource {
  std::string header{};              // "Subject"
  TextSource value{};                // of an address field: mailboxes; or one address, when there is a name
  std::optional<TextSource> name{};  // its display name
};

struct PartsSource {
  Dialect dialect = Dialect::sparkpost;
  std::vector<FieldSource> fields{};  // in order
  std::optional<TextSource> text{};
  std::optional<TextSource> html{};
  std::optional<TextSource> amp{};
  std::vector<AttachmentSource> attachments{};
};

// Fields that nobody may give: those of MIME, and those that others write
// (Received, Return-Path), and Bcc, which would tell.
bool is_forbidden_field(std::string_view name);

// Everything that can be known now is checked now: templates, names, static
// values, attachments. Borrows nothing.
std::expected<std::unique_ptr<Composer>, Fault> compose_parts(const PartsSource& source);

}  // namespace impulse::compose
