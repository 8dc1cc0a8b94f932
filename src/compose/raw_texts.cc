#include "compose/raw_texts.h"

#include "base/text.h"
#include "compose/header_field.h"
#include "compose/mailbox.h"
#include "compose/mime_scan.h"
#include "compose/raw_composer.h"
#include "compose/transfer.h"

#include <gmime/gmime.h>

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace impulse::compose {

namespace {

std::unexpected<Fault> wrong(Fault::Kind kind, std::string field, std::string reason) {
  return std::unexpected(Fault{kind, std::move(field), std::move(reason)});
}

// A piece of the message: as it stands, or a field or a body that is filled.
struct Piece {
  enum class Kind : uint8_t {
    text,
    field,
    encoding,  // the fields that tell of a filled body's encoding go here
    body,
  };
  Kind kind = Kind::text;
  std::string text;  // text; name of a field; what encoding is written after, of a body: its media type
  std::optional<Template> source;
};

class Texts : public Composer {
 public:
  Texts(std::string message, Dialect dialect, std::string field)
      : message_(std::move(message)), dialect_(dialect), field_(std::move(field)) {}

  std::expected<void, Fault> cut(const MimeScan& scan);
  std::expected<Composed, Fault> compose(const Occasion& occasion) const override;
  std::string from(const Occasion& occasion) const override;

 private:
  std::expected<void, Fault> section(size_t begin, size_t end, bool top, bool filled, bool html);
  std::expected<void, Fault> leaf(const MimeLeaf& leaf);
  std::expected<std::string, Fault> filled(const Piece& piece, const Occasion& occasion, Work& work) const;
  void text(std::string_view bytes) {
    if (bytes.empty()) return;
    if (pieces_.empty() || pieces_.back().kind != Piece::Kind::text) pieces_.emplace_back();
    pieces_.back().text += bytes;
  }

  std::string message_;
  Dialect dialect_;
  std::string field_;
  std::vector<Piece> pieces_;
  std::string from_;  // where no value is put into it
  std::vector<std::string> boundaries_;
};

// What the field says, encoded words decoded; GMime gives up no bytes for it.
std::string decoded(std::string_view value) {
  const std::string flat(trim(unfolded(value)));
  if (!flat.contains("=?")) return flat;
  char* text = g_mime_utils_header_decode_text(nullptr, flat.c_str());
  std::string out = text != nullptr ? text : flat;
  g_free(text);
  return out;
}

// A header section: the message's own (`top`), or a part's. `filled`: its body
// is filled, so that its charset and encoding are told anew.
std::expected<void, Fault> Texts::section(size_t begin, size_t end, bool top, bool filled, bool html) {
  const std::string_view bytes = std::string_view(message_).substr(begin, end - begin);
  const auto fields = split_fields(bytes);
  if (!fields) return wrong(Fault::Kind::invalid, field_, fields.error().message);
  for (const RawField& field : *fields) {
    if (filled && (iequals(field.name, "Content-Type") || iequals(field.name, "Content-Transfer-Encoding"))) continue;
    const std::string value = top ? decoded(field.value) : std::string();
    if (!value.contains("{{")) {
      text(field.whole);
      continue;
    }
    auto parsed = Template::parse(value, dialect_, Context::header);
    if (!parsed)
      return wrong(Fault::Kind::template_syntax, field_,
                   fmt::format("in the field {}: {}", field.name, parsed.error().to_string()));
    pieces_.push_back({Piece::Kind::field, std::string(field.name), std::move(*parsed)});
  }
  if (filled) {
    const bool mime = std::ranges::any_of(*fields, [](const RawField& f) { return iequals(f.name, "MIME-Version"); });
    if (top && !mime) text("MIME-Version: 1.0\r\n");
    pieces_.push_back({Piece::Kind::encoding, html ? "text/html" : "text/plain", std::nullopt});
  }
  if (bytes == "\r\n" || bytes.ends_with("\r\n\r\n")) text("\r\n");
  return {};
}

std::expected<void, Fault> Texts::cut(const MimeScan& scan) {
  boundaries_ = scan.boundaries;
  from_ = from_address(message_);
  // Leaves that are filled, in order.
  struct Filled {
    const MimeLeaf* leaf;
    Template source;
  };
  std::vector<Filled> leaves;
  for (const auto* leaf : {&scan.plain, &scan.html}) {
    if (!*leaf) continue;
    // Only what is to be filled has to be readable.
    const auto content = leaf_text(message_, **leaf);
    if (!content) {
      const std::string_view bytes = std::string_view(message_).substr((*leaf)->body, (*leaf)->end - (*leaf)->body);
      if (!bytes.contains("{{")) continue;
      return wrong(Fault::Kind::invalid, field_, content.error().message);
    }
    if (!content->contains("{{")) continue;
    auto parsed = Template::parse(*content, dialect_, (*leaf)->html ? Context::html : Context::text);
    if (!parsed)
      return wrong(
          Fault::Kind::template_syntax, field_,
          fmt::format("in the part text/{}: {}", (*leaf)->html ? "html" : "plain", parsed.error().to_string()));
    leaves.push_back({&**leaf, std::move(*parsed)});
  }
  std::ranges::sort(leaves, {}, [](const Filled& one) { return one.leaf->header; });
  const bool whole = leaves.size() == 1 && leaves.front().leaf->header == 0;
  size_t at = header_end(message_);
  if (at == std::string::npos) at = message_.size();
  if (auto done = section(0, at, true, whole, whole && leaves.front().leaf->html); !done) return done;
  for (Filled& one : leaves) {
    if (!whole) {
      text(std::string_view(message_).substr(at, one.leaf->header - at));
      if (auto done = section(one.leaf->header, one.leaf->body, false, true, one.leaf->html); !done) return done;
    }
    pieces_.push_back({Piece::Kind::body, {}, std::move(one.source)});
    at = one.leaf->end;
  }
  text(std::string_view(message_).substr(at));
  message_.clear();
  return {};
}

std::expected<std::string, Fault> Texts::filled(const Piece& piece, const Occasion& occasion, Work& work) const {
  std::string out;
  Limits limits;
  limits.output = std::min(limits.output, occasion.max_size);
  if (const auto done = piece.source->render(occasion.values, limits, work, out); !done)
    return wrong(kind_of(done.error()), field_,
                 piece.kind == Piece::Kind::field
                     ? fmt::format("in the field {}: {}", piece.text, done.error().to_string())
                     : done.error().to_string());
  return out;
}

std::string Texts::from(const Occasion& occasion) const {
  for (const Piece& piece : pieces_)
    if (piece.kind == Piece::Kind::field && iequals(piece.text, "From")) {
      Work work;
      const auto text = filled(piece, occasion, work);
      const auto mailbox = text ? parse_mailbox(*text) : Result<Mailbox>(fail(Errc::invalid, "it cannot be filled"));
      return mailbox ? mailbox->email : std::string();
    }
  return from_;
}

std::expected<Composed, Fault> Texts::compose(const Occasion& occasion) const {
  Composed composed;
  std::string& out = composed.message;
  std::string_view type;
  Work work;
  size_t told = 0;  // where the encoding is told of the body that comes next
  for (const Piece& piece : pieces_) {
    switch (piece.kind) {
      case Piece::Kind::text:
        out += piece.text;
        break;
      case Piece::Kind::encoding:
        type = piece.text;
        told = out.size();
        break;
      case Piece::Kind::field: {
        const auto text = filled(piece, occasion, work);
        if (!text) return std::unexpected(text.error());
        const auto value = encoded_value(piece.text, *text);
        if (!value) return wrong(Fault::Kind::invalid, field_, value.error().message);
        const auto made = make_field(piece.text, *value);
        if (!made) return wrong(Fault::Kind::invalid, field_, made.error().message);
        out += *made;
        break;
      }
      case Piece::Kind::body: {
        const auto text = filled(piece, occasion, work);
        if (!text) return std::unexpected(text.error());
        Encoded encoded = encode_text(*text);
        // A value must not end the part it stands in. Lines of base64 begin with no "--".
        if (has_boundary(encoded.text, boundaries_)) encoded = encode_text(*text, true);
        out.insert(told, fmt::format("Content-Type: {}; charset=utf-8\r\nContent-Transfer-Encoding: {}\r\n", type,
                                     encoded.encoding));
        out += encoded.text;
        // The line end in front of a boundary belongs to that.
        if (!boundaries_.empty()) out.resize(out.size() - 2);
        break;
      }
    }
    if (out.size() > occasion.max_size)
      return wrong(Fault::Kind::too_large, "", "the message is larger than Max_Message_Size");
  }
  composed.from = from_address(out);
  return composed;
}

}  // namespace

std::expected<std::unique_ptr<Composer>, Fault> compose_texts(std::string message, Dialect dialect, std::string field) {
  const auto scan = scan_mime(message);
  if (!scan) return wrong(Fault::Kind::invalid, std::move(field), scan.error().message);
  auto composer = std::make_unique<Texts>(std::move(message), dialect, std::move(field));
  if (auto done = composer->cut(*scan); !done) return std::unexpected(done.error());
  return composer;
}

}  // namespace impulse::compose
