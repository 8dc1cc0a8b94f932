// dns_cache, dig, domain route, refresh domain.
#include "fake_system.h"

#include <cppunit/extensions/HelperMacros.h>

namespace impulse::control {
namespace {

using test::Console;

class NamesTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(NamesTest);
  CPPUNIT_TEST(shows_answers);
  CPPUNIT_TEST(refuses_what_is_no_question);
  CPPUNIT_TEST(submits);
  CPPUNIT_TEST(counts);
  CPPUNIT_TEST(lists_and_forgets);
  CPPUNIT_TEST(shows_routes);
  CPPUNIT_TEST(shows_routes_in_json);
  CPPUNIT_TEST(looks_up_anew);
  CPPUNIT_TEST_SUITE_END();

  static void has(const std::string& text, const std::string& part) {
    CPPUNIT_ASSERT_MESSAGE(text, text.find(part) != std::string::npos);
  }
  static void remember(Console& console, std::string name, dns::Type type, dns::Answer answer) {
    answer.until = steady_now() + std::chrono::hours(10);
    if (answer.name.empty()) answer.name = name;
    console.system.named.answers.push_back(
        {std::move(name), type, std::make_shared<const dns::Answer>(std::move(answer))});
  }
  static void fill(Console& console) {
    dns::Answer found;
    found.status = dns::Answer::Status::found;
    found.exchanges = {{10, "mx1.example.com"}, {20, "mx2.example.com"}};
    remember(console, "example.com", dns::Type::mx, found);
    dns::Answer none;
    none.status = dns::Answer::Status::no_name;
    none.problem = "A of gone.example: there is no such name (NXDOMAIN)";
    remember(console, "gone.example", dns::Type::a, none);
  }

  void shows_answers() {
    Console console;
    fill(console);
    const std::string reply = console("dns_cache lookup Example.com. mx");
    has(reply, ";example.com");
    has(reply, "IN      MX      10 mx1.example.com.");
    has(reply, "=0 ok");
    has(console("dns_cache lookup gone.example A"), ";; A of gone.example: there is no such name (NXDOMAIN)");
    has(console("--json dns_cache lookup example.com MX"),
        R"("records":["10 mx1.example.com.","20 mx2.example.com."])");
    const std::string unknown = console("dns_cache lookup other.example A");
    has(unknown, "Cached result not found, try a submit.");
    has(unknown, "=3 ");
  }

  void refuses_what_is_no_question() {
    Console console;
    has(console("dns_cache lookup example.com PTR"), "the types are MX, A and AAAA");
    has(console("dns_cache lookup example.com"), "=2 ");
    has(console("dns_cache submit \"no name\" A"), "that is no name of the DNS");
    has(console("dns_cache list --limit 0"), "=2 ");
    has(console("domain route"), "=2 ");
    has(console("dig"), "=2 ");
    CPPUNIT_ASSERT(console.system.named.submitted.empty());
  }

  void submits() {
    Console console;
    has(console("dns_cache submit Mail.example.com aaaa"), " Submitted");
    has(console("dig example.com A"), " Submitted");
    CPPUNIT_ASSERT(console.system.named.submitted ==
                   (std::vector<std::pair<std::string, dns::Type>>{{"mail.example.com", dns::Type::aaaa},
                                                                   {"example.com", dns::Type::a}}));
  }

  void counts() {
    Console console;
    console.system.named.counted = {3, 4, 5, 11, 1, 40, 10};
    const std::string reply = console("dns_cache stats");
    has(reply, "MX: 3");
    has(reply, "Bad: 1");
    has(reply, "Hit Rate: 25.0000%");
    has(console("--json dns_cache stats"), R"("lookups":40)");
    console.system.named.counted = {};
    has(console("dns_cache stats"), "Hit Rate: 0.0000%");
  }

  void lists_and_forgets() {
    Console console;
    fill(console);
    has(console("dns_cache list"), "10 mx1.example.com., 20 mx2.example.com.");
    has(console("dns_cache list --limit 1"), "answers=1");
    has(console("dns_cache flush gone.example"), "1 answers forgotten");
    has(console("dns_cache flush"), "answers=1");
  }

  static DomainRoute known() {
    DomainRoute route;
    route.domain = "example.com";
    route.method = "esmtp";
    route.looked_up = true;
    route.ttl = std::chrono::seconds(1902);
    route.hosts.push_back({"mx1.example.com", 25, 0, true, {IpAddress::v4(0xC0000201)}, "", std::chrono::seconds(60)});
    route.hosts.push_back({"mx2.example.com", 25, 1, true, {}, "A of mx2.example.com: SERVFAIL", std::nullopt});
    route.also = {"example.net"};
    return route;
  }

  void shows_routes() {
    Console console;
    console.system.named.routes["example.com"] = known();
    const std::string reply = console("domain route Example.COM");
    has(reply, "Domain 'example.com' has 2 MXs and a TTL of 1902 seconds\n");
    has(reply, "  [0 mx1.example.com:25 TTL:60]\n");
    has(reply, "        [192.0.2.1] IPv4\n");
    has(reply, "        A of mx2.example.com: SERVFAIL\n");
    has(reply, "(also used by example.net)");
    has(console("domain route other.example"), "Domain 'other.example' is not looked up\n");
    DomainRoute& route = console.system.named.routes["example.com"];
    route.problem = "550 5.1.10 example.com: the domain takes no mail (null MX)";
    has(console("domain route example.com"), "has no route: 550 5.1.10");
    route.problem.clear();
    route.method = "maildir";
    has(console("domain route example.com"), "Domain 'example.com' goes by maildir\n");
    route.method = "esmtp";
    route.looked_up = false;
    has(console("domain route example.com"), "has 2 hosts by the configuration\n");
  }

  void shows_routes_in_json() {
    Console console;
    console.system.named.routes["example.com"] = known();
    const std::string reply = console("--json domain route example.com");
    for (const char* part :
         {R"("addresses":["192.0.2.1"])", R"("from":"dns")", R"("ttl":1902)", R"("also":["example.net"])"})
      has(reply, part);
  }

  void looks_up_anew() {
    Console console;
    has(console("dig Example.com"), " submitted");
    has(console("refresh domain all"), "domains=1");
    CPPUNIT_ASSERT(console.system.named.refreshed == (std::vector<std::string>{"example.com", ""}));
    console.system.named.refreshable = 0;
    has(console("refresh domain local.example"), "=3 ");
    has(console("refresh domain all"), "=0 ");
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(NamesTest);

}  // namespace
}  // namespace impulse::control
