// The stable ids of what the meaning of a configuration can be wrong about;
// diagnostic_ids.h has those of its text. Never renamed or reused.
#pragma once

#include "config/diagnostic_ids.h"

namespace impulse::config {

namespace id {
inline constexpr std::string_view unknown_option = "config-unknown-option";
inline constexpr std::string_view unknown_scope = "config-unknown-scope";
inline constexpr std::string_view wrong_scope = "config-wrong-scope";
inline constexpr std::string_view bad_value = "config-bad-value";
inline constexpr std::string_view bad_instance = "config-bad-instance";
inline constexpr std::string_view not_available = "config-not-available";
inline constexpr std::string_view retired = "config-retired";
inline constexpr std::string_view inline_key = "config-inline-key";
inline constexpr std::string_view dangling_reference = "config-dangling-reference";
inline constexpr std::string_view duplicate_endpoint = "config-duplicate-endpoint";
inline constexpr std::string_view ambiguous_name = "config-ambiguous-name";
inline constexpr std::string_view needs_option = "config-needs-option";
inline constexpr std::string_view any_port = "config-any-port";
}  // namespace id

inline constexpr DiagnosticId semantic_ids[] = {
    {id::unknown_option, "there is no option of that name"},
    {id::unknown_scope, "there is no scope of that name"},
    {id::wrong_scope, "the option or scope may not stand in this scope"},
    {id::bad_value, "the value does not fit the option"},
    {id::bad_instance, "the scope's name is missing, not wanted, or of the wrong form"},
    {id::not_available, "known, and not in this version"},
    {id::retired, "notice: the option means nothing here and is accepted so that old files load"},
    {id::inline_key, "warning: a private key stands in the configuration itself"},
    {id::dangling_reference, "a name refers to a scope that is not there"},
    {id::duplicate_endpoint, "two listeners claim one address"},
    {id::ambiguous_name, "a name that is referred to stands in two groups"},
    {id::needs_option, "the option needs another one to be set"},
    {id::any_port, "warning: port 0, the kernel will choose a port"},
};

}  // namespace impulse::config
