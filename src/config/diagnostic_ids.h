// The stable ids of what can be wrong with a configuration; doc/messages.md says
// what each means. Scripts refer to them: an id is never renamed or reused.
#pragma once

#include <string_view>

namespace impulse::config::id {

// The text.
inline constexpr std::string_view syntax = "config-syntax";
inline constexpr std::string_view missing_value = "config-missing-value";
inline constexpr std::string_view unclosed = "config-unclosed";
inline constexpr std::string_view unterminated_string = "config-unterminated-string";
inline constexpr std::string_view unterminated_comment = "config-unterminated-comment";
inline constexpr std::string_view encoding = "config-encoding";
inline constexpr std::string_view nesting = "config-nesting";
inline constexpr std::string_view comment_in_word = "config-comment-in-word";
inline constexpr std::string_view too_many = "config-too-many";
inline constexpr std::string_view unreadable = "config-unreadable";
inline constexpr std::string_view include_missing = "config-include-missing";
inline constexpr std::string_view include_unreadable = "config-include-unreadable";
inline constexpr std::string_view include_cycle = "config-include-cycle";
inline constexpr std::string_view include_limit = "config-include-limit";
inline constexpr std::string_view include_scheme = "config-include-scheme";

// Its meaning.
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
inline constexpr std::string_view conflicting_options = "config-conflicting-options";
inline constexpr std::string_view needs_option = "config-needs-option";
inline constexpr std::string_view any_port = "config-any-port";

}  // namespace impulse::config::id
