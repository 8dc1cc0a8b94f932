// Which Peer a client comes under, against brute force. The input is lines:
//   +NETWORK [rce]   a Peer in the Listen, and the options that it sets
//   ^NETWORK [rce]   the same, directly in the listener
//   -NETWORK         the Peer in the Listen goes; _NETWORK the one in the listener
//   ?NETWORK         whom does it belong to? Edits since the last question are
//                    one commit.
//   *                as the first line: into a Listen that has thousands
// Tries that were edited, brought up to date and built anew must all find what
// looking at every Peer finds; so must each option of the compiled snapshot;
// and a commit must leave the snapshot before it as it was.
#include "config/children.h"
#include "config/compiler.h"
#include "config/keys.h"
#include "config/prefix_trie.h"
#include "config/setting.h"

#include "base/text.h"
#include "kit.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace impulse;
using namespace impulse::config;

using fuzz::check;

// One is set in Peers only, one in the listener too, one in the Listen too.
struct Watched {
  char letter;
  Key<int64_t> key;
};
constexpr std::array<Watched, 3> watched{
    {{'r', key::max_recipients_per_message}, {'c', key::max_recipients_per_connection}, {'e', key::max_errors}}};
constexpr int64_t in_listener = 7, in_listen = 9;
constexpr int64_t first_value = 100;  // of the first line; the others count on

std::shared_ptr<const Setting> setting(size_t option, int64_t value) {
  static std::map<std::pair<size_t, int64_t>, std::shared_ptr<const Setting>> made;
  auto& found = made[{option, value}];
  if (!found) {
    auto setting = std::make_shared<Setting>();
    setting->option = &definition(watched[option].key);
    setting->value = value;
    found = setting;
  }
  return found;
}

// A network, with none of the code that is to be tested.
struct Network {
  bool v4 = true;
  unsigned length = 0;
  std::array<uint8_t, 16> bytes{};

  explicit Network(const IpPrefix& prefix)
      : v4(prefix.address().is_v4()), length(prefix.length()), bytes(prefix.address().bytes()) {}
  bool holds(const std::array<uint8_t, 16>& address) const {
    for (unsigned bit = 0; bit < length; ++bit)
      if (((bytes[bit / 8] ^ address[bit / 8]) >> (7 - bit % 8) & 1) != 0) return false;
    return true;
  }
  bool holds(const Network& other) const { return v4 == other.v4 && length <= other.length && holds(other.bytes); }
  friend auto operator<=>(const Network&, const Network&) = default;
};

struct Peer {
  ScopePtr scope;
  std::array<std::optional<int64_t>, watched.size()> values;
};
using Model = std::map<Network, Peer>;

// The Peers that hold all of it, shortest first.
std::vector<const Peer*> chain_of(const Model& model, const Network& network) {
  std::vector<std::pair<unsigned, const Peer*>> holding;
  for (const auto& [candidate, peer] : model)
    if (candidate.holds(network)) holding.emplace_back(candidate.length, &peer);
  std::ranges::sort(holding);
  std::vector<const Peer*> chain;
  for (const auto& [length, peer] : holding) chain.push_back(peer);
  return chain;
}

std::optional<int64_t> value_in(const std::vector<const Peer*>& chain, size_t option) {
  for (auto peer = chain.rbegin(); peer != chain.rend(); ++peer)
    if ((*peer)->values[option]) return (*peer)->values[option];
  return std::nullopt;
}

int64_t expected(const std::vector<const Peer*>& inner, const std::vector<const Peer*>& outer, size_t option) {
  if (const auto value = value_in(inner, option)) return *value;
  if (watched[option].letter == 'e') return in_listen;
  if (const auto value = value_in(outer, option)) return *value;
  if (watched[option].letter == 'c') return in_listener;
  return std::get<int64_t>(default_value(definition(watched[option].key), ScopeKind::esmtp_listener));
}

void check_trie(const PeerTrie& trie, const std::vector<const Peer*>& chain, const IpPrefix& network) {
  const std::vector<ScopePtr> holding = trie.holding(network);
  check(std::ranges::equal(holding, chain, {}, {}, [](const Peer* peer) { return peer->scope; }),
        "the Peers that hold a network are others");
  if (network.length() != network.address().bits()) return;
  check(trie.longest(network.address()) == (chain.empty() ? nullptr : chain.back()->scope.get()),
        "the longest match is another one");
}

// The Listen or the listener: where Peers stand.
struct PeerPlace {
  ScopePath path;
  Model model;
  PeerTrie edited;   // by with() and without()
  PeerTrie updated;  // at each commit, by what differs
  ChildMap children{};
};

// One state of a configuration, and what it was made into.
struct World {
  ScopePtr root;
  SnapshotPtr snapshot;
  std::array<PeerPlace, 2> places;  // the Listen, the listener

  const ChildMap& peers(const PeerPlace& place) const {
    return find_scope(root, place.path)->children(ScopeKind::peer);
  }

  void set(PeerPlace& place, const IpPrefix& network, std::string_view letters, int64_t value) {
    const std::string name = network.to_string();
    const auto again = IpPrefix::parse(name);
    check(again && *again == network, "a network printed is another one");
    const ScopePath path = path_of(place, name);
    const auto canonical = canonical_path(path);
    check(canonical && canonical->back().instance == name, "a network's name is not its canonical one");
    Peer& peer = place.model[Network(network)];
    root = edit_scope(root, path, {}, [&](ScopePtr scope) {
      for (size_t i = 0; i < watched.size(); ++i) {
        if (letters.find(watched[i].letter) == std::string_view::npos) continue;
        peer.values[i] = value;
        scope = scope->with_setting(setting(i, value));
      }
      return scope;
    });
    peer.scope = find_scope(root, path);
    place.edited = place.edited.with(network, peer.scope);
  }

  void unset(PeerPlace& place, const IpPrefix& network) {
    place.edited = place.edited.without(network);
    if (place.model.erase(Network(network)) == 0) return;
    root = edit_scope(root, path_of(place, network.to_string()), {}, [](const ScopePtr&) { return ScopePtr(); });
  }

  void commit() {
    Diagnostics diagnostics;
    const uint64_t generation = snapshot ? snapshot->generation() + 1 : 1;
    snapshot = compile(root, generation, diagnostics, snapshot);
    check(snapshot != nullptr, "Peers alone make no mistake");
    for (PeerPlace& place : places) {
      place.updated = PeerTrie::updated(place.updated, place.children, peers(place));
      place.children = peers(place);
    }
  }

  void ask(const IpPrefix& network) const {
    std::array<std::vector<const Peer*>, 2> chains;
    for (size_t i = 0; i < places.size(); ++i) {
      chains[i] = chain_of(places[i].model, Network(network));
      check_trie(places[i].edited, chains[i], network);
      check_trie(places[i].updated, chains[i], network);
    }
    if (network.length() != network.address().bits()) return;
    const Options& options = snapshot->listens().front()->for_peer(network.address());
    for (size_t i = 0; i < watched.size(); ++i)
      check(options[watched[i].key] == expected(chains[0], chains[1], i), "an option has another Peer's value");
  }

  void ask_anew(std::span<const IpPrefix> networks) const {
    for (const PeerPlace& place : places) {
      const PeerTrie anew(peers(place));
      check(anew.empty() == place.model.empty() && place.edited.empty() == place.model.empty(), "empty, or not");
      for (const IpPrefix& network : networks) check_trie(anew, chain_of(place.model, Network(network)), network);
    }
  }

 private:
  static ScopePath path_of(const PeerPlace& place, const std::string& network) {
    ScopePath path = place.path;
    path.push_back({ScopeKind::peer, network});
    return path;
  }
};

// A listener with one Listen; `crowd` Peers in it.
World world_of(size_t crowd) {
  const PathStep listener{ScopeKind::esmtp_listener, ""}, listen{ScopeKind::listen, "127.0.0.1:25"};
  World world;
  world.root = std::make_shared<const Scope>(scope_def(ScopeKind::global), "", Origin{});
  world.places[0].path = {listener, listen};
  world.places[1].path = {listener};
  world.root = edit_scope(world.root, {listener, listen}, {},
                          [](const ScopePtr& scope) { return scope->with_setting(setting(2, in_listen)); });
  world.root = edit_scope(world.root, {listener}, {},
                          [](const ScopePtr& scope) { return scope->with_setting(setting(1, in_listener)); });
  uint32_t random = 1;
  for (size_t i = 0; i < crowd; ++i) {
    random = random * 1664525 + 1013904223;
    // Hosts, and networks that hold some of them.
    const unsigned length = i % 4 == 0 ? 8 + random % 12 : 32;
    world.set(world.places[0], {IpAddress::v4(random & 0x3FF0FFFFU), length}, i % 2 == 0 ? "r" : "rce", 50);
  }
  world.commit();
  // What is built at once may be of another form than what grew.
  PeerPlace& place = world.places[0];
  place.edited = place.updated = PeerTrie(place.children);
  check(crowd == 0 || place.model.size() > 2100, "this is no crowd");
  return world;
}

// The first and the last address of a network, and those beside it.
void edges(const IpPrefix& network, std::vector<IpPrefix>& into) {
  const bool v4 = network.address().is_v4();
  const unsigned bits = network.address().bits();
  const auto add = [&](std::array<uint8_t, 16> bytes) {
    const uint32_t host = uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
    const IpAddress address = v4 ? IpAddress::v4(host) : IpAddress::v6(bytes);  // which may be IPv4, mapped
    into.emplace_back(address, address.bits());
  };
  std::array<uint8_t, 16> last = network.address().bytes();
  add(last);
  for (unsigned bit = network.length(); bit < bits; ++bit) last[bit / 8] |= static_cast<uint8_t>(0x80 >> bit % 8);
  add(last);
  if (network.length() == 0) return;
  const unsigned deciding = network.length() - 1;
  last[deciding / 8] ^= static_cast<uint8_t>(0x80 >> deciding % 8);
  add(last);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const World empty = world_of(0);
  static const World crowded = world_of(3000);
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const bool crowd = text.starts_with("*\n");
  if (crowd) text.remove_prefix(2);

  World before = crowd ? crowded : empty;
  World now = before;
  bool dirty = false;
  std::vector<IpPrefix> asked;
  const auto ask = [&](std::span<const IpPrefix> networks) {
    if (dirty) now.commit();
    for (const IpPrefix& network : networks) {
      now.ask(network);
      before.ask(network);
    }
    if (dirty) before = now;
    dirty = false;
  };

  int64_t line_number = 0;
  for (const std::string_view line : split(text, '\n')) {
    if (++line_number > (crowd ? 16 : 64)) break;
    const auto parts = words(line);
    if (parts.empty()) continue;
    const auto network = IpPrefix::parse(parts[0].substr(1));
    if (!network) continue;
    const char what = parts[0][0];
    PeerPlace& place = now.places[what == '^' || what == '_' ? 1 : 0];
    if (what == '+' || what == '^')
      now.set(place, *network, parts.size() > 1 ? parts[1] : "", first_value + line_number);
    else if (what == '-' || what == '_')
      now.unset(place, *network);
    else if (what == '?')
      ask({{*network}});
    else
      continue;
    dirty = dirty || what != '?';
    edges(*network, asked);
    if (what == '?') asked.push_back(*network);
  }
  ask(asked);
  now.ask_anew(asked);
  return 0;
}
