// Typed values: conversions right and wrong, canonical text, domain globs.
#include "kit.h"

using namespace impulse;
using namespace impulse::config;
using namespace impulse::config::test;
using namespace std::chrono_literals;

namespace {

template <class T>
T got(Key<T> key, const RawValue& raw) {
  auto value = convert(raw, definition(key));
  CPPUNIT_ASSERT_MESSAGE(value ? "" : value.error().message, value.has_value());
  return std::get<T>(*value);
}
template <class T>
T got(Key<T> key, const char* text) {
  return got(key, word(text));
}
template <class T>
std::string refused(Key<T> key, const RawValue& raw) {
  const auto value = convert(raw, definition(key));
  CPPUNIT_ASSERT_MESSAGE("was taken", !value);
  return value.error().message;
}
template <class T>
std::string refused(Key<T> key, const char* text) {
  return refused(key, word(text));
}
template <class T>
std::string back(Key<T> key, const RawValue& raw) {
  return to_text(convert(raw, definition(key)).value(), definition(key));
}
template <class T>
std::string back(Key<T> key, const char* text) {
  return back(key, word(text));
}

// An option of any type, for types that no available option has in a plain form.
OptionDef made(Type type) {
  return {"Made", type, "", 0, Effect::live, Availability::retired, "", "", "", 0, INT64_MAX, 0};
}

class ValueTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ValueTest);
  CPPUNIT_TEST(booleans);
  CPPUNIT_TEST(integers);
  CPPUNIT_TEST(sizes);
  CPPUNIT_TEST(durations);
  CPPUNIT_TEST(rates);
  CPPUNIT_TEST(octals);
  CPPUNIT_TEST(strings_and_paths);
  CPPUNIT_TEST(secrets_are_never_shown);
  CPPUNIT_TEST(enumerations);
  CPPUNIT_TEST(arrays);
  CPPUNIT_TEST(network_lists);
  CPPUNIT_TEST(glob_lists);
  CPPUNIT_TEST(globs_match_below_not_beside);
  CPPUNIT_TEST(dictionaries);
  CPPUNIT_TEST(size_or_percent);
  CPPUNIT_TEST(canonical_text_reads_back_as_the_same);
  CPPUNIT_TEST(extensions);
  CPPUNIT_TEST(greetings);
  CPPUNIT_TEST(tls_protocols);
  CPPUNIT_TEST(debug_areas);
  CPPUNIT_TEST(host_names_and_addresses);
  CPPUNIT_TEST(delivery_methods);
  CPPUNIT_TEST(timeouts_are_above_zero);
  CPPUNIT_TEST(line_breaks_stay_out_of_replies);
  CPPUNIT_TEST_SUITE_END();

  void booleans() {
    for (const char* text : {"on", "TRUE", "enabled", "Yes", "1"}) CPPUNIT_ASSERT(got(key::enable, text));
    for (const char* text : {"off", "false", "Disabled", "NO", "0"}) CPPUNIT_ASSERT(!got(key::enable, text));
    for (const char* text : {"", "maybe", "2", "tru", "enable"})
      CPPUNIT_ASSERT_EQUAL(std::string("expected true or false, got '") + text + "'", refused(key::enable, text));
    ASSERT_HOLDS("got an array", refused(key::enable, array({"true"})));
    CPPUNIT_ASSERT_EQUAL(std::string("true"), back(key::enable, "on"));
  }
  void integers() {
    CPPUNIT_ASSERT_EQUAL(int64_t{500}, got(key::listen_backlog, "500"));
    CPPUNIT_ASSERT_EQUAL(std::string("expected a number from 1 to 65535, got '0'"),
                         refused(key::remote_smtp_port, "0"));
    refused(key::remote_smtp_port, "65536");
    for (const char* text : {"", "-", "5x", "0x10", "1.5", "99999999999999999999", " 5"})
      refused(key::max_retries, text);
    refused(key::max_retries, "-1");
  }
  void sizes() {
    CPPUNIT_ASSERT_EQUAL(uint64_t{10} << 20, got(key::max_message_size, "10M"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{10} << 20, got(key::max_message_size, "10mb"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{3} << 30, got(key::max_message_size, "3GiB"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{7}, got(key::max_message_size, "7b"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, got(key::max_message_size, "0"));
    for (const char* text : {"", "M", "10X", "-1", "1.5M", "99999999999G", "10 M"})
      refused(key::max_message_size, text);
    CPPUNIT_ASSERT_EQUAL(std::string("expected a size from 512 to 1M, got '511'"),
                         refused(key::max_command_length, "511"));
    CPPUNIT_ASSERT_EQUAL(std::string("expected a size from 1M to 4G, got '5G'"),
                         refused(key::spool_segment_size, "5G"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{4} << 30, got(key::spool_segment_size, "4G"));
    CPPUNIT_ASSERT_EQUAL(std::string("1M"), back(key::max_message_size, "1024K"));
    CPPUNIT_ASSERT_EQUAL(std::string("1025"), back(key::max_message_size, "1025"));
  }
  void durations() {
    CPPUNIT_ASSERT(got(key::idle_time, "300") == 300s);
    CPPUNIT_ASSERT(got(key::idle_time, "30s") == 30s);
    CPPUNIT_ASSERT(got(key::idle_time, "5m") == 5min);
    CPPUNIT_ASSERT(got(key::idle_time, "1H") == 1h);
    CPPUNIT_ASSERT(got(key::idle_time, "7d") == 168h);
    CPPUNIT_ASSERT(got(key::idle_time, "250ms") == 250ms);
    CPPUNIT_ASSERT(got(key::spool_commit_delay, "100us") == 100us);
    CPPUNIT_ASSERT(got(key::linger, "-1") == -1s);
    for (const char* text : {"", "soon", "5 m", "5min", "-5", "1h30m", "99999999999999d", "m"})
      refused(key::idle_time, text);
    CPPUNIT_ASSERT_EQUAL(std::string("expected a duration such as 30s or 5m, got 'soon'"),
                         refused(key::idle_time, "soon"));
    refused(key::linger, "-2");
    refused(key::spool_commit_delay, "2");  // seconds: surely microseconds were meant
    CPPUNIT_ASSERT_EQUAL(std::string("5m"), back(key::idle_time, "300"));
    CPPUNIT_ASSERT_EQUAL(std::string("90s"), back(key::idle_time, "90"));
    CPPUNIT_ASSERT_EQUAL(std::string("1500us"), back(key::idle_time, "1500us"));
    CPPUNIT_ASSERT_EQUAL(std::string("-1"), back(key::linger, "-1"));
    CPPUNIT_ASSERT_EQUAL(std::string("0"), back(key::linger, "0"));
  }
  void rates() {
    const OptionDef option = made(Type::rate);
    const auto rate = [&](const char* text) { return std::get<Rate>(convert(word(text), option).value()); };
    CPPUNIT_ASSERT((rate("3") == Rate{3, 1s}));
    CPPUNIT_ASSERT((rate("3/60") == Rate{3, 60s}));
    CPPUNIT_ASSERT((rate("100/1h") == Rate{100, 1h}));
    for (const char* text : {"", "/", "3/", "/60", "3/0", "-3", "3/-1", "3/60/2", "a/b"})
      CPPUNIT_ASSERT_MESSAGE(text, !convert(word(text), option));
    CPPUNIT_ASSERT_EQUAL(std::string("3"), to_text(Rate{3, 1s}, option));
    CPPUNIT_ASSERT((rate("3/60") == std::get<Rate>(convert(word("3/1m"), option).value())));
  }
  void octals() {
    CPPUNIT_ASSERT_EQUAL(0660u, got(key::file_mode, "0660"));
    CPPUNIT_ASSERT_EQUAL(0660u, got(key::file_mode, "660"));
    for (const char* text : {"", "0668", "rw", "-1", "077777", "1777"}) refused(key::file_mode, text);
    CPPUNIT_ASSERT_EQUAL(0600u, got(key::spool_mode, "0600"));
    for (const char* text : {"0577", "0440", "0"}) refused(key::spool_mode, text);  // would keep the daemon out
    CPPUNIT_ASSERT_EQUAL(std::string("0600"), back(key::file_mode, "600"));
  }
  void strings_and_paths() {
    CPPUNIT_ASSERT_EQUAL(std::string("/run/x.pid"), got(key::pidfile, "/run/x.pid"));
    CPPUNIT_ASSERT_EQUAL(std::string(""), got(key::static_banner, ""));
    refused(key::pidfile, array({"/a", "/b"}));
    refused(key::spoolbase, "");
    CPPUNIT_ASSERT_EQUAL(std::string("\"\""), back(key::static_banner, ""));
  }
  void secrets_are_never_shown() {
    CPPUNIT_ASSERT_EQUAL(std::string("hunter2"), got(key::tls_key_password, "hunter2"));
    CPPUNIT_ASSERT_EQUAL(std::string("(redacted)"), back(key::tls_key_password, "hunter2"));
    CPPUNIT_ASSERT_EQUAL(
        std::string("(redacted)"),
        back(key::private_key, "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\n"));
    CPPUNIT_ASSERT_EQUAL(std::string("/etc/key.pem"), back(key::private_key, "/etc/key.pem"));
  }
  void enumerations() {
    CPPUNIT_ASSERT_EQUAL(uint16_t{2}, got(key::rfc2822_lone_lf_in_body, "FIX").index);
    CPPUNIT_ASSERT_EQUAL(std::string("expected ignore, pedantic or fix, got 'fixed'"),
                         refused(key::rfc2822_lone_lf_in_body, "fixed"));
    refused(key::rfc2822_lone_lf_in_body, "");
    CPPUNIT_ASSERT(choice(key::tls, got(key::tls, "Required")) == "required");
    CPPUNIT_ASSERT(choice(definition(key::tls), Enum{99}).empty());
    CPPUNIT_ASSERT_EQUAL(std::string("expected reject or ignore, got 'allow'"),
                         refused(key::starttls_injection_policy, "allow"));
  }
  void arrays() {
    CPPUNIT_ASSERT((got(key::gateway, array({"a.example", "[::1]:25"})) == Strings{"a.example", "[::1]:25"}));
    CPPUNIT_ASSERT((got(key::gateway, "a.example") == Strings{"a.example"}));
    CPPUNIT_ASSERT(got(key::gateway, array({})).empty());
    RawValue nested = array({"a"});
    nested.items.push_back(array({"b"}));
    ASSERT_HOLDS("got an array in it", refused(key::gateway, nested));
    RawValue dictionary;
    dictionary.kind = RawValue::Kind::dictionary;
    ASSERT_HOLDS("got a dictionary", refused(key::gateway, dictionary));
    CPPUNIT_ASSERT_EQUAL(std::string("( a.example )"), back(key::gateway, "a.example"));
  }
  void network_lists() {
    const NetworkList list = got(key::relay_hosts, array({"10.1.2.3/8", "::1", "2001:db8::/32"}));
    CPPUNIT_ASSERT(list.contains(ip("10.9.9.9")) && list.contains(ip("2001:db8::5")) && !list.contains(ip("11.0.0.1")));
    CPPUNIT_ASSERT(got(key::relay_hosts, "10.0.0.1").contains(ip("10.0.0.1")));
    for (const char* text : {"", "10.0.0.0/33", "10.0.0/8", "::1::", "example.com", "10.0.0.1:25", "10.0.0.0/-1"})
      ASSERT_HOLDS("expected a network", refused(key::relay_hosts, text));
    CPPUNIT_ASSERT_EQUAL(std::string("( 10.0.0.0/8 )"), back(key::relay_hosts, "10.1.2.3/8"));
  }
  void glob_lists() {
    const GlobList list = got(key::relay_domains, array({"Example.com", "*.example.ORG"}));
    CPPUNIT_ASSERT(list.matches("EXAMPLE.COM") && list.matches("a.example.org") && list.matches("a.b.Example.org"));
    CPPUNIT_ASSERT(!list.matches("example.org") && !list.matches("a.example.com") && !list.matches(""));
    for (const char* text : {"", "mail.*.com", "**", "*.", "a..b", "user@example.com", "exa mple.com", ".example.com"})
      ASSERT_HOLDS("expected a domain", refused(key::relay_domains, text));
  }
  void globs_match_below_not_beside() {
    const GlobList below({"*.x.example"});
    CPPUNIT_ASSERT(!below.matches("x.example"));
    CPPUNIT_ASSERT(!below.matches("notx.example"));
    CPPUNIT_ASSERT(!below.matches(".x.example"));  // nothing in front of the dot
    CPPUNIT_ASSERT(!below.matches("a.x.example.com"));
    CPPUNIT_ASSERT(below.matches("a.x.example"));
    const GlobList any({"*"});
    CPPUNIT_ASSERT(any.matches("whatever") && any.matches("") && !GlobList().matches("whatever"));
  }
  void dictionaries() {
    const OptionDef option = made(Type::dictionary);
    RawValue raw;
    raw.kind = RawValue::Kind::dictionary;
    raw.entries = {{"b", word("2")}, {"a", word("1")}, {"list", array({"x", "y"})}};
    const auto value = convert(raw, option).value();
    const auto& dictionary = std::get<Dictionary>(value);
    CPPUNIT_ASSERT_EQUAL(size_t{3}, dictionary.size());
    CPPUNIT_ASSERT_EQUAL(std::string("b"), dictionary[0].first);  // in order
    CPPUNIT_ASSERT_EQUAL(std::string("( x y )"), dictionary[2].second);
    CPPUNIT_ASSERT(!convert(word("x"), option) && !convert(array({"x"}), option));
    ASSERT_HOLDS("b = 2", to_text(value, option));
  }
  void size_or_percent() {
    CPPUNIT_ASSERT((got(key::spool_min_free, "5%") == SizeOrPercent{5, true}));
    CPPUNIT_ASSERT((got(key::spool_min_free, "2G") == SizeOrPercent{uint64_t{2} << 30, false}));
    for (const char* text : {"", "%", "101%", "-5%", "5%%", "few"}) refused(key::spool_min_free, text);
    CPPUNIT_ASSERT_EQUAL(std::string("5%"), back(key::spool_min_free, "5%"));
  }
  // Every default of the catalogue, written and read again.
  void canonical_text_reads_back_as_the_same() {
    for (const OptionDef& option : options()) {
      if (option.default_text.empty() || option.availability == Availability::unavailable) continue;
      const Value& value = default_value(option, ScopeKind::global);
      const std::string text = to_text(value, option);
      auto source = std::make_shared<Source>();
      source->text = text;
      const ParsedValue parsed = parse_value(source);
      CPPUNIT_ASSERT_MESSAGE(text, parsed.value);
      const auto again = convert(*parsed.value, option);
      CPPUNIT_ASSERT_MESSAGE(std::string(option.name) + ": " + text, again && *again == value);
    }
  }
  void extensions() {
    CPPUNIT_ASSERT((got(key::smtp_extensions, array({"pipelining", "SIZE", "size"})) == Strings{"PIPELINING", "SIZE"}));
    CPPUNIT_ASSERT(got(key::smtp_extensions, array({})).empty());
    CPPUNIT_ASSERT((got(key::smtp_extensions, array({"auth login plain", "FutureRelease 86400", "AUTH cram-md5"})) ==
                    Strings{"AUTH LOGIN PLAIN CRAM-MD5", "FUTURERELEASE 86400"}));
    CPPUNIT_ASSERT((got(key::smtp_extensions, array({"AUTH LOGIN", "AUTH"})) == Strings{"AUTH"}));
    for (const char* text : {"XFORWARD", "etrn", "XEXDATA"})
      ASSERT_HOLDS("is not available in this version", refused(key::smtp_extensions, array({"SIZE", text})));
    ASSERT_HOLDS("expected AUTH with mechanisms of", refused(key::smtp_extensions, "auth PLAN"));
    ASSERT_HOLDS("nothing may stand behind", refused(key::smtp_extensions, "SIZE 100"));
    ASSERT_HOLDS("a number of seconds", refused(key::smtp_extensions, "FUTURERELEASE soon"));
    ASSERT_HOLDS("'FOO' is no SMTP extension", refused(key::smtp_extensions, "FOO"));
    refused(key::smtp_extensions, "");
  }
  void greetings() {
    CPPUNIT_ASSERT((got(key::smtp_protocols, "ehlo") == Strings{"EHLO"}));
    ASSERT_HOLDS("LHLO is not available", refused(key::smtp_protocols, "LHLO"));
    refused(key::smtp_protocols, array({}));
    refused(key::smtp_protocols, "HALO");
  }
  void tls_protocols() {
    const std::string both = "+TLSv1.2:+TLSv1.3";
    CPPUNIT_ASSERT_EQUAL(both, got(key::tls_protocols, "+tlsv1.2:+TLSv1.3"));
    CPPUNIT_ASSERT_EQUAL(both, got(key::tls_protocols, array({"TLSv1.3", "TLSv1.2"})));
    CPPUNIT_ASSERT_EQUAL(both, got(key::tls_protocols, "-SSLv3:-TLSv1"));
    CPPUNIT_ASSERT_EQUAL(std::string("+TLSv1.3"), got(key::tls_protocols, "-TLSv1.2"));
    CPPUNIT_ASSERT_EQUAL(std::string("+TLSv1.2"), got(key::tls_protocols, "TLSv1.2"));
    CPPUNIT_ASSERT_EQUAL(std::string("+TLSv1.3"), got(key::tls_protocols, "+TLSv1.3,-TLSv1.2"));
    ASSERT_HOLDS("TLSv1.1", refused(key::tls_protocols, "+TLSv1.1"));
    ASSERT_HOLDS("no TLS version is left", refused(key::tls_protocols, "-TLSv1.2:-TLSv1.3"));
    refused(key::tls_protocols, "");
    refused(key::tls_protocols, "TLSv9");
  }
  void debug_areas() {
    CPPUNIT_ASSERT((got(key::debug, "SMTP config") == Strings{"smtp", "config"}));
    CPPUNIT_ASSERT((got(key::error, "all") == Strings{"ALL"}));
    ASSERT_HOLDS("got 'smtpd'", refused(key::debug, "smtpd"));
  }
  void host_names_and_addresses() {
    CPPUNIT_ASSERT_EQUAL(std::string("mx.example"), got(key::hostname, "mx.example"));
    CPPUNIT_ASSERT_EQUAL(std::string("[192.0.2.1]"), got(key::ehlo_hostname, "[192.0.2.1]"));
    for (const char* text : {"mx example", "a\r\nb", "a..b", "[not.an.address]", "ex@mple"})
      refused(key::banner_hostname, text);
    CPPUNIT_ASSERT_EQUAL(std::string("::1"), got(key::bind_address, "::1"));
    refused(key::bind_address, "localhost");
    refused(key::nodename, "a/b");
    CPPUNIT_ASSERT_EQUAL(std::string("md@x.example"), got(key::mailerdaemon, "md@x.example"));
    for (const char* text : {"md", "@x", "a b@x", "md@"}) refused(key::mailerdaemon, text);
    for (const char* text : {"", "host:0", "host:70000", "[1.2.3.4]:25", "a b", "[::1", "host:"})
      refused(key::gateway, text);
    for (const char* text : {"::1", "10.0.0.1", "10.0.0.1:26", "[::1]", "[::1]:26", "mx.example:26", "/run/lmtp"})
      CPPUNIT_ASSERT((got(key::gateway, text) == Strings{text}));
    CPPUNIT_ASSERT_EQUAL(std::string(""), got(key::tls_certificate, "None"));
  }
  void delivery_methods() {
    for (const char* text : {"maildir", "Blackhole", "lmtp", "ecstream"}) got(key::delivery_method, text);
    ASSERT_HOLDS("expected esmtp, smtp,", refused(key::delivery_method, "pigeon"));
  }
  void timeouts_are_above_zero() {
    refused(key::idle_time, "0");
    refused(key::connect_timeout, "0");
    CPPUNIT_ASSERT(got(key::shutdown_timeout, "0") == 0s);
  }
  void line_breaks_stay_out_of_replies() {
    ASSERT_HOLDS("one line", refused(key::static_banner, "hello\r\n250 injected"));
    refused(key::reconfig_message, std::string("bye\n").c_str());
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ValueTest);

}  // namespace
