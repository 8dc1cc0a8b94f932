#include "config/listen_checks.h"

#include "config/diagnostic_ids.h"
#include "config/keys.h"

#include <algorithm>
#include <utility>

namespace impulse::config {
namespace {

Origin origin_of(const CompiledSnapshot& snapshot, const ScopePath& path, const OptionDef& option,
                 const Origin& otherwise) {
  for (const Rung& rung : snapshot.explain(path, option))
    if (rung.won && rung.origin.source) return rung.origin;
  return otherwise;
}

bool can_secure(const Options& options) { return options.is_set(key::tls_certificate) || options[key::tls_psk]; }

}  // namespace

void needs_certificate(const CompiledSnapshot& snapshot, Findings& findings, const ScopePath& path,
                       const OptionDef& option, const Origin& otherwise) {
  findings.error(id::needs_option, origin_of(snapshot, path, option, otherwise),
                 fmt::format("{} needs a TLS_Certificate or TLS_PSK", option.name));
}

// What is as it was has been looked at.
void ListenChecks::run() {
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
bool ListenChecks::same_ground(const ListenConf& was, const ListenConf& is) {
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
                         same(key::tls_certificate) && same(key::tls_psk) && same(key::smtp_extensions);
}

// Peers directly in a listener may have relied on a Listen's certificate.
void ListenChecks::note_loss(const ListenConf& was, const ListenConf* is) {
  if (can_secure(was.options()) && !(is && can_secure(is->options()))) certificate_lost_.insert(was.listener());
}

// Whether a Listen of that listener has one.
bool ListenChecks::some_certificate(ScopeKind listener) {
  const auto [known, fresh] = some_certificate_.try_emplace(listener, false);
  if (fresh)
    known->second = std::ranges::any_of(
        next_.listens(), [&](const auto& conf) { return conf->listener() == listener && can_secure(conf->options()); });
  return known->second;
}

// A new Listen whose endpoint another listener has, or claims with it.
void ListenChecks::check_clash(const ListenConf& conf) {
  if (!conf.endpoint().is_unix() && conf.endpoint().port() == 0) return;
  for (const ScopeKind kind : listener_kinds()) {
    const ListenConf* other = kind == conf.listener() ? nullptr : next_.find_listen(kind, conf.endpoint());
    if (!other) continue;
    const bool both_new = !previous_ || !previous_->find_listen(kind, conf.endpoint());
    if (kind < conf.listener())
      check_twice(other, &conf);
    else if (!both_new)  // else it says so itself
      check_twice(&conf, other);
  }
}

void ListenChecks::check_twice(const ListenConf* first, const ListenConf* second) {
  const Origin &a = first->origin(), &b = second->origin();
  if (a.source == b.source && std::pair(b.place.line, b.place.column) < std::pair(a.place.line, a.place.column))
    std::swap(first, second);
  findings_.error(id::duplicate_endpoint, second->origin(),
                  fmt::format("Listen \"{}\" stands in {} and in {}", second->endpoint().to_string(),
                              scope_def(first->listener()).name, scope_def(second->listener()).name),
                  fmt::format("the other one: {}", first->origin().to_string()));
}

void ListenChecks::check_listen(const ListenConf& conf) {
  const Options& options = conf.options();
  const ScopePath path{{conf.listener(), ""}, {ScopeKind::listen, conf.endpoint().to_string()}};
  if (!can_secure(options)) {
    for (const auto key : {key::use_ssl, key::tls_required})
      if (options[key]) needs_certificate(next_, findings_, path, definition(key), conf.origin());
    const bool smtp = conf.listener() == ScopeKind::esmtp_listener || conf.listener() == ScopeKind::lmtp_listener;
    if (smtp && std::ranges::find(options[key::smtp_extensions], "STARTTLS") != options[key::smtp_extensions].end())
      findings_.say(
          Diagnostic::Severity::warning, id::needs_option,
          origin_of(next_, path, definition(key::smtp_extensions), conf.origin()),
          fmt::format("STARTTLS is not offered on {}: it needs a TLS_Certificate", conf.endpoint().to_string()));
  }
  if (!conf.endpoint().is_unix() && conf.endpoint().port() == 0)
    findings_.say(Diagnostic::Severity::warning, id::any_port, conf.origin(),
                  fmt::format("Listen \"{}\": the kernel will choose a port", conf.endpoint().to_string()));
}

}  // namespace impulse::config
