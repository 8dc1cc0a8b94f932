#include "server/rejections.h"

#include "config/children.h"
#include "config/keys.h"

#include <fmt/format.h>

namespace impulse::server {

namespace key = config::key;
using telemetry::Counter;
using telemetry::Level;

namespace {

// The Pathway_Group that a Pathway stands in; Momentum's word for none.
std::string group_of(const config::Snapshot& snapshot, std::string_view pathway) {
  std::string found = "default";
  snapshot.root()->children(config::ScopeKind::pathway_group).each([&](const config::ChildMap::Entry& entry) {
    if (entry.scope->child(config::ScopeKind::pathway, pathway)) found = entry.scope->instance();
  });
  return found;
}

}  // namespace

void Rejections::tell(const Client& client, const smtp::Refusal& refusal) const {
  const std::string_view listener = config::scope_def(client.listener).name;
  const std::string listen = client.listen.to_string();
  telemetry::Counters::Scope* const of_tenant = counters_.tenant(client.tenant);
  const Counter cause = telemetry::refusal_counter(refusal.cause);
  counters_.add(of_tenant, client.phase == "data" ? Counter::messages_refused : Counter::commands_refused);
  counters_.refused(counters_.scope(fmt::format("{} {}", listener, listen)), cause);
  if (of_tenant != nullptr) of_tenant->add(cause);
  if (log_.wants(Level::info, client.area))
    log_.write(Level::info, client.area, "refused",
               fmt::format("session {} from {}: {} {} ({})", client.session, client.peer.to_string(), refusal.code,
                           refusal.text, refusal.cause));
  if (!rejectlog_.wanted()) return;
  const std::string& pathway = client.options[key::pathway];
  const std::string group = group_of(client.snapshot, pathway);
  telemetry::Rejection line;
  line.time = wall_now();
  line.session = client.session;
  line.listener = listener;
  line.listen = listen;
  line.peer = client.peer.to_string();
  line.local = client.local.to_string();
  line.tenant = client.tenant;
  line.pathway = pathway;
  line.group = group;
  line.phase = client.phase;
  line.code = refusal.code;
  line.cause = refusal.cause;
  line.text = refusal.text;
  line.helo = client.helo;
  line.user = client.user;
  line.command = refusal.command;
  line.in_transaction = refusal.in_transaction;
  line.sender = refusal.sender;
  line.recipient = refusal.recipient;
  rejectlog_.rejection(line);
}

}  // namespace impulse::server
