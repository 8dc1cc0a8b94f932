// Files of credentials as ec_passwd edits them: what is made is what the server
// takes, and nothing else changes.
#include "auth/password_file.h"
#include "auth/sasl.h"
#include "sasl_client.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace impulse;
using namespace impulse::auth;
using namespace std::string_literals;

namespace {

PasswordFile parsed(Format format, std::string_view text) {
  auto file = PasswordFile::parse(format, text);
  CPPUNIT_ASSERT(file);
  return *file;
}

NewCredential of(std::string user, std::string password, std::string realm = "home") {
  NewCredential made{std::move(user), std::move(password)};
  made.realm = std::move(realm);
  return made;
}

class PasswordFileTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(PasswordFileTest);
  CPPUNIT_TEST(made_and_verified);
  CPPUNIT_TEST(the_server_takes_it);
  CPPUNIT_TEST(the_rest_stays);
  CPPUNIT_TEST(realms);
  CPPUNIT_TEST(a_user_of_each_tenant);
  CPPUNIT_TEST(taken_out);
  CPPUNIT_TEST(what_a_file_cannot_hold);
  CPPUNIT_TEST(guessed);
  CPPUNIT_TEST(known_keys);
  CPPUNIT_TEST_SUITE_END();

  void made_and_verified() {
    for (const Format format : {Format::file, Format::digest, Format::scram}) {
      PasswordFile file = parsed(format, "");
      CPPUNIT_ASSERT(!*file.set(of("alice", "sesame")));
      CPPUNIT_ASSERT(*file.set(of("alice", "open sesame")));
      CPPUNIT_ASSERT(file.verify("alice", "open sesame", "home") == true);
      CPPUNIT_ASSERT(file.verify("alice", "sesame", "home") == false);
      CPPUNIT_ASSERT(file.verify("alice", "", "home") == false);
      CPPUNIT_ASSERT(file.verify("bob", "open sesame", "home") == std::nullopt);
      CPPUNIT_ASSERT_EQUAL(size_t{1}, file.users().size());
      CPPUNIT_ASSERT_EQUAL(format == Format::file, file.text().find("sesame") != std::string::npos);
    }
  }
  void a_user_of_each_tenant() {
    for (const Format format : {Format::file, Format::digest, Format::scram}) {
      PasswordFile file = parsed(format, "");
      for (const char* tenant : {"blue", "green", ""}) {
        NewCredential made = of("alice", tenant + "'s sesame"s);
        made.tenant = tenant;
        CPPUNIT_ASSERT(!*file.set(made));
        CPPUNIT_ASSERT(*file.set(made));
      }
      CPPUNIT_ASSERT_EQUAL(size_t{3}, file.users().size());
      CPPUNIT_ASSERT_EQUAL("blue/alice"s, file.users().front().name);
      CPPUNIT_ASSERT(file.verify("alice", "blue's sesame", "home", "blue") == true);
      CPPUNIT_ASSERT(file.verify("alice", "blue's sesame", "home", "green") == false);
      CPPUNIT_ASSERT(file.verify("alice", "blue's sesame", "home") == false);
      CPPUNIT_ASSERT(file.verify("alice", "blue's sesame", "home", "red") == std::nullopt);
      CPPUNIT_ASSERT_EQUAL(size_t{1}, file.remove("blue/alice"));
      CPPUNIT_ASSERT(file.verify("alice", "green's sesame", "home", "green") == true);
    }
    // What a client of DIGEST-MD5 says is its own name alone.
    const auto sasl = std::move(*Sasl::create());
    PasswordFile file = parsed(Format::digest, "");
    NewCredential made = of("alice", "sesame");
    made.tenant = "blue";
    CPPUNIT_ASSERT(file.set(made));
    std::vector<BadLine> bad;
    SaslSettings settings{Mechanism::digest_md5,
                          Credentials::parse(Format::digest, file.text(), bad),
                          true,
                          "home",
                          "mx.example.com",
                          "impulse"};
    settings.entry = [](std::string_view user) { return "blue/" + std::string(user); };
    auth::test::SaslClient client("DIGEST-MD5", "alice", "sesame");
    const auto exchange = std::move(*sasl->begin(std::move(settings)));
    auto step = exchange->step("");
    while (step.state == SaslExchange::State::more) step = exchange->step(client.step(step.output));
    CPPUNIT_ASSERT(step.state == SaslExchange::State::done);
  }
  void the_server_takes_it() {
    const auto sasl = std::move(*Sasl::create());
    PasswordFile file = parsed(Format::scram, "");
    NewCredential credential = of("alice", "p\xC3\xA4ss\xC2\xAD");  // a soft hyphen, which SASLprep drops
    credential.hashes = {Mechanism::scram_sha_256, Mechanism::scram_sha_1};
    credential.iterations = 5000;
    CPPUNIT_ASSERT(file.set(credential));
    std::vector<BadLine> bad;
    const auto all = Credentials::parse(Format::scram, file.text(), bad);
    CPPUNIT_ASSERT(all->find("alice", "SCRAM-SHA-1")->salt != all->find("alice", "SCRAM-SHA-256")->salt);
    for (const Mechanism mechanism : credential.hashes) {
      CPPUNIT_ASSERT_EQUAL(uint32_t{5000}, all->find("alice", name(mechanism))->iterations);
      const auto exchange = std::move(*sasl->begin({mechanism, all, false, "", "mx.example.com", "smtp"}));
      auth::test::SaslClient client(std::string(name(mechanism)), "alice", "p\xC3\xA4ss");
      SaslExchange::Step step{SaslExchange::State::more, {}};
      while (step.state == SaslExchange::State::more) step = exchange->step(client.step(step.output));
      CPPUNIT_ASSERT(step.state == SaslExchange::State::done);
    }
  }
  void the_rest_stays() {
    const std::string before = "# users\n\nalice:one\r\n# bob left\ncarol:three:four";
    PasswordFile file = parsed(Format::file, before);
    CPPUNIT_ASSERT(*file.set(of("alice", "two")));
    CPPUNIT_ASSERT_EQUAL("# users\n\nalice:two\n# bob left\ncarol:three:four"s, file.text());
    CPPUNIT_ASSERT(!*file.set(of("dave", "x")));
    CPPUNIT_ASSERT_EQUAL("# users\n\nalice:two\n# bob left\ncarol:three:four\ndave:x\n"s, file.text());
    std::string names;
    for (const auto& user : file.users()) names += user.name + " ";
    CPPUNIT_ASSERT_EQUAL("alice carol dave "s, names);
  }
  void realms() {
    PasswordFile file = parsed(Format::digest, "");
    CPPUNIT_ASSERT(!*file.set(of("alice", "one", "here")));
    CPPUNIT_ASSERT(!*file.set(of("alice", "two", "there")));
    CPPUNIT_ASSERT(*file.set(of("alice", "three", "here")));
    CPPUNIT_ASSERT(file.verify("alice", "three", "here") == true);
    CPPUNIT_ASSERT(file.verify("alice", "two", "there") == true);
    CPPUNIT_ASSERT(file.verify("alice", "two", "") == std::nullopt);
    CPPUNIT_ASSERT_EQUAL(size_t{1}, file.remove("alice", "there"));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, file.users().size());
    CPPUNIT_ASSERT_EQUAL("here"s, file.users().front().qualifier);
  }
  void taken_out() {
    PasswordFile file = parsed(Format::file, "# alice:\nalice:1\nbob:2\nalicea:3\n");
    CPPUNIT_ASSERT_EQUAL(size_t{1}, file.remove("alice"));
    CPPUNIT_ASSERT_EQUAL(size_t{0}, file.remove("alice"));
    CPPUNIT_ASSERT_EQUAL(size_t{0}, file.remove(""));
    CPPUNIT_ASSERT_EQUAL("# alice:\nbob:2\nalicea:3\n"s, file.text());
    PasswordFile both = parsed(Format::scram, "");
    NewCredential credential = of("alice", "x");
    credential.hashes = {Mechanism::scram_sha_256, Mechanism::scram_sha_1};
    CPPUNIT_ASSERT(both.set(credential));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, both.users().size());
    // A new password with one hash function leaves no line with the old one.
    CPPUNIT_ASSERT(*both.set(of("alice", "y")));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, both.users().size());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, both.remove("alice"));
    CPPUNIT_ASSERT_EQUAL(""s, both.text());
  }
  void what_a_file_cannot_hold() {
    const std::pair<Format, NewCredential> wrong[] = {
        {Format::file, of("", "x")},          {Format::file, of("a:b", "x")},
        {Format::file, of("#a", "x")},        {Format::file, of("a", "")},
        {Format::file, of("a", "x\ny:z")},    {Format::file, of("a", "x\r")},
        {Format::file, of("a", "x\0y"s)},     {Format::file, of("a\nb:c", "x")},
        {Format::file, of("a\xff", "x")},     {Format::digest, of("a", "x", "in:out")},
        {Format::digest, of("a\nb", "x")},    {Format::scram, of("a", "")},
        {Format::scram, of("a", "\xff")},     {Format::scram, of("a", "x\0y"s)},
        {Format::scram, of("a", "bell\x07")},
    };
    for (const auto& [format, credential] : wrong) {
      PasswordFile file = parsed(format, "# kept\n");
      CPPUNIT_ASSERT_MESSAGE(credential.user + "/" + credential.password, !file.set(credential));
      CPPUNIT_ASSERT_EQUAL("# kept\n"s, file.text());
    }
    NewCredential quick = of("a", "x");
    quick.iterations = 4095;
    CPPUNIT_ASSERT(!parsed(Format::scram, "").set(quick));
    CPPUNIT_ASSERT_EQUAL("line 2: a ':' is expected behind the user"s,
                         PasswordFile::parse(Format::file, "a:b\nc\n").error().message);
  }
  void guessed() {
    PasswordFile scram = parsed(Format::scram, "");
    CPPUNIT_ASSERT(scram.set(of("alice", "x")));
    CPPUNIT_ASSERT(PasswordFile::guess(scram.text()) == Format::scram);
    CPPUNIT_ASSERT(PasswordFile::guess("# c\na:r:0123456789abcdef0123456789abcdef\n") == Format::digest);
    CPPUNIT_ASSERT(PasswordFile::guess("a:r\n") == Format::file);
    CPPUNIT_ASSERT(PasswordFile::guess("") == std::nullopt);
    CPPUNIT_ASSERT(PasswordFile::guess("# nobody yet\n") == std::nullopt);
  }
  // RFC 7677, section 3, and RFC 5802, section 5: user "user", password "pencil".
  void known_keys() {
    const std::string sha256 =
        "user:SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n";
    CPPUNIT_ASSERT(parsed(Format::scram, sha256).verify("user", "pencil") == true);
    CPPUNIT_ASSERT(parsed(Format::scram, sha256).verify("user", "pen") == false);
    CPPUNIT_ASSERT(parsed(Format::digest, "Mufasa:testrealm@host.com:939e7578ed9e3c518a452acee763bce9\n")
                       .verify("Mufasa", "Circle Of Life", "testrealm@host.com") == true);  // RFC 2617, section 3.5
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(PasswordFileTest);

}  // namespace
