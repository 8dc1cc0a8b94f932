// Addresses of scopes: reading, writing, finding, and editing along them.
#include "base/text.h"
#include "config/tree.h"

#include <algorithm>

namespace impulse::config {
namespace {

std::string shown_instance(const std::string& instance) {
  const bool plain = std::ranges::none_of(
      instance, [](char c) { return is_space(c) || c == '"' || c == '\'' || static_cast<unsigned char>(c) < 0x20; });
  return plain ? instance : quote_if_needed(instance);
}

[[nodiscard]] std::unexpected<Error> misplaced(const ScopeDef& scope, ScopeKind parent) {
  const std::string where = parent == ScopeKind::global ? "the global scope" : std::string(scope_def(parent).name);
  return fail(Errc::invalid, "{} may not stand in {}; it may stand in {}", scope.name, where,
              scope_names(scope.parents));
}

ScopePtr edit_below(const ScopePtr& scope, std::span<const PathStep> rest, const Origin& origin,
                    const std::function<ScopePtr(const ScopePtr&)>& edit) {
  if (rest.empty()) return edit(scope);
  const PathStep& step = rest.front();
  ScopePtr child = scope->child(step.kind, step.instance);
  if (!child) child = std::make_shared<Scope>(scope_def(step.kind), step.instance, origin);
  ScopePtr edited = edit_below(child, rest.subspan(1), origin, edit);
  return edited ? scope->with_child(std::move(edited)) : scope->without_child(step.kind, step.instance);
}

// The instance of the only TCP Listen in `listener` with the port of
// `canonical` ("*:25"); `canonical` itself when it is there, or when none or
// several have that port.
std::string only_listen_with_port(const ScopePtr& listener, const std::string& canonical) {
  const auto wanted = Endpoint::parse(canonical);
  if (!listener || !wanted || listener->child(ScopeKind::listen, canonical)) return canonical;
  std::vector<std::string> found;
  listener->each_child([&](const ScopePtr& child) {
    if (child->def().kind != ScopeKind::listen) return;
    const auto endpoint = Endpoint::parse(child->instance());
    if (endpoint && !endpoint->is_unix() && endpoint->port() == wanted->port()) found.push_back(child->instance());
  });
  return found.size() == 1 ? found.front() : canonical;
}

}  // namespace

std::string to_string(const ScopePath& path) {
  std::string text;
  for (const PathStep& step : path) {
    if (!text.empty()) text += ' ';
    text += lower(scope_def(step.kind).name);
    if (!step.instance.empty()) text += ' ' + shown_instance(step.instance);
  }
  return text;
}

Result<FoundPath> read_path(std::span<const std::string> words, const ScopePtr& root) {
  FoundPath found;
  ScopeKind parent = ScopeKind::global;
  while (found.used < words.size()) {
    const std::string& word = words[found.used];
    const OptionDef* option = find_option(word);  // Pathway is a scope's name, and an option's
    if (is_unavailable_scope(word) && (!option || option->availability == Availability::unavailable))
      return fail(Errc::unavailable, "{} is not available in this version", escape_line(word, 80));
    const ScopeDef* scope = find_scope(word);
    if (!scope) break;
    if (!(scope->parents & in(parent))) {
      if (option && option->scopes & in(parent)) break;
      return misplaced(*scope, parent);
    }
    ++found.used;
    std::string_view instance;
    if (scope->instance != Instance::none && found.used < words.size()) instance = words[found.used++];
    auto canonical = canonical_instance(*scope, instance);
    if (!canonical) return std::unexpected(std::move(canonical.error()));
    if (root && scope->kind == ScopeKind::listen && instance.starts_with(':'))
      canonical = only_listen_with_port(find_scope(root, found.path), *canonical);
    found.path.push_back({scope->kind, std::move(*canonical)});
    parent = scope->kind;
  }
  return found;
}

Result<ScopePath> canonical_path(const ScopePath& path) {
  ScopePath canonical;
  ScopeKind parent = ScopeKind::global;
  for (const PathStep& step : path) {
    const ScopeDef& scope = scope_def(step.kind);
    if (!(scope.parents & in(parent))) return misplaced(scope, parent);
    auto instance = canonical_instance(scope, step.instance);
    if (!instance) return std::unexpected(std::move(instance.error()));
    canonical.push_back({step.kind, std::move(*instance)});
    parent = step.kind;
  }
  return canonical;
}

ScopePtr find_scope(const ScopePtr& root, const ScopePath& path) {
  ScopePtr scope = root;
  for (const PathStep& step : path) {
    if (!scope) return nullptr;
    scope = scope->child(step.kind, step.instance);
  }
  return scope;
}

ScopePtr edit_scope(const ScopePtr& root, const ScopePath& path, const Origin& origin,
                    const std::function<ScopePtr(const ScopePtr&)>& edit) {
  return edit_below(root, path, origin, edit);
}

}  // namespace impulse::config
