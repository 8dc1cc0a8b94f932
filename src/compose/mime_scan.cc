#include "compose/mime_scan.h"

#include "base/text.h"
#include "compose/header_field.h"
#include "compose/transfer.h"

#include <glib.h>
#include <gmime/gmime.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <memory>
#include <utility>

namespace impulse::compose {

namespace {

constexpr int max_depth = 16;
constexpr size_t max_parts = 500;

struct PartHeader {
  std::string type = "text";
  std::string subtype = "plain";
  std::string boundary;
  std::string charset = "us-ascii";
  std::string encoding = "7bit";
  bool attachment = false;
};

Result<PartHeader> read_header(std::string_view section) {
  PartHeader out;
  const auto fields = split_fields(section);
  if (!fields) return std::unexpected(fields.error());
  for (const RawField& field : *fields) {
    const std::string value(trim(unfolded(field.value)));
    if (iequals(field.name, "Content-Type")) {
      GMimeContentType* parsed = g_mime_content_type_parse(nullptr, value.c_str());
      if (parsed == nullptr) continue;
      const auto text = [](const char* from) { return from != nullptr ? std::string(from) : std::string(); };
      out.type = lower(text(g_mime_content_type_get_media_type(parsed)));
      out.subtype = lower(text(g_mime_content_type_get_media_subtype(parsed)));
      out.boundary = text(g_mime_content_type_get_parameter(parsed, "boundary"));
      if (const char* charset = g_mime_content_type_get_parameter(parsed, "charset")) out.charset = lower(charset);
      g_object_unref(parsed);
    } else if (iequals(field.name, "Content-Transfer-Encoding")) {
      out.encoding = lower(value);
    } else if (iequals(field.name, "Content-Disposition")) {
      out.attachment = istarts_with(value, "attachment");
    }
  }
  return out;
}

class Scanner {
 public:
  explicit Scanner(std::string_view message) : message_(message) {}

  Result<> entity(size_t begin, size_t end, int depth) {
    if (depth > max_depth) return fail(Errc::invalid, "the parts of the message are nested too deeply");
    if (entities_++ > max_parts) return fail(Errc::invalid, "the message has more than {} parts", max_parts);
    const std::string_view whole = message_.substr(begin, end - begin);
    size_t body = header_end(whole);
    if (body == std::string_view::npos) body = whole.size();
    const auto header = read_header(whole.substr(0, body));
    if (!header) return std::unexpected(header.error());
    if (header->type == "multipart") return multipart(*header, begin + body, end, depth);
    if (header->type != "text" || header->attachment) return {};
    const bool html = header->subtype == "html";
    auto& leaf = html ? scan.html : scan.plain;
    if (leaf || (!html && header->subtype != "plain")) return {};
    leaf = MimeLeaf{begin, begin + body, end, html, header->charset, header->encoding};
    return {};
  }

  MimeScan scan;

 private:
  Result<> multipart(const PartHeader& header, size_t begin, size_t end, int depth) {
    if (header.subtype == "signed" || header.subtype == "encrypted") return {};
    if (header.boundary.empty()) return fail(Errc::invalid, "a multipart has no boundary");
    const std::string line = "--" + header.boundary;
    // One with a line end (RFC 2231) begins no line.
    if (line.find_first_of("\r\n") == std::string::npos) scan.boundaries.push_back(line);
    std::optional<size_t> part;  // where the one that goes on begins
    size_t at = begin;
    while (at < end) {
      size_t next = message_.find("\r\n", at);
      next = next == std::string_view::npos || next + 2 > end ? end : next + 2;
      std::string_view text = message_.substr(at, next - at);
      if (text.starts_with(line)) {
        text.remove_prefix(line.size());
        const bool last = text.starts_with("--");
        if (last) text.remove_prefix(2);
        if (trim(text).empty()) {
          if (part)
            if (auto done = entity(*part, std::max(*part, at - 2), depth + 1); !done) return done;
          if (last) return {};
          part = next;
        }
      }
      at = next;
    }
    return part ? entity(*part, end, depth + 1) : Result<>{};
  }

  std::string_view message_;
  size_t entities_ = 0;  // the message, and its parts
};

}  // namespace

Result<MimeScan> scan_mime(std::string_view message) {
  start_mime();
  Scanner scanner(message);
  if (auto done = scanner.entity(0, message.size(), 0); !done) return std::unexpected(done.error());
  std::vector<std::string>& all = scanner.scan.boundaries;
  std::ranges::sort(all);
  // Those that one begins come right behind it.
  std::vector<std::string> kept;
  for (std::string& line : all)
    if (kept.empty() || !line.starts_with(kept.back())) kept.push_back(std::move(line));
  all = std::move(kept);
  return std::move(scanner.scan);
}

bool has_boundary(std::string_view text, const std::vector<std::string>& boundaries) {
  if (boundaries.empty()) return false;
  for (size_t at = 0; at != std::string_view::npos;) {
    const std::string_view line = text.substr(at);
    if (line.starts_with("--")) {
      // One that begins the line is the last in front of it: what stands between begins with it too.
      const auto behind = std::upper_bound(boundaries.begin(), boundaries.end(), line, std::less<std::string_view>());
      if (behind != boundaries.begin() && line.starts_with(*std::prev(behind))) return true;
    }
    at = text.find_first_of("\r\n", at);
    if (at != std::string_view::npos) ++at;
  }
  return false;
}

Result<std::string> leaf_text(std::string_view message, const MimeLeaf& leaf) {
  const std::string_view body = message.substr(leaf.body, leaf.end - leaf.body);
  std::string bytes;
  if (leaf.encoding == "7bit" || leaf.encoding == "8bit" || leaf.encoding == "binary") {
    bytes = body;
  } else if (leaf.encoding == "quoted-printable") {
    GMimeEncoding state;
    g_mime_encoding_init_decode(&state, GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);
    bytes.resize(g_mime_encoding_outlen(&state, body.size()));
    bytes.resize(g_mime_encoding_flush(&state, body.data(), body.size(), bytes.data()));
  } else if (leaf.encoding == "base64") {
    auto decoded = base64_decoded(body);
    if (!decoded) return decoded;
    bytes = std::move(*decoded);
  } else {
    return fail(Errc::invalid, "there is no transfer encoding {}", escape_line(leaf.encoding, 40));
  }
  if (leaf.charset == "utf-8" || leaf.charset == "us-ascii") {
    if (!is_utf8(bytes)) return fail(Errc::invalid, "a text part is not in the charset that it names");
    return bytes;
  }
  gsize size = 0;
  const std::unique_ptr<char, decltype(&g_free)> text(g_convert(bytes.data(), static_cast<gssize>(bytes.size()),
                                                                "UTF-8", leaf.charset.c_str(), nullptr, &size, nullptr),
                                                      &g_free);
  if (text == nullptr)
    return fail(Errc::invalid, "a text part is not in the charset {}", escape_line(leaf.charset, 40));
  return std::string(text.get(), size);
}

}  // namespace impulse::compose
