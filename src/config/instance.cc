// Instance names, made canonical by the kind of their scope, so that every
// spelling of an address, a network or a domain names the same scope.
#include "base/endpoint.h"
#include "base/text.h"
#include "config/catalogue.h"
#include "config/checks.h"
#include "config/grouped_scopes.h"

namespace impulse::config {
namespace {

Result<std::string> canonical_domain(std::string_view text) {
  if (text.starts_with('/')) {
    // Kept as it was written: the case of a class such as \D counts.
    auto pattern = domain_pattern(text);
    if (!pattern) return std::unexpected(std::move(pattern.error()));
    return std::string(text);
  }
  const std::string_view bare = text.ends_with('.') ? text.substr(0, text.size() - 1) : text;
  if (is_domain(bare)) return lower(bare);
  if (bare.starts_with('[') && bare.ends_with(']')) {  // a domain literal of RFC 5321 §4.1.3
    std::string_view literal = bare.substr(1, bare.size() - 2);
    if (istarts_with(literal, "IPv6:")) literal.remove_prefix(5);
    if (IpAddress::parse(literal)) return lower(bare);
  }
  if (!is_ascii(text))
    return fail(Errc::invalid, "expected a domain in its ASCII form (xn--…), got '{}'", escape_line(text, 80));
  return fail(Errc::invalid, "expected a domain such as example.com, got '{}'", escape_line(text, 80));
}

Result<std::string> canonical_network(std::string_view text) {
  // Brackets are not wanted here, but harmless.
  std::string_view bare = text;
  if (bare.starts_with('[') && bare.ends_with(']')) bare = bare.substr(1, bare.size() - 2);
  const auto prefix = IpPrefix::parse(bare);
  if (prefix) return prefix->to_string();
  return fail(Errc::invalid, "expected a network such as 10.0.0.0/8, 192.0.2.1 or 2001:db8::/32, got '{}'",
              escape_line(text, 80));
}

Result<std::string> canonical_endpoint(std::string_view text) {
  // Port 0 asks the kernel for a free one; compile() warns of it.
  const auto endpoint = Endpoint::parse(text, true);
  if (endpoint) return endpoint->to_string();
  return fail(Errc::invalid, "expected an address such as \"*:25\", \"192.0.2.1:25\", \"[::1]:25\" or \"/path\": {}",
              endpoint.error().message);
}

}  // namespace

bool is_domain_pattern(std::string_view instance) { return instance.starts_with('/'); }

Result<Pattern> domain_pattern(std::string_view instance) {
  const bool closed = instance.size() > 1 && instance.starts_with('/') && instance.ends_with('/');
  if (!closed) return fail(Errc::invalid, "expected a pattern between slashes, got '{}'", escape_line(instance, 80));
  const std::string_view expression = instance.substr(1, instance.size() - 2);
  if (expression.empty()) return fail(Errc::invalid, "expected a pattern between slashes, got nothing");
  auto pattern = Pattern::compile(expression, true);
  if (pattern) return pattern;
  return fail(Errc::invalid, "the pattern {} is wrong {}", escape_line(instance, 80), pattern.error().message);
}

Result<std::string> canonical_instance(const ScopeDef& scope, std::string_view instance) {
  switch (scope.instance) {
    case Instance::none:
      if (instance.empty()) return std::string{};
      return fail(Errc::invalid, "{} takes no name, got '{}'", scope.name, escape_line(instance, 80));
    case Instance::optional:
      return std::string(instance);
    case Instance::name:
      if (instance.empty()) return fail(Errc::invalid, "{} needs a name", scope.name);
      for (const char c : instance)
        if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '/')
          return fail(Errc::invalid, "expected a name without white space and /, got '{}'", escape_line(instance, 80));
      if (scope.kind == ScopeKind::binding || scope.kind == ScopeKind::binding_group) {
        // They are part of queues' names, and of commands.
        if (instance.size() > longest_binding || instance.find_first_of("%:*") != std::string_view::npos ||
            instance.starts_with('-') || iequals(instance, "all"))
          return fail(Errc::invalid,
                      "expected a name of at most {} characters without %, : and *, which is not 'all' and does not "
                      "begin with -, got '{}'",
                      longest_binding, escape_line(instance, 80));
      }
      return std::string(instance);
    case Instance::endpoint:
      return canonical_endpoint(instance);
    case Instance::network:
      return canonical_network(instance);
    case Instance::domain:
      return canonical_domain(instance);
  }
  return std::string(instance);
}

}  // namespace impulse::config
