// From syntax to tree: names resolved, values typed, instances canonical,
// scopes reopened, includes followed; every mistake reported.
#include "base/text.h"
#include "config/children.h"
#include "config/semantic_ids.h"
#include "config/setting.h"
#include "config/tree.h"

#include <algorithm>
#include <map>
#include <unordered_map>

namespace impulse::config {
namespace {

constexpr size_t diagnostics_kept = 200;  // nobody reads more

// A scope while it is being filled.
struct Draft {
  const ScopeDef* def = nullptr;
  std::string instance;
  Origin origin;
  std::vector<std::shared_ptr<const Setting>> settings;  // as they came
  std::vector<std::unique_ptr<Draft>> children;          // as they were opened
  // By instance, for each kind that occurs; names are those of the children.
  std::map<ScopeKind, std::unordered_map<std::string_view, Draft*>> index;

  Draft(const ScopeDef& of, std::string name, Origin where)
      : def(&of), instance(std::move(name)), origin(std::move(where)) {}

  Draft& open(const ScopeDef& of, std::string name, const Origin& where) {
    auto& named = index[of.kind];
    if (const auto found = named.find(name); found != named.end()) return *found->second;
    children.push_back(std::make_unique<Draft>(of, std::move(name), where));
    Draft* draft = children.back().get();
    named.emplace(draft->instance, draft);
    return *draft;
  }

  void set(std::shared_ptr<const Setting> setting) {
    for (auto& old : settings)
      if (old->option == setting->option) return void(old = std::move(setting));  // the later wins
    settings.push_back(std::move(setting));
  }
};

}  // namespace

class TreeBuilder {
 public:
  explicit TreeBuilder(const Loaded& loaded) : loaded_(loaded), diagnostics_(loaded.diagnostics) {}

  Built run() {
    Draft root(scope_def(ScopeKind::global), {}, {});
    if (!loaded_.trees.empty()) {
      root.origin = {loaded_.trees.front()->source, {1, 1}};
      walk(*loaded_.trees.front(), root);
    }
    if (dropped_ > 0)
      diagnostics_.push_back({Diagnostic::Severity::error,
                              std::string(id::too_many),
                              root.origin,
                              1,
                              fmt::format("{} more diagnostics are not shown", dropped_),
                              {},
                              {}});
    return {freeze(root), std::move(diagnostics_)};
  }

 private:
  static ScopePtr freeze(Draft& draft) {
    auto scope = std::make_shared<Scope>(*draft.def, std::move(draft.instance), std::move(draft.origin));
    std::ranges::sort(draft.settings, {}, [](const auto& s) { return s->option->index; });
    draft.settings.shrink_to_fit();
    scope->settings_ = std::move(draft.settings);
    if (draft.children.empty()) return scope;
    auto children = std::make_shared<Scope::Children>();
    std::map<ScopeKind, std::vector<ChildMap::Entry>> entries;
    draft.index.clear();
    for (auto& child : draft.children) {
      entries[child->def->kind].push_back({freeze(*child), children->next++});
      child.reset();
    }
    for (auto& [kind, list] : entries) children->kinds.emplace_back(kind, ChildMap(std::move(list)));
    children->count = draft.children.size();
    scope->children_ = std::move(children);
    return scope;
  }

  void add(Diagnostic diagnostic) {
    if (diagnostics_.size() >= diagnostics_kept) {
      if (diagnostic.severity == Diagnostic::Severity::error) ++dropped_;  // run() makes an error of them
      return;
    }
    diagnostic.include_stack.assign(includes_.rbegin(), includes_.rend());
    diagnostics_.push_back(std::move(diagnostic));
  }

  void error(std::string_view id, Place place, size_t length, std::string message, std::string hint = {}) {
    add({Diagnostic::Severity::error,
         std::string(id),
         {source_, place},
         static_cast<uint32_t>(std::clamp<size_t>(length, 1, 1000)),
         std::move(message),
         std::move(hint),
         {}});
  }

  void walk(const SyntaxTree& tree, Draft& scope) {
    const auto outer = std::exchange(source_, tree.source);
    walk(tree.nodes, scope);
    source_ = outer;
  }

  void walk(const std::vector<Node>& nodes, Draft& scope) {
    for (const Node& node : nodes) std::visit([&](const auto& what) { visit(what, scope); }, node.what);
  }

  void visit(const OptionNode& node, Draft& scope) {
    // Looking for what may have been meant takes its time, for nobody.
    if (diagnostics_.size() >= diagnostics_kept && !find_option(node.name)) return void(++dropped_);
    CheckedSetting checked = check_setting(scope.def->kind, node.name, node.place, node.value, source_, false);
    for (Diagnostic& diagnostic : checked.diagnostics) add(std::move(diagnostic));
    if (checked.setting) scope.set(std::move(checked.setting));
  }

  void visit(const ScopeNode& node, Draft& parent) {
    const ScopeDef* def = find_scope(node.name);
    if (!def) return unknown_scope(node);
    bool good = true;
    if (!(def->parents & in(parent.def->kind))) {
      good = false;
      const bool top = parent.def->kind == ScopeKind::global;
      error(id::wrong_scope, node.place, node.name.size(),
            fmt::format("{} may not stand in {}", def->name, top ? "the global scope" : parent.def->name),
            fmt::format("it may stand in {}", scope_names(def->parents)));
    }
    auto instance = canonical_instance(*def, node.instance.value_or(""));
    if (!instance) {
      good = false;
      const Place place = node.instance ? node.instance_place : node.place;
      const size_t length = node.instance ? node.instance->size() : node.name.size();
      const bool unavailable = instance.error().code == Errc::unavailable;
      error(unavailable ? id::not_available : id::bad_instance, place, length, instance.error().message);
    }
    if (good && def->availability == Availability::retired)
      add({Diagnostic::Severity::notice,
           std::string(id::retired),
           {source_, node.place},
           static_cast<uint32_t>(node.name.size()),
           fmt::format("{} has no effect here: {}", def->name, def->help),
           {},
           {}});
    if (good) return walk(node.body, parent.open(*def, std::move(*instance), {source_, node.place}));
    // Its place is wrong, what is in it may be wrong too: one run reports all.
    Draft aside(*def, {}, {source_, node.place});
    walk(node.body, aside);
  }

  void unknown_scope(const ScopeNode& node) {
    if (is_unavailable_scope(node.name))
      return error(id::not_available, node.place, node.name.size(), node.name + " is not available in this version");
    if (const OptionDef* option = find_option(node.name)) {
      std::string text = unavailable_text(*option);
      if (!text.empty()) return error(id::not_available, node.place, node.name.size(), std::move(text));
      return error(id::unknown_scope, node.place, node.name.size(),
                   fmt::format("{} is an option ({}), not a scope", option->name, to_string(option->type)));
    }
    const std::string_view near = suggest_scope(node.name);
    error(id::unknown_scope, node.place, node.name.size(),
          fmt::format("unknown scope '{}'", escape_line(node.name, 80)),
          near.empty() ? std::string{} : fmt::format("did you mean '{}'?", near));
  }

  void visit(const IncludeNode& node, Draft& scope) {
    const auto found = loaded_.includes.find(&node);
    if (found == loaded_.includes.end()) return;  // the loader has said why
    includes_.push_back({source_, node.place});
    for (const auto& tree : found->second) walk(*tree, scope);
    includes_.pop_back();
  }

  const Loaded& loaded_;
  Diagnostics diagnostics_;
  std::shared_ptr<const Source> source_;
  std::vector<Origin> includes_;  // outermost first
  size_t dropped_ = 0;
};

Built build(const Loaded& loaded) { return TreeBuilder(loaded).run(); }

}  // namespace impulse::config
