// From syntax to tree: names resolved, values typed, instances canonical,
// scopes reopened, includes followed; every mistake reported.
#include "base/text.h"
#include "config/children.h"
#include "config/diagnostic_ids.h"
#include "config/setting.h"
#include "config/tree.h"

#include <algorithm>
#include <functional>

namespace impulse::config {
namespace {

constexpr size_t diagnostics_kept = 200;  // nobody reads more

}  // namespace

class TreeBuilder {
 public:
  // With `consume`, syntax that nobody else has is freed as it is read: a large
  // configuration is in memory once then.
  TreeBuilder(const Loaded& loaded, bool consume)
      : loaded_(loaded), consume_(consume), diagnostics_(loaded.diagnostics) {}

  Built run() {
    Draft root(scope_def(ScopeKind::global), {}, {});
    if (!loaded_.trees.empty()) {
      root.scope->origin_ = {loaded_.trees.front()->source, {1, 1}};
      walk(loaded_.trees.front(), root);
    }
    if (dropped_ > 0)
      diagnostics_.push_back({Diagnostic::Severity::error,
                              std::string(id::too_many),
                              root.scope->origin_,
                              1,
                              fmt::format("{} more diagnostics are not shown", dropped_),
                              {},
                              {}});
    return {freeze(root), std::move(diagnostics_)};
  }

 private:
  // A scope while what is in it is read.
  struct Draft {
    std::shared_ptr<Scope> scope;
    std::vector<std::shared_ptr<Scope>> children;  // as they were opened: names may occur again

    Draft(const ScopeDef& of, std::string name, Origin where)
        : scope(std::make_shared<Scope>(of, std::move(name), std::move(where))) {}

    void set(std::shared_ptr<const Setting> setting) const {
      auto& settings = scope->settings_;
      const auto at = std::ranges::lower_bound(settings, setting->option->index, {},
                                               [](const auto& s) { return s->option->index; });
      if (at != settings.end() && (*at)->option == setting->option)
        *at = std::move(setting);  // the later wins
      else
        settings.insert(at, std::move(setting));
    }
  };

  // A child in the order in which maps are made: by kind, then instance. The
  // first bytes of the instance stand here, since most differ in them.
  struct Ordered {
    uint64_t head;
    std::shared_ptr<Scope> scope;
    uint32_t sequence;
    ScopeKind kind;

    static uint64_t head_of(std::string_view text) {
      uint64_t head = 0;
      for (size_t i = 0; i < sizeof head; ++i) head = head << 8 | (i < text.size() ? static_cast<uint8_t>(text[i]) : 0);
      return head;
    }
    bool same(const Ordered& other) const {
      return kind == other.kind && head == other.head && scope->instance_ == other.scope->instance_;
    }
    bool operator<(const Ordered& other) const {
      if (kind != other.kind) return kind < other.kind;
      if (head != other.head) return head < other.head;
      const int order = scope->instance_.compare(other.scope->instance_);
      return order != 0 ? order < 0 : sequence < other.sequence;
    }
  };

  template <class T>
  static void free(std::vector<T>& list) {
    std::vector<T>().swap(list);
  }

  static ScopePtr freeze(Draft& draft) {
    draft.scope->settings_.shrink_to_fit();
    if (draft.children.empty()) return draft.scope;
    std::vector<Ordered> ordered;
    ordered.reserve(draft.children.size());
    for (auto& child : draft.children) {
      const ScopeKind kind = child->def_->kind;
      const uint64_t head = Ordered::head_of(child->instance_);
      ordered.push_back({head, std::move(child), static_cast<uint32_t>(ordered.size()), kind});
    }
    free(draft.children);
    std::ranges::sort(ordered, std::less<>{});
    auto children = std::make_shared<Scope::Children>();
    children->next = static_cast<uint32_t>(ordered.size());
    std::vector<std::pair<ScopeKind, std::vector<ChildMap::Entry>>> kinds;
    for (size_t at = 0; at < ordered.size();) {
      const ScopeKind kind = ordered[at].kind;
      auto& entries = kinds.emplace_back(kind, std::vector<ChildMap::Entry>{}).second;
      entries.reserve(ordered.size() - at);
      for (; at < ordered.size() && ordered[at].kind == kind;) {
        const size_t first = at++;
        while (at < ordered.size() && ordered[first].same(ordered[at]))
          reopen(*ordered[first].scope, *ordered[at++].scope);
        entries.push_back({std::move(ordered[first].scope), ordered[first].sequence});
      }
      children->count += entries.size();
    }
    free(ordered);  // before as many nodes are made
    for (auto& [kind, entries] : kinds) children->kinds.emplace_back(kind, ChildMap(std::move(entries)));
    draft.scope->children_ = std::move(children);
    return draft.scope;
  }

  // Lays what a scope said when it was opened again over what it said before.
  static void reopen(Scope& scope, const Scope& again) {
    ScopePtr merged = std::make_shared<Scope>(scope);
    for (const auto& setting : again.settings_) merged = merged->with_setting(setting);
    again.each_child([&](const ScopePtr& child) {
      const ScopePtr old = merged->child(child->def().kind, child->instance());
      if (!old) return void(merged = merged->with_child(child));
      auto both = std::make_shared<Scope>(*old);
      reopen(*both, *child);
      merged = merged->with_child(std::move(both));
    });
    scope.settings_ = merged->settings_;
    scope.children_ = merged->children_;
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

  void walk(const std::shared_ptr<const SyntaxTree>& tree, Draft& scope) {
    const auto outer = std::exchange(source_, tree->source);
    // One that is included twice is read twice.
    const bool last = consume_ && tree.use_count() == 1;
    const bool outer_last = std::exchange(last_, last);
    walk(tree->nodes, scope);
    last_ = outer_last;
    source_ = outer;
  }

  static size_t scopes_in(const std::vector<Node>& nodes) {
    return static_cast<size_t>(
        std::ranges::count_if(nodes, [](const Node& node) { return node.get_if<ScopeNode>() != nullptr; }));
  }

  void walk(const std::vector<Node>& nodes, Draft& scope) {
    for (const Node& node : nodes) {
      node.visit([&](const auto& what) { visit(what, scope); });
      // No tree is made const: syntax.h's parse returns them by value.
      if (last_) const_cast<Node&>(node).release();
    }
  }

  void visit(const OptionNode& node, Draft& scope) {
    // Looking for what may have been meant takes its time, for nobody.
    if (diagnostics_.size() >= diagnostics_kept && !find_option(node.name)) return void(++dropped_);
    CheckedSetting checked = check_setting(scope.scope->def_->kind, node.name, node.place, node.value, source_, false);
    for (Diagnostic& diagnostic : checked.diagnostics) add(std::move(diagnostic));
    if (checked.setting) scope.set(std::move(checked.setting));
  }

  void visit(const ScopeNode& node, Draft& parent) {
    const ScopeDef* def = find_scope(node.name);
    if (!def) return unknown_scope(node);
    bool good = true;
    const ScopeDef& outside = *parent.scope->def_;
    if (!(def->parents & in(outside.kind))) {
      good = false;
      const bool top = outside.kind == ScopeKind::global;
      error(id::wrong_scope, node.place, node.name.size(),
            fmt::format("{} may not stand in {}", def->name, top ? "the global scope" : outside.name),
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
    // With its place wrong, what is in it may be wrong too: one run reports all.
    Draft draft(*def, good ? std::move(*instance) : std::string{}, {source_, node.place});
    draft.children.reserve(scopes_in(node.body));
    walk(node.body, draft);
    if (last_) free(const_cast<ScopeNode&>(node).body);
    if (!good) return;
    freeze(draft);
    parent.children.push_back(std::move(draft.scope));
  }

  void unknown_scope(const ScopeNode& node) {
    if (is_unavailable_scope(node.name))
      return error(id::not_available, node.place, node.name.size(),
                   fmt::format("{} is not available in this version", node.name));
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
    for (const auto& tree : found->second) walk(tree, scope);
    includes_.pop_back();
  }

  const Loaded& loaded_;
  const bool consume_;
  bool last_ = false;  // the syntax being read may be freed
  Diagnostics diagnostics_;
  std::shared_ptr<const Source> source_;
  std::vector<Origin> includes_;  // outermost first
  size_t dropped_ = 0;
};

Built build(const Loaded& loaded) { return TreeBuilder(loaded, false).run(); }
Built build(Loaded&& loaded) { return TreeBuilder(loaded, true).run(); }

}  // namespace impulse::config
