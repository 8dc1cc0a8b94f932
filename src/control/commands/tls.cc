// tls show, tls check, tls reload: the certificates in use.
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"

namespace impulse::control {

namespace {

int64_t days_left(WallTime expires, WallTime now) {
  return std::chrono::duration_cast<std::chrono::hours>(expires - now).count() / 24;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

void say_certificate(Writer& writer, const CertificateStatus& certificate, WallTime now) {
  const std::string crl = certificate.crl_expires ? time_text(*certificate.crl_expires) : std::string();
  if (writer.json()) {
    writer.document({{"certificate", certificate.name},
                     {"subject", certificate.subject},
                     {"names", certificate.names},
                     {"issuer", certificate.issuer},
                     {"serial", certificate.serial},
                     {"key", certificate.key},
                     {"begins", time_text(certificate.begins)},
                     {"expires", time_text(certificate.expires)},
                     {"days_left", days_left(certificate.expires, now)},
                     {"chain", certificate.chain},
                     {"used_by", certificate.used_by},
                     {"server_names", certificate.server_names},
                     {"client_ca", certificate.client_ca},
                     {"crl_expires", crl},
                     {"psk_identities", certificate.psk_identities}});
    return;
  }
  const auto row = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) writer.text(fmt::format("  {:<9} {}", name, field(value, 4096)));
  };
  writer.text(field(certificate.name, 1024));
  row("subject", certificate.subject);
  row("names", joined(certificate.names));
  row("issuer", certificate.issuer);
  row("serial", certificate.serial);
  row("key", certificate.key);
  if (!certificate.subject.empty()) {
    row("valid", fmt::format("{} to {} ({} days left)", time_text(certificate.begins), time_text(certificate.expires),
                             days_left(certificate.expires, now)));
    row("chain", counted(certificate.chain, "further certificate"));
  }
  row("served to", joined(certificate.server_names));
  row("clients", certificate.client_ca.find('\n') == std::string::npos ? certificate.client_ca : "(inline)");
  row("crl until", crl);
  if (certificate.psk_identities > 0) row("keys", counted(certificate.psk_identities, "pre-shared key"));
  for (const std::string& place : certificate.used_by) row("used by", place);
}

}  // namespace

Answer tls_show(const Invocation& call) {
  if (!call.words.empty()) return usage("tls show", "nothing is expected behind it");
  const auto found = std::make_shared<const std::vector<CertificateStatus>>(call.system.process().certificates());
  Status status;
  status.with("certificates", found->size());
  return {std::move(status),
          each(found->size(), [found, now = call.about.now()](Writer& writer,
                                                              size_t i) { say_certificate(writer, (*found)[i], now); }),
          false};
}

Answer tls_check(const Invocation& call) {
  if (!call.words.empty()) return usage("tls check", "nothing is expected behind it");
  auto troubles = call.system.process().check_certificates(call.about.now());
  Status status;
  if (!troubles.empty()) status.code = Code::degraded;
  status.with("certificates", call.system.process().certificates().size()).with("troubles", troubles.size());
  return Answer::once(std::move(status), [troubles = std::move(troubles)](Writer& writer) {
    for (const CertificateTrouble& trouble : troubles) {
      if (writer.json()) writer.document({{"certificate", trouble.name}, {"id", trouble.id}, {"text", trouble.text}});
      writer.warning(trouble.id, fmt::format("{}: {}", trouble.name, trouble.text));
    }
  });
}

Answer tls_reload(const Invocation& call) {
  if (!call.words.empty()) return usage("tls reload", "nothing is expected behind it");
  auto renewed = call.system.process().reload_certificates();
  if (!renewed) return Answer::error(Code::failed, "tls-certificate", renewed.error().message);
  Status status;
  status.with("renewed", renewed->size());
  return Answer::once(std::move(status), [names = std::move(*renewed)](Writer& writer) {
    for (const std::string& name : names) {
      if (writer.json())
        writer.document({{"certificate", name}, {"renewed", true}});
      else
        writer.text(fmt::format("{}: renewed", field(name, 1024)));
    }
  });
}

}  // namespace impulse::control
