// The stable ids of what reading configuration text can complain about.
// Scripts and documentation refer to them: an id is never renamed or reused.
#pragma once

#include <string_view>

namespace impulse::config {

namespace id {
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
}  // namespace id

struct DiagnosticId {
  std::string_view id;
  std::string_view meaning;  // one line, for documentation
};

// Every id above, for documentation and `help`.
inline constexpr DiagnosticId language_ids[] = {
    {id::syntax, "the text is not a statement or a value of the configuration language"},
    {id::missing_value, "an option has '=' and no value behind it"},
    {id::unclosed, "a '{', '(' or '[' has no partner"},
    {id::unterminated_string, "a quoted string has no closing quote"},
    {id::unterminated_comment, "a /* comment has no */"},
    {id::encoding, "the text holds a NUL, or bytes that are not UTF-8"},
    {id::nesting, "scopes, values or includes are nested too deeply"},
    {id::comment_in_word, "warning: a '#' right behind a bare word starts a comment"},
    {id::too_many, "further diagnostics of one source were left out"},
    {id::unreadable, "the configuration file cannot be read"},
    {id::include_missing, "an included file is nowhere on the search path"},
    {id::include_unreadable, "an included file is there, and cannot be read"},
    {id::include_cycle, "a file includes itself, directly or by others"},
    {id::include_limit, "a file is too large, or files included over and over add up to too much"},
    {id::include_scheme, "an include names something else than a file"},
};

}  // namespace impulse::config
