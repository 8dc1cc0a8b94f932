#include "telemetry/note.h"

#include "base/text.h"
#include "message/limits.h"
#include "telemetry/log_text.h"

#include <algorithm>
#include <utility>

namespace impulse::telemetry {
namespace {

// Whether the text is the pattern's. Each '*' takes as little as the next piece lets it.
bool fits(std::string_view pattern, std::string_view text, bool fold) {
  const auto same = [fold](char a, char b) { return fold ? to_lower(a) == to_lower(b) : a == b; };
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;  // the last '*' so far, and where the text behind it begins
  size_t from = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      from = t;
    } else if (p < pattern.size() && same(pattern[p], text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++from;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

const std::string* chosen(const std::vector<std::string>& patterns, std::string_view name, bool fold) {
  const auto found = std::ranges::find_if(patterns, [&](const auto& each) { return fits(each, name, fold); });
  return found == patterns.end() ? nullptr : &*found;
}

// One more than a line of the log has, so that it is the line that is cut, between two characters.
constexpr size_t most_text = field_limit + 1;

// Follows a header section, and gathers the fields that are chosen.
class Gatherer {
 public:
  explicit Gatherer(const Choice& choice) : choice_(choice) {}

  // `received`: those fields count, too. False: the section has ended, or there is enough.
  bool feed(std::string_view bytes, bool received) {
    received_ = received;
    while (!bytes.empty() && !ended_) {
      const size_t newline = std::min(bytes.find('\n'), bytes.size() - 1) + 1;
      take(bytes.substr(0, newline));
      bytes.remove_prefix(newline);
    }
    return !ended_;
  }
  Note::Pairs finish() && {
    if (!ended_) end_line();
    end_field();
    return std::move(found_);
  }

 private:
  // Enough for a name and a value of full length, with what unfolding and trimming take away.
  static constexpr size_t most_kept = 4 * field_limit;

  // A piece of a line; its end, if that is in it.
  void take(std::string_view piece) {
    const bool ends = piece.ends_with('\n');
    if (ends) piece.remove_suffix(1);
    line_ += piece.substr(0, most_kept - std::min(most_kept, line_.size()));
    if (ends) end_line();
  }

  void end_line() {
    if (line_.ends_with('\r')) line_.pop_back();
    if (line_.empty()) {
      ended_ = true;
    } else if (line_.front() == ' ' || line_.front() == '\t') {
      if (wanted_) field_ += std::string_view(line_).substr(0, most_kept - std::min(most_kept, field_.size()));
    } else {
      end_field();
      start_field();
    }
    line_.clear();
  }

  void start_field() {
    const size_t colon = line_.find(':');
    if (colon == std::string::npos) return;
    const std::string_view name = trim(std::string_view(line_).substr(0, colon));
    const bool well_formed = !name.empty() && std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7F; });
    if (!well_formed || (!received_ && iequals(name, "Received"))) return;
    const std::string_view kept = name.substr(0, most_text);
    if (chosen(choice_.headers, kept, true) == nullptr) return;  // as note_of() will see it
    wanted_ = true;
    name_ = kept;
    field_ = line_.substr(colon + 1);
  }

  void end_field() {
    if (!std::exchange(wanted_, false)) return;
    std::string value(trim(field_).substr(0, most_text));
    bytes_ += name_.size() + value.size();
    if (bytes_ > message::most_chosen_header_bytes || found_.size() >= message::most_chosen_headers) {
      ended_ = true;
      return;
    }
    found_.emplace_back(std::move(name_), std::move(value));
  }

  const Choice& choice_;
  Note::Pairs found_;
  size_t bytes_ = 0;
  std::string line_;
  std::string name_;
  std::string field_;  // its value so far
  bool received_ = true;
  bool wanted_ = false;
  bool ended_ = false;
};

}  // namespace

size_t Note::size() const {
  size_t bytes = sizeof *this;
  for (const auto* pairs : {&headers, &meta}) {
    if (!*pairs) continue;
    for (const auto& [name, value] : **pairs) bytes += sizeof(Pairs::value_type) + name.size() + value.size();
  }
  return bytes;
}

Note::Pairs chosen_headers(const Choice& choice, std::string_view trace, const std::vector<std::string_view>& parts) {
  if (choice.headers.empty()) return {};
  Gatherer gatherer(choice);
  bool more = gatherer.feed(trace, false);
  for (size_t i = 0; more && i < parts.size(); ++i) more = gatherer.feed(parts[i], true);
  return std::move(gatherer).finish();
}

NotePtr note_of(const Choice& choice, const message::Envelope& envelope) {
  auto note = std::make_shared<Note>();
  if (!choice.headers.empty()) note->headers.emplace();
  if (!choice.meta.empty()) note->meta.emplace();
  for (const auto& [name, value] : envelope.headers) {
    if (note->headers && note->headers->size() >= message::most_chosen_headers) break;  // chosen_headers() gave no more
    const std::string* const pattern = chosen(choice.headers, name, true);
    if (pattern == nullptr) continue;
    note->headers->emplace_back(pattern->find('*') == std::string::npos ? *pattern : name, value);
  }
  for (const auto& [name, value] : envelope.context)
    if (chosen(choice.meta, name, false) != nullptr) note->meta->emplace_back(name, value);
  return note;
}

}  // namespace impulse::telemetry
