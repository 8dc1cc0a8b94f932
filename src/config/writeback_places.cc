#include "config/writeback_places.h"

namespace impulse::config {

Places::Places(const Loaded& loaded, const std::set<std::string>& wanted) : loaded_(loaded), interesting_(wanted) {
  if (!loaded.trees.empty()) contain(*loaded.trees.front(), nullptr, loaded.trees.front()->nodes);
}

const PlacedScope& Places::at(const ScopePath& path) const {
  static const PlacedScope nowhere;
  const auto found = scopes_.find(to_string(path));
  return found == scopes_.end() ? nowhere : found->second;
}

void Places::contain(const SyntaxTree& tree, const ScopeNode* scope, const std::vector<Node>& nodes) {
  std::vector<Container>& containers = scopes_[name_].containers;
  const size_t index = containers.size();
  containers.push_back({&tree, scope, 0});
  walk(tree, nodes);
  containers[index].end = ++now_;
}

void Places::walk(const SyntaxTree& tree, const std::vector<Node>& nodes) {
  for (const Node& node : nodes) node.visit([&](const auto& what) { visit(tree, node, what); });
}

void Places::visit(const SyntaxTree& tree, const Node& node, const OptionNode& option) {
  if (const OptionDef* row = find_option(option.name))
    scopes_[name_].options[row->index].push_back({&tree, &node, ++now_});
}

void Places::visit(const SyntaxTree& tree, const Node& node, const ScopeNode& scope) {
  const ScopeDef* def = find_scope(scope.name);
  if (!def) return;
  auto instance = canonical_instance(*def, scope.instance.value_or(""));
  if (!instance) return;
  path_.push_back({def->kind, std::move(*instance)});
  std::string name = to_string(path_);
  // Nothing is asked about the others, and there may be a million of them.
  if (interesting_.contains(name)) {
    std::swap(name_, name);
    scopes_[name_].openings.push_back({&tree, &node, ++now_});
    contain(tree, &scope, scope.body);
    std::swap(name_, name);
  }
  path_.pop_back();
}

void Places::visit(const SyntaxTree& /*tree*/, const Node& /*node*/, const IncludeNode& include) {
  const auto found = loaded_.includes.find(&include);
  if (found == loaded_.includes.end()) return;
  for (const auto& tree : found->second) contain(*tree, nullptr, tree->nodes);
}

}  // namespace impulse::config
