// config show, showrecurse: a scope as it would stand in a file.
#include "control/commands/commands.h"
#include "control/commands/config_target.h"
#include "control/limits.h"
#include "control/render.h"

namespace impulse::control {

namespace {

// Walks a scope and, when asked to, what is in it. Holds its scopes' root, and
// of each scope on the way down at most a window of children: a million
// Peers are shown in the memory of a few thousand.
class Walk {
 public:
  Walk(config::ScopePtr scope, config::ScopePath path, bool recurse) : recurse_(recurse) {
    // showrecurse of a named scope is whole, so that it can stand in a file.
    headed_ = recurse_ && !path.empty();
    levels_.push_back(Level(std::move(scope), std::move(path)));
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
    if (config::ScopePtr child = level.next_child()) {
      open(writer, level, std::move(child));
      return true;
    }
    levels_.pop_back();
    if (levels_.empty() && !headed_) return false;
    if (!writer.json()) writer.text(indent() + "}");
    return true;
  }

 private:
  static constexpr size_t window = 4096;  // children of a scope held at a time

  struct Level {
    Level(config::ScopePtr opened, config::ScopePath where) : scope(std::move(opened)), path(std::move(where)) {}

    config::ScopePtr next_child() {
      if (next_in_window == children.size()) {
        if (seen == scope->child_count()) return nullptr;
        children.clear();
        next_in_window = 0;
        size_t index = 0;
        scope->each_child([&](const config::ScopePtr& child) {
          if (index >= seen && children.size() < window) children.push_back(child);
          ++index;
        });
        if (children.empty()) return nullptr;
        seen += children.size();
      }
      return children[next_in_window++];
    }

    config::ScopePtr scope;
    config::ScopePath path;
    size_t next_setting = 0;
    std::vector<config::ScopePtr> children;
    size_t next_in_window = 0;
    size_t seen = 0;
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
    if (recurse_ && !empty) levels_.push_back(Level(std::move(child), std::move(path)));
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
  const config::SnapshotPtr snapshot = call.system.engine().current();
  config::ScopePtr scope = config::find_scope(snapshot->root(), target->path);
  if (!scope)
    return Answer::error(Code::not_found, "config-no-such-scope",
                         fmt::format("there is no {}", path_text(target->path)));
  return {Status{}.with("gen", snapshot->generation()), Walk(std::move(scope), std::move(target->path), recurse),
          false};
}

}  // namespace

Step say_content(const config::Change& change) { return Walk::content(change); }

Answer config_show(const Invocation& call) { return show(call, "config show", false); }

Answer config_showrecurse(const Invocation& call) { return show(call, "config showrecurse", true); }

}  // namespace impulse::control
