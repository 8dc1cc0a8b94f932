#include "config/reference_checks.h"

#include "base/text.h"
#include "config/delivery_scopes.h"
#include "config/diagnostic_ids.h"
#include "config/keys.h"

#include <map>
#include <utility>

namespace impulse::config {

void ReferenceChecks::check_global() {
  check_clashes(next_.pathways()->scopes());
  check_clashes(next_.delivery().bindings());
  check_alike(next_.delivery().bindings());
  check_default_binding();
}

void ReferenceChecks::check_certificate(const Setting& setting) {
  const std::string& name = std::get<std::string>(setting.value);
  if (name.empty() || next_.certificate(name)) return;
  if (name.find_first_of("/.") != std::string::npos) return;  // a path
  const auto names = next_.certificates();
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string_view near = nearest(name, views);
  findings_.error(id::dangling_reference, setting.origin,
                  fmt::format("TLS_Certificate: there is no Certificate \"{}\"", escape_line(name, 80)),
                  near.empty() ? "a path has a / or a . in it" : fmt::format("did you mean '{}'?", near));
}

void ReferenceChecks::check_server_names(const Setting& setting) {
  for (const auto& [pattern, name] : std::get<Dictionary>(setting.value))
    if (!next_.certificate(name)) dangling(setting, "Certificate", name, next_.certificates());
}

void ReferenceChecks::check_event_loop(const Setting& setting) {
  const std::string& name = std::get<std::string>(setting.value);
  if (!next_.event_loop(name)) dangling(setting, "EventLoop", name, next_.event_loops());
}

// Momentum's ThreadPools only accept; here loops do that, those of Event_Loop.
void ReferenceChecks::check_pool_name(const Setting& setting) {
  const std::string& name = std::get<std::string>(setting.value);
  if (name.empty() || next_.event_loop(name)) return;
  if (!next_.root()->child(ScopeKind::thread_pool, name)) {
    std::vector<std::string> names = next_.event_loops();
    next_.root()->children(ScopeKind::thread_pool).each([&](const ChildMap::Entry& entry) {
      names.push_back(entry.scope->instance());
    });
    return dangling(setting, "EventLoop or ThreadPool", name, names);
  }
  if (std::exchange(told_of_thread_pools_, true)) return;
  findings_.say(Diagnostic::Severity::notice, id::retired, setting.origin,
                fmt::format("Pool_Name: ThreadPool \"{}\" has no effect here, Event_Loop says who serves",
                            escape_line(name, 80)));
}

void ReferenceChecks::check_pools(const Scope& scope, const Scope* around) {
  const auto said = [&](const OptionDef& option) {
    const Setting* own = scope.find(option);
    return own || !around ? own : around->find(option);
  };
  const Setting *event_loop = said(definition(key::event_loop)), *pool = said(definition(key::pool_name));
  if (!event_loop || !pool || event_loop->value == pool->value) return;
  const std::string& name = std::get<std::string>(pool->value);
  if (name.empty() || !next_.event_loop(name)) return;
  // Told where it came about: at what is said further in, and last.
  const bool pool_last = scope.find(definition(key::pool_name)) != nullptr;
  const Setting &here = pool_last ? *pool : *event_loop, &other = pool_last ? *event_loop : *pool;
  findings_.error(id::conflicting_options, here.origin,
                  fmt::format("{} is served by one EventLoop: {} = {}, but {} = {}", scope.title(), here.option->name,
                              escape_line(std::get<std::string>(here.value), 80), other.option->name,
                              escape_line(std::get<std::string>(other.value), 80)),
                  fmt::format("the other one: {}; either may be left out", other.origin.to_string()));
}

void ReferenceChecks::check_pathway(const Setting& setting) {
  const std::string& name = std::get<std::string>(setting.value);
  const GroupedScopes& pathways = next_.pathways()->scopes();
  if (name.empty() || name == definition(key::pathway).default_text || pathways.find(name)) return;
  dangling(setting, "Pathway", name, pathways.names());
}

void ReferenceChecks::check_default_binding() {
  const OptionDef& option = definition(key::default_binding);
  const Setting* setting = next_.root()->find(option);
  if (!setting) return;
  check_way(*setting, std::get<std::string>(setting->value));
}

void ReferenceChecks::check_context(const Setting& setting) {
  for (const auto& [name, value] : std::get<Dictionary>(setting.value))
    if (name == binding_context) check_way(setting, value);
}

// A Binding, or a group with at least one.
void ReferenceChecks::check_way(const Setting& setting, const std::string& name) {
  const GroupedScopes& bindings = next_.delivery().bindings();
  if (name.empty() || name == definition(key::default_binding).default_text || bindings.find(name)) return;
  const ScopePtr group = next_.root()->child(ScopeKind::binding_group, name);
  if (!group) return dangling(setting, "Binding", name, bindings.names());
  if (group->children(ScopeKind::binding).empty())
    findings_.error(
        id::dangling_reference, setting.origin,
        fmt::format("{}: Binding_Group \"{}\" has no Binding", setting.option->name, escape_line(name, 80)));
}

// Queues are matched without case.
void ReferenceChecks::check_alike(const GroupedScopes& scopes) {
  std::map<std::string, const GroupedScopes::Member*> seen;
  for (const auto& [name, member] : scopes.members()) {
    const auto [found, fresh] = seen.try_emplace(lower(name), &member);
    if (fresh) continue;
    const auto scope = [](const GroupedScopes::Member& of) { return of.in_group ? of.in_group : of.alone; };
    findings_.error(
        id::ambiguous_name, scope(member)->origin(),
        fmt::format("{} and {} differ in case only", scope(member)->title(), scope(*found->second)->title()),
        fmt::format("the other one: {}", scope(*found->second)->origin().to_string()));
  }
}

void ReferenceChecks::check_clashes(const GroupedScopes& scopes) {
  for (const GroupedScopes::Clash& clash : scopes.clashes())
    findings_.error(id::ambiguous_name, clash.scope->origin(),
                    fmt::format("{} stands in {} and in {}", clash.scope->title(), clash.member->group->title(),
                                clash.second->title()),
                    fmt::format("the other one: {}", clash.member->in_group->origin().to_string()));
}

void ReferenceChecks::dangling(const Setting& setting, std::string_view scope, const std::string& name,
                               const std::vector<std::string>& names) {
  const std::vector<std::string_view> views(names.begin(), names.end());
  const std::string_view near = nearest(name, views);
  findings_.error(id::dangling_reference, setting.origin,
                  fmt::format("{}: there is no {} \"{}\"", setting.option->name, scope, escape_line(name, 80)),
                  near.empty() ? std::string{} : fmt::format("did you mean '{}'?", near));
}

}  // namespace impulse::config
