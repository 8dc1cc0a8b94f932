// Editing one file in place: which bytes change, and what stands there then.
#include "config/config_text.h"

#include "base/text.h"

#include <algorithm>

namespace impulse::config {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; }

// Behind the comment that begins there; `at` itself when none does.
size_t skip_comment(std::string_view text, size_t at) {
  if (text[at] == '#') return std::min(text.find('\n', at), text.size());
  if (!text.substr(at).starts_with("/*")) return at;
  const size_t close = text.find("*/", at + 2);
  return close == std::string_view::npos ? text.size() : close + 2;
}

// Behind white space, line ends and comments.
size_t skip_trivia(std::string_view text, size_t at) {
  while (at < text.size()) {
    const size_t behind = is_space(text[at]) ? at + 1 : skip_comment(text, at);
    if (behind == at) break;
    at = behind;
  }
  return at;
}

// The start of the line behind a statement that ends at `at`, its comments
// included; npos when something else follows on the line.
size_t next_line(std::string_view text, size_t at) {
  while (at < text.size()) {
    if (text[at] == '\n') return at + 1;
    const size_t behind = is_blank(text[at]) ? at + 1 : skip_comment(text, at);
    if (behind == at) return std::string_view::npos;
    at = behind;
  }
  return at;
}

const Node* last_of(const std::vector<Node>& nodes, const std::set<const Node*>& removed) {
  for (auto node = nodes.rbegin(); node != nodes.rend(); ++node)
    if (!removed.contains(&*node)) return &*node;
  return nullptr;
}

bool is_plain(const RawValue& value) {
  return value.kind == RawValue::Kind::word || value.kind == RawValue::Kind::string;
}

}  // namespace

void TextEdits::replace(const Node& option, const RawValue& value) { replaced_.emplace_back(&option, value); }

void TextEdits::remove(const Node& node) { removed_.insert(&node); }

size_t TextEdits::line_start(size_t at) const {
  const size_t newline = at == 0 ? std::string_view::npos : text().rfind('\n', at - 1);
  return newline == std::string_view::npos ? 0 : newline + 1;
}

std::string TextEdits::indent_of_line(size_t at) const {
  const size_t begin = line_start(at);
  size_t end = begin;
  while (end < text().size() && (text()[end] == ' ' || text()[end] == '\t')) ++end;
  return std::string(text().substr(begin, end - begin));
}

const Layout& TextEdits::layout() const {
  if (layout_) return *layout_;
  Layout& layout = layout_.emplace();
  const size_t newline = text().find('\n');
  if (newline != std::string_view::npos && newline > 0 && text()[newline - 1] == '\r') layout.newline = "\r\n";
  for (const Node& node : tree_.nodes) {
    const auto* scope = node.get_if<ScopeNode>();
    if (!scope || scope->body.empty()) continue;
    const std::string outer = indent_of_line(scope->braces.begin);
    const std::string inner = indent_of_line(scope->body.front().span.begin);
    if (line_start(scope->body.front().span.begin) <= scope->braces.begin) continue;
    if (inner.size() > outer.size() && inner.starts_with(outer)) {
      layout.unit = inner.substr(outer.size());
      break;
    }
  }
  return layout;
}

void TextEdits::change_values(std::vector<Change>& changes) const {
  for (const auto& [node, value] : replaced_) {
    const auto& option = node->get<OptionNode>();
    const Span old = option.value.span;
    RawValue spelled = value;
    const size_t behind_name = node->span.begin + option.name.size();
    const size_t sign = skip_trivia(text(), behind_name);
    const bool assigned = sign < old.begin && text()[sign] == '=';
    // The quotes that were there stay; and a bare word behind a line end could
    // be taken for the name of the next statement.
    const bool next_line = text().substr(behind_name, old.begin - behind_name).find('\n') != std::string_view::npos;
    if (is_plain(value) && (option.value.kind == RawValue::Kind::string || next_line))
      spelled.kind = RawValue::Kind::string;
    std::string spelling = spelled.to_string();
    if (!assigned && is_plain(value)) spelling.insert(0, is_space(text()[old.begin - 1]) ? "= " : " = ");
    const bool joined = old.end < text().size() && !is_space(text()[old.end]) && text()[old.end] != '}';
    changes.push_back({old.begin, old.end, spelling + (joined ? " " : "")});
  }
}

std::string TextEdits::masked() const {
  std::string blanked(text());
  for (const Node* node : removed_)
    std::fill(blanked.begin() + static_cast<std::ptrdiff_t>(node->span.begin),
              blanked.begin() + static_cast<std::ptrdiff_t>(node->span.end), ' ');
  return blanked;
}

// `ranges`: blanks that go as well.
void TextEdits::change_removed(const std::string& rest, std::vector<Change>& changes, std::vector<Span> ranges) const {
  if (removed_.empty() && ranges.empty()) return;
  for (const Node* node : removed_) {
    size_t begin = node->span.begin;
    size_t end = node->span.end;
    while (begin > 0 && is_blank(rest[begin - 1])) --begin;
    while (end < rest.size() && is_blank(rest[end])) ++end;
    const bool starts_line = begin == 0 || rest[begin - 1] == '\n';
    const bool ends_line = end == rest.size() || rest[end] == '\n';
    if (starts_line && ends_line)
      end = std::min(end + 1, rest.size());
    else if (ends_line)
      end -= end > node->span.end && rest[end - 1] == '\r' ? 1 : 0;  // the line end stays whole
    else
      begin = node->span.begin;
    ranges.push_back({begin, end});
  }
  std::ranges::sort(ranges, {}, &Span::begin);
  std::vector<Span> merged;
  for (const Span& range : ranges) {
    if (!merged.empty() && range.begin <= merged.back().end)
      merged.back().end = std::max(merged.back().end, range.end);
    else
      merged.push_back(range);
  }
  for (const Span& range : merged) {
    const bool joins = range.begin > 0 && range.end < text().size() && !is_space(text()[range.begin - 1]) &&
                       text()[range.begin - 1] != '{' && !is_space(text()[range.end]);
    changes.push_back({range.begin, range.end, joins ? " " : ""});
  }
}

void TextEdits::append_behind(const Node& anchor, const ScopeNode* scope, const TextBlock& block,
                              const std::string& rest, std::vector<Change>& changes) const {
  const Layout& style = layout();
  const size_t own_line = line_start(anchor.span.begin);
  const bool alone = skip_trivia(text(), own_line) >= anchor.span.begin;
  std::string indent = indent_of_line(anchor.span.begin);
  if (!alone && scope) indent = indent_of_line(scope->braces.begin) + style.unit;
  const size_t at = next_line(rest, anchor.span.end);
  if (at == std::string_view::npos) {
    // Something follows on the line, a brace most likely.
    const bool lines = text().substr(anchor.span.begin, anchor.span.end - anchor.span.begin).contains('\n');
    changes.push_back({anchor.span.end, anchor.span.end,
                       lines ? style.newline + block_text(block, indent, style) + indent_of_line(anchor.span.end)
                             : inline_text(block)});
    return;
  }
  std::string added;
  if (at > 0 && text()[at - 1] != '\n') added = style.newline;
  // A scope of its own stands apart in the outermost scope.
  if (!scope && block.statements.empty() && block.last.empty()) added += style.newline;
  changes.push_back({at, at, added + block_text(block, indent, style)});
}

// Into a scope that has nothing in it, or nothing left.
void TextEdits::append_into(const ScopeNode& scope, const TextBlock& block, const std::string& rest,
                            std::vector<Change>& changes, std::vector<Span>& blanks) const {
  const Layout& style = layout();
  const std::string outer = indent_of_line(scope.braces.begin);
  const std::string lines = block_text(block, outer + style.unit, style);
  const size_t brace = scope.braces.end - 1;
  const size_t begin = line_start(brace);
  if (begin > scope.braces.begin && indent_of_line(brace).size() == brace - begin) {
    changes.push_back({begin, begin, lines});
    return;
  }
  size_t blank = brace;
  while (blank > scope.braces.begin + 1 && is_blank(rest[blank - 1])) --blank;
  if (blank < brace) blanks.push_back({blank, brace});
  changes.push_back({brace, brace, style.newline + lines + outer});
}

void TextEdits::append_at_end(const TextBlock& block, std::vector<Change>& changes) const {
  const Layout& style = layout();
  const size_t end = text().size();
  changes.push_back(
      {end, end, (end == 0 || text()[end - 1] == '\n' ? "" : style.newline) + block_text(block, {}, style)});
}

void TextEdits::change_appended(const std::string& rest, std::vector<Change>& changes,
                                std::vector<Span>& blanks) const {
  for (const auto& [scope, block] : appended_) {
    if (block.empty()) continue;
    if (const Node* anchor = last_of(scope ? scope->body : tree_.nodes, removed_))
      append_behind(*anchor, scope, block, rest, changes);
    else if (scope)
      append_into(*scope, block, rest, changes, blanks);
    else
      append_at_end(block, changes);
  }
}

std::string TextEdits::apply() const {
  std::vector<Change> changes;
  std::vector<Span> blanks;
  change_values(changes);
  const std::string rest = masked();
  change_appended(rest, changes, blanks);
  change_removed(rest, changes, std::move(blanks));
  // What is added stands in front of what is taken away from the same place.
  std::ranges::sort(changes, [](const Change& a, const Change& b) {
    return a.begin != b.begin ? a.begin<b.begin : (a.end == a.begin)>(b.end == b.begin);
  });
  std::string out;
  size_t at = 0;
  for (const Change& change : changes) {
    out += text().substr(at, change.begin - at);
    out += change.text;
    at = change.end;
  }
  out += text().substr(at);
  return out;
}

}  // namespace impulse::config
