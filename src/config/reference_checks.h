// Names in settings that refer to scopes, and whether those are there.
#pragma once

#include "config/compiler.h"
#include "config/findings.h"

#include <string>
#include <string_view>
#include <vector>

namespace impulse::config {

class ReferenceChecks {
 public:
  // Both are borrowed.
  ReferenceChecks(const CompiledSnapshot& snapshot, Findings& findings) : next_(snapshot), findings_(findings) {}

  // What is referred to from nowhere in particular, and names that stand twice.
  void check_global();
  // Settings of those options.
  void check_certificate(const Setting& setting);
  void check_server_names(const Setting& setting);
  void check_event_loop(const Setting& setting);
  void check_pool_name(const Setting& setting);
  // That what holds for a listener or a Listen of its own and, where that says
  // nothing, of the listener around it (else null), is one pool.
  void check_pools(const Scope& scope, const Scope* around);
  void check_pathway(const Setting& setting);
  // The Binding, or Binding_Group, that a Context names.
  void check_context(const Setting& setting);

 private:
  void check_default_binding();
  void check_way(const Setting& setting, const std::string& name);
  void check_clashes(const GroupedScopes& scopes);
  void check_alike(const GroupedScopes& scopes);
  void dangling(const Setting& setting, std::string_view scope, const std::string& name,
                const std::vector<std::string>& names);

  const CompiledSnapshot& next_;
  Findings& findings_;
  bool told_of_thread_pools_ = false;  // once is enough, and leaves room for mistakes
};

}  // namespace impulse::config
