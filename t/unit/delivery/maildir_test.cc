// Maildirs: where they are, whatever the address says, and what is in them.
#include "delivery/maildir.h"

#include "delivery/maildir_path.h"
#include "house.h"

#include <sys/stat.h>

#include <random>
#include <set>

namespace impulse::delivery {
namespace {

using namespace test;

class MaildirPathTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(MaildirPathTest);
  CPPUNIT_TEST(fills_in_placeholders);
  CPPUNIT_TEST(refuses_wrong_patterns);
  CPPUNIT_TEST(finds_the_base);
  CPPUNIT_TEST(never_leaves_the_base);
  CPPUNIT_TEST(random_addresses_stay_inside_and_apart);
  CPPUNIT_TEST(quoting_makes_no_other_mailbox);
  CPPUNIT_TEST(long_names_are_refused);
  CPPUNIT_TEST_SUITE_END();

  static std::string folder(const std::string& pattern, const std::string& address) {
    const auto path = MaildirPath::parse(pattern);
    CPPUNIT_ASSERT(path.has_value());
    const auto made = path->folder(address);
    return made ? *made : "error: " + made.error().message;
  }

  void fills_in_placeholders() {
    CPPUNIT_ASSERT_EQUAL(std::string("/m/example.com/Alice"), folder("/m/%{domain}/%{localpart}", "Alice@Example.COM"));
    CPPUNIT_ASSERT_EQUAL(std::string("./m/x-alice+tag@example.com"),
                         folder("./m/x-%{LocalPart}@%{Domain}/", "alice+tag@example.com"));
    CPPUNIT_ASSERT_EQUAL(std::string("/m/100%"), folder("/m/100%%", "a@b"));
    CPPUNIT_ASSERT_EQUAL(std::string("/m/localhost/postmaster"), folder("/m/%{domain}/%{localpart}", "postmaster"));
  }

  void refuses_wrong_patterns() {
    for (const char* pattern : {"", "/m/%{user}", "/m/%d", "/m/%", "/m/%{", "/m/%{domain", "/m/%{localpart"}) {
      CPPUNIT_ASSERT_MESSAGE(pattern, !MaildirPath::parse(pattern).has_value());
    }
    CPPUNIT_ASSERT(!MaildirPath::parse(std::string_view("/m\0/x", 5)).has_value());
    CPPUNIT_ASSERT(!MaildirPath().folder("a@b").has_value());
  }

  void finds_the_base() {
    CPPUNIT_ASSERT_EQUAL(std::string("/var/mail"), MaildirPath::parse("/var/mail/%{domain}/x")->base());
    CPPUNIT_ASSERT_EQUAL(std::string("/var/mail"), MaildirPath::parse("/var/mail/u-%{localpart}")->base());
    CPPUNIT_ASSERT_EQUAL(std::string("/"), MaildirPath::parse("/%{localpart}")->base());
    CPPUNIT_ASSERT_EQUAL(std::string("."), MaildirPath::parse("%{localpart}")->base());
    CPPUNIT_ASSERT_EQUAL(std::string("/one/box"), MaildirPath::parse("/one/box")->base());
  }

  // Escapes that were tried on other servers.
  void never_leaves_the_base() {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"..", "%2E."},
        {".", "%2E"},
        {"../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"},
        {"/etc/passwd", "%2Fetc%2Fpasswd"},
        {"a/../b", "a%2F..%2Fb"},
        {".forward", "%2Eforward"},
        {std::string("a\0b", 3), "a%00b"},
        {"a\nb", "a%0Ab"},
        {"%2e%2e", "%252e%252e"},
        {"\\..", "%5C.."},
        {"|cat", "%7Ccat"},
        {"a b", "a%20b"},
        {"\xC3\xA9", "%C3%A9"},
        {"", "%"},
    };
    for (const auto& [value, expected] : cases) CPPUNIT_ASSERT_EQUAL(expected, path_component(value));
    CPPUNIT_ASSERT_EQUAL(std::string("/m/d/%2E.%2F..%2Fx"), folder("/m/%{domain}/%{localpart}", "\"../../x\"@d"));
    CPPUNIT_ASSERT_EQUAL(std::string("/m/%2E.%2Fetc/x"), folder("/m/%{domain}/%{localpart}", "x@../etc"));
    CPPUNIT_ASSERT_EQUAL(std::string("/m/%/a"), folder("/m/%{domain}/%{localpart}", "a@"));
    CPPUNIT_ASSERT_EQUAL(std::string("/m/d/%"), folder("/m/%{domain}/%{localpart}", "\"\"@d"));
  }

  void random_addresses_stay_inside_and_apart() {
    std::mt19937 random(7);
    std::set<std::string> values;
    std::set<std::string> components;
    const std::string alphabet("./\\%ab\0\n~-", 10);
    for (int i = 0; i < 20000; ++i) {
      std::string value;
      for (size_t length = random() % 6; length > 0; --length) value += alphabet[random() % alphabet.size()];
      const std::string component = path_component(value);
      CPPUNIT_ASSERT(!component.empty() && component[0] != '.');
      CPPUNIT_ASSERT(component.find_first_of(std::string("/\0\n", 3)) == std::string::npos);
      values.insert(value);
      components.insert(component);
    }
    CPPUNIT_ASSERT_EQUAL(values.size(), components.size());  // none shares another's mailbox
  }

  void quoting_makes_no_other_mailbox() {
    CPPUNIT_ASSERT_EQUAL(std::string("/m/alice"), folder("/m/%{localpart}", "\"alice\"@d"));
    CPPUNIT_ASSERT_EQUAL(std::string("/m/alice"), folder("/m/%{localpart}", "\"a\\lice\"@d"));
    CPPUNIT_ASSERT_EQUAL(std::string("/m/a%22b@c"), folder("/m/%{localpart}", "\"a\\\"b@c\"@d"));
  }

  void long_names_are_refused() {
    CPPUNIT_ASSERT(folder("/m/%{localpart}", std::string(64, 'a') + "@d").starts_with("/m/"));
    CPPUNIT_ASSERT(folder("/m/%{localpart}", std::string(128, '/') + "@d").starts_with("error:"));
  }
};

class MaildirTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(MaildirTest);
  CPPUNIT_TEST(stores_lines_with_lf);
  CPPUNIT_TEST(keeps_lone_line_ends);
  CPPUNIT_TEST(big_bodies_come_through_whole);
  CPPUNIT_TEST(bodies_in_pieces);
  CPPUNIT_TEST(a_rest_that_cannot_be_read);
  CPPUNIT_TEST(null_sender_and_hostile_sender);
  CPPUNIT_TEST(makes_what_is_missing_privately);
  CPPUNIT_TEST(names_never_collide);
  CPPUNIT_TEST(failure_leaves_nothing);
  CPPUNIT_TEST_SUITE_END();

  net::test::TempDir dir_;
  DurableNames names_;

  std::string deliver(std::string_view body, std::string_view sender = "a@b", uint64_t serial = 1) {
    const auto path = deliver_to_maildir(names_, dir_ / "box", {{1, 2}, sender, "Received: x\r\n\tid y\r\n", body},
                                         "mx1", serial, WallTime(std::chrono::seconds(1234567)));
    CPPUNIT_ASSERT_MESSAGE(path ? "" : path.error().message, path.has_value());
    return *path;
  }

  // Gives its pieces, and then perhaps fails.
  class Pieces final : public message::BodySource {
   public:
    explicit Pieces(std::vector<std::string_view> pieces, bool fails = false)
        : pieces_(std::move(pieces)), fails_(fails) {}
    uint64_t size() const override { return 1; }  // nobody here looks
    std::unique_ptr<message::BodyReader> reader() const override {
      struct Reader final : message::BodyReader {
        explicit Reader(const Pieces& all) : all(all) {}
        Result<std::string_view> next() override {
          if (turn < all.pieces_.size()) return all.pieces_[turn++];
          if (all.fails_) return fail(Errc::invalid, "the body is damaged");
          return std::string_view();
        }
        const Pieces& all;
        size_t turn = 0;
      };
      return std::make_unique<Reader>(*this);
    }

   private:
    std::vector<std::string_view> pieces_;
    bool fails_;
  };

  Result<std::string> deliver_pieces(std::string_view first, const Pieces& rest) {
    return deliver_to_maildir(names_, dir_ / "box", {{1, 2}, "", "", first, &rest}, "mx1", ++serial_, WallTime());
  }
  uint64_t serial_ = 0;

  void bodies_in_pieces() {
    constexpr std::string_view body = "a\r\nb\r\r\n\nc\r";
    for (size_t i = 0; i <= body.size(); ++i)
      for (size_t k = i + 1; k <= body.size(); ++k) {
        std::vector<std::string_view> rest = {body.substr(i, k - i)};
        if (k < body.size()) rest.push_back(body.substr(k));
        const auto path = deliver_pieces(body.substr(0, i), Pieces(rest));
        CPPUNIT_ASSERT_MESSAGE(path ? "" : path.error().message, path.has_value());
        CPPUNIT_ASSERT_EQUAL(std::string("Return-Path: <>\na\nb\r\n\nc\r"), slurp(*path));
      }
  }

  void a_rest_that_cannot_be_read() {
    const auto path = deliver_pieces("a\r\n", Pieces({"b\r\n"}, true));
    CPPUNIT_ASSERT(!path && path.error().message == "the body is damaged");
    for (const char* folder : {"box/new", "box/tmp"}) CPPUNIT_ASSERT(std::filesystem::is_empty(dir_ / folder));
  }

  void stores_lines_with_lf() {
    const std::string path = deliver("Subject: x\r\n\r\n.dot\r\n\r\nend\r\n");
    CPPUNIT_ASSERT_EQUAL(std::string("Return-Path: <a@b>\nReceived: x\n\tid y\nSubject: x\n\n.dot\n\nend\n"),
                         slurp(path));
    CPPUNIT_ASSERT(path.starts_with(dir_ / "box/new/1234567."));
  }

  void keeps_lone_line_ends() {
    const std::string head = "Return-Path: <a@b>\nReceived: x\n\tid y\n";
    CPPUNIT_ASSERT_EQUAL(head + "a\rb\nc\r\nd\n\r", slurp(deliver("a\rb\nc\r\r\nd\n\r", "a@b", 1)));
    CPPUNIT_ASSERT_EQUAL(head + std::string("no end\0\xFF", 8),
                         slurp(deliver(std::string_view("no end\0\xFF", 8), "a@b", 2)));
    CPPUNIT_ASSERT_EQUAL(head, slurp(deliver("", "a@b", 3)));
  }

  void big_bodies_come_through_whole() {
    std::string body;
    std::string expected;
    for (int i = 0; body.size() < 300000; ++i) {
      const std::string line(static_cast<size_t>(i % 131), static_cast<char>('a' + i % 26));
      body += line + "\r\n";
      expected += line + "\n";
    }
    const std::string text = slurp(deliver(body));
    CPPUNIT_ASSERT(text.ends_with(expected));
    CPPUNIT_ASSERT_EQUAL(std::string("Return-Path: <a@b>\nReceived: x\n\tid y\n").size() + expected.size(),
                         text.size());
  }

  void null_sender_and_hostile_sender() {
    CPPUNIT_ASSERT(slurp(deliver("", "", 1)).starts_with("Return-Path: <>\n"));
    CPPUNIT_ASSERT(slurp(deliver("", "\"a\\\"b\"@c", 2)).starts_with("Return-Path: <\"a\\\"b\"@c>\n"));
    CPPUNIT_ASSERT(slurp(deliver("", "a\r\nX: y@b", 3)).starts_with("Return-Path: <a??X: y@b>\n"));
  }

  void makes_what_is_missing_privately() {
    const auto path = deliver_to_maildir(names_, dir_ / "a/b/c", {{1, 2}, "", "", "x"}, "mx1", 1, wall_now());
    CPPUNIT_ASSERT(path.has_value());
    for (const char* name : {"a", "a/b", "a/b/c", "a/b/c/cur", "a/b/c/tmp", "a/b/c/new"}) {
      struct stat info{};
      CPPUNIT_ASSERT_EQUAL(0, ::stat((dir_ / name).c_str(), &info));
      CPPUNIT_ASSERT_EQUAL(0u, info.st_mode & 077);
    }
    struct stat info{};
    CPPUNIT_ASSERT_EQUAL(0, ::stat(path->c_str(), &info));
    CPPUNIT_ASSERT_EQUAL(0600u, info.st_mode & 07777);
    CPPUNIT_ASSERT(std::filesystem::is_empty(dir_ / "a/b/c/tmp"));
  }

  void names_never_collide() {
    std::set<std::string> names;
    for (uint64_t serial = 0; serial < 20; ++serial) names.insert(deliver("x", "a@b", serial));
    CPPUNIT_ASSERT_EQUAL(size_t{20}, names.size());
    // The same once more: not overwritten, but refused.
    CPPUNIT_ASSERT(!deliver_to_maildir(names_, dir_ / "box", {{1, 2}, "a@b", "", "other"}, "mx1", 7,
                                       WallTime(std::chrono::seconds(1234567)))
                        .has_value());
    for (const std::string& name : names) CPPUNIT_ASSERT(slurp(name).ends_with("x"));
    CPPUNIT_ASSERT(std::filesystem::is_empty(dir_ / "box/tmp"));
    const auto odd = deliver_to_maildir(names_, dir_ / "box", {{1, 2}, "", "", ""}, "../a:b", 99, wall_now());
    CPPUNIT_ASSERT(odd.has_value() && odd->starts_with(dir_ / "box/new/") &&
                   odd->substr((dir_ / "box/new/").size()).find_first_of("/:") == std::string::npos);
  }

  void failure_leaves_nothing() {
    std::ofstream(dir_ / "file") << "in the way";
    CPPUNIT_ASSERT(!deliver_to_maildir(names_, dir_ / "file", {{1, 2}, "", "", "x"}, "mx1", 1, wall_now()).has_value());
    CPPUNIT_ASSERT(
        !deliver_to_maildir(names_, dir_ / "file/below", {{1, 2}, "", "", "x"}, "mx1", 1, wall_now()).has_value());
    // new/ that cannot be linked into.
    std::filesystem::create_directories(dir_ / "bad/tmp");
    std::filesystem::create_directories(dir_ / "bad/cur");
    std::ofstream(dir_ / "bad/new") << "no folder";
    CPPUNIT_ASSERT(!deliver_to_maildir(names_, dir_ / "bad", {{1, 2}, "", "", "x"}, "mx1", 1, wall_now()).has_value());
    CPPUNIT_ASSERT(std::filesystem::is_empty(dir_ / "bad/tmp"));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(MaildirPathTest);
CPPUNIT_TEST_SUITE_REGISTRATION(MaildirTest);

}  // namespace
}  // namespace impulse::delivery
