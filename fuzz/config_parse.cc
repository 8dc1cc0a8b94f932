// Feeds the configuration parser anything: as a file, as one value, and as a
// console line. Spans must lie within each other and in the text, diagnostics
// must be few and harmless on a terminal, a value printed and parsed again
// must be equal, and so must each statement cut out by its span.
#include "base/text.h"
#include "config/syntax.h"
#include "kit.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace {

using namespace impulse;
using namespace impulse::config;

using fuzz::check;

std::shared_ptr<const Source> source(std::string text) {
  return std::make_shared<const Source>(Source{"fuzz.conf", std::move(text), true, false});
}

// But for words that had to be quoted.
bool equal(const RawValue& a, const RawValue& b) {
  const auto plain = [](const RawValue& value) {
    return value.kind == RawValue::Kind::word || value.kind == RawValue::Kind::string;
  };
  if (plain(a) || plain(b)) return plain(a) && plain(b) && a.text == b.text;
  if (a.kind != b.kind || a.items.size() != b.items.size() || a.entries.size() != b.entries.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i)
    if (!equal(a.items[i], b.items[i])) return false;
  for (size_t i = 0; i < a.entries.size(); ++i)
    if (a.entries[i].first != b.entries[i].first || !equal(a.entries[i].second, b.entries[i].second)) return false;
  return true;
}

bool equal(const std::vector<Node>& a, const std::vector<Node>& b);

bool equal(const Node& a, const Node& b) {
  if (!a.same_kind(b)) return false;
  if (const auto* option = a.get_if<OptionNode>()) {
    const auto& other = b.get<OptionNode>();
    return option->name == other.name && equal(option->value, other.value);
  }
  if (const auto* include = a.get_if<IncludeNode>()) {
    const auto& other = b.get<IncludeNode>();
    return include->path == other.path && include->readonly == other.readonly;
  }
  const auto &scope = a.get<ScopeNode>(), &other = b.get<ScopeNode>();
  return scope.name == other.name && scope.instance == other.instance && equal(scope.body, other.body);
}

bool equal(const std::vector<Node>& a, const std::vector<Node>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Node& one, const Node& other) { return equal(one, other); });
}

void check_span(Span span, size_t begin, size_t end) {
  check(begin <= span.begin && span.begin < span.end && span.end <= end, "a span lies outside of what holds it");
}

void check_value(const RawValue& value, Span within, bool clean) {
  check_span(value.span, within.begin, within.end);
  for (const RawValue& item : value.items) check_value(item, value.span, false);
  for (const auto& [key, item] : value.entries) check_value(item, value.span, false);
  if (!clean) return;  // the printed text would hold what is refused: NUL, or no UTF-8
  const ParsedValue again = parse_value(source(value.to_string()));
  check(again.value.has_value() && again.diagnostics.empty(), "a printed value does not parse");
  check(equal(value, *again.value), "a printed value parses to another one");
}

void check_nodes(const std::vector<Node>& nodes, size_t begin, size_t end, bool clean) {
  for (const Node& node : nodes) {
    check_span(node.span, begin, end);
    begin = node.span.end;
    if (const auto* option = node.get_if<OptionNode>()) {
      check_value(option->value, node.span, clean);
    } else if (const auto* scope = node.get_if<ScopeNode>()) {
      check_span(scope->braces, node.span.begin, node.span.end);
      check_nodes(scope->body, scope->braces.begin, scope->braces.end, clean);
    }
  }
}

void check_diagnostics(const Diagnostics& diagnostics) {
  check(diagnostics.size() <= 202, "too many diagnostics");
  for (const Diagnostic& diagnostic : diagnostics) {
    const std::string text = diagnostic.render();
    check(text.size() < 4096, "an endless diagnostic");
    check(is_utf8(text), "a diagnostic is not UTF-8");
    for (const char c : text)
      check(c == '\n' || static_cast<unsigned char>(c) >= 0x20, "a control character in a diagnostic");
    check(diagnostic.headline().find('\n') == std::string::npos, "a headline of several lines");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const bool clean = is_utf8(text) && text.find('\0') == std::string::npos;

  const SyntaxTree tree = parse(source(text));
  check(clean || has_errors(tree.diagnostics), "NUL or bytes that are not UTF-8 went unnoticed");
  check_diagnostics(tree.diagnostics);
  check_nodes(tree.nodes, 0, text.size(), clean);
  if (!has_errors(tree.diagnostics)) {
    for (const Node& node : tree.nodes) {
      const SyntaxTree alone = parse(source(text.substr(node.span.begin, node.span.end - node.span.begin)));
      check(!has_errors(alone.diagnostics) && alone.nodes.size() == 1, "a statement does not parse alone");
      check(alone.nodes.size() == 1 && equal(alone.nodes.front(), node), "a statement alone is another one");
    }
  }

  const ParsedValue value = parse_value(source(text));
  check_diagnostics(value.diagnostics);
  check(value.value.has_value() != has_errors(value.diagnostics), "a value and an error, or neither");
  if (value.value) check_value(*value.value, {0, text.size()}, clean);

  const ParsedLine line = parse_line(source(text));
  check_diagnostics(line.diagnostics);
  for (const RawValue& word : line.words) check_value(word, {0, text.size()}, clean);

  if (clean) {
    const ParsedValue quoted = parse_value(source(quote_if_needed(text)));
    check(quoted.value && quoted.value->text == text, "quoting loses something");
  }
  return 0;
}
