// The catalogue: every option and every scope, declared once. Parsing,
// checking, fallback, console, completion, help and documentation read these
// rows. The rows stand in options/*.def; adding an option is adding a row
// there and the code that reads config::key::name.
#pragma once

#include "config/value.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace impulse::config {

enum class ScopeKind : uint8_t {
  global,
  event_loop,
  thread_pool,
  security,
  debug_flags,
  esmtp_listener,
  lmtp_listener,
  http_listener,
  ecstream_listener,
  control_listener,
  listen,
  peer,
  pathway_group,
  pathway,
  binding_group,
  binding,
  domain,
  certificate,
  authorization,
  role,
};
constexpr size_t scope_kinds = 20;

// A set of scope kinds.
using ScopeSet = uint32_t;
constexpr ScopeSet in(ScopeKind kind) { return 1U << static_cast<unsigned>(kind); }

// How an instance name becomes canonical, and whether there is one.
enum class Instance : uint8_t { none, optional, name, endpoint, network, domain };

enum class Availability : uint8_t {
  available,
  retired,      // Momentum has it, it means nothing here: accepted with a notice
  unavailable,  // known, its feature is not in this version: refused by name
};

struct ScopeDef {
  ScopeKind kind;
  std::string_view name;  // "ESMTP_Listener"
  ScopeSet parents;       // where it may stand; nowhere when it is unavailable
  Instance instance;
  Availability availability;
  std::string_view help;
};

// When a change applies (DESIGN §3, pipeline "diff").
enum class Effect : uint8_t { live, next_message, next_session, relisten, restart };

struct OptionDef {
  std::string_view name;  // "Listen_Backlog"
  Type type;
  std::string_view default_text;  // language spelling; empty: unset, the code asks with `is_set`
  ScopeSet scopes;
  Effect effect;
  Availability availability;
  std::string_view help;     // one line
  std::string_view choices;  // enumeration: "ignore,pedantic,fix"
  std::string_view area;     // "listening", "esmtp", … for documentation
  int64_t min = 0;           // integer, size (bytes), duration (seconds), octal: least and most
  int64_t max = INT64_MAX;
  uint16_t index = 0;    // row number
  ScopeSet unbuilt = 0;  // kinds of listeners under which an available option is not in this version
};

std::span<const OptionDef> options();
std::span<const ScopeDef> scopes();
const OptionDef* find_option(std::string_view name);  // case-insensitive; nullptr
// Case-insensitive; nullptr for none, and for one that is not in this version.
const ScopeDef* find_scope(std::string_view name);
const ScopeDef& scope_def(ScopeKind kind);
// Scopes that hold Listens and are in this version, in the order of ScopeKind.
std::span<const ScopeKind> listener_kinds();
std::string_view to_string(Effect effect);  // "next-session"
std::string_view to_string(Type type);      // "duration"

// The default of an option for a kind of listener: a few differ
// (Control_Listener's Timeout, …); kind is ScopeKind::global elsewhere.
const Value& default_value(const OptionDef& option, ScopeKind listener);

// Whether Momentum (or a later Impulse) has a scope of that name that is not in
// this version: refused as such, not as a typing error.
bool is_unavailable_scope(std::string_view name);

// The name most likely meant, empty when none is near: options (those that may
// stand in that scope first, else any), and scopes.
std::string_view suggest_option(std::string_view name, ScopeKind scope);
std::string_view suggest_scope(std::string_view name);

// "Deny is not available in this version"; empty when the option may be set.
std::string unavailable_text(const OptionDef& option);
// "AuthScramParameters is not available in ESMTP_Listener in this version";
// empty when it may be set under that kind of listener.
std::string unavailable_text(const OptionDef& option, ScopeKind listener);
// "Greeting_Timeout is no option of HTTP_Listener"; empty when a Listen or Peer of
// that listener may say it.
std::string foreign_text(const OptionDef& option, ScopeKind listener);
// Where an option may stand: "ESMTP_Listener, Listen or the global scope";
// without the scopes that are not in this version.
std::string scope_names(ScopeSet scopes);

// The words of an enumeration, in order, and the word of a value.
std::vector<std::string_view> choices(const OptionDef& option);
std::string_view choice(const OptionDef& option, Enum value);

// Canonical instance name: ":25" -> "*:25", "10.1.2.3/8" -> "10.0.0.0/8", domains
// lower-cased. Errors say what was expected.
Result<std::string> canonical_instance(const ScopeDef& scope, std::string_view instance);

// A typed name of a row: options[key::idle_time] is a const Duration&.
template <class T>
struct Key {
  uint16_t index;
};

// The word of an enumeration's value: choice(key::tls, options[key::tls]) == "required".
inline std::string_view choice(Key<Enum> key, Enum value) { return choice(options()[key.index], value); }

}  // namespace impulse::config
