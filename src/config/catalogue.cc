// The catalogue's tables and look-ups. The rows themselves: options/*.def.
#include "config/catalogue.h"

#include "base/text.h"
#include "config/keys.h"

#include <algorithm>
#include <array>

namespace impulse::config {
namespace {

using enum ScopeKind;

constexpr ScopeSet nowhere = 0;  // only in scopes that are not in this version
constexpr ScopeSet in_global = in(global);
constexpr ScopeSet in_event_loop = in(event_loop);
constexpr ScopeSet in_debug_flags = in(debug_flags);
constexpr ScopeSet in_esmtp = in(esmtp_listener);
constexpr ScopeSet in_control = in(control_listener);
constexpr ScopeSet in_listeners = in_esmtp | in_control;
constexpr ScopeSet in_listen = in(listen);
constexpr ScopeSet in_peer = in(peer);
constexpr ScopeSet in_domain = in(domain);
constexpr ScopeSet in_certificate = in(certificate);

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
            static_cast<uint16_t>(Row::identifier)},
#include "config/options/rows.def"
#undef OPTION
}};

constexpr std::array<ScopeDef, scope_kinds> scope_table{{
    {global, "global", 0, Instance::none, "what holds everywhere"},
    {event_loop, "EventLoop", in_global, Instance::name, "a pool of event loops, named by Event_Loop"},
    {debug_flags, "Debug_Flags", in_global, Instance::none, "what the diagnostic log tells"},
    {esmtp_listener, "ESMTP_Listener", in_global, Instance::none, "mail in by SMTP"},
    {control_listener, "Control_Listener", in_global, Instance::none, "the console's door"},
    {listen, "Listen", in_listeners, Instance::endpoint, "an address to listen on"},
    {peer, "Peer", in_listeners | in_listen, Instance::network, "clients of a network"},
    {domain, "Domain", in_global, Instance::domain, "mail to a domain"},
    {certificate, "Certificate", in_global, Instance::name, "a TLS certificate, named by TLS_Certificate"},
}};

constexpr std::array<std::string_view, 22> unavailable_scopes{"LMTP_Listener",
                                                              "HTTP_Listener",
                                                              "ECStream_Listener",
                                                              "ECCluster_Listener",
                                                              "MSGCServer_Listener",
                                                              "MSGC_Server_Listener",
                                                              "SNMP",
                                                              "XMPP_Listener",
                                                              "Pathway",
                                                              "Pathway_Group",
                                                              "Binding",
                                                              "Binding_Group",
                                                              "Security",
                                                              "ThreadPool",
                                                              "Authorization",
                                                              "Authentication",
                                                              "Role",
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
    if (scope.kind != global && iequals(scope.name, name)) return &scope;
  return nullptr;
}

const ScopeDef& scope_def(ScopeKind kind) { return scope_table[static_cast<size_t>(kind)]; }

bool is_unavailable_scope(std::string_view name) {
  return std::ranges::any_of(unavailable_scopes, [&](std::string_view scope) { return iequals(scope, name); });
}

std::string_view suggest_option(std::string_view name, ScopeKind scope) {
  std::vector<std::string_view> here, anywhere;
  for (const OptionDef& option : option_table) {
    if (option.availability == Availability::unavailable) continue;
    if (option.scopes & in(scope)) here.push_back(option.name);
    anywhere.push_back(option.name);
  }
  const std::string_view near = nearest(name, here);
  return near.empty() ? nearest(name, anywhere) : near;
}

std::string_view suggest_scope(std::string_view name) {
  std::vector<std::string_view> names;
  for (const ScopeDef& scope : scope_table)
    if (scope.kind != global) names.push_back(scope.name);
  return nearest(name, names);
}

std::string unavailable_text(const OptionDef& option) {
  if (option.availability != Availability::unavailable) return {};
  return std::string(option.name) + " is not available in this version";
}

std::string scope_names(ScopeSet scopes) {
  std::vector<std::string_view> names;
  for (const ScopeDef& scope : scope_table)
    if (scopes & in(scope.kind) && scope.kind != global) names.push_back(scope.name);
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
