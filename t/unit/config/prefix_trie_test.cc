// The Peer trie: longest match and whole chains, against brute force.
#include "config/prefix_trie.h"
#include "kit.h"

#include <algorithm>
#include <random>

using namespace impulse;
using namespace impulse::config;
using namespace impulse::config::test;

namespace {

ScopePtr peer(const IpPrefix& network) {
  return std::make_shared<const Scope>(scope_def(ScopeKind::peer), network.to_string(), Origin{});
}

// Few distinct bits, so that networks nest and touch.
IpPrefix random_network(std::mt19937& random, bool v4) {
  std::array<uint8_t, 16> bytes{};
  for (size_t i = 0; i < 16; ++i) bytes[i] = static_cast<uint8_t>(random() % 4 == 0 ? random() : random() % 2 * 0x80);
  if (v4) {
    const uint32_t address = uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
    return {IpAddress::v4(address), static_cast<unsigned>(random() % 33)};
  }
  bytes[0] = 0x20;  // no mapped addresses
  return {IpAddress::v6(bytes), static_cast<unsigned>(random() % 129)};
}

class PrefixTrieTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(PrefixTrieTest);
  CPPUNIT_TEST(nothing_holds_nothing);
  CPPUNIT_TEST(longest_of_nested);
  CPPUNIT_TEST(families_do_not_mix);
  CPPUNIT_TEST(brute_force_v4);
  CPPUNIT_TEST(brute_force_v6);
  CPPUNIT_TEST(edits_against_brute_force);
  CPPUNIT_TEST(updated_follows_the_children);
  CPPUNIT_TEST(large_tries);
  CPPUNIT_TEST_SUITE_END();

  using Model = std::map<IpPrefix, ScopePtr>;

  static ChildMap children(const Model& model) {
    std::vector<ChildMap::Entry> entries;
    for (const auto& [network, scope] : model) entries.push_back({scope, 0});
    return ChildMap(std::move(entries));
  }

  static void compare(const PeerTrie& trie, const Model& model, const IpAddress& address) {
    std::vector<ScopePtr> chain;
    std::vector<std::pair<unsigned, ScopePtr>> holding;
    for (const auto& [network, scope] : model)
      if (network.address().is_v4() == address.is_v4() && network.contains(address))
        holding.emplace_back(network.length(), scope);
    std::ranges::sort(holding, {}, [](const auto& item) { return item.first; });
    for (const auto& item : holding) chain.push_back(item.second);
    CPPUNIT_ASSERT(trie.longest(address) == (chain.empty() ? nullptr : chain.back().get()));
    CPPUNIT_ASSERT(trie.holding({address, address.bits()}) == chain);
  }

  void nothing_holds_nothing() {
    const PeerTrie trie;
    CPPUNIT_ASSERT(trie.empty() && !trie.longest(ip("10.0.0.1")) && trie.holding({}).empty());
    CPPUNIT_ASSERT(trie.without({ip("10.0.0.1"), 8}).empty());
  }
  void longest_of_nested() {
    Model model;
    for (const char* text : {"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.0.0.1", "10.0.0.0/31", "128.0.0.0/1"}) {
      const IpPrefix network = IpPrefix::parse(text).value();
      model[network] = peer(network);
    }
    const PeerTrie trie(children(model));
    const auto longest = [&](const char* address) { return trie.longest(ip(address))->instance(); };
    CPPUNIT_ASSERT_EQUAL(std::string("10.0.0.1"), longest("10.0.0.1"));
    CPPUNIT_ASSERT_EQUAL(std::string("10.0.0.0/31"), longest("10.0.0.0"));
    CPPUNIT_ASSERT_EQUAL(std::string("10.0.0.0/16"), longest("10.0.0.2"));
    CPPUNIT_ASSERT_EQUAL(std::string("10.0.0.0/8"), longest("10.1.0.2"));
    CPPUNIT_ASSERT_EQUAL(std::string("128.0.0.0/1"), longest("255.255.255.255"));
    CPPUNIT_ASSERT_EQUAL(std::string("0.0.0.0/0"), longest("1.1.1.1"));
    // Of a network: those that hold all of it.
    CPPUNIT_ASSERT_EQUAL(size_t{2}, trie.holding(IpPrefix::parse("10.0.0.0/12").value()).size());
  }
  void families_do_not_mix() {
    Model model;
    const IpPrefix any4 = IpPrefix::parse("0.0.0.0/0").value(), any6 = IpPrefix::parse("::/0").value();
    model[any4] = peer(any4);
    PeerTrie trie(children(model));
    CPPUNIT_ASSERT(!trie.longest(ip("::1")));
    trie = trie.with(any6, peer(any6));
    CPPUNIT_ASSERT_EQUAL(std::string("::/0"), trie.longest(ip("::1"))->instance());
    CPPUNIT_ASSERT_EQUAL(std::string("0.0.0.0/0"), trie.longest(ip("::ffff:10.0.0.1"))->instance());
  }
  void brute_force(bool v4, unsigned seed) {
    std::mt19937 random(seed);
    for (int round = 0; round < 4; ++round) {
      Model model;
      for (int i = 0; i < 250; ++i) {
        const IpPrefix network = random_network(random, v4);
        model[network] = peer(network);
      }
      const PeerTrie trie(children(model));
      for (int i = 0; i < 250; ++i) compare(trie, model, random_network(random, v4).address());
      for (const auto& [network, scope] : model) compare(trie, model, network.address());
    }
  }
  void brute_force_v4() { brute_force(true, 4); }
  void brute_force_v6() { brute_force(false, 6); }

  void edits_against_brute_force() {
    std::mt19937 random(7);
    Model model;
    PeerTrie trie;
    for (int i = 0; i < 2000; ++i) {
      const bool v4 = random() % 2;
      IpPrefix network = random_network(random, v4);
      if (random() % 2 && !model.empty()) {  // something that is there
        auto any = model.lower_bound(network);
        if (any != model.end()) network = any->first;
      }
      if (random() % 2) {
        model[network] = peer(network);
        trie = trie.with(network, model[network]);
      } else {
        model.erase(network);
        trie = trie.without(network);
      }
      compare(trie, model, random_network(random, v4).address());
      compare(trie, model, network.address());
    }
    for (const auto& [network, scope] : Model(model)) trie = trie.without(network);
    CPPUNIT_ASSERT(trie.empty());
  }
  // Branches within branches, and networks that end in each of them.
  void large_tries() {
    std::mt19937 random(12);
    const auto network = [&] {
      // All lengths, most of them about a Branch's; few addresses, so that they nest.
      const auto address = static_cast<uint32_t>(random()) & 0x3FF03F0FU;
      return IpPrefix(IpAddress::v4(address), random() % 3 == 0 ? random() % 33 : 8 + random() % 10);
    };
    Model model;
    while (model.size() < 2500) {
      const IpPrefix one = random() % 2 == 0 ? network() : IpPrefix(IpAddress::v4(static_cast<uint32_t>(random())), 32);
      model[one] = peer(one);
    }
    PeerTrie trie(children(model));
    for (int i = 0; i < 400; ++i) {
      const IpPrefix one = network();
      if (random() % 3 != 0) {
        model[one] = peer(one);
        trie = trie.with(one, model[one]);
      } else {
        const auto gone = random() % 2 == 0 ? model.find(one) : std::next(model.begin(), random() % 100);
        const IpPrefix name = gone == model.end() ? one : gone->first;
        model.erase(name);
        trie = trie.without(name);
      }
      compare(trie, model, network().address());
      compare(trie, model, one.address());
      if (i % 100 == 0) {  // many at once, by their difference
        const ChildMap before = children(model);
        for (int more = 0; more < 100; ++more) {
          const IpPrefix next = network();
          model[next] = peer(next);
        }
        trie = PeerTrie::updated(trie, before, children(model));
      }
    }
    while (!model.empty()) {
      const IpPrefix name = std::next(model.begin(), random() % std::min<size_t>(model.size(), 50))->first;
      model.erase(name);
      trie = trie.without(name);
      if (model.size() % 50 == 0) compare(trie, model, network().address());
    }
    CPPUNIT_ASSERT(trie.empty());
  }

  void updated_follows_the_children() {
    std::mt19937 random(8);
    Model model;
    for (int i = 0; i < 6000; ++i) {
      const IpPrefix network = random_network(random, true);
      model[network] = peer(network);
    }
    ChildMap before = children(model);
    PeerTrie trie(before);
    // Once few changes (applied), once nearly all (built anew).
    for (const size_t changes : {size_t{50}, model.size()}) {
      Model next = model;
      size_t done = 0;
      for (auto& [network, scope] : next)
        if (done++ < changes) scope = peer(network);
      next.erase(next.begin());
      const ChildMap after = children(next);
      trie = PeerTrie::updated(trie, before, after);
      for (int i = 0; i < 100; ++i) compare(trie, next, random_network(random, true).address());
      model = next;
      before = after;
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(PrefixTrieTest);

}  // namespace
