#include "server/tls_settings.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <string_view>

namespace impulse::server {

namespace {

namespace key = config::key;

void use_scope(const config::Snapshot& snapshot, std::string_view name, std::string& certificate,
               std::string& private_key) {
  if (const config::Options* named = snapshot.certificate(name)) {
    certificate = (*named)[key::cert];
    private_key = (*named)[key::private_key];
  }
}

net::TlsVerify verify_of(const config::Options& options) {
  const auto mode = config::choice(key::tls_verify_mode, options[key::tls_verify_mode]);
  return mode == "require" ? net::TlsVerify::require : mode == "none" ? net::TlsVerify::none : net::TlsVerify::optional;
}

net::TlsSettings made_of(const config::Snapshot& snapshot, const config::Options& options) {
  net::TlsSettings settings;
  settings.certificate = options[key::tls_certificate];
  settings.key = options[key::tls_key];
  use_scope(snapshot, settings.certificate, settings.certificate, settings.key);
  settings.key_password = options[key::tls_key_password];
  settings.protocols = options[key::tls_protocols];
  settings.ciphers = options[key::tls_ciphers];
  settings.ciphersuites = options[key::tls_ciphersuites];
  settings.groups = options[key::tls_groups];
  settings.prefer_server_ciphers = options[key::tls_prefer_server_ciphers];
  settings.session_tickets = options[key::tls_session_tickets];
  settings.ca = options[key::tls_client_ca];
  settings.verify = verify_of(options);
  settings.verify_depth = static_cast<int>(options[key::tls_verify_depth]);
  settings.crl_file = options[key::tls_crl_file];
  settings.psk = options[key::tls_psk];
  if (settings.psk) {
    settings.psk_file = options[key::tls_psk_file];
    settings.psk_hint = options[key::tls_psk_identity_hint];
  }
  settings.dh_params = options[key::tls_dhparams_file];
  for (const auto& [pattern, name] : options[key::tls_sni]) {
    net::TlsSni& sni = settings.sni.emplace_back();
    sni.pattern = pattern;
    sni.name = name;
    sni.key_password = settings.key_password;
    use_scope(snapshot, name, sni.certificate, sni.key);
  }
  return settings;
}

void note_file(std::string& all, std::string_view location) {
  if (location.empty() || location.find('\n') != std::string_view::npos) return;
  if (location.starts_with("file://")) location.remove_prefix(7);
  struct stat status{};
  if (::stat(std::string(location).c_str(), &status) != 0) {
    all += "|";
    return;
  }
  all += fmt::format("{}.{}.{}.{}.{}|", status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec);
}

}  // namespace

std::shared_ptr<const net::TlsSettings> tls_settings(const config::Snapshot& snapshot, const config::Options& options) {
  return options.derived<net::TlsSettings>(
      [&](const config::Options& chain) { return std::make_shared<const net::TlsSettings>(made_of(snapshot, chain)); });
}

bool offers_tls(const net::TlsSettings& settings) { return !settings.certificate.empty() || settings.psk; }

std::string files_of(const net::TlsSettings& settings) {
  std::string all;
  for (const std::string* file : {&settings.certificate, &settings.key, &settings.ca, &settings.crl_file,
                                  &settings.psk_file, &settings.dh_params})
    note_file(all, *file);
  for (const net::TlsSni& sni : settings.sni) {
    note_file(all, sni.certificate);
    note_file(all, sni.key);
  }
  return all;
}

std::string certificate_name(const config::Options& options) {
  const std::string& certificate = options[key::tls_certificate];
  if (certificate.empty()) return "(pre-shared keys)";
  return certificate.find('\n') == std::string::npos ? certificate : "(inline)";
}

}  // namespace impulse::server
