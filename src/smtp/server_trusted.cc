// What only a trusted gateway may say (XCLIENT_Hosts): who the client really
// is (XCLIENT of Postfix, XREMOTEIP of Momentum), and what is known about the
// connection (XSETCONTEXT, XDUMPCONTEXT of Momentum).
#include "smtp/server_impl.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>

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
  // The certificate, the key and the PROXY header were the gateway's.
  if (tls_) {
    tls_->verified = false;
    tls_->identity.clear();
  }
  // Nor is one tenant's user anybody among another's.
  if (implicit_ || elsewhere) {
    user_.clear();
    user_how_.clear();
    implicit_ = false;
  }
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
  ClientInfo client = client_;
  client.identity.clear();
  std::string helo = xclient_helo_;
  std::string protocol = xclient_protocol_;
  std::optional<std::string> login;
  for (const std::string_view word : words(command.arguments)) {
    const size_t equals = word.find('=');
    const auto decoded = equals == std::string_view::npos ? std::nullopt : decode_xtext(word.substr(equals + 1));
    if (!decoded) return refuse(reply::bad_xclient, "syntax");
    const std::string_view name = word.substr(0, equals);
    const std::string& value = *decoded;
    const bool unavailable = is_unavailable(value);
    bool good = true;
    if (iequals(name, "NAME")) {
      client.name = unavailable ? "" : value;
      good = unavailable || is_name(value);
    } else if (iequals(name, "ADDR") || iequals(name, "DESTADDR")) {
      const auto address = unavailable ? IpAddress{} : client_address(value);
      good = address.has_value();
      // Unknown is an address of its own (0.0.0.0): never the gateway's, with its rights.
      if (good) (iequals(name, "ADDR") ? client.address : client.destination) = *address;
      if (iequals(name, "ADDR")) client.unix_socket = false;
    } else if (iequals(name, "PORT") || iequals(name, "DESTPORT")) {
      const auto port = unavailable ? uint16_t{0} : port_number(value);
      good = port.has_value();
      if (good) (iequals(name, "PORT") ? client.port : client.destination_port) = *port;
    } else if (iequals(name, "PROTO")) {
      protocol = unavailable ? "" : upper(value);
      good = unavailable || protocol == "SMTP" || protocol == "ESMTP" || protocol == "LMTP";
    } else if (iequals(name, "HELO")) {
      helo = unavailable ? "" : value;
      good = unavailable || is_name(value);
    } else if (iequals(name, "LOGIN")) {
      login = unavailable ? "" : value;
      good = unavailable || !value.empty();
    } else {
      good = false;
    }
    if (!good) return refuse(reply::bad_xclient, "syntax");
  }
  if (!become(std::move(client))) return;
  forget();
  xclient_helo_ = std::move(helo);
  xclient_protocol_ = std::move(protocol);
  if (login && !login->empty()) auth_done(std::move(*login), "XCLIENT");
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
  if (!user_.empty()) line("auth_user", user_);
  if (tls_) line("tls", fmt::format("{} {}", tls_->version, tls_->cipher));
  for (const auto& [name, value] : context()) line(name, value);
  append_reply_line(out_->reply, 250, "", "XDUMPCONTEXT complete");
  out_->restart_deadline = true;
}

}  // namespace impulse::smtp
