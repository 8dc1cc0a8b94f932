// The resolver over a transport that says what the test wants, and over c-ares
// with a name server in this process.
#include "dns/resolver.h"

#include "../net/kit.h"
#include "wire.h"

#include <netinet/in.h>

#include <deque>
#include <fstream>
#include <map>

namespace impulse::dns {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Wire;
using Status = Answer::Status;

// Answers by a table, at once; what is not in it is NXDOMAIN.
struct Script {
  std::map<std::pair<std::string, Type>, Result<test::Bytes>> answers;
  std::vector<std::string> asked;
  bool hold = false;
  std::deque<std::function<void()>> held;

  void say(const std::string& name, Type type, const Wire& wire) {
    answers.insert_or_assign({name, type}, wire.bytes());
  }
  void fail_for(const std::string& name, Type type) {
    answers.insert_or_assign({name, type}, fail(Errc::busy, "SERVFAIL"));
  }
  void let_go() {
    hold = false;
    for (auto& each : std::exchange(held, {})) each();
  }
};

class ScriptTransport : public Transport {
 public:
  explicit ScriptTransport(Script& script) : script_(script) {}
  ~ScriptTransport() override {
    for (auto& [number, reply] : open_) reply(fail(Errc::unavailable, "ends"));
  }
  void ask(const std::string& name, Type type, Reply reply) override {
    script_.asked.push_back(fmt::format("{} {}", type_name(type), name));
    const auto found = script_.answers.find({name, type});
    Result<test::Bytes> bytes =
        found == script_.answers.end() ? Wire(name, type, 3).soa("example", 60, 60).bytes() : found->second;
    if (!script_.hold) return reply(std::move(bytes));
    const int number = ++next_;
    open_.emplace(number, std::move(reply));
    script_.held.push_back([this, number, bytes = std::move(bytes)] {
      auto node = open_.extract(number);
      node.mapped()(bytes);
    });
  }

 private:
  Script& script_;
  int next_ = 0;
  std::map<int, Reply> open_;
};

class ResolverTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ResolverTest);
  CPPUNIT_TEST(answers_on_the_loop_and_remembers);
  CPPUNIT_TEST(forgets_in_time);
  CPPUNIT_TEST(remembers_what_is_not_there);
  CPPUNIT_TEST(askers_share_a_question);
  CPPUNIT_TEST(follows_aliases_itself);
  CPPUNIT_TEST(its_memory_is_bounded);
  CPPUNIT_TEST(asks_again_when_servers_change);
  CPPUNIT_TEST(few_questions_at_a_time);
  CPPUNIT_TEST(says_nothing_after_its_end);
  CPPUNIT_TEST(finds_hosts);
  CPPUNIT_TEST(completes_short_names);
  CPPUNIT_TEST(tells_failures_of_hosts_apart);
  CPPUNIT_TEST(asks_over_udp_and_tcp);
  CPPUNIT_TEST(nobody_answers);
  CPPUNIT_TEST_SUITE_END();

  std::unique_ptr<net::Loop> loop_ = net::test::make_loop();
  net::test::TempDir dir_;
  Script script_;

  std::unique_ptr<Resolver> resolver(Limits limits = {}, std::string_view conf = "") {
    std::ofstream(dir_ / "hosts") << "192.0.2.77 relay.hosts.example relay2\n";
    auto made = std::make_unique<Resolver>(*loop_, dir_ / "hosts", limits, [this](net::Loop&, const ResolvConf&) {
      return Result<std::unique_ptr<Transport>>(std::make_unique<ScriptTransport>(script_));
    });
    CPPUNIT_ASSERT(made->configure(parse_resolv_conf(conf).value()).has_value());
    return made;
  }
  AnswerPtr ask(Resolver& resolver, std::string_view name, Type type) {
    AnswerPtr answer;
    resolver.query(name, type, [&](AnswerPtr came) { answer = std::move(came); });
    CPPUNIT_ASSERT(answer == nullptr);  // later
    net::test::run_until(*loop_, [&] { return answer != nullptr; }, "an answer");
    return answer;
  }
  AnswerPtr host(Resolver& resolver, std::string_view name, HostWish wish = {}) {
    AnswerPtr answer;
    resolver.host(name, wish, [&](AnswerPtr came) { answer = std::move(came); });
    net::test::run_until(*loop_, [&] { return answer != nullptr; }, "an answer");
    return answer;
  }

  void answers_on_the_loop_and_remembers() {
    script_.say("d.example", Type::mx, Wire("d.example", Type::mx).mx("d.example", 10, "mx.example", 100));
    const auto all = resolver();
    for (const char* name : {"d.example", "D.Example", "d.example."}) {
      const AnswerPtr answer = ask(*all, name, Type::mx);
      CPPUNIT_ASSERT(answer->status == Status::found && answer->exchanges.at(0).host == "mx.example");
      CPPUNIT_ASSERT(answer->until - answer->since == seconds(100));
    }
    CPPUNIT_ASSERT_EQUAL(size_t{1}, script_.asked.size());
    CPPUNIT_ASSERT(all->remembered("d.example", Type::mx) && !all->remembered("d.example", Type::a));
    CPPUNIT_ASSERT_EQUAL(uint64_t{2}, all->statistics().hits);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, all->flush("D.example"));
    ask(*all, "d.example", Type::mx);
    CPPUNIT_ASSERT_EQUAL(size_t{2}, script_.asked.size());
    CPPUNIT_ASSERT(ask(*all, "no name", Type::mx)->status == Status::no_name);  // is never sent
    CPPUNIT_ASSERT_EQUAL(size_t{2}, script_.asked.size());
  }

  void forgets_in_time() {
    script_.say("d.example", Type::a, Wire("d.example", Type::a).a("d.example", "192.0.2.1", 1000000));
    script_.say("z.example", Type::a, Wire("z.example", Type::a).a("z.example", "192.0.2.1", 0));
    Limits limits;
    limits.longest = seconds(10);
    limits.shortest = milliseconds(1);
    const auto all = resolver(limits);
    const AnswerPtr capped = ask(*all, "d.example", Type::a);
    CPPUNIT_ASSERT(capped->until - capped->since == seconds(10));
    ask(*all, "z.example", Type::a);
    net::test::run_until(
        *loop_, [&] { return all->remembered("z.example", Type::a) == nullptr; }, "the end of its time");
    ask(*all, "z.example", Type::a);
    CPPUNIT_ASSERT_EQUAL(size_t{3}, script_.asked.size());
  }

  void remembers_what_is_not_there() {
    script_.say("n.example", Type::mx, Wire("n.example", Type::mx, 3).soa("example", 1000000, 1000000));
    script_.say("e.example", Type::mx, Wire("e.example", Type::mx));
    script_.fail_for("f.example", Type::mx);
    const auto all = resolver();
    for (int i = 0; i < 2; ++i) {
      const AnswerPtr none = ask(*all, "n.example", Type::mx);
      CPPUNIT_ASSERT(none->status == Status::no_name && none->until - none->since == Limits{}.longest_negative);
      CPPUNIT_ASSERT_EQUAL(std::string("MX of n.example: there is no such name (NXDOMAIN)"), none->problem);
      const AnswerPtr empty = ask(*all, "e.example", Type::mx);
      CPPUNIT_ASSERT(empty->status == Status::no_data && empty->until - empty->since == Limits{}.negative);
      const AnswerPtr failed = ask(*all, "f.example", Type::mx);
      CPPUNIT_ASSERT(failed->status == Status::failed && failed->until - failed->since == Limits{}.failure);
      CPPUNIT_ASSERT_EQUAL(std::string("MX of f.example: SERVFAIL"), failed->problem);
    }
    CPPUNIT_ASSERT_EQUAL(size_t{3}, script_.asked.size());
  }

  void askers_share_a_question() {
    const auto all = resolver();
    script_.hold = true;
    int answers = 0;
    for (int i = 0; i < 5; ++i) all->query("d.example", Type::a, [&](const AnswerPtr&) { ++answers; });
    CPPUNIT_ASSERT_EQUAL(size_t{1}, script_.asked.size());
    script_.let_go();
    net::test::run_until(*loop_, [&] { return answers == 5; });
    CPPUNIT_ASSERT_EQUAL(size_t{1}, script_.asked.size());
  }

  void follows_aliases_itself() {
    script_.say("w.example", Type::a, Wire("w.example", Type::a).cname("w.example", "v.example", 5));
    script_.say("v.example", Type::a, Wire("v.example", Type::a).cname("v.example", "h.example", 500));
    script_.say("h.example", Type::a, Wire("h.example", Type::a).a("h.example", "192.0.2.1", 500));
    script_.say("x.example", Type::a, Wire("x.example", Type::a).cname("x.example", "y.example"));
    script_.say("y.example", Type::a, Wire("y.example", Type::a).cname("y.example", "x.example"));
    const auto all = resolver();
    const AnswerPtr answer = ask(*all, "w.example", Type::a);
    CPPUNIT_ASSERT(answer->status == Status::found && answer->name == "h.example");
    CPPUNIT_ASSERT(answer->until - answer->since == seconds(5));  // the alias may change
    const size_t before = script_.asked.size();
    const AnswerPtr loop = ask(*all, "x.example", Type::a);
    CPPUNIT_ASSERT(loop->status == Status::failed && loop->problem.contains("a loop of aliases"));
    CPPUNIT_ASSERT(script_.asked.size() - before < 12);
  }

  void its_memory_is_bounded() {
    Limits limits;
    limits.answers = 10;
    const auto all = resolver(limits);
    for (int i = 0; i < 30; ++i) {
      ask(*all, std::to_string(i) + ".example", Type::a);
      ask(*all, "kept.example", Type::a);  // in use
    }
    CPPUNIT_ASSERT_EQUAL(size_t{10}, all->size());
    CPPUNIT_ASSERT(all->remembered("kept.example", Type::a) && !all->remembered("1.example", Type::a));
    CPPUNIT_ASSERT_EQUAL(size_t{5}, all->list(5).size());
    CPPUNIT_ASSERT_EQUAL(size_t{10}, all->flush(""));
    CPPUNIT_ASSERT_EQUAL(size_t{0}, all->size());
  }

  void asks_again_when_servers_change() {
    const auto all = resolver();
    script_.fail_for("f.example", Type::a);
    ask(*all, "f.example", Type::a);
    script_.hold = true;
    AnswerPtr answer;
    all->query("d.example", Type::a, [&](AnswerPtr came) { answer = std::move(came); });
    script_.hold = false;
    script_.held.clear();
    script_.say("d.example", Type::a, Wire("d.example", Type::a).a("d.example", "192.0.2.1"));
    CPPUNIT_ASSERT(all->configure(parse_resolv_conf("nameserver 192.0.2.53").value()).has_value());
    net::test::run_until(*loop_, [&] { return answer != nullptr; });
    CPPUNIT_ASSERT(answer->status == Status::found);
    CPPUNIT_ASSERT(!all->remembered("f.example", Type::a));
  }

  void few_questions_at_a_time() {
    Limits limits;
    limits.questions = 3;
    const auto all = resolver(limits);
    script_.hold = true;
    int answers = 0;
    for (int i = 0; i < 20; ++i)
      all->query(std::to_string(i) + ".example", Type::a, [&](const AnswerPtr&) { ++answers; });
    CPPUNIT_ASSERT_EQUAL(size_t{3}, script_.asked.size());
    script_.let_go();
    net::test::run_until(*loop_, [&] { return answers == 20; });
    CPPUNIT_ASSERT_EQUAL(size_t{20}, script_.asked.size());
  }

  void says_nothing_after_its_end() {
    auto all = resolver();
    ask(*all, "d.example", Type::a);
    all->query("d.example", Type::a, [](const AnswerPtr&) { CPPUNIT_FAIL("answered"); });  // from memory
    script_.hold = true;
    all->query("e.example", Type::a, [](const AnswerPtr&) { CPPUNIT_FAIL("answered"); });
    all.reset();
    net::test::spin(*loop_);
  }

  void finds_hosts() {
    script_.say("h.example", Type::a,
                Wire("h.example", Type::a).a("h.example", "192.0.2.1").a("h.example", "192.0.2.2"));
    script_.say("h.example", Type::aaaa, Wire("h.example", Type::aaaa));
    const auto all = resolver();
    CPPUNIT_ASSERT_EQUAL(size_t{2}, host(*all, "h.example")->addresses.size());
    CPPUNIT_ASSERT_EQUAL(size_t{2}, script_.asked.size());
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.9"), host(*all, "192.0.2.9")->addresses.at(0).to_string());
    CPPUNIT_ASSERT_EQUAL(std::string("2001:db8::9"), host(*all, "2001:db8::9")->addresses.at(0).to_string());
    CPPUNIT_ASSERT(host(*all, "LocalHost")->addresses.at(0).is_loopback());
    CPPUNIT_ASSERT_EQUAL(std::string("192.0.2.77"), host(*all, "Relay.hosts.example")->addresses.at(0).to_string());
    CPPUNIT_ASSERT_EQUAL(size_t{2}, script_.asked.size());
    CPPUNIT_ASSERT(host(*all, "h.example", {.ipv6 = false})->status == Status::found);
  }

  void completes_short_names() {
    script_.say("relay.b.example", Type::a, Wire("relay.b.example", Type::a).a("relay.b.example", "192.0.2.1"));
    const auto all = resolver({}, "search a.example b.example\n");
    HostWish wish;
    wish.search = true;
    wish.ipv6 = false;
    CPPUNIT_ASSERT_EQUAL(std::string("relay.b.example"), host(*all, "relay", wish)->name);
    CPPUNIT_ASSERT(script_.asked == (std::vector<std::string>{"A relay.a.example", "A relay.b.example"}));
    script_.asked.clear();
    CPPUNIT_ASSERT(host(*all, "x.y", wish)->status == Status::no_name);
    CPPUNIT_ASSERT(script_.asked == (std::vector<std::string>{"A x.y", "A x.y.a.example", "A x.y.b.example"}));
    script_.asked.clear();
    wish.search = false;  // as for names from the DNS
    CPPUNIT_ASSERT(host(*all, "relay", wish)->status == Status::no_name);
    CPPUNIT_ASSERT(script_.asked == (std::vector<std::string>{"A relay"}));
  }

  void tells_failures_of_hosts_apart() {
    script_.say("e.example", Type::a, Wire("e.example", Type::a).soa("example", 60, 60));
    script_.fail_for("f.example", Type::a);
    script_.say("g.example", Type::a, Wire("g.example", Type::a).a("g.example", "192.0.2.1"));
    script_.fail_for("g.example", Type::aaaa);
    const auto all = resolver();
    CPPUNIT_ASSERT(host(*all, "n.example")->status == Status::no_name);
    const AnswerPtr empty = host(*all, "e.example");
    CPPUNIT_ASSERT(empty->status == Status::no_data && empty->problem == "e.example: the name has no address");
    CPPUNIT_ASSERT(host(*all, "f.example")->status == Status::failed);
    CPPUNIT_ASSERT(host(*all, "g.example")->status == Status::found);  // half of it is enough
  }

  // UDP says that it is too long, TCP says it all.
  void asks_over_udp_and_tcp() {
    const UniqueFd udp(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const UniqueFd tcp(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof at;
    auto* const address = reinterpret_cast<sockaddr*>(&at);
    // The same port on both: another may have it.
    for (int tries = 0; tries < 50; ++tries) {
      at.sin_port = 0;
      const UniqueFd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      if (::bind(probe.get(), address, length) != 0 || ::getsockname(probe.get(), address, &length) != 0) continue;
      const int one = 1;
      ::setsockopt(tcp.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
      if (::bind(udp.get(), address, length) != 0) continue;
      break;
    }
    if (::bind(tcp.get(), address, length) != 0 || ::listen(tcp.get(), 5) != 0)
      return nobody_answers();  // taken meanwhile
    net::ReadWatch packets(*loop_, udp.get(), [&] {
      std::array<uint8_t, 512> packet{};
      sockaddr_in from{};
      socklen_t size = sizeof from;
      const ssize_t got =
          ::recvfrom(udp.get(), packet.data(), packet.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
      if (got < 12) return;
      packet[2] = 0x83;  // an answer, truncated
      packet[3] = 0x80;
      packet[11] = 0;  // without the EDNS record that stands behind the question
      size_t end = 12;
      while (packet[end] != 0) end += packet[end] + size_t{1};
      ::sendto(udp.get(), packet.data(), end + 5, 0, reinterpret_cast<const sockaddr*>(&from), size);
    });
    UniqueFd stream;
    std::unique_ptr<net::ReadWatch> reading;
    std::string heard;
    net::ReadWatch accepting(*loop_, tcp.get(), [&] {
      stream = UniqueFd(::accept4(tcp.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (stream.get() < 0) return;
      reading = std::make_unique<net::ReadWatch>(*loop_, stream.get(), [&] {
        std::array<char, 512> bytes{};
        const ssize_t got = ::read(stream.get(), bytes.data(), bytes.size());
        if (got <= 0) return reading.reset();
        heard.append(bytes.data(), static_cast<size_t>(got));
        if (heard.size() < 14) return;
        const unsigned id = static_cast<unsigned char>(heard[2]) << 8 | static_cast<unsigned char>(heard[3]);
        Wire wire("d.example", Type::a, 0, id);
        for (int i = 0; i < 100; ++i) wire.a("d.example", "192.0.2.1");
        test::Bytes framed;
        test::put16(framed, static_cast<unsigned>(wire.bytes().size()));
        framed.insert(framed.end(), wire.bytes().begin(), wire.bytes().end());
        net::test::require(::write(stream.get(), framed.data(), framed.size()) == static_cast<ssize_t>(framed.size()),
                           "written");
      });
    });
    Resolver all(*loop_, "/nowhere");
    CPPUNIT_ASSERT(all.configure(parse_resolv_conf(fmt::format("nameserver 127.0.0.1:{}", ntohs(at.sin_port))).value())
                       .has_value());
    CPPUNIT_ASSERT(ask(all, "d.example", Type::a)->status == Status::found);
    CPPUNIT_ASSERT(!heard.empty());
  }

  void nobody_answers() {
    Resolver all(*loop_, "/nowhere");
    CPPUNIT_ASSERT(ask(all, "d.example", Type::a)->problem.contains("Resolv_Conf"));  // not configured
    all.flush("");
    CPPUNIT_ASSERT(all.configure(parse_resolv_conf("nameserver 127.0.0.1:1\n").value()).has_value());
    const AnswerPtr answer = ask(all, "e.example", Type::a);
    CPPUNIT_ASSERT_EQUAL(std::string("A of e.example: no name server can be reached"), answer->problem);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ResolverTest);

}  // namespace
}  // namespace impulse::dns
