// The catalogue's tables and look-ups. The rows themselves: options/*.def.
#include "config/catalogue.h"

#include "base/text.h"
#include "config/keys.h"

#include <algorithm>
#include <array>

namespace impulse::config {
namespace {

using enum ScopeKind;

constexpr ScopeSet nowhere = 0;  // of the global scope
constexpr ScopeSet in_global = in(global);
constexpr ScopeSet in_event_loop = in(event_loop);
constexpr ScopeSet in_thread_pool = in(thread_pool);
constexpr ScopeSet in_security = in(security);
constexpr ScopeSet in_debug_flags = in(debug_flags);
constexpr ScopeSet in_esmtp = in(esmtp_listener);
constexpr ScopeSet in_smtp_listeners = in_esmtp | in(lmtp_listener);
constexpr ScopeSet in_http = in(http_listener);
constexpr ScopeSet in_ecstream = in(ecstream_listener);
constexpr ScopeSet in_mail_listeners = in_smtp_listeners | in_http | in_ecstream;
constexpr ScopeSet in_control = in(control_listener);
constexpr ScopeSet in_listeners = in_mail_listeners | in_control;
constexpr ScopeSet in_listen = in(listen);
constexpr ScopeSet in_peer = in(peer);
constexpr ScopeSet in_pathways = in(pathway_group) | in(pathway);
constexpr ScopeSet in_bindings = in(binding_group) | in(binding);
constexpr ScopeSet in_delivery = in_bindings | in(domain);
constexpr ScopeSet in_certificate = in(certificate);
constexpr ScopeSet in_role = in(role);

// Options that some listeners have already, and others not yet.
constexpr ScopeSet unbuilt_of(Row row) {
  switch (row) {
    case Row::enable_authorization:
    case Row::authorizationparameters:
      return in_smtp_listeners | in_ecstream;
    case Row::authloginparameters:
    case Row::authcrammd5parameters:
    case Row::authdigestmd5parameters:
    case Row::authscramparameters:
    case Row::sender_must_match_user:
      return in_http;
    case Row::api_keys:
    case Row::tls_verified_peer_is_authorized:
      return in_smtp_listeners | in_ecstream | in_control;
    case Row::event_loop:  // consoles are served by the main loop
    case Row::pool_name:
    case Row::concurrency:
    case Row::tenant:  // of mail; no console is a tenant's
    case Row::listener_sessions:
    case Row::service_sessions:
    case Row::peer_sessions:
    case Row::connection_rate:
    case Row::max_connection_lifetime:
    case Row::inbound_throttle_messages:
    case Row::proxy_protocol:
    case Row::proxy_trusted_hosts:
    case Row::proxy_identity_as_user:
      return in_control;
    default:
      return 0;
  }
}

constexpr std::array<OptionDef, option_count> option_table{{
#define OPTION(identifier, name, type, default_text, scopes, effect, availability, choices, area, min, max, help) \
  OptionDef{name,                                                                                                 \
            Type::type,                                                                                           \
            default_text,                                                                                         \
            scopes,                                                                                               \
            Effect::effect,                                                                                       \
            Availability::availability,                                                                           \
            help,                                                                                                 \
            choices,                                                                                              \
            area,                                                                                                 \
            min,                                                                                                  \
            max,                                                                                                  \
            static_cast<uint16_t>(Row::identifier),                                                               \
            unbuilt_of(Row::identifier)},
#include "config/options/rows.def"
#undef OPTION
}};

using enum Availability;

constexpr std::array<ScopeDef, scope_kinds> scope_table{{
    {global, "global", nowhere, Instance::none, available, "what holds everywhere"},
    {event_loop, "EventLoop", in_global, Instance::name, available, "a pool of event loops, named by Event_Loop"},
    {thread_pool, "ThreadPool", in_global, Instance::name, retired,
     "event loops do the work, there are no thread pools"},
    {security, "Security", in_global, Instance::none, available, "who the daemon runs as"},
    {debug_flags, "Debug_Flags", in_global, Instance::none, available, "what the diagnostic log tells"},
    {esmtp_listener, "ESMTP_Listener", in_global, Instance::none, available, "mail in by SMTP"},
    {lmtp_listener, "LMTP_Listener", in_global, Instance::none, available, "mail in by LMTP"},
    {http_listener, "HTTP_Listener", in_global, Instance::none, available, "mail in by HTTP"},
    {ecstream_listener, "ECStream_Listener", in_global, Instance::none, available, "mail in by ECStream"},
    {control_listener, "Control_Listener", in_global, Instance::none, available, "the console's door"},
    {listen, "Listen", in_listeners, Instance::endpoint, available, "an address to listen on"},
    {peer, "Peer", in_listeners | in_listen, Instance::network, available, "clients of a network"},
    {pathway_group, "Pathway_Group", in_global, Instance::name, available, "what its Pathways have in common"},
    {pathway, "Pathway", in_global | in(pathway_group), Instance::name, available,
     "options of listeners, Listens and Peers that name it by Pathway"},
    {binding_group, "Binding_Group", in_global, Instance::name, available, "what its Bindings have in common"},
    {binding, "Binding", in_global | in(binding_group), Instance::name, available,
     "a way out for mail, named by Default_Binding and by Context"},
    {domain, "Domain", in_global | in_bindings, Instance::domain, available,
     "mail to a domain, or to all that a /regex/ matches"},
    {certificate, "Certificate", in_global, Instance::name, available, "a TLS certificate, named by TLS_Certificate"},
    {authorization, "Authorization", in_global, Instance::none, available, "which Role may run which commands"},
    {role, "Role", in(authorization), Instance::name, available, "a group of users, or a user, and what it may run"},
}};

// Names that have no row above.
constexpr std::array<std::string_view, 11> later_scopes{"ECCluster_Listener",
                                                        "MSGCServer_Listener",
                                                        "MSGC_Server_Listener",
                                                        "SNMP",
                                                        "XMPP_Listener",
                                                        "Authentication",
                                                        "Cluster",
                                                        "Host",
                                                        "Replicate",
                                                        "Routing",
                                                        "Response_Transcode"};

constexpr bool less_folded(std::string_view a, std::string_view b) {
  return std::ranges::lexicographical_compare(a, b, {}, to_lower, to_lower);
}

// Row numbers by name, case folded; sorted by the compiler.
constexpr auto by_name = [] {
  std::array<uint16_t, option_count> order{};
  for (size_t i = 0; i < option_count; ++i) order[i] = static_cast<uint16_t>(i);
  std::ranges::sort(order, less_folded, [](uint16_t i) { return option_table[i].name; });
  return order;
}();
static_assert(std::ranges::adjacent_find(by_name,
                                         [](uint16_t a, uint16_t b) {
                                           return !less_folded(option_table[a].name, option_table[b].name);
                                         }) == by_name.end(),
              "two options of one name");

// A default is one word, or for lists words in ( ), or an empty [ ].
RawValue raw_default(const OptionDef& option) {
  RawValue raw;
  const std::string_view text = option.default_text;
  const bool list = option.type == Type::strings || option.type == Type::networks || option.type == Type::globs;
  if (option.type == Type::dictionary) {
    raw.kind = RawValue::Kind::dictionary;
  } else if (list && text.starts_with("(")) {
    raw.kind = RawValue::Kind::array;
    for (const std::string_view word : words(text.substr(1, text.size() - 2))) {
      raw.items.emplace_back();
      raw.items.back().text = word;
    }
  } else {
    raw.text = text;
  }
  return raw;
}

// What an option without a default holds: nothing of its type.
Value nothing(Type type) {
  switch (type) {
    case Type::boolean:
      return false;
    case Type::integer:
      return int64_t{0};
    case Type::size:
      return uint64_t{0};
    case Type::duration:
      return Duration{0};
    case Type::rate:
      return Rate{};
    case Type::octal:
      return uint32_t{0};
    case Type::string:
    case Type::secret:
    case Type::path:
      return std::string{};
    case Type::enumeration:
      return Enum{};
    case Type::strings:
      return Strings{};
    case Type::networks:
      return NetworkList{};
    case Type::globs:
      return GlobList{};
    case Type::dictionary:
      return Dictionary{};
    case Type::size_or_percent:
      return SizeOrPercent{};
  }
  return false;
}

}  // namespace

std::span<const OptionDef> options() { return option_table; }
std::span<const ScopeDef> scopes() { return scope_table; }

const OptionDef* find_option(std::string_view name) {
  const auto at = std::ranges::lower_bound(by_name, name, less_folded, [](uint16_t i) { return option_table[i].name; });
  return at != by_name.end() && iequals(option_table[*at].name, name) ? &option_table[*at] : nullptr;
}

const ScopeDef* find_scope(std::string_view name) {
  for (const ScopeDef& scope : scope_table)
    if (scope.kind != global && scope.availability != unavailable && iequals(scope.name, name)) return &scope;
  return nullptr;
}

const ScopeDef& scope_def(ScopeKind kind) { return scope_table[static_cast<size_t>(kind)]; }

std::span<const ScopeKind> listener_kinds() {
  static const std::vector<ScopeKind> kinds = [] {
    std::vector<ScopeKind> found;
    for (const ScopeDef& scope : scope_table)
      if (scope_def(listen).parents & in(scope.kind) && scope.availability == available) found.push_back(scope.kind);
    return found;
  }();
  return kinds;
}

bool is_unavailable_scope(std::string_view name) {
  const auto is = [&](std::string_view scope) { return iequals(scope, name); };
  return std::ranges::any_of(later_scopes, is) || std::ranges::any_of(scope_table, [&](const ScopeDef& scope) {
           return scope.availability == unavailable && is(scope.name);
         });
}

std::string_view suggest_option(std::string_view name, ScopeKind scope) {
  std::vector<std::string_view> here, anywhere;
  for (const OptionDef& option : option_table) {
    if (option.availability == unavailable) continue;
    if (option.scopes & in(scope)) here.push_back(option.name);
    anywhere.push_back(option.name);
  }
  const std::string_view near = nearest(name, here);
  return near.empty() ? nearest(name, anywhere) : near;
}

std::string_view suggest_scope(std::string_view name) {
  std::vector<std::string_view> names;
  for (const ScopeDef& scope : scope_table)
    if (scope.kind != global && scope.availability == available) names.push_back(scope.name);
  return nearest(name, names);
}

std::string unavailable_text(const OptionDef& option) {
  if (option.availability != unavailable) return {};
  return std::string(option.name) + " is not available in this version";
}

std::string unavailable_text(const OptionDef& option, ScopeKind listener) {
  if (!(option.unbuilt & in(listener))) return unavailable_text(option);
  return fmt::format("{} is not available in {} in this version", option.name, scope_def(listener).name);
}

// What is of Listens alone has no listener in its row; and a Listen of the console
// may name a Pathway, though its listener may not.
std::string foreign_text(const OptionDef& option, ScopeKind listener) {
  if (option.scopes & in(listener) || !(option.scopes & in_listeners) || option.index == key::pathway.index) return {};
  return fmt::format("{} is no option of {}", option.name, scope_def(listener).name);
}

std::string scope_names(ScopeSet scopes) {
  std::vector<std::string_view> names;
  for (const ScopeDef& scope : scope_table)
    if (scopes & in(scope.kind) && scope.kind != global && scope.availability != unavailable)
      names.push_back(scope.name);
  if (scopes & in_global) names.push_back("the global scope");
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += names[i];
  }
  return text;
}

std::string_view to_string(Effect effect) {
  switch (effect) {
    case Effect::live:
      return "live";
    case Effect::next_message:
      return "next-message";
    case Effect::next_session:
      return "next-session";
    case Effect::relisten:
      return "relisten";
    case Effect::restart:
      return "restart";
  }
  return "?";
}

std::string_view to_string(Type type) {
  switch (type) {
    case Type::boolean:
      return "boolean";
    case Type::integer:
      return "integer";
    case Type::size:
      return "size";
    case Type::duration:
      return "duration";
    case Type::rate:
      return "rate";
    case Type::octal:
      return "octal";
    case Type::string:
      return "string";
    case Type::secret:
      return "secret";
    case Type::path:
      return "path";
    case Type::enumeration:
      return "enum";
    case Type::strings:
      return "array";
    case Type::networks:
      return "network list";
    case Type::globs:
      return "domain globs";
    case Type::dictionary:
      return "dictionary";
    case Type::size_or_percent:
      return "size or percent";
  }
  return "?";
}

std::vector<std::string_view> choices(const OptionDef& option) {
  return option.choices.empty() ? std::vector<std::string_view>{} : split(option.choices, ',');
}

std::string_view choice(const OptionDef& option, Enum value) {
  const auto words = choices(option);
  return value.index < words.size() ? words[value.index] : std::string_view{};
}

// No default differs by listener yet; the parameter is where one would.
const Value& default_value(const OptionDef& option, ScopeKind /*listener*/) {
  static const std::vector<Value> values = [] {
    std::vector<Value> all;
    all.reserve(option_count);
    for (const OptionDef& row : option_table) {
      // Refused features have words in their defaults that no check would take.
      Result<Value> value = row.default_text.empty() ? nothing(row.type) : convert(raw_default(row), row);
      all.push_back(value ? std::move(*value) : nothing(row.type));
    }
    return all;
  }();
  return values[option.index];
}

}  // namespace impulse::config
