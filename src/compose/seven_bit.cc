#include "compose/seven_bit.h"

#include "base/text.h"
#include "compose/header_field.h"
#include "compose/transfer.h"

#include <gmime/gmime.h>

#include <algorithm>
#include <optional>
#include <vector>

namespace impulse::compose {

namespace {

constexpr int max_depth = 16;
constexpr size_t quoted_line = 76;  // RFC 2045 §6.7, rule 5

// A part's header section, as far as it matters here.
struct PartHeader {
  std::vector<RawField> fields;
  std::string type = "text";
  std::string subtype = "plain";
  std::string boundary;
  std::string encoding;  // lower case; empty: none is named
  bool mime = false;     // MIME-Version is there
  bool twice = false;    // Content-Type or Content-Transfer-Encoding

  bool composite() const { return type == "multipart" || (type == "message" && subtype == "rfc822"); }
  bool plain() const { return encoding.empty() || encoding == "7bit" || encoding == "8bit" || encoding == "binary"; }
};

Result<PartHeader> read_header(std::string_view section, bool message_by_default) {
  PartHeader out;
  if (message_by_default) {
    out.type = "message";
    out.subtype = "rfc822";
  }
  auto fields = split_fields(section);
  if (!fields) return std::unexpected(fields.error());
  out.fields = std::move(*fields);
  bool typed = false;
  for (const RawField& field : out.fields) {
    const std::string value(trim(unfolded(field.value)));
    if (iequals(field.name, "MIME-Version")) {
      out.mime = true;
    } else if (iequals(field.name, "Content-Type")) {
      out.twice |= typed;
      typed = true;
      GMimeContentType* parsed = g_mime_content_type_parse(nullptr, value.c_str());
      if (parsed == nullptr) continue;
      const auto text = [](const char* from) { return from != nullptr ? std::string(from) : std::string(); };
      out.type = lower(text(g_mime_content_type_get_media_type(parsed)));
      out.subtype = lower(text(g_mime_content_type_get_media_subtype(parsed)));
      out.boundary = text(g_mime_content_type_get_parameter(parsed, "boundary"));
      g_object_unref(parsed);
    } else if (iequals(field.name, "Content-Transfer-Encoding")) {
      out.twice |= !out.encoding.empty();
      out.encoding = lower(value);
    }
  }
  return out;
}

void quote(std::string_view bytes, std::string& out) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  size_t column = 0;
  bool broken = false;  // the line begins behind a soft line break
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (c == '\r' && bytes.substr(i).starts_with("\r\n")) {
      out += "\r\n";
      column = 0;
      broken = false;
      ++i;
      continue;
    }
    const std::string_view behind = bytes.substr(i + 1);
    const bool ends_line = behind.empty() || behind.starts_with("\r\n");
    const bool as_it_is = (c > ' ' && c <= '~' && c != '=') || ((c == ' ' || c == '\t') && !ends_line);
    if (column + (as_it_is ? 1 : 3) > quoted_line - (ends_line ? 0 : 1)) {
      out += "=\r\n";
      column = 0;
      broken = true;
    }
    // What stood in the middle of a line must not become a delimiter of parts.
    const bool delimits = broken && column == 0 && c == '-';
    if (as_it_is && !delimits) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'=', digits[byte >> 4], digits[byte & 15]};
    }
    column += as_it_is && !delimits ? 1 : 3;
  }
}

class Converter {
 public:
  Converter(bool binary, std::string& out) : binary_(binary), out_(out) {}

  // `outermost`: a message, which has to say that it is one of MIME.
  Result<> entity(std::string_view whole, bool outermost, bool message_by_default, int depth) {
    const bool needs = needs_encoding(whole);
    const size_t end = header_end(whole);
    const std::string_view section = whole.substr(0, end);
    const std::string_view body = whole.substr(section.size());
    if (end == std::string_view::npos && !needs) {
      out_ += whole;
      return {};
    }
    if (needs_encoding(section)) return fail(Errc::invalid, "its header fields cannot be encoded");
    const auto header = read_header(section, message_by_default);
    if (!header) return needs ? Result<>(std::unexpected(header.error())) : copy(whole);
    if (!needs)
      return header->type == "multipart" && header->subtype == "signed" ? copy(whole)
                                                                        : relabel(*header, whole, body, depth);
    if (depth > max_depth) return fail(Errc::invalid, "its parts are nested too deeply");
    if (outermost && !header->mime) return fail(Errc::invalid, "it has no MIME-Version");
    if (header->twice) return fail(Errc::invalid, "a part has two types, or two encodings");
    if (!header->plain())
      return fail(Errc::invalid, "a part is not what its Content-Transfer-Encoding says: {}",
                  escape_line(header->encoding, 40));
    if (header->type == "multipart") return multipart(*header, body, depth);
    if (header->type == "message") return message(*header, body, depth);
    if (header->type == "text") {
      write_header(*header, "quoted-printable");
      quote(body, out_);
    } else {
      write_header(*header, "base64");
      encode(body);
    }
    return {};
  }

  // Whether it cannot go as it is.
  bool needs_encoding(std::string_view bytes) const {
    if (!is_ascii(bytes)) return true;
    if (!binary_) return false;
    size_t line = 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
      if (bytes[i] == '\0' || bytes[i] == '\n') return true;
      if (bytes[i] == '\r') {
        if (++i == bytes.size() || bytes[i] != '\n') return true;
        line = 0;
      } else if (++line > max_line) {
        return true;
      }
    }
    return false;
  }

 private:
  Result<> copy(std::string_view whole) {
    out_ += whole;
    return {};
  }

  // Of a part that is ASCII: an encoding of more than that is said no more.
  Result<> relabel(const PartHeader& header, std::string_view whole, std::string_view body, int depth) {
    if (header.twice || !header.plain() || depth > max_depth) return copy(whole);
    if (header.composite()) {
      const size_t before = out_.size();
      const auto done = header.type == "multipart" ? multipart(header, body, depth) : message(header, body, depth);
      if (done) return done;
      out_.resize(before);
      return copy(whole);
    }
    if (header.encoding.empty() || header.encoding == "7bit") return copy(whole);
    write_header(header, "7bit");
    out_ += body;
    return {};
  }

  void write_header(const PartHeader& header, std::string_view encoding) {
    constexpr std::string_view name = "Content-Transfer-Encoding: ";
    bool said = encoding == "7bit" && header.encoding.empty();
    for (const RawField& field : header.fields) {
      if (!iequals(field.name, "Content-Transfer-Encoding") || header.encoding == encoding) {
        out_ += field.whole;
        continue;
      }
      out_.append(name).append(encoding).append("\r\n");
      said = true;
    }
    if (!said && header.encoding != encoding) out_.append(name).append(encoding).append("\r\n");
    out_ += "\r\n";
  }

  // Without a line end behind the last line, but for where there was one.
  void encode(std::string_view body) {
    out_ += base64_lines(body);
    if (!body.ends_with("\r\n") && out_.ends_with("\r\n")) out_.resize(out_.size() - 2);
  }

  Result<> message(const PartHeader& header, std::string_view body, int depth) {
    if (header.subtype == "global") {  // RFC 6532 §3.7: the one that may be encoded
      write_header(header, "base64");
      encode(body);
      return {};
    }
    if (header.subtype != "rfc822")
      return fail(Errc::invalid, "message/{} is never encoded", escape_line(header.subtype, 40));
    write_header(header, "7bit");
    return entity(body, true, false, depth + 1);
  }

  void ignored(std::string_view text) {
    bool before_cr = false;
    for (size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      const bool lone = (c == '\n' && !before_cr) || (c == '\r' && !text.substr(i).starts_with("\r\n"));
      out_ += c == '\0' || lone || static_cast<unsigned char>(c) > 0x7F ? '?' : c;
      before_cr = c == '\r';
    }
  }

  Result<> multipart(const PartHeader& header, std::string_view body, int depth) {
    if (header.subtype == "signed" || header.subtype == "encrypted")
      return fail(Errc::invalid, "it is {}, and would not be any more", header.subtype);
    if (header.boundary.empty()) return fail(Errc::invalid, "a multipart has no boundary");
    write_header(header, "7bit");
    const std::string line = "--" + header.boundary;
    std::optional<size_t> part;  // where the one that goes on begins
    for (size_t at = 0; at < body.size();) {
      const size_t end = body.find("\r\n", at);
      const size_t next = end == std::string_view::npos ? body.size() : end + 2;
      std::string_view rest = body.substr(at, next - at);
      const bool begins = rest.starts_with(line);
      if (begins) rest.remove_prefix(line.size());
      const bool last = begins && rest.starts_with("--");
      if (last) rest.remove_prefix(2);
      if (rest.ends_with("\r\n")) rest.remove_suffix(2);
      if (begins && rest.find_first_not_of(" \t") == std::string_view::npos) {
        if (!part) {
          ignored(body.substr(0, at));
        } else {
          // The line end in front of a delimiter belongs to that.
          const size_t stop = std::max(*part, at - 2);
          if (auto done = entity(body.substr(*part, stop - *part), false, header.subtype == "digest", depth + 1); !done)
            return done;
          out_ += body.substr(stop, at - stop);
        }
        out_ += body.substr(at, next - at);
        part = next;
        if (last) {
          ignored(body.substr(next));
          return {};
        }
      }
      at = next;
    }
    if (!part) return fail(Errc::invalid, "a multipart has no parts");
    return entity(body.substr(*part), false, header.subtype == "digest", depth + 1);
  }

  const bool binary_;
  std::string& out_;
};

}  // namespace

Result<std::string> seven_bit(std::string_view message, bool binary) {
  start_mime();
  std::string lines;
  if (!binary) {
    lines = with_line_ends(message);
    message = lines;
  }
  std::string out;
  out.reserve(message.size() + message.size() / 4);
  Converter converter(binary, out);
  if (auto done = converter.entity(message, true, false, 0); !done) return std::unexpected(done.error());
  if (converter.needs_encoding(out)) return fail(Errc::invalid, "what stands between its parts cannot be encoded");
  return out;
}

}  // namespace impulse::compose
