#include "auth/parameters.h"

#include "base/text.h"
#include "config/keys.h"

#include <algorithm>
#include <iterator>

namespace impulse::auth {

namespace key = config::key;

namespace {

constexpr ParameterOption parameter_options[] = {{key::authscramparameters, Mechanism::scram_sha_256},
                                                 {key::authdigestmd5parameters, Mechanism::digest_md5},
                                                 {key::authcrammd5parameters, Mechanism::cram_md5},
                                                 {key::authloginparameters, Mechanism::login}};
constexpr ParameterOption mail_options[] = {{key::authscramparameters, Mechanism::scram_sha_256},
                                            {key::authdigestmd5parameters, Mechanism::digest_md5},
                                            {key::authcrammd5parameters, Mechanism::cram_md5},
                                            {key::authplainparameters, Mechanism::plain},
                                            {key::authloginparameters, Mechanism::login}};

struct Uri {
  std::string_view scheme;
  std::string path;
};

Result<Uri> parse_uri(std::string_view text) {
  const size_t colon = text.find("://");
  if (colon == std::string_view::npos || colon == 0)
    return fail(Errc::invalid, "uri: scheme:///path is expected, got '{}'", escape_line(text, 80));
  Uri uri{text.substr(0, colon), std::string(text.substr(colon + 3))};
  if (!uri.path.starts_with('/') || uri.path.find('\0') != std::string::npos)
    return fail(Errc::invalid, "uri: an absolute path is expected behind {}://, as in {}:///path", uri.scheme,
                uri.scheme);
  return uri;
}

Result<bool> parse_boolean(std::string_view name, std::string_view text) {
  for (const std::string_view word : {"true", "yes", "on", "enabled", "1"})
    if (iequals(text, word)) return true;
  for (const std::string_view word : {"false", "no", "off", "disabled", "0"})
    if (iequals(text, word)) return false;
  return fail(Errc::invalid, "{}: true or false is expected, got '{}'", name, escape_line(text, 80));
}

// How a mechanism reads what a scheme names.
Result<Format> format_of(Mechanism mechanism, std::string_view scheme, bool stored_cleartext) {
  const auto wrong = [&](std::string_view expected) {
    return fail(Errc::invalid, "uri: {} takes {}, not {}://", name(mechanism), expected, escape_line(scheme, 40));
  };
  switch (mechanism) {
    case Mechanism::scram_sha_256_plus:
    case Mechanism::scram_sha_1_plus:
    case Mechanism::scram_sha_256:
    case Mechanism::scram_sha_1:
      if (scheme == "scram") return Format::scram;
      return wrong("scram:///path");
    case Mechanism::digest_md5:
      if (scheme == "digest") return stored_cleartext ? Format::digest_cleartext : Format::digest;
      if (scheme == "file") return Format::file;
      return wrong("digest:///path or file:///path");
    case Mechanism::cram_md5:
    case Mechanism::plain:
    case Mechanism::login:
      if (scheme == "file") return Format::file;
      return wrong("file:///path");
  }
  return wrong("nothing");
}

std::vector<Source> sources_of(std::span<const ParameterOption> among, const config::Options& options) {
  std::vector<Source> found;
  for (const ParameterOption& option : among)
    if (auto sources = read_parameters(option.mechanism, options[option.key]))
      std::move(sources->begin(), sources->end(), std::back_inserter(found));
  return found;
}

}  // namespace

Result<std::vector<Source>> read_parameters(Mechanism mechanism, const config::Dictionary& dictionary) {
  if (dictionary.empty()) return std::vector<Source>();
  std::string_view uri;
  bool stored_cleartext = false;
  Source source;
  source.mechanism = mechanism;
  for (const auto& [name, value] : dictionary) {
    if (iequals(name, "uri")) {
      uri = value;
    } else if (iequals(name, "log_authentication")) {
      const auto log = parse_boolean(name, value);
      if (!log) return std::unexpected(log.error());
      source.log = *log;
    } else if (mechanism == Mechanism::digest_md5 && iequals(name, "realm")) {
      source.realm = value;
    } else if (mechanism == Mechanism::digest_md5 && iequals(name, "stored_cleartext")) {
      const auto cleartext = parse_boolean(name, value);
      if (!cleartext) return std::unexpected(cleartext.error());
      stored_cleartext = *cleartext;
    } else {
      return fail(Errc::invalid, "'{}' is not known here", escape_line(name, 80));
    }
  }
  if (uri.empty()) return fail(Errc::invalid, "uri is missing");
  auto parsed = parse_uri(uri);
  if (!parsed) return std::unexpected(parsed.error());
  const auto format = format_of(mechanism, parsed->scheme, stored_cleartext);
  if (!format) return std::unexpected(format.error());
  source.format = *format;
  source.path = std::move(parsed->path);
  if (mechanism != Mechanism::scram_sha_256) return std::vector<Source>{std::move(source)};
  std::vector<Source> sources;
  for (const Mechanism each : all_mechanisms()) {
    if (!is_scram(each)) continue;
    source.mechanism = each;
    sources.push_back(source);
  }
  return sources;
}

Result<GroupSource> read_group_parameters(const config::Dictionary& dictionary) {
  GroupSource source;
  for (const auto& [name, value] : dictionary) {
    if (iequals(name, "uri")) {
      auto uri = parse_uri(value);
      if (!uri) return std::unexpected(uri.error());
      if (uri->scheme != "groups" && uri->scheme != "file")
        return fail(Errc::invalid, "uri: groups:///path is expected, not {}://", escape_line(uri->scheme, 40));
      source.path = std::move(uri->path);
    } else if (iequals(name, "log_authorization")) {
      const auto log = parse_boolean(name, value);
      if (!log) return std::unexpected(log.error());
      source.log = *log;
    } else {
      return fail(Errc::invalid, "'{}' is not known here", escape_line(name, 80));
    }
  }
  return source;
}

Result<KeySource> read_key_parameters(const config::Dictionary& dictionary) {
  KeySource source;
  if (dictionary.empty()) return source;
  for (const auto& [name, value] : dictionary) {
    if (iequals(name, "uri")) {
      auto uri = parse_uri(value);
      if (!uri) return std::unexpected(uri.error());
      if (uri->scheme != "keys")
        return fail(Errc::invalid, "uri: keys:///path is expected, not {}://", escape_line(uri->scheme, 40));
      source.path = std::move(uri->path);
    } else if (iequals(name, "log_authentication")) {
      const auto log = parse_boolean(name, value);
      if (!log) return std::unexpected(log.error());
      source.log = *log;
    } else {
      return fail(Errc::invalid, "'{}' is not known here", escape_line(name, 80));
    }
  }
  if (source.path.empty()) return fail(Errc::invalid, "uri is missing");
  return source;
}

std::span<const ParameterOption> console_parameters() { return parameter_options; }

std::span<const ParameterOption> mail_parameters() { return mail_options; }

std::vector<Source> console_sources(const config::Options& options) {
  std::vector<Source> found = sources_of(parameter_options, options);
  std::erase_if(found, [](const Source& source) { return binds_channel(source.mechanism); });
  return found;
}
std::vector<Source> mail_sources(const config::Options& options) { return sources_of(mail_options, options); }

GroupSource console_groups(const config::Options& options) {
  return read_group_parameters(options[key::authorizationparameters]).value_or(GroupSource{});
}

KeySource key_source(const config::Options& options) {
  return read_key_parameters(options[key::api_keys]).value_or(KeySource{});
}

}  // namespace impulse::auth
