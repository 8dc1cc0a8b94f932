#include "compose/transfer.h"

#include "base/text.h"

#include <gmime/gmime.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace impulse::compose {

void start_mime() {
  static const bool started = (g_mime_init(), true);
  (void)started;
}

std::string with_line_ends(std::string_view text, std::string_view end) {
  std::string out;
  out.reserve(text.size() + (end.size() > 1 ? text.size() / 32 + 2 : 0));
  // One search for each: one for both asks of every character whether it is among them.
  size_t lf = text.find('\n');
  for (size_t at = 0; at < text.size();) {
    if (lf < at) lf = text.find('\n', at);
    const size_t stop = std::min(lf, text.size());
    const size_t size = std::min(text.substr(at, stop - at).find('\r'), stop - at);
    out += text.substr(at, size);
    at += size;
    if (at == text.size()) break;
    out += end;
    at += text.substr(at).starts_with("\r\n") ? 2 : 1;
  }
  return out;
}

namespace {

std::string run(GMimeContentEncoding encoding, std::string_view bytes) {
  GMimeEncoding state;
  g_mime_encoding_init_encode(&state, encoding);
  std::string out(g_mime_encoding_outlen(&state, bytes.size()), '\0');
  out.resize(g_mime_encoding_flush(&state, bytes.data(), bytes.size(), out.data()));
  return out;
}

constexpr std::array<int8_t, 256> sextets = [] {
  std::array<int8_t, 256> table{};
  table.fill(-1);
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < alphabet.size(); ++i) table[static_cast<unsigned char>(alphabet[i])] = static_cast<int8_t>(i);
  return table;
}();

// Without white space; invalid when it is no base64.
Result<std::string> packed(std::string_view text, bool padded = true) {
  std::string out;
  out.reserve(text.size());
  size_t padding = 0;
  for (const char c : text) {
    if (is_space(c)) continue;
    const bool pads = c == '=';
    if (pads ? ++padding > 2 : padding != 0 || sextets[static_cast<unsigned char>(c)] < 0)
      return fail(Errc::invalid, "this is not base64");
    out += c;
  }
  while (!padded && padding < 2 && out.size() % 4 > 1) {
    out += '=';
    ++padding;
  }
  if (out.size() % 4 != 0) return fail(Errc::invalid, "this is not base64: its length is no multiple of four");
  if (padding != 0) {
    const int last = sextets[static_cast<unsigned char>(out[out.size() - padding - 1])];
    if ((last & (padding == 1 ? 3 : 15)) != 0) return fail(Errc::invalid, "this is not base64: bits are left over");
  }
  return out;
}

std::string in_lines(std::string_view packed) {
  std::string out;
  out.reserve(packed.size() + packed.size() / 38 + 4);
  for (; !packed.empty(); packed.remove_prefix(std::min<size_t>(76, packed.size())))
    out.append(packed.substr(0, 76)).append("\r\n");
  return out;
}

}  // namespace

std::string base64(std::string_view bytes) {
  std::string out = run(GMIME_CONTENT_ENCODING_BASE64, bytes);
  std::erase(out, '\n');
  return out;
}

std::string base64_lines(std::string_view bytes) { return in_lines(base64(bytes)); }

Result<std::string> base64_checked(std::string_view text, bool padded) {
  const auto good = packed(text, padded);
  if (!good) return good;
  return in_lines(*good);
}

Result<std::string> base64_decoded(std::string_view text) {
  const auto good = packed(text);
  if (!good) return good;
  std::string out;
  out.reserve(good->size() / 4 * 3);
  for (size_t i = 0; i < good->size(); i += 4) {
    uint32_t bits = 0;
    size_t count = 3;
    for (size_t j = 0; j < 4; ++j) {
      const char c = (*good)[i + j];
      bits = bits << 6 | static_cast<uint32_t>(std::max<int>(0, sextets[static_cast<unsigned char>(c)]));
      if (c == '=') --count;
    }
    for (size_t j = 0; j < count; ++j) out += static_cast<char>(bits >> (16 - 8 * j));
  }
  return out;
}

Encoded encode_text(std::string_view text, bool force) {
  const std::string lines = with_line_ends(text, "\n");
  size_t beyond = 0;
  size_t longest = 0;
  size_t line = 0;
  bool odd = force;
  for (const char c : lines) {
    beyond += static_cast<unsigned char>(c) >> 7;
    odd = odd || c == '\0';
    line = c == '\n' ? 0 : line + 1;
    longest = std::max(longest, line);
  }
  odd = odd || lines.contains("--=_");
  if (beyond == 0 && longest <= 998 && !odd) {
    std::string out = with_line_ends(lines);
    if (!out.ends_with("\r\n")) out += "\r\n";
    return {"7bit", std::move(out)};
  }
  if (force || beyond * 4 > lines.size()) return {"base64", base64_lines(with_line_ends(lines))};
  std::string out = with_line_ends(run(GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE, lines));
  if (!out.ends_with("\r\n")) out += "\r\n";
  return {"quoted-printable", std::move(out)};
}

}  // namespace impulse::compose
