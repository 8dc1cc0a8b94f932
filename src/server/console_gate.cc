#include "server/console_gate.h"

#include "config/keys.h"

namespace impulse::server {

namespace key = config::key;
using telemetry::Area;
using telemetry::Level;

Result<std::unique_ptr<ConsoleGate>> ConsoleGate::create(telemetry::Log& log, telemetry::Acctlog& acctlog,
                                                         std::string host) {
  auto sasl = auth::Sasl::create();
  if (!sasl) return std::unexpected(sasl.error());
  return std::unique_ptr<ConsoleGate>(new ConsoleGate(log, acctlog, std::move(host), std::move(*sasl)));
}

ConsoleGate::ConsoleGate(telemetry::Log& log, telemetry::Acctlog& acctlog, std::string host,
                         std::unique_ptr<auth::Sasl> sasl)
    : acctlog_(acctlog),
      host_(std::move(host)),
      sasl_(std::move(sasl)),
      files_([&log](std::string_view text) { log.write(Level::error, Area::control, "auth-file", text); }) {}

std::string ConsoleGate::refusal(const Endpoint& peer, const config::Options& options) const {
  if (options[key::deny]) return "this client is denied by the configuration";
  if (peer.is_unix()) return {};
  if (!peer.address().is_loopback() && !options[key::enable_authentication] && !options[key::always_allow])
    return "the console is open to this machine only, but where Enable_Authentication is true";
  if (failures_.refused(peer.address(), options[key::auth_failure_rate].count, steady_now()))
    return "too many failures to authenticate from this address";
  return {};
}

std::unique_ptr<control::Access> ConsoleGate::admit(control::Client client, const config::SnapshotPtr& snapshot,
                                                    const config::Options& options,
                                                    control::Access::OptionsIn options_in) {
  return std::make_unique<control::Access>(control::AccessParts{*sasl_, files_, failures_, acctlog_, host_},
                                           std::move(client), snapshot, options, std::move(options_in));
}

const config::Options& console_options(const config::ListenConf& listen, const Endpoint& peer) {
  return listen.for_peer(peer.is_unix() ? IpAddress::v4(0x7F000001) : peer.address());
}

}  // namespace impulse::server
