// count: open connections by network, as Momentum has it.
#include "base/ip.h"
#include "base/text.h"
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

namespace impulse::control {

namespace {

// What to count by: one network, or levels of masks.
struct Grouping {
  std::optional<IpPrefix> network;
  unsigned from = 0;
  unsigned to = 0;
};

Result<Grouping> read_grouping(std::string_view text) {
  Grouping grouping;
  const size_t dash = text.find('-');
  const auto from = parse_unsigned(text.substr(0, dash), 128);
  const auto to = dash == std::string_view::npos ? from : parse_unsigned(text.substr(dash + 1), 128);
  if (from && to) {
    if (*from > *to) return fail(Errc::invalid, "masks go from the shorter to the longer, as in 16-32");
    grouping.from = static_cast<unsigned>(*from);
    grouping.to = static_cast<unsigned>(*to);
    return grouping;
  }
  const auto network = IpPrefix::parse(text);
  if (!network)
    return fail(Errc::invalid, "an address, a network (10.0.0.0/8), a mask (24) or masks (16-32) are expected");
  grouping.network = *network;
  return grouping;
}

// The other ends of all connections of a type.
std::expected<std::vector<IpAddress>, Answer> addresses(const Invocation& call, const config::RawValue& type) {
  std::vector<IpAddress> found;
  const auto add = [&](const Endpoint& peer) {
    found.push_back(peer.is_unix() ? IpAddress::v4(0x7F000001) : peer.address());
  };
  const std::string name = lower(type.text);
  if (name == "outbound" || name.starts_with("outbound/")) {
    const std::string_view binding = name == "outbound" ? std::string_view() : std::string_view(name).substr(9);
    for (const OutboundConnection& connection : call.system.outbound())
      if (connection.established() && (name == "outbound" || iequals(connection.binding, binding)))
        add(connection.peer);
    return found;
  }
  // "SMTP", "ESMTP", "ESMTP_Listener": connections that came in by that kind.
  std::string kind = name.ends_with("_listener") ? name : name + "_listener";
  if (kind == "smtp_listener") kind = "esmtp_listener";
  const config::ScopeDef* scope = config::find_scope(kind);
  if (scope == nullptr || kind == "control_listener")
    return std::unexpected(placed_error(Code::usage, "control-usage", type,
                                        "a type is SMTP, outbound, outbound/BINDING, or the name of a mail listener"));
  for (const InboundSession& session : call.system.inbound())
    if (iequals(session.kind, scope->name))
      add(Endpoint::parse(session.peer, true).value_or(Endpoint::unix_socket("/")));
  return found;
}

struct Row {
  IpPrefix network;
  size_t depth = 0;
  uint64_t count = 0;
};
using Counts = std::map<IpAddress, uint64_t>;  // of one family

// Networks in order, each with those within it behind it. A level at which
// nothing parts, between the first and the last, is left out.
void group(const Counts& counts, const Grouping& grouping, std::vector<Row>& rows) {
  if (counts.empty()) return;
  const unsigned bits = counts.begin()->first.bits();
  const unsigned to = std::min(grouping.to, bits);
  std::vector<unsigned> masks;
  std::vector<std::map<IpPrefix, uint64_t>> levels;
  size_t parts = 0;
  for (unsigned mask = std::min(grouping.from, bits); mask <= to; ++mask) {
    std::map<IpPrefix, uint64_t> level;
    for (const auto& [address, count] : counts) level[IpPrefix(address, mask)] += count;
    if (masks.empty() || mask == to || level.size() > parts) {
      masks.push_back(mask);
      parts = level.size();
      levels.push_back(std::move(level));
    }
  }
  std::vector<std::optional<IpPrefix>> last(masks.size());
  for (const auto& [address, count] : counts)
    for (size_t depth = 0; depth < masks.size(); ++depth) {
      const IpPrefix network(address, masks[depth]);
      if (last[depth] == network) continue;
      last[depth] = network;
      rows.push_back({network, depth, levels[depth].at(network)});
    }
}

}  // namespace

Answer count(const Invocation& call) {
  if (call.words.size() != 2) return usage("count", "a type of connections and a network or masks are expected");
  const auto grouping = read_grouping(call.words[1].text);
  if (!grouping) return placed_error(Code::usage, "control-usage", call.words[1], grouping.error().message);
  const auto found = addresses(call, call.words[0]);
  if (!found) return found.error();
  if (grouping->network) {
    const auto inside = static_cast<uint64_t>(std::count_if(
        found->begin(), found->end(), [&](const IpAddress& address) { return grouping->network->contains(address); }));
    Status status;
    status.with("sessions", inside);
    return Answer::once(std::move(status), [inside, network = *grouping->network](Writer& writer) {
      if (writer.json())
        writer.document({{"network", network.to_string()}, {"sessions", inside}});
      else
        writer.text(counted(inside, "session"));
    });
  }
  Counts v4, v6;
  for (const IpAddress& address : *found) ++(address.is_v4() ? v4 : v6)[address];
  auto rows = std::make_shared<std::vector<Row>>();
  group(v4, *grouping, *rows);
  group(v6, *grouping, *rows);
  Status status;
  status.with("sessions", found->size());
  return {std::move(status), each(rows->size(), [rows](Writer& writer, size_t i) {
            const Row& row = (*rows)[i];
            const std::string network = fmt::format("{}/{}", row.network.address().to_string(), row.network.length());
            if (writer.json())
              writer.document({{"network", network}, {"sessions", row.count}, {"depth", row.depth}});
            else
              writer.text(fmt::format("{:>7}{:{}}{}", row.count, "", 17 + 16 * row.depth, network));
          })};
}

}  // namespace impulse::control
