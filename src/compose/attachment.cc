#include "compose/attachment.h"

#include "base/text.h"
#include "compose/escape.h"
#include "compose/header_field.h"
#include "compose/mailbox.h"
#include "compose/transfer.h"

#include <gmime/gmime.h>

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

namespace impulse::compose {

namespace {

struct Unref {
  void operator()(gpointer object) const { g_object_unref(object); }
};
template <class T>
using Ref = std::unique_ptr<T, Unref>;

std::unexpected<Fault> wrong(const AttachmentSource& source, std::string_view member, std::string reason,
                             Fault::Kind kind = Fault::Kind::invalid) {
  return std::unexpected(Fault{kind, fmt::format("{}.{}", source.field, member), std::move(reason)});
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return c > 0x20 && c < 0x7F && !std::string_view("()<>@,;:\\\"/[]?=").contains(c);
  });
}

constexpr std::string_view no_controls = "the value holds a line break or another control character";

bool holds_control(const char* text) {
  return text != nullptr && (has_control(std::string_view(text)) || std::string_view(text).contains('\t'));
}

// RFC 2231 and RFC 2047 write control characters in printable ones: only what
// they were decoded to tells.
bool any_control(GMimeParamList* list) {
  const int size = g_mime_param_list_length(list);
  for (int i = 0; i < size; ++i) {
    GMimeParam* param = g_mime_param_list_get_parameter_at(list, i);
    if (holds_control(g_mime_param_get_name(param)) || holds_control(g_mime_param_get_value(param)) ||
        holds_control(g_mime_param_get_charset(param)) || holds_control(g_mime_param_get_lang(param)))
      return true;
  }
  return false;
}

// Every line end of it is a fold, or the last thing.
bool is_folded(std::string_view text) {
  for (size_t at = text.find_first_of("\r\n"); at != std::string_view::npos; at = text.find_first_of("\r\n", at)) {
    if (!text.substr(at).starts_with("\r\n")) return false;
    at += 2;
    if (at < text.size() && text[at] != ' ' && text[at] != '\t') return false;
  }
  return true;
}

// "; name=value" as RFC 2231 has it, folded; nothing: it would make a line.
std::optional<std::string> parameters(GMimeParamList* list) {
  if (any_control(list)) return std::nullopt;
  const std::unique_ptr<GMimeFormatOptions, decltype(&g_mime_format_options_free)> options(g_mime_format_options_new(),
                                                                                           &g_mime_format_options_free);
  GString* text = g_string_new(nullptr);
  g_mime_param_list_encode(list, options.get(), TRUE, text);
  std::string out = with_line_ends(std::string_view(text->str, text->len));
  g_string_free(text, TRUE);
  if (!is_folded(out)) return std::nullopt;
  return out;
}

std::expected<std::string, Fault> content_type(const AttachmentSource& source) {
  const std::string_view text = source.type;
  if (has_control(text)) return wrong(source, "type", std::string(no_controls), Fault::Kind::unsafe);
  const std::string_view media = trim(text.substr(0, text.find(';')));
  const size_t slash = media.find('/');
  if (slash == std::string_view::npos || !is_token(media.substr(0, slash)) || !is_token(media.substr(slash + 1)) ||
      media.size() > 127 || text.size() > 900 || !is_ascii(text))
    return wrong(source, "type", fmt::format("{} is not a media type", escape_line(text, 80)));
  if (istarts_with(media, "multipart/") || istarts_with(media, "message/"))
    return wrong(source, "type", fmt::format("parts of type {} cannot be attached", media), Fault::Kind::unsupported);
  const Ref<GMimeContentType> parsed(g_mime_content_type_parse(nullptr, source.type.c_str()));
  if (parsed == nullptr) return wrong(source, "type", fmt::format("{} is not a media type", escape_line(text, 80)));
  std::string out = fmt::format("Content-Type: {}", media);
  GMimeParamList* list = g_mime_content_type_get_parameters(parsed.get());
  if (list != nullptr && g_mime_param_list_length(list) > 0) {
    const auto told = parameters(list);
    if (!told) return wrong(source, "type", std::string(no_controls), Fault::Kind::unsafe);
    out += *told;
  }
  return out.ends_with("\r\n") ? out : out + "\r\n";
}

}  // namespace

std::expected<std::string, Fault> make_part(const AttachmentSource& source) {
  start_mime();
  auto out = content_type(source);
  if (!out) return out;
  if (has_control(source.name) || source.name.contains('\t'))
    return wrong(source, "name", std::string(no_controls), Fault::Kind::unsafe);
  if (source.name.size() > 255) return wrong(source, "name", "the name is longer than 255 bytes");
  const bool is_inline = !source.content_id.empty();
  out->append("Content-Disposition: ").append(is_inline ? "inline" : "attachment");
  if (source.name.empty()) {
    *out += "\r\n";
  } else {
    const Ref<GMimeParamList> list(g_mime_param_list_new());
    g_mime_param_list_set_parameter(list.get(), "filename", source.name.c_str());
    if (GMimeParam* param = g_mime_param_list_get_parameter(list.get(), "filename"))
      g_mime_param_set_charset(param, "utf-8");
    const auto told = parameters(list.get());
    if (!told) return wrong(source, "name", std::string(no_controls), Fault::Kind::unsafe);
    *out += *told;
    if (!out->ends_with("\r\n")) *out += "\r\n";
  }
  if (is_inline) {
    const std::string_view id = source.content_id;
    if (has_control(id)) return wrong(source, "content_id", std::string(no_controls), Fault::Kind::unsafe);
    const bool good = std::ranges::all_of(id, [](char c) { return is_atext(c) || c == '.' || c == '@'; });
    if (id.size() > 255 || !good)
      return wrong(source, "content_id",
                   "a Content-ID is up to 255 letters and digits of ASCII, and .@!#$%&'*+-/=?^_`{|}~");
    out->append("Content-ID: <").append(id).append(">\r\n");
  }
  *out += "Content-Transfer-Encoding: base64\r\n\r\n";
  if (!source.base64) return *out += base64_lines(source.data);
  auto lines = base64_checked(source.data, source.padded);
  if (!lines) return wrong(source, "data", lines.error().message);
  return *out += *lines;
}

}  // namespace impulse::compose
