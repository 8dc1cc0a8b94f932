// Mistakes that show only when everything is there: names that refer to no
// scope, options that need others, one address claimed twice.
#include "base/text.h"
#include "config/compiler.h"
#include "config/delivery_scopes.h"
#include "config/keys.h"
#include "config/semantic_ids.h"

#include <algorithm>
#include <array>
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
        previous_ && (!holds_all(next_.certificates(), previous_->certificates()) ||
                      !holds_all(next_.event_loops(), previous_->event_loops()) || pathways_matter());
    ScopePath path;
    visit(before, next_.root(), path, names_gone || !previous_);
  }

 private:
  static bool holds_all(const std::vector<std::string>& now, const std::vector<std::string>& before) {
    return std::ranges::includes(now, before);
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
    bool matters = !holds_all(next_.pathways()->scopes().names(), previous_->pathways()->scopes().names());
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

  // Every scope that is new or changed, and all below one that changed in what they fall back on.
  void visit(const ScopePtr& before, const ScopePtr& scope, ScopePath& path, bool all) {
    if (before == scope && !all) return;
    all = all || !before || !same_outer_values(*before, *scope);
    check_scope(*scope, path);
    for (const ScopeDef& kind : scopes()) {
      const ChildMap& now = scope->children(kind.kind);
      const auto step = [&](const ScopePtr& was, const ScopePtr& is) {
        path.push_back({kind.kind, is->instance()});
        visit(was, is, path, all);
        path.pop_back();
      };
      if (all) {
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
    if (path.size() == 2)
      for (const auto& conf : next_.listens())
        if (conf->listener() == path.front().kind && conf->options().is_set(key::tls_certificate)) return;
    for (const auto key : {key::use_ssl, key::tls_required})
      if (std::get<bool>(next_.eval(path, definition(key)))) needs_certificate(path, definition(key), scope.origin());
  }

  void needs_certificate(const ScopePath& path, const OptionDef& option, const Origin& otherwise) {
    error(id::needs_option, origin_of(path, option, otherwise), fmt::format("{} needs a TLS_Certificate", option.name));
  }

  void check_listens() {
    std::vector<const ListenConf*> by_endpoint;
    for (const auto& conf : next_.listens()) {
      by_endpoint.push_back(conf.get());
      // What was taken over as it was, has been looked at.
      if (previous_ && previous_->find_listen(conf->listener(), conf->endpoint()) == conf.get()) continue;
      check_listen(*conf);
    }
    std::ranges::sort(by_endpoint, {}, [](const ListenConf* conf) {
      return std::pair<const Endpoint&, ScopeKind>(conf->endpoint(), conf->listener());
    });
    for (size_t i = 1; i < by_endpoint.size(); ++i)
      if (by_endpoint[i]->endpoint() == by_endpoint[i - 1]->endpoint() &&
          (by_endpoint[i]->endpoint().is_unix() || by_endpoint[i]->endpoint().port() != 0))
        check_twice(by_endpoint[i - 1], by_endpoint[i]);
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
};

}  // namespace

void cross_check(const CompiledSnapshot& next, const CompiledSnapshot* previous, Diagnostics& diagnostics) {
  CrossCheck(next, previous, diagnostics).run();
}

}  // namespace impulse::config
