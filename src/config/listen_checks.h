// Listens: one address claimed twice, and certificates that are missing.
#pragma once

#include "config/compiler.h"
#include "config/findings.h"

#include <map>
#include <set>

namespace impulse::config {

// An error at what says that option for the scope at `path`, else at `otherwise`.
void needs_certificate(const CompiledSnapshot& snapshot, Findings& findings, const ScopePath& path,
                       const OptionDef& option, const Origin& otherwise);

class ListenChecks {
 public:
  // All are borrowed; `previous` may be null.
  ListenChecks(const CompiledSnapshot& next, const CompiledSnapshot* previous, Findings& findings)
      : next_(next), previous_(previous), findings_(findings) {}

  // Those that are not as they were.
  void run();
  // Whether a Listen of that listener lost its own certificate, or went with
  // it: Peers directly in the listener may have relied on it.
  bool lost_certificate(ScopeKind listener) const { return certificate_lost_.contains(listener); }
  // Whether a Listen of that listener has one.
  bool some_certificate(ScopeKind listener);

 private:
  bool same_ground(const ListenConf& was, const ListenConf& is);
  void note_loss(const ListenConf& was, const ListenConf* is);
  void check_clash(const ListenConf& conf);
  void check_twice(const ListenConf* first, const ListenConf* second);
  void check_listen(const ListenConf& conf);

  const CompiledSnapshot& next_;
  const CompiledSnapshot* previous_;
  Findings& findings_;
  std::map<ScopeKind, bool> same_ground_;
  std::map<ScopeKind, bool> some_certificate_;
  std::set<ScopeKind> certificate_lost_;
};

}  // namespace impulse::config
