// For any valid tree: text -> parse -> print of its values -> parse is the
// same tree, and the spans of its nodes put the text together again.
#include "kit.h"

#include <random>

using namespace kit;

namespace {

// Writes random statements, with every freedom that the language leaves.
class Writer {
 public:
  explicit Writer(unsigned seed) : random_(seed) {}

  std::string text() {
    text_.clear();
    statements(0);
    gap();
    return text_;
  }

 private:
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  template <class... T>
  std::string one_of(T... choices) {
    const char* all[] = {choices...};
    return all[below(sizeof...(choices))];
  }

  void gap() {  // at least one white space
    text_ += one_of(" ", "\n", "\t ", "  ", "\r\n", "\n\n", " # x ( \" {\n", " /* y } ' \n */ ");
  }
  void maybe_gap() {
    if (below(2) == 0) gap();
  }
  std::string name() { return one_of("a", "Listen", "Relay_Hosts", "x-y::z", "hook:h", "0.0.0.2", "\xC3\xA4"); }
  std::string word() {
    return one_of("true", "/tmp/x", "10.0.0.0/8", ":25", "*.example.com", "%{domain}/x", "digest:///p", "30s", "a\\b",
                  "[::1]:25", "text/*", "include");
  }
  std::string string() {
    std::string text;
    const char quote = below(2) == 0 ? '"' : '\'';
    text += quote;
    for (unsigned i = below(8); i > 0; --i)
      text +=
          one_of("a", " ", "\\\"", "\\'", "\\\\", "\\n", "\\.", "#", "{", "\n", "/*", "\xC3\xA4", "\t", "=", "\\\n");
    return text + quote;
  }
  void value(unsigned depth) {
    switch (below(depth > 4 ? 2 : 5)) {
      case 0:
      case 1:
        text_ += word();
        return;
      case 2:
        text_ += string();
        return;
      case 3:
        text_ += '(';
        maybe_gap();
        for (unsigned i = below(4); i > 0; --i) {
          value(depth + 1);
          if (below(3) == 0) text_ += ',';
          gap();
        }
        text_ += ')';
        return;
      default:
        text_ += '[';
        gap();
        for (unsigned i = below(4); i > 0; --i) {
          text_ += below(3) == 0 ? string() : name();
          maybe_gap();
          text_ += '=';
          gap();
          value(depth + 1);
          if (below(3) == 0) text_ += ',';
          gap();
        }
        text_ += ']';
    }
  }
  void statements(unsigned depth) {
    for (unsigned i = below(depth == 0 ? 12 : 4); i > 0; --i) {
      gap();
      switch (below(depth > 6 ? 3 : 5)) {
        case 0:
        case 1:
        case 2:
          text_ += name() + (below(2) == 0 ? "=" : " = ");
          value(0);
          gap();
          break;
        case 3:
          text_ += one_of("include ", "readonly_include ") + one_of("a.conf", "\"b c.conf\"", "'/etc/x'", "file:///y");
          gap();
          break;
        default:
          text_ += name();
          if (below(4) != 0) text_ += ' ' + (below(2) == 0 ? string() : one_of(":25", "/a(b|c){2}$/", "[::1]", "x"));
          text_ += one_of(" {", "{", " = {", "\n{");
          statements(depth + 1);
          text_ += "}";
      }
    }
  }

  std::mt19937 random_;
  std::string text_;
};

// The tree written anew, from names and values only.
void print(std::string& out, const std::vector<Node>& nodes) {
  for (const Node& node : nodes) {
    if (const auto* option = node.get_if<OptionNode>()) {
      out += fmt::format("{} = {}", option->name, option->value.to_string());
    } else if (const auto* include = node.get_if<IncludeNode>()) {
      out += (include->readonly ? "readonly_include " : "include ") + quote_if_needed(include->path);
    } else {
      const auto& scope = node.get<ScopeNode>();
      out += fmt::format("{}{} {{\n", scope.name, scope.instance ? " " + quote_if_needed(*scope.instance) : "");
      print(out, scope.body);
      out += "}";
    }
    out += "\n";
  }
}

// As outline, but a word that had to be quoted is a string afterwards.
std::string same_kind(std::string text) {
  for (size_t at = 0; (at = text.find("w'", at)) != std::string::npos;) text[at] = 's';
  return text;
}

class PropertyTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(PropertyTest);
  CPPUNIT_TEST(print_and_parse_are_inverse);
  CPPUNIT_TEST(spans_reproduce_statements);
  CPPUNIT_TEST(quoting_any_bytes);
  CPPUNIT_TEST_SUITE_END();

  static constexpr unsigned rounds = 400;

  void print_and_parse_are_inverse() {
    size_t nodes = 0;
    for (unsigned seed = 0; seed < rounds; ++seed) {
      const std::string text = Writer(seed).text();
      const SyntaxTree tree = parsed(text);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(text, std::string(), rendered(tree.diagnostics));
      std::string printed;
      print(printed, tree.nodes);
      const SyntaxTree again = parsed(printed);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(printed, std::string(), rendered(again.diagnostics));
      CPPUNIT_ASSERT_EQUAL_MESSAGE(text, same_kind(outline(tree.nodes)), same_kind(outline(again.nodes)));
      std::string printed_again;
      print(printed_again, again.nodes);
      CPPUNIT_ASSERT_EQUAL(printed, printed_again);
      nodes += tree.nodes.size();
    }
    CPPUNIT_ASSERT(nodes > rounds);
  }

  // Each statement's bytes parse to that statement alone; without them only
  // trivia is left.
  void check_spans(const std::string& text, const std::vector<Node>& nodes, size_t begin, size_t end) {
    std::string between;
    size_t at = begin;
    for (const Node& node : nodes) {
      CPPUNIT_ASSERT(at <= node.span.begin && node.span.begin < node.span.end && node.span.end <= end);
      between += text.substr(at, node.span.begin - at);
      const std::string piece = text.substr(node.span.begin, node.span.end - node.span.begin);
      const SyntaxTree alone = parsed(piece);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(piece, std::string(), rendered(alone.diagnostics));
      CPPUNIT_ASSERT_EQUAL(size_t{1}, alone.nodes.size());
      CPPUNIT_ASSERT_EQUAL(outline(node), outline(alone.nodes));
      if (const auto* option = node.get_if<OptionNode>()) {
        const Span span = option->value.span;
        CPPUNIT_ASSERT_EQUAL(node.span.end, span.end);
        const ParsedValue value = parse_value(source(text.substr(span.begin, span.end - span.begin)));
        CPPUNIT_ASSERT(value.value.has_value());
        CPPUNIT_ASSERT_EQUAL(outline(option->value), outline(*value.value));
      }
      if (const auto* scope = node.get_if<ScopeNode>()) {
        CPPUNIT_ASSERT_EQUAL('{', text[scope->braces.begin]);
        CPPUNIT_ASSERT_EQUAL('}', text[scope->braces.end - 1]);
        CPPUNIT_ASSERT_EQUAL(node.span.end, scope->braces.end);
        check_spans(text, scope->body, scope->braces.begin + 1, scope->braces.end - 1);
      }
      at = node.span.end;
    }
    between += text.substr(at, end - at);
    const SyntaxTree trivia = parsed(between);
    CPPUNIT_ASSERT_MESSAGE(between, trivia.nodes.empty() && trivia.diagnostics.empty());
  }
  void spans_reproduce_statements() {
    for (unsigned seed = 0; seed < rounds / 3; ++seed) {
      const std::string text = Writer(seed + rounds).text();
      const SyntaxTree tree = parsed(text);
      check_spans(text, tree.nodes, 0, text.size());
    }
  }

  void quoting_any_bytes() {
    std::mt19937 random(1);
    const std::string_view alphabet = " \t\n\r\"'\\#/*[]{}(),;=%$:.ab1\x1b\xC3\xA4";
    for (unsigned i = 0; i < 3'000; ++i) {
      std::string text;
      for (unsigned n = static_cast<unsigned>(random() % 10); n > 0; --n) {
        const char c = alphabet[random() % alphabet.size()];
        text += c == '\xC3' || c == '\xA4' ? std::string("\xC3\xA4") : std::string(1, c);
      }
      const std::string quoted = quote_if_needed(text);
      const ParsedValue value = parse_value(source(quoted));
      CPPUNIT_ASSERT_MESSAGE(quoted, value.value && value.diagnostics.empty());
      CPPUNIT_ASSERT_EQUAL(text, value.value->text);
      // The same as an instance, as a key, and in a console line.
      const SyntaxTree tree = parsed("A " + quoted + " { }");
      CPPUNIT_ASSERT_EQUAL_MESSAGE(quoted, std::string(), rendered(tree.diagnostics));
      CPPUNIT_ASSERT_EQUAL(text, tree.nodes.at(0).get<ScopeNode>().instance.value());
      const ParsedLine line = parse_line(source("a " + quoted + " b"));
      CPPUNIT_ASSERT_MESSAGE(quoted, line.diagnostics.empty() && line.words.size() == 3);
      CPPUNIT_ASSERT_EQUAL(text, line.words[1].text);
      const SyntaxTree key = parsed("d = [ " + quoted + " = x ]");
      CPPUNIT_ASSERT_EQUAL_MESSAGE(quoted, std::string(), rendered(key.diagnostics));
      CPPUNIT_ASSERT_EQUAL(text, key.nodes.at(0).get<OptionNode>().value.entries.at(0).first);
    }
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PropertyTest);

}  // namespace
