// config show, showrecurse: a scope as it would stand in a file.
#include "control/commands/child_cursor.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"
#include "control/limits.h"
#include "control/render.h"

namespace impulse::control {

namespace {

// Walks a scope and, when asked to, what is in it.
class Walk {
 public:
  Walk(config::ScopePtr scope, config::ScopePath path, bool recurse) : recurse_(recurse) {
    // showrecurse of a named scope is whole, so that it can stand in a file.
    headed_ = recurse_ && !path.empty();
    levels_.emplace_back(scope, std::move(path));
  }

  // Only what is in the scope, behind its change: indented, its documents
  // with "change" in them.
  static Walk content(const config::Change& change) {
    Walk walk(change.scope, change.path, true);
    walk.headed_ = false;
    walk.margin_ = "  ";
    walk.mark_ = {{"change", change.kind == config::Change::Kind::removed ? "removed" : "added"}};
    return walk;
  }

  // One step: a setting's next lines, a heading, a closing brace.
  bool operator()(Writer& writer) {
    if (!begun_) {
      begun_ = true;
      headed_ = headed_ && !writer.json();
      if (headed_) {
        const config::Scope& scope = *levels_.front().scope;
        writer.text(heading(scope.def(), scope.instance()) + " {");
        return true;
      }
    }
    if (setting_) {
      if (setting_(writer)) return true;
      setting_ = nullptr;
    }
    if (levels_.empty()) return false;
    Level& level = levels_.back();
    const auto& settings = level.scope->settings();
    if (level.next_setting < settings.size()) {
      say(level, settings[level.next_setting++]);
      return setting_(writer);
    }
    if (config::ScopePtr child = level.children.next()) {
      open(writer, level, std::move(child));
      return true;
    }
    levels_.pop_back();
    if (levels_.empty() && !headed_) return false;
    if (!writer.json()) writer.text(indent() + "}");
    return true;
  }

 private:
  struct Level {
    Level(const config::ScopePtr& opened, config::ScopePath where)
        : scope(opened), path(std::move(where)), children(opened) {}

    config::ScopePtr scope;
    config::ScopePath path;
    size_t next_setting = 0;
    ChildCursor children;
  };

  std::string indent() const {
    const size_t depth = levels_.size() + (headed_ ? 1 : 0);
    return margin_ + std::string(depth > 1 ? (depth - 1) * 2 : 0, ' ');
  }

  void say(const Level& level, const std::shared_ptr<const config::Setting>& setting) {
    Json head{{"scope", path_text(level.path)},
              {"option", setting->option->name},
              {"origin", setting->origin.to_string()},
              {"edited", setting->edited}};
    head.update(mark_);
    std::shared_ptr<const config::Value> value(setting, &setting->value);
    setting_ = say_setting(std::move(value), *setting->option, indent(), std::move(head));
  }

  void open(Writer& writer, const Level& level, config::ScopePtr child) {
    config::ScopePath path = level.path;
    path.push_back({child->def().kind, child->instance()});
    const bool empty = child->settings().empty() && child->child_count() == 0;
    if (writer.json()) {
      Json document{{"scope", path_text(path)}, {"kind", child->def().name}};
      if (!child->instance().empty()) document["instance"] = child->instance();
      document["origin"] = child->origin().to_string();
      document.update(mark_);
      writer.document(document);
    } else {
      const std::string_view body = empty ? " {}" : recurse_ ? " {" : " { ... }";
      writer.text(fmt::format("{}{}{}", indent(), heading(child->def(), child->instance()), body));
    }
    if (recurse_ && !empty) levels_.emplace_back(child, std::move(path));
  }

  bool recurse_;
  bool begun_ = false;
  bool headed_ = false;
  std::string margin_;
  Json mark_ = Json::object();
  std::vector<Level> levels_;
  Step setting_;
};

Answer show(const Invocation& call, std::string_view name, bool recurse) {
  auto target = read_target(call);
  if (!target) return std::move(target.error());
  if (!target->rest.empty()) {
    if (!recurse && target->rest.size() == 1) return config_get(call);  // config show SCOPE OPTION, as in Momentum
    auto option = read_option(*target, target->rest.front());
    if (!option) return std::move(option.error());
    return usage(name, recurse ? "only a scope is expected" : "one option at most is expected");
  }
  auto view = look(call);
  if (!view) return std::move(view.error());
  config::ScopePtr scope = config::find_scope(view->root, target->path);
  if (!scope)
    return Answer::error(Code::not_found, "config-no-such-scope",
                         fmt::format("there is no {}", path_text(target->path)));
  return {view->status(), Walk(std::move(scope), std::move(target->path), recurse), false};
}

}  // namespace

Step say_content(const config::Change& change) { return Walk::content(change); }

Answer config_show(const Invocation& call) { return show(call, "config show", false); }

Answer config_showrecurse(const Invocation& call) { return show(call, "config showrecurse", true); }

}  // namespace impulse::control
