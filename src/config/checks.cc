// What single options want beyond their type.
#include "config/checks.h"

#include "base/tenant.h"
#include "base/text.h"
#include "config/keys.h"
#include "config/route_entry.h"

#include <sys/un.h>

#include <algorithm>
#include <array>
#include <span>

namespace impulse::config {
namespace {

constexpr std::array<std::string_view, 19> extension_names{
    "PIPELINING", "SIZE",     "8BITMIME",      "BINARYMIME",  "SMTPUTF8",  "ENHANCEDSTATUSCODES", "CHUNKING",
    "DSN",        "STARTTLS", "AUTH",          "XCLIENT",     "XREMOTEIP", "XSETCONTEXT",         "XDUMPCONTEXT",
    "DELIVERBY",  "LIMITS",   "FUTURERELEASE", "MT-PRIORITY", "REQUIRETLS"};
// Of other servers.
constexpr std::array<std::string_view, 6> foreign_extensions{"ETRN", "XFORWARD", "XEXDATA", "VRFY", "EXPN", "HELP"};
constexpr std::array mechanism_names{
#define MECHANISM(mechanism, name, client_first, sends_password) std::string_view(name),
#include "config/mechanisms.def"
#undef MECHANISM
    std::string_view("EXTERNAL")};
constexpr std::array<std::string_view, 12> areas{"server", "config",   "net",     "tls",  "smtp",     "spool",
                                                 "queue",  "delivery", "control", "http", "ecstream", "ALL"};
constexpr std::array<std::string_view, 5> http_modules{"inject", "metrics", "health", "admin", "docs"};
constexpr std::array<std::string_view, 6> tls_versions{"SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};

template <size_t N>
std::string_view canonical_word(const std::array<std::string_view, N>& words, std::string_view text) {
  for (const std::string_view word : words)
    if (iequals(word, text)) return word;
  return {};
}

std::string word_list(std::span<const std::string_view> words) {
  std::string list;
  for (const std::string_view word : words) list.append(list.empty() ? "" : " ").append(word);
  return list;
}

// "CHUNKING", "AUTH PLAIN LOGIN", "FUTURERELEASE 86400".
Result<> check_extensions(Strings& extensions) {
  Strings canonical;
  for (const std::string& extension : extensions) {
    const auto parts = words(extension);
    const auto name = canonical_word(extension_names, parts.empty() ? std::string_view() : parts.front());
    if (const auto foreign = canonical_word(foreign_extensions, parts.empty() ? std::string_view() : parts.front());
        !foreign.empty())
      return fail(Errc::unavailable, "the extension {} is not available in this version", foreign);
    if (name.empty())
      return fail(Errc::invalid, "'{}' is no SMTP extension; this version has {}", escape_line(extension, 80),
                  word_list(extension_names));
    std::string whole(name);
    for (const std::string_view part : std::span(parts).subspan(1)) {
      if (name == "AUTH") {
        const auto mechanism = canonical_word(mechanism_names, part);
        if (mechanism.empty())
          return fail(Errc::invalid, "expected AUTH with mechanisms of {}, got '{}'", word_list(mechanism_names),
                      escape_line(part, 80));
        whole.append(" ").append(mechanism);
      } else if (name == "FUTURERELEASE" && parts.size() == 2 && parse_unsigned(part, 999999999)) {
        whole.append(" ").append(part);
      } else {
        return fail(Errc::invalid, "'{}': {}", escape_line(extension, 80),
                    name == "FUTURERELEASE" ? "expected FUTURERELEASE, or FUTURERELEASE and a number of seconds"
                                            : "nothing may stand behind the extension's name");
      }
    }
    const auto before =
        std::ranges::find_if(canonical, [&](const std::string& other) { return words(other).front() == name; });
    if (before == canonical.end())
      canonical.push_back(std::move(whole));
    else if (name == "AUTH" && before->size() > name.size() && whole.size() > name.size())
      before->append(whole, name.size());
    else if (name == "AUTH")
      *before = name;  // all that are configured
  }
  extensions = std::move(canonical);
  return {};
}

Result<> check_protocols(Strings& protocols) {
  for (std::string& protocol : protocols) {
    if (iequals(protocol, "LHLO")) return fail(Errc::unavailable, "LHLO is not available in this version");
    protocol = upper(protocol);
    if (protocol != "HELO" && protocol != "EHLO")
      return fail(Errc::invalid, "expected HELO or EHLO, got '{}'", escape_line(protocol, 80));
  }
  if (protocols.empty()) return fail(Errc::invalid, "expected HELO, EHLO or both, got nothing");
  return {};
}

Result<> check_http_versions(const Strings& versions) {
  for (const std::string& version : versions)
    if (version != "1.0" && version != "1.1")
      return version.starts_with('2') || version.starts_with('3')
                 ? fail(Errc::unavailable, "HTTP/{} is not available in this version", escape_line(version, 80))
                 : fail(Errc::invalid, "expected 1.0, 1.1 or both, got '{}'", escape_line(version, 80));
  if (versions.empty()) return fail(Errc::invalid, "expected 1.0, 1.1 or both, got nothing");
  return {};
}

Result<> check_http_modules(Strings& modules) {
  for (std::string& module : modules) {
    const auto word = canonical_word(http_modules, module);
    if (!word.empty())
      module = word;
    else
      return fail(Errc::invalid, "expected modules of {}, got '{}'", word_list(http_modules), escape_line(module, 80));
  }
  return {};
}

// Debug = "smtp config" is one string in Momentum's form.
Result<> check_areas(Strings& list) {
  Strings canonical;
  for (const std::string& text : list) {
    for (const std::string_view word : words(text)) {
      const auto area = canonical_word(areas, word);
      if (area.empty())
        return fail(Errc::invalid, "expected areas of {}, got '{}'", word_list(areas), escape_line(word, 80));
      canonical.emplace_back(area);
    }
  }
  list = std::move(canonical);
  return {};
}

// "+TLSv1.2:+TLSv1.3", "-TLSv1.2", "TLSv1.2,TLSv1.3", "ALL:-TLSv1.2".
Result<> check_tls_protocols(std::string& text) {
  bool relative = false;
  std::vector<std::pair<char, std::string_view>> list;
  std::string spaced = text;
  for (char& c : spaced)
    if (c == ':' || c == ',') c = ' ';
  for (std::string_view word : words(spaced)) {
    char sign = 0;
    if (word.starts_with('+') || word.starts_with('-')) {
      sign = word.front();
      word.remove_prefix(1);
      relative = true;
    }
    if (iequals(word, "TLSv1.0")) word = "TLSv1";
    const auto version = canonical_word(tls_versions, word);
    if (version.empty())
      return fail(Errc::invalid, "expected TLS versions such as +TLSv1.2:+TLSv1.3, got '{}'", escape_line(word, 80));
    const bool old = version != "TLSv1.2" && version != "TLSv1.3";
    if (old && sign != '-')
      return fail(Errc::unavailable, "{} is broken and not spoken here; TLSv1.2 and TLSv1.3 are", version);
    if (old) continue;  // switching off what is never on
    list.emplace_back(sign, version);
  }
  bool v12 = relative && !list.empty() && std::ranges::all_of(list, [](auto& e) { return e.first == '-'; });
  bool v13 = v12;
  if (list.empty()) v12 = v13 = !text.empty() && relative;
  for (const auto& [sign, version] : list) (version == "TLSv1.2" ? v12 : v13) = sign != '-';
  if (!v12 && !v13) return fail(Errc::invalid, "no TLS version is left; expected TLSv1.2, TLSv1.3 or both");
  text = v12 && v13 ? "+TLSv1.2:+TLSv1.3" : v12 ? "+TLSv1.2" : "+TLSv1.3";
  return {};
}

Result<> check_name(const std::string& text) {
  if (text.empty() || is_domain(text)) return {};
  if (text.starts_with('[') && text.ends_with(']')) {
    std::string_view literal(text);
    literal = literal.substr(1, literal.size() - 2);
    if (istarts_with(literal, "IPv6:")) literal.remove_prefix(5);
    if (IpAddress::parse(literal)) return {};
  }
  return fail(Errc::invalid, "expected a host name, got '{}'", escape_line(text, 80));
}

// Momentum has words for names that it finds out: one is what we do anyway, the other would go out as a name.
Result<> check_ehlo_name(std::string& text) {
  if (iequals(text, own_hostname)) {
    text = own_hostname;
    return {};
  }
  if (iequals(text, "__message__"))
    return fail(Errc::unavailable, "{} (the sender's domain) is not available in this version; a host name is, or {}",
                text, own_hostname);
  return check_name(text);
}

// host, host:port, address, [v6], [v6]:port, the path of a Unix socket.
bool is_gateway(std::string_view text) {
  if (text.starts_with('/')) return text.size() > 1 && text.size() < sizeof(sockaddr_un::sun_path);
  if (IpAddress::parse(text)) return true;
  std::string_view host = text;
  const size_t colon = text.rfind(':');
  if (colon != std::string_view::npos && (!text.starts_with('[') || !text.ends_with(']'))) {
    const auto port = parse_unsigned(text.substr(colon + 1), 65535);
    if (!port || *port == 0) return false;
    host = text.substr(0, colon);
  }
  if (host.starts_with('[') && host.ends_with(']')) {
    const auto address = IpAddress::parse(host.substr(1, host.size() - 2));
    return address && address->is_v6();
  }
  return IpAddress::parse(host) || is_domain(host);
}

// In lower case from here on: two names that differ in case alone are one.
Result<> check_tenant(std::string& name) {
  if (!name.empty() && !is_tenant_name(name))
    return fail(Errc::invalid, "expected a name of at most {} letters, digits, '-', '_' and '.', got '{}'",
                longest_tenant, escape_line(name, 80));
  name = lower(name);
  return {};
}

bool is_timeout(Row row) {
  switch (row) {
    case Row::idle_time:
    case Row::greeting_timeout:
    case Row::command_timeout:
    case Row::data_timeout:
    case Row::tls_handshake_timeout:
    case Row::timeout:
    case Row::control_client_timeout:
    case Row::connect_timeout:
    case Row::ehlo_timeout:
    case Row::mailfrom_timeout:
    case Row::rcptto_timeout:
    case Row::body_timeout:
    case Row::rset_timeout:
      return true;
    default:
      return false;
  }
}

Result<> check_one_line(const std::string& text) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::ranges::none_of(text, control)) return {};
  return fail(Errc::invalid, "expected one line without control characters, got '{}'", escape_line(text, 80));
}

Result<> check_text(Row row, std::string& text) {
  // Certificates may stand in the file as they are.
  if (row == Row::cert || row == Row::private_key) {
    if (text.empty()) return fail(Errc::invalid, "expected a path or PEM text, got nothing");
    return {};
  }
  if (auto line = check_one_line(text); !line) return line;
  switch (row) {
    case Row::tls_certificate:
      if (iequals(text, "none")) text.clear();
      return {};
    case Row::tls_protocols:
      return check_tls_protocols(text);
    case Row::hostname:
    case Row::banner_hostname:
    case Row::received_hostname:
      return check_name(text);
    case Row::ehlo_hostname:
      return check_ehlo_name(text);
    case Row::domain_for_unqualified_recipient_addresses:
    case Row::domain_for_unqualified_sender_address:
      if (text.empty() || is_domain(text)) return {};
      return fail(Errc::invalid, "expected a domain, got '{}'", escape_line(text, 80));
    case Row::nodename:
      if (text.size() <= 64 && (text.empty() || is_domain(text))) return {};
      return fail(Errc::invalid, "expected a name of at most 64 letters, digits, dots and hyphens, got '{}'",
                  escape_line(text, 80));
    case Row::tenant:
      return check_tenant(text);
    case Row::bind_address:
      if (text.empty() || IpAddress::parse(text)) return {};
      return fail(Errc::invalid, "expected an IP address, got '{}'", escape_line(text, 80));
    case Row::mailerdaemon: {
      const size_t at = text.rfind('@');
      const std::string_view domain = at == std::string::npos ? "" : std::string_view(text).substr(at + 1);
      if (text.empty() || (at != 0 && is_domain(domain) && text.find_first_of(" <>") == std::string::npos)) return {};
      return fail(Errc::invalid, "expected an address such as MAILER-DAEMON@example.com, got '{}'",
                  escape_line(text, 80));
    }
    case Row::spoolbase:
      if (!text.empty()) return {};
      return fail(Errc::invalid, "expected the path of a folder, got nothing");
    default:
      return {};
  }
}

}  // namespace

bool is_domain(std::string_view text) {
  if (text.empty() || text.size() > 255) return false;
  for (const std::string_view label : split(text, '.')) {
    if (label.empty() || label.size() > 63) return false;
    const auto legal = [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '_'; };
    if (!std::ranges::all_of(label, legal)) return false;
  }
  return true;
}

bool is_private(std::string_view text) {
  return text.find("-----BEGIN") != std::string_view::npos && text.find("PRIVATE KEY") != std::string_view::npos;
}

std::optional<Value> join_array(const RawValue& raw, const OptionDef& option) {
  if (static_cast<Row>(option.index) != Row::tls_protocols || raw.kind != RawValue::Kind::array) return std::nullopt;
  std::string joined;
  for (const RawValue& item : raw.items) joined.append(joined.empty() ? "" : ":").append(item.text);
  return joined;
}

Result<> check_value(const OptionDef& option, Value& value) {
  const auto row = static_cast<Row>(option.index);
  // What is refused anyway needs no check, and its default may name what is not built.
  if (option.availability == Availability::unavailable) return {};
  if (auto* text = std::get_if<std::string>(&value)) return check_text(row, *text);
  if (is_timeout(row) && std::get<Duration>(value) <= Duration{0})
    return fail(Errc::invalid, "expected a duration above 0");
  switch (row) {
    case Row::tls_allow_renegotiation:
      if (!std::get<bool>(value)) return {};
      return fail(Errc::unavailable, "renegotiation is not done: TLS 1.3 has none, and TLS 1.2 is attacked by it");
    case Row::smtp_extensions:
      return check_extensions(std::get<Strings>(value));
    case Row::smtp_protocols:
      return check_protocols(std::get<Strings>(value));
    case Row::http_versions:
      return check_http_versions(std::get<Strings>(value));
    case Row::http_modules:
      return check_http_modules(std::get<Strings>(value));
    case Row::critical:
    case Row::error:
    case Row::warning:
    case Row::notice:
    case Row::info:
    case Row::debug:
      return check_areas(std::get<Strings>(value));
    case Row::allow:
      for (const std::string& expression : std::get<Strings>(value))
        if (const auto pattern = Pattern::compile(expression); !pattern)
          return fail(Errc::invalid, "the pattern '{}' is wrong {}", escape_line(expression, 80),
                      pattern.error().message);
      return {};
    case Row::gateway:
      for (const std::string& host : std::get<Strings>(value))
        if (!is_gateway(host))
          return fail(Errc::invalid,
                      "expected a host, host:port, [IPv6 address]:port or the path of a socket, got '{}'",
                      escape_line(host, 80));
      return {};
    case Row::routes:
      for (const std::string& text : std::get<Strings>(value))
        if (const auto entry = parse_route_entry(text); !entry) return std::unexpected(entry.error());
      return {};
    default:
      return {};
  }
}

}  // namespace impulse::config
