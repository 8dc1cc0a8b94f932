// Files and options as text: what is taken, what is refused and how that is
// told; roles and failure counting.
#include "auth/credentials.h"
#include "auth/failure_rate.h"
#include "auth/groups.h"
#include "auth/parameters.h"
#include "auth/password.h"
#include "auth/roles.h"

#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

using namespace impulse;
using namespace impulse::auth;
using namespace std::string_literals;
using namespace std::chrono_literals;

namespace {

std::string text_of(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, " ")); }

class CredentialsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(CredentialsTest);
  CPPUNIT_TEST(cleartext);
  CPPUNIT_TEST(digests);
  CPPUNIT_TEST(scram_keys);
  CPPUNIT_TEST(bad_lines_are_told_by_number_and_not_quoted);
  CPPUNIT_TEST(a_changed_password_shows);
  CPPUNIT_TEST_SUITE_END();

  std::vector<BadLine> bad_;

  std::shared_ptr<const Credentials> parse(Format format, std::string_view text) {
    bad_.clear();
    return Credentials::parse(format, text, bad_);
  }

  void cleartext() {
    const auto all = parse(Format::file, "# comment\n\nalice:open:sesame\r\nbob: two words \n");
    CPPUNIT_ASSERT(bad_.empty());
    CPPUNIT_ASSERT_EQUAL(size_t{2}, all->size());
    CPPUNIT_ASSERT_EQUAL("open:sesame"s, all->find("alice", "")->password);  // a password may have colons
    CPPUNIT_ASSERT_EQUAL(" two words "s, all->find("bob", "")->password);    // and blanks
    CPPUNIT_ASSERT(!all->find("Alice", "") && !all->find("carol", ""));
  }
  void digests() {
    const auto all = parse(
        Format::digest, "alice:here:0123456789ABCDEF0123456789abcdef\nalice:there:ffffffffffffffffffffffffffffffff\n");
    CPPUNIT_ASSERT(bad_.empty());
    CPPUNIT_ASSERT_EQUAL("0123456789abcdef0123456789abcdef"s, all->find("alice", "here")->digest);
    CPPUNIT_ASSERT(all->find("alice", "there") && !all->find("alice", ""));
    CPPUNIT_ASSERT_EQUAL("clear"s, parse(Format::digest_cleartext, "bob:r:clear")->find("bob", "r")->password);
  }
  void scram_keys() {
    const std::string key = to_base64(std::string(32, 'k'));
    const auto all = parse(Format::scram, "alice:SCRAM-SHA-256$4096:c2FsdA==$" + key + ":" + key + "\n");
    CPPUNIT_ASSERT(bad_.empty());
    CPPUNIT_ASSERT_EQUAL(uint32_t{4096}, all->find("alice", "SCRAM-SHA-256")->iterations);
    CPPUNIT_ASSERT(!all->find("alice", "SCRAM-SHA-1") && !all->any("SCRAM-SHA-1"));
    CPPUNIT_ASSERT(all->any("SCRAM-SHA-256"));
  }
  void bad_lines_are_told_by_number_and_not_quoted() {
    const std::string key = to_base64(std::string(32, 'k'));
    const std::pair<Format, std::string> wrong[] = {
        {Format::file, "alice"},
        {Format::file, ":geheim"},
        {Format::file, "alice:"},
        {Format::file, "al\x01ice:geheim"},
        {Format::file, "al\xff:geheim"},
        {Format::file, " alice:geheim"},
        {Format::file, std::string(256, 'a') + ":geheim"},
        {Format::file, "alice:" + std::string(1025, 'x')},
        {Format::file, "alice:gehe\0im"s},
        {Format::digest, "alice:geheim"},
        {Format::digest, "alice:r:geheim"},
        {Format::digest, "alice:r:0123456789abcdef0123456789abcdeg"},
        {Format::scram, "alice:geheim"},
        {Format::scram, "alice:SCRAM-SHA-512$4096:c2FsdA==$" + key + ":" + key},
        {Format::scram, "alice:SCRAM-SHA-256$4095:c2FsdA==$" + key + ":" + key},
        {Format::scram, "alice:SCRAM-SHA-256$99999999:c2FsdA==$" + key + ":" + key},
        {Format::scram, "alice:SCRAM-SHA-256$4096:$" + key + ":" + key},
        {Format::scram, "alice:SCRAM-SHA-256$4096:c2FsdA==$" + key},
        {Format::scram, "alice:SCRAM-SHA-256$4096:c2FsdA==$" + key + ":a2V5"},
        {Format::scram, "alice:SCRAM-SHA-1$4096:c2FsdA==$" + key + ":" + key},
    };
    for (const auto& [format, line] : wrong) {
      const auto all = parse(format, "#\n" + line + "\n");
      CPPUNIT_ASSERT_EQUAL_MESSAGE(line, size_t{1}, bad_.size());
      CPPUNIT_ASSERT_EQUAL(uint32_t{2}, bad_.front().line);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(line, std::string::npos, bad_.front().why.find("geheim"));
      CPPUNIT_ASSERT_EQUAL(size_t{0}, all->size());
    }
    parse(Format::file, "alice:one\nalice:two\n");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, bad_.size());  // which of the two would it be?
  }
  void a_changed_password_shows() {
    const auto before = parse(Format::file, "alice:one\nbob:same");
    const auto after = parse(Format::file, "bob:same\nalice:two");
    CPPUNIT_ASSERT(before->find("alice", "")->fingerprint != after->find("alice", "")->fingerprint);
    CPPUNIT_ASSERT(before->find("bob", "")->fingerprint == after->find("bob", "")->fingerprint);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(CredentialsTest);

class GroupsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(GroupsTest);
  CPPUNIT_TEST(forms_of_lines);
  CPPUNIT_TEST(bad_lines);
  CPPUNIT_TEST(the_system_knows_us);
  CPPUNIT_TEST_SUITE_END();

  void forms_of_lines() {
    std::vector<BadLine> bad;
    const auto groups =
        Groups::parse("# who\nroot:root\nadmin:serv, ec\nops:x:alice,ec\nwheel:x:10:alice\nops:bob\nno:\n", bad);
    CPPUNIT_ASSERT(bad.empty());
    CPPUNIT_ASSERT_EQUAL("admin ops"s, text_of(groups->of("ec")));
    CPPUNIT_ASSERT_EQUAL("ops wheel"s, text_of(groups->of("alice")));
    CPPUNIT_ASSERT_EQUAL("alice bob ec"s, text_of(groups->users("ops")));
    CPPUNIT_ASSERT(groups->of("x").empty() && groups->of("10").empty() && groups->users("no").empty());
  }
  void bad_lines() {
    std::vector<BadLine> bad;
    const auto groups = Groups::parse("admin\n:alice\na:b:c:d:e\nops:bob\n", bad);
    CPPUNIT_ASSERT_EQUAL(size_t{3}, bad.size());
    CPPUNIT_ASSERT_EQUAL("ops"s, text_of(groups->of("bob")));
  }
  void the_system_knows_us() {
    CPPUNIT_ASSERT_EQUAL("root"s, system_user(0));
    const auto groups = system_groups(0);
    CPPUNIT_ASSERT(std::find(groups.begin(), groups.end(), "root") != groups.end());
    CPPUNIT_ASSERT(system_user(4'000'000'123).empty() && system_groups(4'000'000'123).empty());
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(GroupsTest);

class ParametersTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ParametersTest);
  CPPUNIT_TEST(what_is_taken);
  CPPUNIT_TEST(what_is_refused);
  CPPUNIT_TEST_SUITE_END();

  void what_is_taken() {
    CPPUNIT_ASSERT(read_parameters(Mechanism::login, {})->empty());
    auto sources = read_parameters(Mechanism::login, {{"URI", "file:///etc/x"}, {"log_authentication", "false"}});
    CPPUNIT_ASSERT(sources && sources->size() == 1);
    CPPUNIT_ASSERT_EQUAL("/etc/x"s, sources->front().path);
    CPPUNIT_ASSERT(sources->front().format == Format::file && !sources->front().log);
    sources = read_parameters(Mechanism::digest_md5, {{"uri", "digest:///d"}, {"realm", "my realm"}});
    CPPUNIT_ASSERT(sources->front().format == Format::digest && sources->front().realm == "my realm");
    sources = read_parameters(Mechanism::digest_md5, {{"uri", "digest:///d"}, {"stored_cleartext", "true"}});
    CPPUNIT_ASSERT(sources->front().format == Format::digest_cleartext);
    CPPUNIT_ASSERT_EQUAL(size_t{4}, read_parameters(Mechanism::scram_sha_256, {{"uri", "scram:///s"}})->size());
    CPPUNIT_ASSERT(Mechanism::scram_sha_256_plus ==
                   read_parameters(Mechanism::scram_sha_256, {{"uri", "scram:///s"}})->front().mechanism);
    CPPUNIT_ASSERT_EQUAL("/g"s, read_group_parameters({{"uri", "groups:///g"}})->path);
    CPPUNIT_ASSERT(read_group_parameters({})->path.empty());
  }
  void what_is_refused() {
    const std::pair<Mechanism, config::Dictionary> wrong[] = {
        {Mechanism::login, {{"log_authentication", "true"}}},
        {Mechanism::login, {{"uri", "/etc/x"}}},
        {Mechanism::login, {{"uri", "file://etc/x"}}},
        {Mechanism::login, {{"uri", "ecauth://"}}},
        {Mechanism::login, {{"uri", "scram:///x"}}},
        {Mechanism::login, {{"uri", "file:///x"}, {"realm", "r"}}},
        {Mechanism::login, {{"uri", "file:///x"}, {"log_authentication", "maybe"}}},
        {Mechanism::cram_md5, {{"uri", "digest:///x"}}},
        {Mechanism::scram_sha_256, {{"uri", "file:///x"}}},
        {Mechanism::digest_md5, {{"uri", "digest:///x"}, {"stored_cleartext", ""}}},
    };
    for (const auto& [mechanism, dictionary] : wrong) CPPUNIT_ASSERT(!read_parameters(mechanism, dictionary));
    CPPUNIT_ASSERT(!read_group_parameters({{"uri", "scram:///x"}}));
    CPPUNIT_ASSERT(!read_group_parameters({{"groups", "x"}}));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ParametersTest);

class RolesTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(RolesTest);
  CPPUNIT_TEST(the_manuals_example);
  CPPUNIT_TEST_SUITE_END();

  void the_manuals_example() {
    const auto role = [](std::string name, const std::vector<std::string>& allow) {
      Role made{std::move(name), {}};
      for (const std::string& text : allow) made.allow.push_back(*Pattern::compile(text));
      return made;
    };
    const Roles roles({role("root", {".*"}), role("admin", {"^config", "^summary$"}), role("ec", {"^flush"})});
    const std::vector<std::string> john{"john", "admin", "ec"};
    CPPUNIT_ASSERT_EQUAL("admin"s, roles.decide(john, "config show")->name);
    CPPUNIT_ASSERT_EQUAL("ec"s, roles.decide(john, "flush x")->name);
    CPPUNIT_ASSERT(!roles.decide(john, "shutdown") && !roles.decide(john, "summary reset"));
    CPPUNIT_ASSERT(!roles.decide({}, "config show"));
    CPPUNIT_ASSERT(!roles.decide(std::vector<std::string>{"Admin"}, "summary"));
    CPPUNIT_ASSERT_EQUAL("admin ec"s, text_of(roles.held(john)));
    CPPUNIT_ASSERT_EQUAL("root admin"s, text_of(roles.needed("summary")));
    CPPUNIT_ASSERT_EQUAL("root"s, text_of(roles.needed("shutdown")));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(RolesTest);

class FailureRateTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(FailureRateTest);
  CPPUNIT_TEST(the_door_closes_for_the_rest_of_the_window);
  CPPUNIT_TEST(memory_is_bounded);
  CPPUNIT_TEST(all_addresses_of_an_ipv6_host);
  CPPUNIT_TEST(a_user_is_guessed_from_many_places);
  CPPUNIT_TEST(a_user_who_is_known_there_is_not_locked_out);
  CPPUNIT_TEST(each_tenant_has_its_own_doors);
  CPPUNIT_TEST_SUITE_END();

  static IpAddress v6(std::string_view text) { return IpAddress::parse(text).value(); }

  void all_addresses_of_an_ipv6_host() {
    FailureRate rate;
    rate.failed(v6("2001:db8:0:1::1"), "", 600s, SteadyTime{});
    rate.failed(v6("2001:db8:0:1:ffff::2"), "", 600s, SteadyTime{});
    CPPUNIT_ASSERT_EQUAL(size_t{1}, rate.addresses());
    CPPUNIT_ASSERT_EQUAL(size_t{0}, rate.users());
    CPPUNIT_ASSERT(rate.refused(v6("2001:db8:0:1:1:2:3:4"), 2, SteadyTime{}));
    CPPUNIT_ASSERT(!rate.refused(v6("2001:db8:0:2::1"), 2, SteadyTime{}));
  }
  void the_door_closes_for_the_rest_of_the_window() {
    FailureRate rate;
    const IpAddress a = IpAddress::v4(0x0A000001), b = IpAddress::v4(0x0A000002);
    const SteadyTime start{};
    rate.failed(a, "u", 600s, start);
    rate.failed(a, "v", 600s, start + 100s);
    CPPUNIT_ASSERT(!rate.refused(a, 3, start + 200s));
    rate.failed(a, "w", 600s, start + 200s);
    CPPUNIT_ASSERT(rate.refused(a, 3, start + 599s));
    CPPUNIT_ASSERT(!rate.refused(b, 3, start + 300s));
    CPPUNIT_ASSERT(!rate.refused(a, 3, start + 600s));
    CPPUNIT_ASSERT(!rate.refused(a, 0, start + 300s));  // no limit
    rate.failed(a, "u", 600s, start + 700s);            // a window of its own
    CPPUNIT_ASSERT(!rate.refused(a, 3, start + 700s));
  }
  void memory_is_bounded() {
    FailureRate rate;
    constexpr uint32_t many = FailureRate::limit + 100;
    for (uint32_t i = 0; i < many; ++i)
      rate.failed(IpAddress::v4(i), fmt::format("user{}", i), 600s, SteadyTime{} + i * 1ms);
    CPPUNIT_ASSERT(rate.addresses() <= FailureRate::limit && rate.users() <= FailureRate::limit);
    const IpAddress elsewhere = v6("2001:db8::1");
    CPPUNIT_ASSERT(rate.refused(IpAddress::v4(many - 1), 1, SteadyTime{}));
    CPPUNIT_ASSERT(rate.user_refused(elsewhere, fmt::format("user{}", many - 1), 1, SteadyTime{}));
    CPPUNIT_ASSERT(!rate.refused(IpAddress::v4(0), 1, SteadyTime{}));
    CPPUNIT_ASSERT(!rate.user_refused(elsewhere, "user0", 1, SteadyTime{}));
    // All of the same time: room is made all the same, and not all is forgotten.
    FailureRate at_once;
    for (uint32_t i = 0; i <= FailureRate::limit; ++i) at_once.failed(IpAddress::v4(i), "", 600s, SteadyTime{});
    CPPUNIT_ASSERT(at_once.addresses() <= FailureRate::limit && at_once.addresses() > FailureRate::limit / 2);
  }
  void each_tenant_has_its_own_doors() {
    FailureRate rate;
    const IpAddress from = IpAddress::v4(1);
    rate.failed(from, "blue/alice", 600s, SteadyTime{}, "blue");
    CPPUNIT_ASSERT(rate.refused(from, 1, SteadyTime{}, "blue"));
    CPPUNIT_ASSERT(!rate.refused(from, 1, SteadyTime{}, "green"));
    CPPUNIT_ASSERT(!rate.refused(from, 1, SteadyTime{}));
    rate.failed(from, "alice", 600s, SteadyTime{});
    CPPUNIT_ASSERT(rate.refused(from, 1, SteadyTime{}));
    CPPUNIT_ASSERT(!rate.refused(from, 2, SteadyTime{}, "blue"));
    CPPUNIT_ASSERT(!rate.user_refused(from, "green/alice", 1, SteadyTime{}));
  }
  void a_user_is_guessed_from_many_places() {
    FailureRate rate;
    const SteadyTime start{};
    for (uint32_t i = 0; i < 3; ++i) rate.failed(IpAddress::v4(i), "alice", 600s, start);
    const IpAddress next = IpAddress::v4(99);
    CPPUNIT_ASSERT(rate.user_refused(next, "alice", 3, start));
    CPPUNIT_ASSERT(!rate.user_refused(next, "alice", 4, start));
    CPPUNIT_ASSERT(!rate.user_refused(next, "alice", 0, start));
    CPPUNIT_ASSERT(!rate.user_refused(next, "bob", 3, start));
    CPPUNIT_ASSERT(!rate.user_refused(next, "alice", 3, start + 600s));
    CPPUNIT_ASSERT(!rate.refused(next, 1, start));
  }
  void a_user_who_is_known_there_is_not_locked_out() {
    FailureRate rate;
    const IpAddress home = v6("2001:db8:0:1::1");
    rate.succeeded(home, "alice");
    for (uint32_t i = 0; i < 3; ++i) rate.failed(IpAddress::v4(i), "alice", 600s, SteadyTime{});
    CPPUNIT_ASSERT(!rate.user_refused(v6("2001:db8:0:1::2"), "alice", 3, SteadyTime{}));
    CPPUNIT_ASSERT(rate.user_refused(v6("2001:db8:0:2::2"), "alice", 3, SteadyTime{}));
    // As long as not too many others come after.
    for (uint32_t i = 0; i < FailureRate::limit / 2; ++i) rate.succeeded(IpAddress::v4(i), "bob");
    CPPUNIT_ASSERT(!rate.user_refused(home, "alice", 3, SteadyTime{}));
    for (uint32_t i = 0; i < FailureRate::limit; ++i) rate.succeeded(IpAddress::v4(1U << 24 | i), "bob");
    CPPUNIT_ASSERT(rate.user_refused(home, "alice", 3, SteadyTime{}));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(FailureRateTest);

class Base64Test : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(Base64Test);
  CPPUNIT_TEST(there_and_back);
  CPPUNIT_TEST(only_the_strict_form);
  CPPUNIT_TEST_SUITE_END();

  void there_and_back() {
    for (size_t size = 0; size < 70; ++size) {
      const std::string bytes = random_bytes(size);
      std::string back;
      CPPUNIT_ASSERT(from_base64(to_base64(bytes), back));
      CPPUNIT_ASSERT(bytes == back);
    }
    CPPUNIT_ASSERT_EQUAL("YWxpY2U="s, to_base64("alice"));
  }
  void only_the_strict_form() {
    std::string bytes;
    for (const std::string& text :
         {"a"s, "ab"s, "abc"s, "ab=c"s, "a==="s, "===="s, " YWJj"s, "YWJj\n"s, "YW-_"s, "YW=="s + "YWJj"})
      CPPUNIT_ASSERT_MESSAGE(text, !from_base64(text, bytes));
    CPPUNIT_ASSERT(same_secret("a", "a") && !same_secret("a", "b") && !same_secret("a", "") && same_secret("", ""));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(Base64Test);

}  // namespace
