#include "message/rewriter.h"

#include <algorithm>

namespace impulse::message {

namespace {

constexpr std::string_view blanks = " \t";
constexpr size_t longest = 998;  // RFC 5322 §2.1.1
constexpr size_t shortest = 78;

bool is_blank(std::string_view text) { return text.find_first_not_of(blanks) == std::string_view::npos; }

std::string_view without_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);  // may be half of a CRLF
  return line;
}

// Not behind `at`, and not within a UTF-8 character; `at` when there is none.
size_t character_start(std::string_view text, size_t at) {
  for (size_t back = 0; back < 4 && back < at; ++back)
    if ((static_cast<unsigned char>(text[at - back]) & 0xC0) != 0x80) return at - back;
  return at;
}

}  // namespace

Rewriter::Rewriter(const Fixups& fixups, Emit emit)
    : fixups_(fixups),
      emit_(std::move(emit)),
      limit_(std::clamp<size_t>(fixups.max_line_length, shortest, longest)),
      header_(fixups.header_size > 0) {}

void Rewriter::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    uint64_t until = position_ + bytes.size();
    bool keep = true;
    if (!separated_ && fixups_.separator <= position_) {
      separated_ = true;
      emit_("\r\n");
    }
    if (next_cut_ < fixups_.cuts.size()) {
      const Stretch& cut = fixups_.cuts[next_cut_];
      keep = position_ < cut.at;
      until = std::min(until, uint64_t{cut.at} + (keep ? 0 : cut.size));
      if (!keep && until == uint64_t{cut.at} + cut.size) ++next_cut_;
    }
    if (!separated_ && fixups_.separator > position_) until = std::min<uint64_t>(until, fixups_.separator);
    if (position_ < fixups_.header_size)
      until = std::min(until, fixups_.header_size);
    else
      header_ = false;
    const std::string_view part = bytes.substr(0, until - position_);
    if (keep) text(part);
    bytes.remove_prefix(part.size());
    position_ = until;
  }
}

void Rewriter::finish() {
  if (!held_.empty()) hold({}, true);
}

// Lines that are whole and short pass in one go.
void Rewriter::text(std::string_view bytes) {
  if (fixups_.max_line_length == 0) return emit_(bytes);
  size_t passed = 0;  // up to here it may be written as it is
  while (passed < bytes.size()) {
    const size_t end = bytes.find('\n', passed);
    const size_t size = (end == bytes.npos ? bytes.size() : end + 1) - passed;
    if (held_.empty() && !long_ && end != bytes.npos && size <= fixups_.max_line_length + 1) {
      passed += size;
      continue;
    }
    if (passed > 0) emit_(bytes.substr(0, passed));
    hold(bytes.substr(passed, size), end != bytes.npos);
    bytes.remove_prefix(passed + size);
    passed = 0;
  }
  if (passed > 0) emit_(bytes.substr(0, passed));
}

// White space between a field's name and a colon out of reach (RFC 5322 §4.5)
// becomes one blank: the line cannot be folded there.
void Rewriter::close_up() {
  const size_t first = held_.find_first_of(blanks);
  if (first == 0 || first >= limit_ || held_.find(':') < first) return;
  const size_t last = std::min(held_.find_first_not_of(blanks, first), held_.size());
  held_.erase(first + 1, last - first - 1);
}

// Adds to the line that goes on, and writes what can be written of it.
void Rewriter::hold(std::string_view bytes, bool complete) {
  held_ += bytes;
  std::string_view content = without_end(held_);
  long_ = long_ || content.size() > fixups_.max_line_length;
  if (long_ && header_ && first_ && (close_up_ || (content.size() > limit_ && content.find(':') >= limit_))) {
    close_up_ = true;
    close_up();
    content = without_end(held_);
  }
  const std::string_view end = std::string_view(held_).substr(content.size());
  if (long_) {
    while (content.size() + (indent_ ? 1 : 0) > limit_) {
      const size_t size = piece(content, header_);
      if (size == 0) {  // a line's worth of white space: one will do
        content.remove_prefix(limit_);
        continue;
      }
      if (indent_) emit_(" ");
      emit_(content.substr(0, size));
      emit_("\r\n");
      content.remove_prefix(size);
      indent_ = header_ && !blanks.contains(content.front());
      first_ = false;
    }
  }
  if (!complete) {
    held_.erase(0, held_.size() - content.size() - end.size());
    return;
  }
  // White space that is left at the end of a folded field would make a line of its own.
  if (!(header_ && !first_ && is_blank(content))) {
    if (indent_ && !content.empty()) emit_(" ");
    emit_(content);
    emit_(end);
  }
  held_.clear();
  long_ = indent_ = close_up_ = false;
  first_ = true;
}

// How much of a line that is too long goes into a line of its own; 0: it is
// header text, and that much of it white space. Looks no further than the
// line could reach, so that the answer does not depend on how bytes were fed.
size_t Rewriter::piece(std::string_view content, bool header) const {
  const size_t room = limit_ - (indent_ ? 1 : 0);
  if (header) {
    const std::string_view reach = content.substr(0, room + 1);
    const size_t text = reach.find_first_not_of(blanks);
    if (text == reach.npos) return 0;
    // Never in front of the colon: the name would be a line without one.
    const size_t from = first_ && text == 0 ? reach.find(':') : text;
    const size_t fold = reach.find_last_of(blanks);
    if (fold != reach.npos && from != reach.npos && fold > from) return fold;
  }
  const size_t at = character_start(content, room);
  return at > 1 && content[at - 1] == '\r' ? at - 1 : at;
}

Chunks rewritten(const Chunks& body, const Fixups& fixups, size_t block) {
  Chunks out(block);
  Rewriter rewriter(fixups, [&out](std::string_view bytes) { out.append(bytes); });
  for (const std::string_view part : body.parts()) rewriter.feed(part);
  rewriter.finish();
  return out;
}

}  // namespace impulse::message
