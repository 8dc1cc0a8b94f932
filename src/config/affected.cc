#include "config/affected.h"

#include "config/checks.h"
#include "config/delivery_scopes.h"
#include "config/keys.h"

#include <algorithm>
#include <functional>
#include <optional>

namespace impulse::config {
namespace {

template <class T>
std::optional<T> value(const Scope* scope, Key<T> key) {
  const Setting* said = scope ? scope->find(definition(key)) : nullptr;
  return said ? std::optional(std::get<T>(said->value)) : std::nullopt;
}

// Whether Peers inside this one may lack a certificate now. A single address
// in a Listen holds no other Peer.
bool gives_less(const Scope* was, const Scope* is, bool in_listen) {
  const Scope& any = is ? *is : *was;
  if (const auto network = IpPrefix::parse(any.instance());
      in_listen && network && network->length() == network->address().bits())
    return false;
  const auto before = value(was, key::tls_certificate), now = value(is, key::tls_certificate);
  if (before != now && (now ? now->empty() : !before->empty())) return true;
  if (const auto a = value(was, key::tls_psk), b = value(is, key::tls_psk); a != b && (b ? !*b : *a)) return true;
  for (const auto key : {key::use_ssl, key::tls_required})
    if (const auto a = value(was, key), b = value(is, key); a != b && (b ? *b : !*a)) return true;
  return value(was, key::pathway) != value(is, key::pathway);
}

}  // namespace

bool lost(const Scope& before, const Scope& now, ScopeKind kind) {
  return !ChildMap::difference(before.children(kind), now.children(kind),
                               [](const ScopePtr&, const ScopePtr& is) { return is != nullptr; });
}

bool bindings_lost(const CompiledSnapshot& before, const CompiledSnapshot& now) {
  const GroupedScopes &was = before.delivery().bindings(), &is = now.delivery().bindings();
  if (&was == &is) return false;
  return lost(*before.root(), *now.root(), ScopeKind::binding_group) ||
         std::ranges::any_of(was.members(), [&](const auto& member) {
           const GroupedScopes::Member* found = is.find(member.first);
           return !found || (member.second.in_group && !found->in_group);
         });
}

bool is_tls(const OptionDef& option) {
  return option.index == key::use_ssl.index || option.index == key::tls_required.index ||
         option.index == key::tls_certificate.index || option.index == key::tls_psk.index;
}

bool pathways_matter(const CompiledSnapshot& before, const CompiledSnapshot& now) {
  const ScopePtr &was = before.root(), &is = now.root();
  if (now.pathways() == before.pathways()) return false;
  bool matters = false;
  const auto differs = [](const Scope* a, const Scope* b, const OptionDef& option) {
    const Setting *was = a ? a->find(option) : nullptr, *is = b ? b->find(option) : nullptr;
    return was != is && (!was || !is || was->value != is->value);
  };
  const auto look = [&](const Scope* a, const Scope* b) {
    for (const OptionDef& option : options())
      matters = matters || ((option.unbuilt || is_tls(option)) && differs(a, b, option));
  };
  const std::function<bool(const ScopePtr&, const ScopePtr&)> visit = [&](const ScopePtr& a, const ScopePtr& b) {
    matters = matters || !a || !b;  // one that comes may bring what its group says
    look(a.get(), b.get());
    const ChildMap none;
    return !matters && ChildMap::difference(a ? a->children(ScopeKind::pathway) : none,
                                            b ? b->children(ScopeKind::pathway) : none, visit);
  };
  for (const ScopeKind kind : {ScopeKind::pathway, ScopeKind::pathway_group})
    if (!matters) ChildMap::difference(was->children(kind), is->children(kind), visit);
  return matters;
}

bool delivery_gives_less(const Scope& before, const Scope& now) {
  const bool bindings = !now.children(ScopeKind::binding).empty() || !now.children(ScopeKind::binding_group).empty();
  const std::function<bool(const ScopePtr&, const ScopePtr&)> keeps = [&](const ScopePtr& was, const ScopePtr& is) {
    const Scope& any = is ? *is : *was;
    const auto path = value(was.get(), key::maildir_path), path_now = value(is.get(), key::maildir_path);
    const auto method = value(was.get(), key::delivery_method), method_now = value(is.get(), key::delivery_method);
    const bool less = (path != path_now && (!path_now || path_now->empty())) ||
                      (method != method_now && (!method_now || choice(key::delivery_method, *method_now) == "maildir"));
    const bool alone = any.def().kind == ScopeKind::domain && !bindings && !is_domain_pattern(any.instance());
    if (less && !alone) return false;
    const ChildMap none;
    for (const ScopeKind kind : {ScopeKind::binding, ScopeKind::domain})
      if (!ChildMap::difference(was ? was->children(kind) : none, is ? is->children(kind) : none, keeps)) return false;
    return true;
  };
  for (const ScopeKind kind : {ScopeKind::binding_group, ScopeKind::binding, ScopeKind::domain})
    if (!ChildMap::difference(before.children(kind), now.children(kind), keeps)) return true;
  return false;
}

bool same_outer_values(const Scope& a, const Scope& b) {
  for (const OptionDef* option :
       {&definition(key::use_ssl), &definition(key::tls_required), &definition(key::tls_certificate),
        &definition(key::tls_psk), &definition(key::pathway), &definition(key::delivery_method),
        &definition(key::maildir_path), &definition(key::event_loop), &definition(key::pool_name)}) {
    const Setting *was = a.find(*option), *is = b.find(*option);
    if (was != is && (!was || !is || was->value != is->value)) return false;
  }
  return true;
}

bool peers_give_less(const Scope& before, const Scope& now) {
  const bool in_listen = now.def().kind == ScopeKind::listen;
  return !ChildMap::difference(
      before.children(ScopeKind::peer), now.children(ScopeKind::peer),
      [&](const ScopePtr& was, const ScopePtr& is) { return !gives_less(was.get(), is.get(), in_listen); });
}

}  // namespace impulse::config
