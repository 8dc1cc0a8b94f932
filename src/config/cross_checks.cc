// Mistakes that show only when everything is there: names that refer to no
// scope, options that need others, one address claimed twice.
#include "config/affected.h"
#include "config/checks.h"
#include "config/delivery_scopes.h"
#include "config/diagnostic_ids.h"
#include "config/findings.h"
#include "config/keys.h"
#include "config/listen_checks.h"
#include "config/reference_checks.h"

#include <algorithm>
#include <set>

namespace impulse::config {
namespace {

class CrossCheck {
 public:
  CrossCheck(const CompiledSnapshot& next, const CompiledSnapshot* previous, Diagnostics& diagnostics)
      : next_(next),
        previous_(previous),
        findings_(diagnostics),
        references_(next, findings_),
        listens_(next, previous, findings_) {}

  void run() {
    listens_.run();
    references_.check_global();
    bool all = !previous_;
    if (previous_) {
      // A name that scopes refer to may have gone: then all have to be looked at.
      const Scope &before = *previous_->root(), &now = *next_.root();
      all = lost(before, now, ScopeKind::certificate) || lost(before, now, ScopeKind::event_loop) ||
            lost(now, before, ScopeKind::event_loop) || lost(before, now, ScopeKind::thread_pool) ||
            pathways_matter(*previous_, next_) || bindings_lost(*previous_, next_);
      delivery_all_ = delivery_gives_less(before, now);
    }
    ScopePath path;
    visit(previous_ ? previous_->root() : nullptr, next_.root(), path, all);
  }

 private:
  static constexpr auto delivery_kinds = in(ScopeKind::binding_group) | in(ScopeKind::binding) | in(ScopeKind::domain);

  // Every scope that is new or changed, and all below one that changed in what they fall back on.
  void visit(const ScopePtr& before, const ScopePtr& scope, ScopePath& path, bool all) {
    if (before == scope && !all) return;
    all = all || !before || !same_outer_values(*before, *scope) ||
          (path.size() == 1 && listens_.lost_certificate(path.front().kind)) || peers_give_less(*before, *scope);
    check_scope(*scope, path);
    if (scope->child_count() == 0) return;  // as nearly all have none
    for (const ScopeDef& kind : scopes()) {
      const ChildMap& now = scope->children(kind.kind);
      const bool each = all || (delivery_all_ && in(kind.kind) & delivery_kinds);
      const auto step = [&](const ScopePtr& was, const ScopePtr& is) {
        path.push_back({kind.kind, is->instance()});
        visit(was, is, path, each);
        path.pop_back();
      };
      if (each) {
        now.each([&](const ChildMap::Entry& entry) {
          step(before ? before->child(kind.kind, entry.scope->instance()) : nullptr, entry.scope);
        });
      } else {
        ChildMap::difference(before->children(kind.kind), now, [&](const ScopePtr& was, const ScopePtr& is) {
          if (is) step(was, is);
          return true;
        });
      }
    }
  }

  // What the checks look for. There may be a million scopes: each is read once.
  struct Said {
    const Setting* certificate = nullptr;
    const Setting* server_names = nullptr;
    const Setting* event_loop = nullptr;
    const Setting* pool_name = nullptr;
    const Setting* pathway = nullptr;
    const Setting* context = nullptr;
    const Setting* delivery = nullptr;  // Delivery_Method, else Maildir_Path
    bool tls = false;

    explicit Said(const Scope& scope) {
      for (const auto& setting : scope.settings()) {
        const uint16_t option = setting->option->index;
        if (option == key::tls_certificate.index) certificate = setting.get();
        if (option == key::tls_sni.index) server_names = setting.get();
        if (option == key::event_loop.index) event_loop = setting.get();
        if (option == key::pool_name.index) pool_name = setting.get();
        if (option == key::pathway.index) pathway = setting.get();
        if (option == key::context.index) context = setting.get();
        if (option == key::delivery_method.index || (option == key::maildir_path.index && !delivery))
          delivery = setting.get();
        tls = tls || is_tls(*setting->option);
      }
    }
  };

  void check_scope(const Scope& scope, const ScopePath& path) {
    const Said said(scope);
    if (said.certificate) references_.check_certificate(*said.certificate);
    if (said.server_names) references_.check_server_names(*said.server_names);
    if (said.event_loop) references_.check_event_loop(*said.event_loop);
    if (said.pool_name) references_.check_pool_name(*said.pool_name);
    if (said.event_loop || said.pool_name)
      references_.check_pools(scope, path.size() > 1 ? next_.root()->child(path.front().kind, "").get() : nullptr);
    if (said.pathway) references_.check_pathway(*said.pathway);
    if (said.context) references_.check_context(*said.context);
    if (!path.empty() && in(path.front().kind) & scope_def(ScopeKind::listen).parents)
      check_built(scope, path.front().kind);
    switch (scope.def().kind) {
      case ScopeKind::certificate:
        require(scope, definition(key::cert));
        require(scope, definition(key::private_key));
        break;
      case ScopeKind::global:
      case ScopeKind::binding_group:
      case ScopeKind::binding:
      case ScopeKind::domain:
        if (said.delivery) check_delivery(*said.delivery, path);
        break;
      case ScopeKind::peer:
        if (said.tls || pathway_says_tls(scope)) check_peer_tls(scope, path);
        break;
      default:
        break;
    }
  }

  void require(const Scope& scope, const OptionDef& option) {
    if (!scope.find(option))
      findings_.error(id::needs_option, scope.origin(), fmt::format("{} needs {}", scope.title(), option.name));
  }

  // Options that are not built for this kind of listener, said in it, in a
  // Listen or Peer of it, or in a Pathway that one of them names.
  void check_built(const Scope& scope, ScopeKind listener) {
    const auto refuse = [&](const Scope& where, std::string hint) {
      for (const auto& setting : where.settings())
        if (setting->option->unbuilt & in(listener) && refused_.emplace(setting.get(), listener).second)
          findings_.error(id::not_available, setting->origin, unavailable_text(*setting->option, listener), hint);
    };
    refuse(scope, {});
    refuse_foreign(scope, listener);
    const GroupedScopes::Member* pathway = next_.pathways()->extending(scope.def().kind, scope.settings());
    if (!pathway) return;
    const Setting* names = scope.find(definition(key::pathway));
    for (const Scope* layer : pathway->layers())
      if (layer)
        refuse(*layer, fmt::format("{} is extended by this Pathway: {}", scope.title(),
                                   (names ? names->origin : scope.origin()).to_string()));
  }

  // A Listen or Peer may say what its listener may: else it would say it to
  // nobody. A Pathway may extend scopes of several listeners, each of which takes what is its own.
  void refuse_foreign(const Scope& scope, ScopeKind listener) {
    for (const auto& setting : scope.settings()) {
      std::string text = foreign_text(*setting->option, listener);
      if (text.empty() || setting->option->unbuilt & in(listener)) continue;
      const ScopeSet others = setting->option->scopes & scope_def(ScopeKind::listen).parents;
      findings_.error(id::wrong_scope, setting->origin, std::move(text),
                      fmt::format("{} of {} may say it", scope.def().name, scope_names(others)));
    }
  }

  // Delivery_Method = maildir needs a Maildir_Path, its own or the global one.
  void check_delivery(const Setting& said, const ScopePath& path) {
    const auto effective = std::get<Enum>(next_.eval(path, definition(key::delivery_method)));
    if (choice(key::delivery_method, effective) != "maildir") return;
    if (!std::get<std::string>(next_.eval(path, definition(key::maildir_path))).empty()) return;
    findings_.error(id::needs_option, said.origin, "Delivery_Method = maildir needs a Maildir_Path");
  }

  bool pathway_says_tls(const Scope& scope) const {
    const GroupedScopes::Member* pathway = next_.pathways()->extending(scope.def().kind, scope.settings());
    return pathway &&
           std::ranges::any_of(pathway->layers(), [](const Scope* layer) { return layer && Said(*layer).tls; });
  }

  void check_peer_tls(const Scope& scope, const ScopePath& path) {
    if (!std::get<std::string>(next_.eval(path, definition(key::tls_certificate))).empty()) return;
    if (std::get<bool>(next_.eval(path, definition(key::tls_psk)))) return;
    // Directly in a listener: a certificate of one of its Listens will do.
    if (path.size() == 2 && listens_.some_certificate(path.front().kind)) return;
    for (const auto key : {key::use_ssl, key::tls_required})
      if (std::get<bool>(next_.eval(path, definition(key))))
        needs_certificate(next_, findings_, path, definition(key), scope.origin());
  }

  const CompiledSnapshot& next_;
  const CompiledSnapshot* previous_;
  Findings findings_;
  ReferenceChecks references_;
  ListenChecks listens_;
  std::set<std::pair<const Setting*, ScopeKind>> refused_;  // said already
  bool delivery_all_ = false;                               // scopes for delivery are all looked at
};

}  // namespace

void cross_check(const CompiledSnapshot& next, const CompiledSnapshot* previous, Diagnostics& diagnostics) {
  CrossCheck(next, previous, diagnostics).run();
}

}  // namespace impulse::config
