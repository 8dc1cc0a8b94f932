#include "server/console_gate.h"

#include "config/keys.h"

namespace impulse::server {

namespace key = config::key;

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
  return std::make_unique<control::Access>(
      control::AccessParts{
          desk_.sasl(), desk_.files(), failures_, acctlog_, desk_.host(),
          [this](const config::Snapshot& now, std::string_view user) { return desk_.is_foreign(now, user); }},
      std::move(client), snapshot, options, std::move(options_in));
}

const config::Options& console_options(const config::ListenConf& listen, const Endpoint& peer) {
  return listen.for_peer(peer.is_unix() ? IpAddress::v4(0x7F000001) : peer.address());
}

}  // namespace impulse::server
