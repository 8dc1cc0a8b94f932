// listener show: where one can connect, and with --tls by which certificates.
#include "base/text.h"
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"

namespace impulse::control {

namespace {

// One word for a Listen that is not as it was asked to be.
std::string_view state_of(const ListenStatus& listen) {
  if (listen.bound) return "listening";
  if (!listen.enabled) return "disabled";
  return listen.stopped ? "stopped" : "not listening";
}

Json document_of(const ListenStatus& listen) {
  return {{"listener", listen.listener}, {"listen", listen.endpoint}, {"enabled", listen.enabled},
          {"stopped", listen.stopped},   {"bound", listen.bound},     {"sessions", listen.sessions},
          {"waiting", listen.waiting},   {"backlog", listen.backlog}, {"generation", listen.generation}};
}

Json document_of(const ListenTls& tls) {
  Json document{{"certificate", tls.certificate},
                {"subject", tls.subject},
                {"issuer", tls.issuer},
                {"protocols", tls.protocols},
                {"implicit", tls.implicit}};
  if (tls.expires) document["expires"] = time_text(*tls.expires);
  if (!tls.problem.empty()) document["problem"] = tls.problem;
  return document;
}

void say_tls(Writer& writer, const ListenTls& tls, WallTime now) {
  if (tls.certificate.empty()) return writer.text("    no TLS: TLS_Certificate is not set");
  writer.text(fmt::format("    certificate {}{}", field(tls.certificate),
                          tls.implicit ? ", from the first byte on (Use_SSL)" : ""));
  writer.text(fmt::format("    protocols   {}", field(tls.protocols)));
  if (!tls.problem.empty()) return writer.text(fmt::format("    unusable    {}", field(tls.problem)));
  writer.text(fmt::format("    subject     {}", field(tls.subject)));
  writer.text(fmt::format("    issuer      {}", field(tls.issuer)));
  if (!tls.expires) return;
  const auto days = std::chrono::duration_cast<std::chrono::days>(*tls.expires - now).count();
  writer.text(fmt::format("    expires     {} ({})", time_text(*tls.expires),
                          *tls.expires < now ? "has expired" : "in " + counted(static_cast<uint64_t>(days), "day")));
}

}  // namespace

Answer listener_show(const Invocation& call) {
  bool tls = false;
  for (const config::RawValue& word : call.words) {
    if (tls || !iequals(word.text, "--tls"))
      return placed_error(Code::usage, "control-usage", word, "only --tls may follow");
    tls = true;
  }
  auto listens = std::make_shared<const std::vector<ListenStatus>>(call.system.listens());
  Status status;
  status.with("listens", listens->size());
  return {std::move(status),
          each(listens->size(),
               [listens, tls, now = call.about.now()](Writer& writer, size_t i) {
                 const ListenStatus& listen = (*listens)[i];
                 if (writer.json()) {
                   Json document = document_of(listen);
                   if (tls) document["tls"] = document_of(listen.tls);
                   return writer.document(document);
                 }
                 writer.text(fmt::format(
                     "{} {} {}{} {}{} backlog {}{}", listen.listener, field(listen.endpoint), state_of(listen),
                     listen.stopped && !listen.enabled ? " (and stopped)" : "", counted(listen.sessions, "session"),
                     listen.waiting > 0 ? fmt::format(" {} waiting", listen.waiting) : "", listen.backlog,
                     listen.bound ? fmt::format(" gen {}", listen.generation) : ""));
                 if (tls) say_tls(writer, listen.tls, now);
               }),
          false};
}

}  // namespace impulse::control
