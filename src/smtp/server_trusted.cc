// What only a trusted gateway may say (XCLIENT_Hosts): who the client really
// is (XCLIENT of Postfix, XREMOTEIP of Momentum), and what is known about the
// connection (XSETCONTEXT, XDUMPCONTEXT of Momentum).
#include "smtp/server_impl.h"

#include "base/text.h"
#include "config/grouped_scopes.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace impulse::smtp {

namespace {

bool is_unavailable(std::string_view value) {
  return iequals(value, "[UNAVAILABLE]") || iequals(value, "[TEMPUNAVAIL]");
}

// "192.0.2.1" or "IPV6:2001:db8::1".
std::optional<IpAddress> client_address(std::string_view text) {
  if (istarts_with(text, "IPV6:")) {
    const auto address = IpAddress::parse(text.substr(5));
    return address && !address->is_v4() ? std::optional(*address) : std::nullopt;
  }
  const auto address = IpAddress::parse(text);
  return address ? std::optional(*address) : std::nullopt;
}

std::optional<uint16_t> port_number(std::string_view text) {
  const auto port = parse_unsigned(text, 65535);
  return port && *port != 0 ? std::optional(static_cast<uint16_t>(*port)) : std::nullopt;
}

// A name that may be shown, and cannot be taken for anything else.
bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= message::max_domain &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
}

// What XCLIENT tells of the client.
struct Told {
  ClientInfo client;
  std::string helo;
  std::string protocol;
  std::optional<std::string> login;
};
using Value = std::optional<std::string>;  // none: the gateway does not know

// Unknown is an address of its own (0.0.0.0): never the gateway's, with its rights.
bool take_address(IpAddress& into, const Value& value) {
  const auto address = value ? client_address(*value) : IpAddress{};
  if (address) into = *address;
  return address.has_value();
}

bool take_port(uint16_t& into, const Value& value) {
  const auto port = value ? port_number(*value) : uint16_t{0};
  if (port) into = *port;
  return port.has_value();
}

bool take_name(std::string& into, const Value& value) {
  into = value.value_or("");
  return !value || is_name(*value);
}

bool take_protocol(std::string& into, const Value& value) {
  into = upper(value.value_or(""));
  return !value || into == "SMTP" || into == "ESMTP" || into == "LMTP";
}

// False: such a value cannot be.
struct Attribute {
  std::string_view name;
  bool (*take)(Told& told, const Value& value);
};

constexpr Attribute attributes[] = {
    {"NAME", [](Told& told, const Value& value) { return take_name(told.client.name, value); }},
    {"ADDR",
     [](Told& told, const Value& value) {
       told.client.unix_socket = false;
       return take_address(told.client.address, value);
     }},
    {"PORT", [](Told& told, const Value& value) { return take_port(told.client.port, value); }},
    {"DESTADDR", [](Told& told, const Value& value) { return take_address(told.client.destination, value); }},
    {"DESTPORT", [](Told& told, const Value& value) { return take_port(told.client.destination_port, value); }},
    {"PROTO", [](Told& told, const Value& value) { return take_protocol(told.protocol, value); }},
    {"HELO", [](Told& told, const Value& value) { return take_name(told.helo, value); }},
    {"LOGIN",
     [](Told& told, const Value& value) {
       told.login = value.value_or("");
       return !value || !value->empty();
     }},
};

// NAME=value.
bool take_attribute(Told& told, std::string_view word) {
  const size_t equals = word.find('=');
  if (equals == std::string_view::npos) return false;
  Value value = decode_xtext(word.substr(equals + 1));
  if (!value) return false;
  if (is_unavailable(*value)) value.reset();
  const auto known = std::ranges::find_if(
      attributes, [&](const Attribute& attribute) { return iequals(attribute.name, word.substr(0, equals)); });
  return known != std::end(attributes) && known->take(told, value);
}

constexpr size_t most_context = 100;  // keys of a connection

}  // namespace

// Offered, and to this client; or refused.
bool ServerSession::Impl::trusted(const Command& command, bool offered) {
  if (!offered) {
    refuse(reply::not_available, "syntax");
  } else if (!trusted_ && !policy_->xclient_hosts.contains(client_.address)) {
    refuse(reply::not_trusted, "xclient");
  } else if (tls_missing()) {
    return false;
  } else if (transaction_.open) {
    refuse(reply::bad_sequence, "bad_sequence");
  } else if (without_trailing_whitespace(command.arguments).empty() && command.verb != Verb::xdumpcontext) {
    refuse(reply::needs_argument, "syntax");
  } else {
    return true;
  }
  return false;
}

// The certificate and the key are the gateway's.
void ServerSession::Impl::not_the_clients() {
  if (!tls_) return;
  tls_->verified = false;
  tls_->identity.clear();
}

// The client is somebody else: under that one's rules. False: the session ended.
bool ServerSession::Impl::become(ClientInfo client) {
  auto policy = host_.client_is(client);
  if (!policy) {
    say_closing(policy.error().message);
    return false;
  }
  trusted_ = true;
  client_ = std::move(client);
  const bool elsewhere = policy_->tenant != (*policy)->tenant;
  policy_ = std::move(*policy);
  not_the_clients();
  // Nor is one tenant's user anybody among another's.
  if (login_.by_connection() || elsewhere) login_.forget();
  if (elsewhere) set_context_.clear();
  if (const auto refusal = host_.place_for_client()) {
    refuse(*refusal);
    return false;
  }
  return true;
}

// Nothing but QUIT from now on, for a short while.
void ServerSession::Impl::deny() {
  denied_ = true;
  denial_begins_ = true;
  note(reply::denied, "denied", reply::denied.text);
  say(reply::denied);
}

void ServerSession::Impl::on_xclient(const Command& command) {
  if (!trusted(command, policy_->xclient)) return;
  Told told{.client = client_, .helo = xclient_helo_, .protocol = xclient_protocol_, .login = {}};
  told.client.identity.clear();
  for (const std::string_view word : words(command.arguments))
    if (!take_attribute(told, word)) return refuse(reply::bad_xclient, "syntax");
  if (!become(std::move(told.client))) return;
  forget();
  xclient_helo_ = std::move(told.helo);
  xclient_protocol_ = std::move(told.protocol);
  if (told.login && !told.login->empty()) login_.vouched_for(std::move(*told.login), "XCLIENT");
  if (policy_->deny) return deny();
  say({220, "", policy_->banner});
}

void ServerSession::Impl::on_xremoteip(const Command& command) {
  if (!trusted(command, policy_->xremoteip)) return;
  const auto address = client_address(trim(command.arguments));
  if (!address) return refuse(reply::bad_address, "syntax");
  ClientInfo client = client_;
  client.address = *address;
  client.unix_socket = false;
  client.name.clear();
  client.identity.clear();
  if (!become(std::move(client))) return;
  if (policy_->deny) return deny();
  say(reply::ok);
}

void ServerSession::Impl::set_context(std::string name, std::string value) {
  for (auto& [known, old] : set_context_)
    if (known == name) {
      old = std::move(value);
      return;
    }
  set_context_.emplace_back(std::move(name), std::move(value));
}

void ServerSession::Impl::on_xsetcontext(const Command& command) {
  if (!trusted(command, policy_->xsetcontext)) return;
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string_view word : words(command.arguments)) {
    const size_t equals = word.find('=');
    auto name = equals == std::string_view::npos ? std::nullopt : decode_xtext(word.substr(0, equals));
    auto value = equals == std::string_view::npos ? std::nullopt : decode_xtext(word.substr(equals + 1));
    if (!name || name->empty() || !value) return refuse(reply::bad_context, "syntax");
    if (*name == config::binding_context && !value->empty() && !host_.knows_binding(*value))
      return refuse(reply::no_binding, "syntax");
    pairs.emplace_back(std::move(*name), std::move(*value));
  }
  if (set_context_.size() + pairs.size() > most_context) return refuse(reply::bad_context, "syntax");
  for (auto& [name, value] : pairs) set_context(std::move(name), std::move(value));
  say(reply::ok);
}

// What the configuration puts in, and over it what the client set.
std::vector<std::pair<std::string, std::string>> ServerSession::Impl::context() const {
  std::vector<std::pair<std::string, std::string>> all = policy_->context;
  for (const auto& [name, value] : set_context_) {
    const auto known = std::find_if(all.begin(), all.end(), [&](const auto& pair) { return pair.first == name; });
    if (known == all.end())
      all.emplace_back(name, value);
    else
      known->second = value;
  }
  return all;
}

void ServerSession::Impl::on_xdumpcontext(const Command& command) {
  if (!trusted(command, policy_->xdumpcontext) || !plain(command)) return;
  const auto line = [&](std::string_view name, std::string_view value) {
    append_reply_line(out_->reply, 250, "", fmt::format("[connection] {} {}", name, value), false);
  };
  line("remote_addr", client_.address.to_string());
  if (!helo_.empty()) line("ehlo_domain", helo_);
  if (!policy_->tenant.empty()) line("tenant", policy_->tenant);
  if (!login_.user().empty()) line("auth_user", login_.user());
  if (tls_) line("tls", fmt::format("{} {}", tls_->version, tls_->cipher));
  for (const auto& [name, value] : context()) line(name, value);
  append_reply_line(out_->reply, 250, "", "XDUMPCONTEXT complete");
  out_->restart_deadline = true;
}

}  // namespace impulse::smtp
