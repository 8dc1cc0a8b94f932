// ec_inject's command line: what it means, and what it refuses.
#include "console/inject/options.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>
#include <vector>

namespace impulse::ecinject {
namespace {

using Words = std::vector<std::string>;

class OptionsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(OptionsTest);
  CPPUNIT_TEST(defaults);
  CPPUNIT_TEST(all_together);
  CPPUNIT_TEST(servers);
  CPPUNIT_TEST(times);
  CPPUNIT_TEST(batches);
  CPPUNIT_TEST(wrong);
  CPPUNIT_TEST(says_what_is_wrong);
  CPPUNIT_TEST(help);
  CPPUNIT_TEST_SUITE_END();

  static Outcome<Options> read(Words words) {
    words.insert(words.begin(), "ec_inject");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    return read_options(static_cast<int>(words.size()), argv.data());
  }
  static Options good(const Words& words) {
    auto options = read(words);
    CPPUNIT_ASSERT_MESSAGE(options ? "" : options.error().text, options);
    return std::move(*options);
  }

  void defaults() {
    const Options options = good({"mx.example:25"});
    CPPUNIT_ASSERT(options.protocol == Protocol::smtp && options.generated && options.pipelining && !options.tls);
    CPPUNIT_ASSERT(options.number == uint64_t{1});
    CPPUNIT_ASSERT(!good({"-d", "1", "mx.example:25"}).number);
    CPPUNIT_ASSERT(!good({"mx.example:25", "file"}).number);
  }

  void all_together() {
    const Options options = good({"-p",
                                  "http",
                                  "--api=inject",
                                  "-c",
                                  "7",
                                  "-n1000",
                                  "h:80",
                                  "-d",
                                  "2m",
                                  "-r",
                                  "12.5",
                                  "--tls",
                                  "--no-verify",
                                  "-b",
                                  "100",
                                  "--seed",
                                  "0",
                                  "--retry",
                                  "--json",
                                  "-",
                                  "-q",
                                  "--api-key-file",
                                  "key",
                                  "--per-connection",
                                  "9",
                                  "--timeout",
                                  "5s",
                                  "a",
                                  "b"});
    CPPUNIT_ASSERT(options.protocol == Protocol::http && options.api == Api::inject && options.connections == 7);
    CPPUNIT_ASSERT(options.number == uint64_t{1000} && options.duration == 120 && options.rate == 12.5);
    CPPUNIT_ASSERT(options.tls && options.tls_options.enabled && !options.tls_options.verify);
    CPPUNIT_ASSERT(options.batch == 100 && options.envelope.recipients.largest() == 100);
    CPPUNIT_ASSERT(options.seed_given && options.retry && options.quiet && options.json == "-");
    CPPUNIT_ASSERT(options.places.files == (Words{"a", "b"}) && !options.generated);
  }

  void servers() {
    CPPUNIT_ASSERT_EQUAL(std::string("2001:db8::1"), good({"[2001:db8::1]:25"}).server.host);
    CPPUNIT_ASSERT_EQUAL(std::string("/run/s"), good({"/run/s"}).server.path);
    CPPUNIT_ASSERT_EQUAL(std::string("joe"), good({"joe@h:25"}).user);
    for (const char* bad : {"h:0", "h:x", ":25", "::1:25", "h:70000", ""}) CPPUNIT_ASSERT_MESSAGE(bad, !read({bad}));
  }

  void times() {
    CPPUNIT_ASSERT_EQUAL(0.5, parse_seconds("500ms").value());
    CPPUNIT_ASSERT_EQUAL(1.5, parse_seconds("1.5").value());
    CPPUNIT_ASSERT_EQUAL(7200.0, parse_seconds("2h").value());
    for (const char* bad : {"", "0", "-1", "s", "1d", "1e3", "nan", "inf", "1 s"})
      CPPUNIT_ASSERT_MESSAGE(bad, !parse_seconds(bad));
  }

  void batches() {
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, good({"-p", "ecstream", "-b", "10", "/s"}).envelope.recipients.largest());
    CPPUNIT_ASSERT(!read({"-b", "10", "/s"}));
    CPPUNIT_ASSERT(!read({"-p", "http", "-b", "10", "/s"}));
    CPPUNIT_ASSERT(!read({"-p", "http", "--api", "inject", "-b", "10", "--recipients", "1-2", "/s"}));
    CPPUNIT_ASSERT(!read({"-p", "http", "--api", "transmissions", "--recipients", "2", "/s"}));
  }

  void wrong() {
    const std::vector<Words> cases{
        {},
        {"-x", "h:1"},
        {"--nonsense", "h:1"},
        {"-n", "0", "h:1"},
        {"--tls", "--ca", "x", "--no-verify", "h:1"},
        {"--quoting", "mboxrd", "h:1"},
        {"--helo", "me", "-p", "http", "h:1"},
        {"-n", "-5", "h:1"},
        {"-n"},
        {"-c", "0", "h:1"},
        {"-c", "99999", "h:1"},
        {"-r", "0", "h:1"},
        {"-r", "fast", "h:1"},
        {"-d", "soon", "h:1"},
        {"-s", "0", "h:1"},
        {"-s", "2g", "h:1"},
        {"-s", "1k", "h:1", "file"},
        {"-p", "uucp", "h:1"},
        {"-t", "", "h:1"},
        {"-t", "a b", "h:1"},
        {"-f", "{who}@x", "h:1"},
        {"--domains", "", "h:1"},
        {"--recipients", "0", "h:1"},
        {"--users", "0", "h:1"},
        {"--seed", "x", "h:1"},
        {"--quoting", "x", "h:1"},
        {"--ca", "x", "h:1"},
        {"--tls", "--starttls", "h:1"},
        {"--tls", "--key", "x", "h:1"},
        {"-p", "http", "--starttls", "h:1"},
        {"-p", "http", "--bdat", "h:1"},
        {"-p", "ecstream", "--no-pipelining", "h:1"},
        {"-p", "ecstream", "--retry", "h:1"},
        {"-p", "ecstream", "--stream", "s", "h:1"},
        {"-p", "ecstream", "--stream", "a b", "--seed", "1", "h:1"},
        {"-p", "ecstream", "--stream", "s", "--seed", "1", "-d", "5", "h:1"},
        {"--stream", "s", "--seed", "1", "h:1"},
        {"--api", "inject", "h:1"},
        {"-p", "http", "--api", "x", "h:1"},
        {"--password-file", "x", "h:1"},
        {"-p", "http", "-u", "a", "--api-key-file", "k", "h:1"},
        {"-u", "a", "b@h:1"},
        {"--helo", "a b", "h:1"},
        {"--json", "", "h:1"},
        {"--mbox", "", "h:1"},
        {"h:1", "-", "-"},
        {"h:1", ""},
    };
    for (const Words& words : cases) {
      std::string line;
      for (const std::string& word : words) line += word + ' ';
      const auto options = read(words);
      CPPUNIT_ASSERT_MESSAGE(line, !options);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(line, EX_USAGE, options.error().status);
      CPPUNIT_ASSERT_MESSAGE(line, !options.error().text.empty());
    }
  }

  void says_what_is_wrong() {
    CPPUNIT_ASSERT_EQUAL(std::string("no such option: --nonsense"), read({"--nonsense", "h:1"}).error().text);
    CPPUNIT_ASSERT_EQUAL(std::string("no such option: -x"), read({"-x", "h:1"}).error().text);
    CPPUNIT_ASSERT_EQUAL(std::string("--rate: a value is expected"), read({"h:1", "--rate"}).error().text);
    CPPUNIT_ASSERT_EQUAL(std::string("--number: a number from 1 is expected, not '0'"),
                         read({"-n", "0", "h:1"}).error().text);
    CPPUNIT_ASSERT_EQUAL(std::string("--ca says nothing without --tls or --starttls"),
                         read({"--ca", "x", "h:1"}).error().text);
  }

  void help() {
    CPPUNIT_ASSERT(good({"--help"}).mode == Options::Mode::help);
    CPPUNIT_ASSERT(good({"-V"}).mode == Options::Mode::version);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(OptionsTest);

}  // namespace
}  // namespace impulse::ecinject
