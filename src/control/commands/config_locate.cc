// config locate: where scopes of a kind stand.
#include "base/pattern.h"
#include "base/text.h"
#include "control/commands/child_cursor.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"
#include "control/render.h"

#include <optional>

namespace impulse::control {

namespace {

// One part of Momentum's form of a location: name, colon, instance, colon.
std::string location_step(const config::PathStep& step) {
  std::string text = fmt::format("{}:", config::scope_def(step.kind).name);
  for (const char c : step.instance) {
    if (c == ':' || c == '\\') text += '\\';
    text += c;
  }
  return text + ":";
}

// Walks the tree, a bounded piece of it at a step.
class Search {
 public:
  Search(const config::ScopePtr& root, const config::ScopeDef& wanted, std::optional<Pattern> pattern)
      : wanted_(wanted), pattern_(std::move(pattern)) {
    levels_.push_back({{}, ChildCursor(root)});
  }

  bool operator()(Writer& writer) {
    for (size_t looked = 0; looked < piece; ++looked) {
      if (levels_.empty()) return false;
      const config::ScopePtr child = levels_.back().children.next();
      if (!child) {
        levels_.pop_back();
        continue;
      }
      config::ScopePath path = levels_.back().path;
      path.push_back({child->def().kind, child->instance()});
      const bool found = child->def().kind == wanted_.kind && (!pattern_ || pattern_->matches(child->instance()));
      if (found) say(writer, *child, path);
      if (child->child_count() > 0) levels_.push_back({std::move(path), ChildCursor(child)});
      if (found) return true;
    }
    return true;
  }

 private:
  static constexpr size_t piece = 4096;

  struct Level {
    config::ScopePath path;
    ChildCursor children;
  };

  void say(Writer& writer, const config::Scope& scope, const config::ScopePath& path) {
    std::string location;
    for (const config::PathStep& step : path) location += location_step(step);
    if (writer.json()) {
      writer.document({{"scope", path_text(path)},
                       {"kind", scope.def().name},
                       {"instance", scope.instance()},
                       {"location", location},
                       {"origin", scope.origin().to_string()}});
      return;
    }
    writer.text(heading(scope.def(), scope.instance()));
    writer.text("  is at " + location);
  }

  const config::ScopeDef& wanted_;
  std::optional<Pattern> pattern_;
  std::vector<Level> levels_;
};

}  // namespace

Answer config_locate(const Invocation& call) {
  if (call.words.empty()) return usage("config locate", "a kind of scope is expected");
  if (call.words.size() > 2)
    return placed_error(Code::usage, "control-usage", call.words[2],
                        "one expression at most; quote it when it has blanks");
  for (const config::RawValue& word : call.words)
    if (!is_plain(word))
      return placed_error(Code::usage, "control-usage", word, "a word is expected; quote an expression with brackets");
  const config::ScopeDef* scope = config::find_scope(call.words.front().text);
  if (scope == nullptr || scope->kind == config::ScopeKind::global) {
    const std::string name = escape_line(call.words.front().text, 64);
    if (config::is_unavailable_scope(call.words.front().text))
      return placed_error(Code::failed, "config-not-available", call.words.front(),
                          fmt::format("{} is not available in this version", name));
    const std::string_view near = config::suggest_scope(call.words.front().text);
    return placed_error(Code::failed, "config-unknown-scope", call.words.front(),
                        fmt::format("no scope is called '{}'{}", name,
                                    near.empty() ? std::string() : fmt::format("; did you mean '{}'?", near)));
  }
  std::optional<Pattern> pattern;
  if (call.words.size() == 2) {
    auto compiled = Pattern::compile(call.words[1].text, true);
    if (!compiled)
      return placed_error(Code::usage, "config-bad-pattern", call.words[1],
                          "not a regular expression: " + compiled.error().message);
    pattern = std::move(*compiled);
  }
  auto view = look(call);
  if (!view) return std::move(view.error());
  return {view->status(), Search(view->root, *scope, std::move(pattern)), false};
}

}  // namespace impulse::control
