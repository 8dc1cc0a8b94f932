// Blocks of effective values: the order of precedence of DESIGN §3 "Fallback",
// laid from the bottom up, so that what is laid later wins:
//   default, global, listener, Peers directly in the listener (shortest prefix
//   first), Listen, Peers in the Listen (shortest prefix first); each over the
//   Pathway that it names. For mail on its way out: delivery_scopes.cc.
#include "config/compiler.h"

#include "config/keys.h"

namespace impulse::config {
namespace {

bool is_empty_text(const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  return text && text->empty();
}

void lay_peers(Options& options, const PeerTrie& trie, const Scope* deepest, const Pathways& pathways) {
  if (!deepest) return;
  const auto network = IpPrefix::parse(deepest->instance());
  if (!network) return;
  for (const ScopePtr& peer : trie.holding(*network))
    Compiler::lay(options, ScopeKind::peer, peer->settings(), pathways);
}

}  // namespace

const OptionDef* Compiler::synonym(ScopeKind listener, const OptionDef& option) {
  if (listener == ScopeKind::control_listener && option.index == key::timeout.index)
    return &definition(key::control_client_timeout);
  return nullptr;
}

void Compiler::start(Options& options, ScopeKind listener, const Settings& global) {
  options.values_.resize(option_count);
  options.set_.resize(option_count);
  for (const OptionDef& option : config::options()) {
    options.values_[option.index] = &default_value(option, listener);
    options.set_[option.index] = !option.default_text.empty();
  }
  lay(options, global);
  for (const OptionDef& option : config::options()) {
    const OptionDef* other = synonym(listener, option);
    if (!other) continue;
    options.values_[option.index] = options.values_[other->index];
    options.set_[option.index] = options.set_[other->index];
  }
}

void Compiler::start(Options& options, const Options& from) {
  options.values_ = from.values_;
  options.set_ = from.set_;
}

void Compiler::lay(Options& options, const Settings& settings) {
  for (const auto& setting : settings) {
    const uint16_t index = setting->option->index;
    options.values_[index] = &setting->value;
    options.set_[index] = !is_empty_text(setting->value);
  }
}

void Compiler::lay(Options& options, ScopeKind kind, const Settings& settings, const Pathways& pathways) {
  if (const GroupedScopes::Member* pathway = pathways.extending(kind, settings)) {
    const auto layers = pathway->layers();
    for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer)
      if (*layer) lay(options, (*layer)->settings());
  }
  lay(options, settings);
}

bool Options::same(const Options& other, size_t i) const {
  return values_[i] == other.values_[i] || (set_[i] == other.set_[i] && *values_[i] == *other.values_[i]);
}

bool Options::equivalent_for_session(const Options& other) const {
  return std::ranges::all_of(config::options(), [&](const OptionDef& option) {
    return option.effect != Effect::next_session || same(other, option.index);
  });
}

// A live option is asked for its value anew; relisten and restart concern sockets and the process.
bool Options::equivalent(const Options& other) const {
  return equivalent_for_session(other) && std::ranges::all_of(config::options(), [&](const OptionDef& option) {
           return option.effect != Effect::next_message || same(other, option.index);
         });
}

Block::Block(ScopeKind listener, SettingsPtr effective_global, ScopePtr over)
    : global(std::move(effective_global)), scope(std::move(over)) {
  Compiler::start(options, listener, *global);
  if (scope) Compiler::lay(options, scope->settings());
}

bool same_values(const Settings& a, const Settings& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i] != b[i] && (a[i]->option != b[i]->option || a[i]->value != b[i]->value)) return false;
  return true;
}

bool same_scope(const Scope& a, const Scope& b, size_t& budget) {
  if (&a == &b) return true;
  if (budget == 0) return false;
  --budget;
  if (!same_values(a.settings(), b.settings())) return false;
  for (const ScopeDef& kind : scopes())
    if (!same_children(a.children(kind.kind), b.children(kind.kind), budget)) return false;
  return true;
}

bool very_same(const ChildMap& a, const ChildMap& b) {
  return ChildMap::difference(a, b, [](const ScopePtr&, const ScopePtr&) { return false; });
}

bool same_children(const ChildMap& a, const ChildMap& b, size_t& budget) {
  return ChildMap::difference(
      a, b, [&](const ScopePtr& was, const ScopePtr& is) { return was && is && same_scope(*was, *is, budget); });
}

ListenerBase::ListenerBase(ScopeKind kind, SettingsPtr effective_global, PathwaysPtr extensions, SettingsPtr said,
                           PeerTrie trie)
    : listener(kind),
      global(std::move(effective_global)),
      pathways(std::move(extensions)),
      settings(std::move(said)),
      peers(std::move(trie)) {
  Compiler::start(values, listener, *global);
  Compiler::lay(values, listener, *settings, *pathways);
}

ListenCore::ListenCore(ListenerBasePtr base, ScopePtr listen, PeerTrie peers)
    : base_(std::move(base)), listen_(std::move(listen)), inner_(std::move(peers)) {}

bool ListenCore::enabled() const {
  const OptionDef& option = definition(key::enable);
  if (!base_->values[key::enable]) return false;
  if (const Setting* said = listen_->find(option)) return std::get<bool>(said->value);
  if (const GroupedScopes::Member* pathway = base_->pathways->extending(ScopeKind::listen, listen_->settings()))
    for (const Scope* layer : pathway->layers())
      if (const Setting* said = layer ? layer->find(option) : nullptr) return std::get<bool>(said->value);
  return true;
}

void ListenCore::fill(Options& options, const Scope* inner, const Scope* outer) const {
  const Pathways& pathways = *base_->pathways;
  Compiler::start(options, base_->values);
  lay_peers(options, base_->peers, outer, pathways);
  Compiler::lay(options, ScopeKind::listen, listen_->settings(), pathways);
  lay_peers(options, inner_, inner, pathways);
}

CompiledListen::CompiledListen(ScopeKind listener, Endpoint endpoint, Origin origin,
                               std::shared_ptr<const ListenCore> core)
    : listener_(listener),
      endpoint_(std::move(endpoint)),
      origin_(std::move(origin)),
      enabled_(core->enabled()),
      core_(std::move(core)) {}

}  // namespace impulse::config
