// Mistakes that show only when everything is there: names that refer to no
// scope, options that need others, one address claimed twice.
#include "base/text.h"
#include "config/checks.h"
#include "config/compiler.h"
#include "config/delivery_scopes.h"
#include "config/keys.h"
#include "config/semantic_ids.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>

namespace impulse::config {
namespace {

using Severity = Diagnostic::Severity;

class CrossCheck {
 public:
  CrossCheck(const CompiledSnapshot& next, const CompiledSnapshot* previous, Diagnostics& diagnostics)
      : next_(next), previous_(previous), diagnostics_(diagnostics) {}

  void run() {
    check_listens();
    check_clashes(next_.pathways()->scopes());
    check_clashes(next_.delivery().bindings());
    check_default_binding();
    const ScopePtr before = previous_ ? previous_->root() : nullptr;
    // A name that scopes refer to may have gone: then all have to be looked at.
    const bool names_gone =
        previous_ && (lost(ScopeKind::certificate) || lost(ScopeKind::event_loop) || pathways_matter());
    delivery_all_ = previous_ && delivery_gives_less();
    ScopePath path;
    visit(before, next_.root(), path, names_gone || !previous_);
  }

 private:
  static constexpr auto delivery_kinds = in(ScopeKind::binding_group) | in(ScopeKind::binding) | in(ScopeKind::domain);

  // Whether a global scope of that kind has gone.
  bool lost(ScopeKind kind) const {
    return !ChildMap::difference(previous_->root()->children(kind), next_.root()->children(kind),
                                 [](const ScopePtr&, const ScopePtr& is) { return is != nullptr; });
  }

  void say(Severity severity, std::string_view id, const Origin& origin, std::string message, std::string hint = {}) {
    if (diagnostics_.size() < 200)
      diagnostics_.push_back({severity, std::string(id), origin, 1, std::move(message), std::move(hint), {}});
  }
  void error(std::string_view id, const Origin& origin, std::string message, std::string hint = {}) {
    say(Severity::error, id, origin, std::move(message), std::move(hint));
  }

  // What check_peer_tls looks at.
  static bool is_tls(const OptionDef& option) {
    return &option == &definition(key::use_ssl) || &option == &definition(key::tls_required) ||
           &option == &definition(key::tls_certificate);
  }
  static bool says_tls(const Scope& scope) {
    return scope.find(definition(key::use_ssl)) || scope.find(definition(key::tls_required)) ||
           scope.find(definition(key::tls_certificate));
  }
  bool pathway_says_tls(const Scope& scope) const {
    const GroupedScopes::Member* pathway = next_.pathways()->extending(scope.def().kind, scope.settings());
    return pathway &&
           std::ranges::any_of(pathway->layers(), [](const Scope* layer) { return layer && says_tls(*layer); });
  }

  // Whether a Pathway came or went, or one that changed says what scopes that name it are checked for.
  bool pathways_matter() const {
    const ScopePtr &was = previous_->root(), &is = next_.root();
    if (next_.pathways() == previous_->pathways()) return false;
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

  // Whether all is the same that checks of scopes further in look at.
  static bool same_outer_values(const Scope& a, const Scope& b) {
    for (const OptionDef* option :
         {&definition(key::use_ssl), &definition(key::tls_required), &definition(key::tls_certificate),
          &definition(key::pathway), &definition(key::delivery_method), &definition(key::maildir_path)}) {
      const Setting *was = a.find(*option), *is = b.find(*option);
      if (was != is && (!was || !is || was->value != is->value)) return false;
    }
    return true;
  }

  template <class T>
  static std::optional<T> value(const Scope* scope, Key<T> key) {
    const Setting* said = scope ? scope->find(definition(key)) : nullptr;
    return said ? std::optional(std::get<T>(said->value)) : std::nullopt;
  }

  // Whether a Maildir_Path may be missing elsewhere now: scopes for delivery
  // fall back on each other by name and pattern, not only on those around
  // them. A Domain is all by itself where there are no Bindings.
  bool delivery_gives_less() const {
    const ScopePtr &before = previous_->root(), &now = next_.root();
    const bool bindings =
        !now->children(ScopeKind::binding).empty() || !now->children(ScopeKind::binding_group).empty();
    const std::function<bool(const ScopePtr&, const ScopePtr&)> keeps = [&](const ScopePtr& was, const ScopePtr& is) {
      const Scope& any = is ? *is : *was;
      const auto path = value(was.get(), key::maildir_path), path_now = value(is.get(), key::maildir_path);
      const auto method = value(was.get(), key::delivery_method), method_now = value(is.get(), key::delivery_method);
      const bool less =
          (path != path_now && (!path_now || path_now->empty())) ||
          (method != method_now && (!method_now || choice(key::delivery_method, *method_now) == "maildir"));
      const bool alone = any.def().kind == ScopeKind::domain && !bindings && !is_domain_pattern(any.instance());
      if (less && !alone) return false;
      const ChildMap none;
      for (const ScopeKind kind : {ScopeKind::binding, ScopeKind::domain})
        if (!ChildMap::difference(was ? was->children(kind) : none, is ? is->children(kind) : none, keeps))
          return false;
      return true;
    };
    for (const ScopeKind kind : {ScopeKind::binding_group, ScopeKind::binding, ScopeKind::domain})
      if (!ChildMap::difference(before->children(kind), now->children(kind), keeps)) return true;
    return false;
  }

  // Whether Peers inside this one may lack a certificate now. A single address
  // in a Listen holds no other Peer.
  static bool gives_less(const Scope* was, const Scope* is, bool in_listen) {
    const Scope& any = is ? *is : *was;
    if (const auto network = IpPrefix::parse(any.instance());
        in_listen && network && network->length() == network->address().bits())
      return false;
    const auto before = value(was, key::tls_certificate), now = value(is, key::tls_certificate);
    if (before != now && (now ? now->empty() : !before->empty())) return true;
    for (const auto key : {key::use_ssl, key::tls_required})
      if (const auto a = value(was, key), b = value(is, key); a != b && (b ? *b : !*a)) return true;
    return value(was, key::pathway) != value(is, key::pathway);
  }
  static bool peers_give_less(const Scope& before, const Scope& scope) {
    const bool in_listen = scope.def().kind == ScopeKind::listen;
    return !ChildMap::difference(
        before.children(ScopeKind::peer), scope.children(ScopeKind::peer),
        [&](const ScopePtr& was, const ScopePtr& is) { return !gives_less(was.get(), is.get(), in_listen); });
  }

  // Every scope that is new or changed, and all below one that changed in what they fall back on.
  void visit(const ScopePtr& before, const ScopePtr& scope, ScopePath& path, bool all) {
    if (before == scope && !all) return;
    all = all || !before || !same_outer_values(*before, *scope) ||
          (path.size() == 1 && certificate_lost_.contains(path.front().kind)) || peers_give_less(*before, *scope);
    check_scope(*scope, path);
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

  void check_scope(const Scope& scope, const ScopePath& path) {
    if (const Setting* certificate = scope.find(definition(key::tls_certificate))) check_certificate(*certificate);
    if (const Setting* loop = scope.find(definition(key::event_loop))) check_event_loop(*loop);
    if (const Setting* pathway = scope.find(definition(key::pathway))) check_pathway(*pathway);
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
        check_delivery(scope, path);
        break;
      case ScopeKind::peer:
        check_peer_tls(scope, path);
        break;
      default:
        break;
    }
  }

  void require(const Scope& scope, const OptionDef& option) {
    if (!scope.find(option))
      error(id::needs_option, scope.origin(), fmt::format("{} needs {}", scope.title(), option.name));
  }

  void check_certificate(const Setting& setting) {
    const std::string& name = std::get<std::string>(setting.value);
    if (name.empty() || next_.certificate(name)) return;
    if (name.find_first_of("/.") != std::string::npos) return;  // a path
    const auto names = next_.certificates();
    const std::vector<std::string_view> views(names.begin(), names.end());
    const std::string_view near = nearest(name, views);
    error(id::dangling_reference, setting.origin,
          fmt::format("TLS_Certificate: there is no Certificate \"{}\"", escape_line(name, 80)),
          near.empty() ? "a path has a / or a . in it" : fmt::format("did you mean '{}'?", near));
  }

  void check_pathway(const Setting& setting) {
    const std::string& name = std::get<std::string>(setting.value);
    const GroupedScopes& pathways = next_.pathways()->scopes();
    if (name.empty() || name == definition(key::pathway).default_text || pathways.find(name)) return;
    dangling(setting, "Pathway", name, pathways.names());
  }

  void check_default_binding() {
    const OptionDef& option = definition(key::default_binding);
    const Setting* setting = next_.root()->find(option);
    if (!setting) return;
    const std::string& name = std::get<std::string>(setting->value);
    const GroupedScopes& bindings = next_.delivery().bindings();
    if (name.empty() || name == option.default_text || bindings.find(name)) return;
    dangling(*setting, "Binding", name, bindings.names());
  }

  void dangling(const Setting& setting, std::string_view scope, const std::string& name,
                const std::vector<std::string>& names) {
    const std::vector<std::string_view> views(names.begin(), names.end());
    const std::string_view near = nearest(name, views);
    error(id::dangling_reference, setting.origin,
          fmt::format("{}: there is no {} \"{}\"", setting.option->name, scope, escape_line(name, 80)),
          near.empty() ? std::string{} : fmt::format("did you mean '{}'?", near));
  }

  void check_clashes(const GroupedScopes& scopes) {
    for (const GroupedScopes::Clash& clash : scopes.clashes())
      error(id::ambiguous_name, clash.scope->origin(),
            fmt::format("{} stands in {} and in {}", clash.scope->title(), clash.member->group->title(),
                        clash.second->title()),
            fmt::format("the other one: {}", clash.member->in_group->origin().to_string()));
  }

  // Options that are not built for this kind of listener, said in it, in a
  // Listen or Peer of it, or in a Pathway that one of them names.
  void check_built(const Scope& scope, ScopeKind listener) {
    const auto refuse = [&](const Scope& where, std::string hint) {
      for (const auto& setting : where.settings())
        if (setting->option->unbuilt & in(listener) && refused_.emplace(setting.get(), listener).second)
          error(id::not_available, setting->origin, unavailable_text(*setting->option, listener), hint);
    };
    refuse(scope, {});
    const GroupedScopes::Member* pathway = next_.pathways()->extending(scope.def().kind, scope.settings());
    if (!pathway) return;
    const Setting* names = scope.find(definition(key::pathway));
    for (const Scope* layer : pathway->layers())
      if (layer)
        refuse(*layer, fmt::format("{} is extended by this Pathway: {}", scope.title(),
                                   (names ? names->origin : scope.origin()).to_string()));
  }

  void check_event_loop(const Setting& setting) {
    const std::string& name = std::get<std::string>(setting.value);
    if (!next_.event_loop(name)) dangling(setting, "EventLoop", name, next_.event_loops());
  }

  // Delivery_Method = maildir needs a Maildir_Path, its own or the global one.
  void check_delivery(const Scope& scope, const ScopePath& path) {
    const Setting* method = scope.find(definition(key::delivery_method));
    const Setting* folder = scope.find(definition(key::maildir_path));
    if (!method && !folder) return;
    const auto effective = std::get<Enum>(next_.eval(path, definition(key::delivery_method)));
    if (choice(key::delivery_method, effective) != "maildir") return;
    if (!std::get<std::string>(next_.eval(path, definition(key::maildir_path))).empty()) return;
    error(id::needs_option, (method ? method : folder)->origin, "Delivery_Method = maildir needs a Maildir_Path");
  }

  Origin origin_of(const ScopePath& path, const OptionDef& option, const Origin& otherwise) const {
    for (const Rung& rung : next_.explain(path, option))
      if (rung.won && rung.origin.source) return rung.origin;
    return otherwise;
  }

  void check_peer_tls(const Scope& scope, const ScopePath& path) {
    if (!says_tls(scope) && !pathway_says_tls(scope)) return;
    if (!std::get<std::string>(next_.eval(path, definition(key::tls_certificate))).empty()) return;
    // Directly in a listener: a certificate of one of its Listens will do.
    if (path.size() == 2 && some_certificate(path.front().kind)) return;
    for (const auto key : {key::use_ssl, key::tls_required})
      if (std::get<bool>(next_.eval(path, definition(key)))) needs_certificate(path, definition(key), scope.origin());
  }

  // Whether a Listen of that listener has one.
  bool some_certificate(ScopeKind listener) {
    const auto [known, fresh] = some_certificate_.try_emplace(listener, false);
    if (fresh)
      known->second = std::ranges::any_of(next_.listens(), [&](const auto& conf) {
        return conf->listener() == listener && conf->options().is_set(key::tls_certificate);
      });
    return known->second;
  }

  void needs_certificate(const ScopePath& path, const OptionDef& option, const Origin& otherwise) {
    error(id::needs_option, origin_of(path, option, otherwise), fmt::format("{} needs a TLS_Certificate", option.name));
  }

  // What is as it was has been looked at.
  void check_listens() {
    if (previous_ && next_.same_listens(*previous_)) return;
    const std::vector<std::shared_ptr<const ListenConf>> none;
    const auto& before = previous_ ? previous_->listens() : none;
    const auto name = [](const ListenConf& conf) {
      return std::pair<ScopeKind, const Endpoint&>(conf.listener(), conf.endpoint());
    };
    auto at = before.begin();  // both stand in order
    for (const auto& conf : next_.listens()) {
      if (at != before.end() && *at == conf) {
        ++at;
        continue;
      }
      for (; at != before.end() && name(**at) < name(*conf); ++at) note_loss(**at, nullptr);
      const ListenConf* was = at != before.end() && name(**at) == name(*conf) ? at->get() : nullptr;
      if (was) ++at;
      if (was && same_ground(*was, *conf)) continue;
      if (was) note_loss(*was, conf.get());
      if (!was) check_clash(*conf);
      check_listen(*conf);
    }
    for (; at != before.end(); ++at) note_loss(**at, nullptr);
  }

  // Whether all is the same that check_listen looks at. Reads no values of the
  // Listens: after a global edit they would all have to be made for that.
  bool same_ground(const ListenConf& was, const ListenConf& is) {
    const auto core = [](const ListenConf& conf) { return static_cast<const CompiledListen&>(conf).core(); };
    if (core(was)->scope() != core(is)->scope()) return false;
    if (was.origin().source != is.origin().source) return false;  // a reload says its warnings again
    const auto [known, fresh] = same_ground_.try_emplace(is.listener(), false);
    if (!fresh) return known->second;
    const ListenerBase &a = *previous_->listener(is.listener())->base, &b = *next_.listener(is.listener())->base;
    const auto same = [&](const auto& key) {
      return a.values.is_set(key) == b.values.is_set(key) && a.values[key] == b.values[key];
    };
    return known->second = a.pathways == b.pathways && same(key::use_ssl) && same(key::tls_required) &&
                           same(key::tls_certificate) && same(key::smtp_extensions);
  }

  // Peers directly in a listener may have relied on a Listen's certificate.
  void note_loss(const ListenConf& was, const ListenConf* is) {
    if (was.options().is_set(key::tls_certificate) && !(is && is->options().is_set(key::tls_certificate)))
      certificate_lost_.insert(was.listener());
  }

  // A new Listen whose endpoint another listener has, or claims with it.
  void check_clash(const ListenConf& conf) {
    if (!conf.endpoint().is_unix() && conf.endpoint().port() == 0) return;
    for (const ScopeKind kind : {ScopeKind::esmtp_listener, ScopeKind::control_listener}) {
      const ListenConf* other = kind == conf.listener() ? nullptr : next_.find_listen(kind, conf.endpoint());
      if (!other) continue;
      const bool both_new = !previous_ || !previous_->find_listen(kind, conf.endpoint());
      if (kind < conf.listener())
        check_twice(other, &conf);
      else if (!both_new)  // else it says so itself
        check_twice(&conf, other);
    }
  }

  void check_twice(const ListenConf* first, const ListenConf* second) {
    const Origin &a = first->origin(), &b = second->origin();
    if (a.source == b.source && std::pair(b.place.line, b.place.column) < std::pair(a.place.line, a.place.column))
      std::swap(first, second);
    error(id::duplicate_endpoint, second->origin(),
          fmt::format("Listen \"{}\" stands in {} and in {}", second->endpoint().to_string(),
                      scope_def(first->listener()).name, scope_def(second->listener()).name),
          fmt::format("the other one: {}", first->origin().to_string()));
  }

  void check_listen(const ListenConf& conf) {
    const Options& options = conf.options();
    const ScopePath path{{conf.listener(), ""}, {ScopeKind::listen, conf.endpoint().to_string()}};
    if (!options.is_set(key::tls_certificate)) {
      for (const auto key : {key::use_ssl, key::tls_required})
        if (options[key]) needs_certificate(path, definition(key), conf.origin());
      if (conf.listener() == ScopeKind::esmtp_listener &&
          std::ranges::find(options[key::smtp_extensions], "STARTTLS") != options[key::smtp_extensions].end())
        say(Severity::warning, id::needs_option, origin_of(path, definition(key::smtp_extensions), conf.origin()),
            fmt::format("STARTTLS is not offered on {}: it needs a TLS_Certificate", conf.endpoint().to_string()));
    }
    if (!conf.endpoint().is_unix() && conf.endpoint().port() == 0)
      say(Severity::warning, id::any_port, conf.origin(),
          fmt::format("Listen \"{}\": the kernel will choose a port", conf.endpoint().to_string()));
  }

  const CompiledSnapshot& next_;
  const CompiledSnapshot* previous_;
  Diagnostics& diagnostics_;
  std::set<std::pair<const Setting*, ScopeKind>> refused_;  // said already
  bool delivery_all_ = false;                               // scopes for delivery are all looked at
  std::map<ScopeKind, bool> same_ground_;
  std::map<ScopeKind, bool> some_certificate_;
  std::set<ScopeKind> certificate_lost_;  // listeners of which a Listen lost its own
};

}  // namespace

void cross_check(const CompiledSnapshot& next, const CompiledSnapshot* previous, Diagnostics& diagnostics) {
  CrossCheck(next, previous, diagnostics).run();
}

}  // namespace impulse::config
