// What the tests of the configuration language share: parsing a text, and a
// tree written out on one line, to compare with.
#pragma once

#include "config/syntax.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fmt/format.h>

#include <memory>
#include <string>

namespace kit {

using namespace impulse::config;

inline std::shared_ptr<const Source> source(std::string text, std::string name = "t.conf") {
  return std::make_shared<const Source>(Source{std::move(name), std::move(text), true, false});
}
inline SyntaxTree parsed(std::string text) { return parse(source(std::move(text))); }

inline std::string rendered(const Diagnostics& diagnostics) {
  std::string text;
  for (const Diagnostic& d : diagnostics) text += d.render() + "\n";
  return text;
}

// Kind and text: w'…' for a word, s'…' for a string.
inline std::string outline(const RawValue& value) {
  std::string text;
  switch (value.kind) {
    case RawValue::Kind::word:
      return "w'" + value.text + "'";
    case RawValue::Kind::string:
      return "s'" + value.text + "'";
    case RawValue::Kind::array:
      for (const RawValue& item : value.items) text += outline(item) + " ";
      return "( " + text + ")";
    case RawValue::Kind::dictionary:
      for (const auto& [key, item] : value.entries) text += key + "=" + outline(item) + " ";
      return "[ " + text + "]";
  }
  return text;
}
inline std::string outline(const std::vector<Node>& nodes);
inline std::string outline(const Node& node) {
  if (const auto* option = node.get_if<OptionNode>()) return fmt::format("{}={}", option->name, outline(option->value));
  if (const auto* include = node.get_if<IncludeNode>())
    return fmt::format("{}<{}>", include->readonly ? "readonly_include" : "include", include->path);
  const auto& scope = node.get<ScopeNode>();
  return fmt::format("{}{}{}", scope.name, scope.instance ? "<" + *scope.instance + ">" : "",
                     scope.body.empty() ? "{}" : "{ " + outline(scope.body) + " }");
}
inline std::string outline(const std::vector<Node>& nodes) {
  std::string text;
  for (const Node& node : nodes) text += (text.empty() ? "" : " ") + outline(node);
  return text;
}

// Parses without any diagnostic, into this outline.
inline void reads(std::string text, const std::string& expected) {
  const SyntaxTree tree = parsed(text);
  CPPUNIT_ASSERT_EQUAL_MESSAGE(text, std::string(), rendered(tree.diagnostics));
  CPPUNIT_ASSERT_EQUAL_MESSAGE(text, expected, outline(tree.nodes));
}

// One diagnostic of that id, whose headline (without "t.conf:") is this.
inline void refuses(std::string text, const std::string& id, const std::string& headline) {
  const SyntaxTree tree = parsed(text);
  CPPUNIT_ASSERT_EQUAL_MESSAGE(text + "\n" + rendered(tree.diagnostics), size_t{1}, tree.diagnostics.size());
  CPPUNIT_ASSERT_EQUAL_MESSAGE(text, id, tree.diagnostics.front().id);
  CPPUNIT_ASSERT_EQUAL_MESSAGE(text, "t.conf:" + headline, tree.diagnostics.front().headline());
}

}  // namespace kit
