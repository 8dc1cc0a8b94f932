// Writing configuration anew: settings, scopes, blocks of both.
#include "config/config_text.h"

#include "config/writeback.h"

namespace impulse::config {
namespace {

constexpr std::string_view one_line = "";  // no newline: everything on one line

// Where a statement starts: a line of its own, or behind a space.
void begin(std::string& out, const std::string& indent, const Layout& layout) {
  out += layout.newline == one_line ? " " : indent;
}

void append_scope(std::string& out, const Scope& scope, const std::string& indent, const Layout& layout) {
  begin(out, indent, layout);
  out += title_text(scope.def(), scope.instance());
  out += " {";
  const std::string inner = indent + layout.unit;
  const bool empty = scope.settings().empty() && scope.child_count() == 0;
  if (!empty) out += layout.newline;
  for (const auto& setting : scope.settings()) {
    begin(out, inner, layout);
    out += statement_text(*setting) + layout.newline;
  }
  scope.each_child([&](const ScopePtr& child) { append_scope(out, *child, inner, layout); });
  if (!empty) begin(out, indent, layout);
  out += (empty ? " }" : "}") + layout.newline;
}

void append_block(std::string& out, const TextBlock& block, const std::string& indent, const Layout& layout) {
  const auto statements = [&](const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
      begin(out, indent, layout);
      out += line + layout.newline;
    }
  };
  statements(block.statements);
  for (const ScopePtr& scope : block.scopes) append_scope(out, *scope, indent, layout);
  for (const auto& [title, body] : block.opened) {
    begin(out, indent, layout);
    out += title + " {" + layout.newline;
    append_block(out, body, indent + layout.unit, layout);
    begin(out, indent, layout);
    out += '}' + layout.newline;
  }
  statements(block.last);
}

}  // namespace

TextBlock& TextBlock::open(const std::string& title) {
  const auto [at, added] = titles.try_emplace(title, opened.size());
  if (added) opened.emplace_back(title, TextBlock{});
  return opened[at->second].body;
}

bool TextBlock::empty() const { return statements.empty() && scopes.empty() && opened.empty() && last.empty(); }

std::string statement_text(const Setting& setting) {
  return std::string(setting.option->name) + " = " + setting.written().to_string();
}

std::string title_text(const ScopeDef& def, const std::string& instance) {
  std::string title(def.name);
  if (instance.empty()) return title;
  RawValue quoted;
  quoted.kind = RawValue::Kind::string;
  quoted.text = instance;
  return title + " " + quoted.to_string();
}

std::string block_text(const TextBlock& block, const std::string& indent, const Layout& layout) {
  std::string out;
  append_block(out, block, indent, layout);
  return out;
}

std::string inline_text(const TextBlock& block) {
  std::string out;
  append_block(out, block, {}, {"", std::string(one_line)});
  return out;
}

std::string write_config(const ScopePtr& root) {
  const Layout layout;
  std::string out;
  for (const auto& setting : root->settings()) out += statement_text(*setting) + layout.newline;
  root->each_child([&](const ScopePtr& child) {
    if (!out.empty()) out += layout.newline;
    append_scope(out, *child, {}, layout);
  });
  return out;
}

}  // namespace impulse::config
