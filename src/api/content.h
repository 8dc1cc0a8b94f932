// The content of a message as the APIs write it: read from JSON into what
// compose/ makes messages from.
#pragma once

#include "api/json.h"
#include "compose/parts_composer.h"
#include "compose/raw_composer.h"

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace impulse::api {

struct Content {
  compose::PartsSource parts{};
  std::optional<std::string_view> raw{};  // a message that came whole; then there are no parts
};

// SparkPost's: from, subject, text, html, amp_html, reply_to, headers,
// attachments, inline_images; or email_rfc822.
Content read_transmission_content(Reader& reader, Element element, const Where& where);
// KumoMTA's: a string; or text_body, html_body, amp_html_body, from, subject,
// reply_to, headers, attachments.
Content read_inject_content(Reader& reader, Element element, const Where& where);

// A mailbox as JSON writes it: "a@b", "Name <a@b>", or {"email": …, "name": …}.
compose::FieldSource read_mailbox(Reader& reader, Element element, const Where& where, std::string header);

using MadeComposer = std::expected<std::unique_ptr<compose::Composer>, Error>;
MadeComposer make_composer(const Content& content, compose::RawFilling filling, std::string raw_field,
                           const std::string& content_field);
Error to_error(const compose::Fault& fault);

}  // namespace impulse::api
