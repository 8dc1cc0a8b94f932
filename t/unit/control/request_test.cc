// Lines in and lines out, one by one: requests, statuses, what is safe to show.
#include "control/request.h"
#include "control/limits.h"
#include "control/redact.h"
#include "control/safe_text.h"
#include "control/status.h"
#include "control/writer.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace impulse;
using namespace impulse::control;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

class RequestTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(RequestTest);
  CPPUNIT_TEST(plain);
  CPPUNIT_TEST(tag_and_json);
  CPPUNIT_TEST(bad_tags);
  CPPUNIT_TEST(payload_marker);
  CPPUNIT_TEST(no_marker);
  CPPUNIT_TEST(bytes);
  CPPUNIT_TEST(columns_count_in_what_was_sent);
  CPPUNIT_TEST_SUITE_END();

  void plain() {
    const auto read = read_request("config get  idle_time ");
    CPPUNIT_ASSERT(read.error_id.empty());
    CPPUNIT_ASSERT_EQUAL("config get  idle_time"s, read.request.command);
    CPPUNIT_ASSERT(read.request.tag.empty() && !read.request.json && read.request.word.empty());
    CPPUNIT_ASSERT_EQUAL("config get  idle_time "s, read.request.line);  // blanks at the end stay, for `complete`
  }
  void tag_and_json() {
    const auto read = read_request("@A-1.b_2   --JSON  version");
    CPPUNIT_ASSERT(read.error_id.empty());
    CPPUNIT_ASSERT_EQUAL("A-1.b_2"s, read.request.tag);
    CPPUNIT_ASSERT(read.request.json);
    CPPUNIT_ASSERT_EQUAL("version"s, read.request.command);
    CPPUNIT_ASSERT(!read_request("version --json").request.json);  // in front only
    CPPUNIT_ASSERT(!read_request("--jsonversion").request.json);
    CPPUNIT_ASSERT(read_request("@a").request.command.empty());
    CPPUNIT_ASSERT_EQUAL("a"s, read_request("@a").request.tag);
  }
  void bad_tags() {
    for (const auto& line : {"@ version"s, "@"s, "@a!b version"s, "@" + std::string(max_tag + 1, 'x') + " version"}) {
      const auto read = read_request(line);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(line, "control-bad-tag"s, read.error_id);
      CPPUNIT_ASSERT(read.request.tag.empty());  // it is not echoed
    }
    CPPUNIT_ASSERT(read_request("@" + std::string(max_tag, 'x') + " version").error_id.empty());
  }
  void payload_marker() {
    const auto read = read_request("@t config set x <<END_1  ");
    CPPUNIT_ASSERT_EQUAL("END_1"s, read.request.word);
    CPPUNIT_ASSERT_EQUAL("config set x"s, read.request.command);
    CPPUNIT_ASSERT(read.request.line.find("<<") == std::string::npos);
    // Known even when the line is refused, so that the payload can be skipped.
    CPPUNIT_ASSERT_EQUAL("W"s, read_request("@! x <<W").request.word);
    CPPUNIT_ASSERT_EQUAL("W"s, read_request("a\x01 <<W").request.word);
  }
  void no_marker() {
    for (const auto line :
         {"<<END"sv, "a <<"sv, "a <<1x"sv, "a <<a-b"sv, "a <<END b"sv, "a \"<<END\""sv, "a<<END"sv, "a < <END"sv})
      CPPUNIT_ASSERT_MESSAGE(std::string(line), read_request(line).request.word.empty());
    CPPUNIT_ASSERT(payload_word_of("a <<" + std::string(max_word + 1, 'x')).empty());
  }
  void bytes() {
    for (const auto line : {"a\0b"sv, "a\x1b[0m"sv, "a\x7f"sv, "a\rb"sv, "\xff"sv, "\xC0\x80"sv, "\xED\xA0\x80"sv})
      CPPUNIT_ASSERT_EQUAL("control-bad-bytes"s, read_request(line).error_id);
    CPPUNIT_ASSERT(read_request("a\tb").error_id.empty());
    CPPUNIT_ASSERT(read_request("\xC3\xA4").error_id.empty());
  }
  void columns_count_in_what_was_sent() {
    const auto read = read_request("@ab --json version <<W");
    CPPUNIT_ASSERT_EQUAL("           version "s, read.request.line);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(RequestTest);

class WriterTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(WriterTest);
  CPPUNIT_TEST(status_lines);
  CPPUNIT_TEST(codes);
  CPPUNIT_TEST(safe);
  CPPUNIT_TEST(payload_is_one_line);
  CPPUNIT_TEST(long_payload_goes_on);
  CPPUNIT_TEST(long_notice_is_cut);
  CPPUNIT_TEST(documents);
  CPPUNIT_TEST(diagnostics);
  CPPUNIT_TEST(secrets_stay_out_of_logs);
  CPPUNIT_TEST_SUITE_END();

  void status_lines() {
    CPPUNIT_ASSERT_EQUAL("=0 ok"s, Status{}.to_line(""));
    Status status{Code::ok, "unchanged", {}};
    status.with("gen", 11).with("who", "a b");
    CPPUNIT_ASSERT_EQUAL("=0 unchanged gen=11 who=\"a b\" @t"s, status.to_line("t"));
    CPPUNIT_ASSERT_EQUAL("=7 busy"s, Status({Code::busy, {}, {}}).to_line(""));
  }
  void codes() {
    CPPUNIT_ASSERT(code_of(Errc::not_found) == Code::not_found);
    CPPUNIT_ASSERT(code_of(Errc::conflict) == Code::conflict);
    CPPUNIT_ASSERT(code_of(Errc::denied) == Code::denied);
    CPPUNIT_ASSERT(code_of(Errc::busy) == Code::busy);
    for (const Errc errc : {Errc::invalid, Errc::exists, Errc::io, Errc::no_space, Errc::unavailable})
      CPPUNIT_ASSERT(code_of(errc) == Code::failed);
    unsigned number = 0;
    for (const auto word : {"ok", "failed", "usage", "not-found", "conflict", "degraded", "denied", "busy"})
      CPPUNIT_ASSERT_EQUAL(std::string_view(word), to_string(static_cast<Code>(number++)));
  }
  void safe() {
    CPPUNIT_ASSERT_EQUAL("a\tb\\ \xC3\xA4"s, safe_text("a\tb\\ \xC3\xA4"));  // nothing to do
    CPPUNIT_ASSERT_EQUAL("\\n\\x1B[2J\\r\\x7F"s, safe_text("\n\x1B[2J\r\x7F"));
    CPPUNIT_ASSERT_EQUAL("\\xC2\\x9B"s, safe_text("\xC2\x9B"));  // a C1 control
    CPPUNIT_ASSERT_EQUAL("\\xFF\xC3\xA4\\"s, safe_text("\xFF\xC3\xA4\\"));
    CPPUNIT_ASSERT(is_safe_text("\xE2\x82\xAC") && !is_safe_text("\xE2\x82") && !is_safe_text("\n"));
    // Whatever the bytes, the result is safe, and safe text is left alone.
    uint32_t random = 1;
    for (int round = 0; round < 2000; ++round) {
      std::string text;
      for (int i = 0; i < 12; ++i) text += static_cast<char>((random = random * 1664525 + 1013904223) >> 24);
      const std::string once = safe_text(text);
      CPPUNIT_ASSERT(is_safe_text(once));
      CPPUNIT_ASSERT_EQUAL(once, safe_text(once));
    }
  }
  void payload_is_one_line() {
    std::string out;
    Writer writer(out, false);
    writer.text("");
    writer.text("=0 ok\n=0 ok");
    CPPUNIT_ASSERT_EQUAL(" \n =0 ok\\n=0 ok\n"s, out);
  }
  void long_payload_goes_on() {
    std::string out;
    Writer writer(out, false);
    std::string text;
    while (text.size() < 3 * max_line) text += "\xE2\x82\xAC";
    writer.text(text);
    std::string together;
    size_t lines = 0;
    for (const auto line : split(std::string_view(out).substr(0, out.size() - 1), '\n')) {
      CPPUNIT_ASSERT(line.size() + 1 <= max_line && line.starts_with(' ') && is_utf8(line));
      together += line.substr(1);
      ++lines;
    }
    CPPUNIT_ASSERT_EQUAL(size_t{4}, lines);
    CPPUNIT_ASSERT(text == together);
  }
  void long_notice_is_cut() {
    std::string out;
    Writer(out, false).error("some-id", std::string(2 * max_line, 'x'));
    CPPUNIT_ASSERT_EQUAL(max_line, out.size());
    CPPUNIT_ASSERT(out.starts_with("!error some-id x") && out.ends_with("x\n"));
  }
  void documents() {
    std::string out;
    Writer writer(out, true);
    CPPUNIT_ASSERT(writer.json());
    writer.document({{"b", "\n\xFF\xC3\xA4"}, {"a", 1}});
    CPPUNIT_ASSERT_EQUAL(" {\"b\":\"\\n\\ufffd\\u00e4\",\"a\":1}\n"s, out);
    out.clear();
    writer.document({{"long", std::string(max_line, 'x')}, {"a", 1}});
    CPPUNIT_ASSERT(out.starts_with("!warning control-document-too-long "));
  }
  void diagnostics() {
    const auto file = std::make_shared<const config::Source>(config::Source{"x.conf", "a\nLisen = 5\n", true, false});
    const auto line =
        std::make_shared<const config::Source>(config::Source{"console: al", "config set x", false, false});
    config::Diagnostic diagnostic;
    diagnostic.id = "config-unknown-option";
    diagnostic.origin = {file, {2, 1}};
    diagnostic.length = 5;
    diagnostic.message = "unknown option 'Lisen'";
    diagnostic.hint = "did you mean 'Listen'?";
    std::string out;
    Writer(out, false).diagnostic(diagnostic, line.get());
    CPPUNIT_ASSERT_EQUAL(
        "!error config-unknown-option x.conf:2:1: unknown option 'Lisen'; did you mean 'Listen'?\n"
        "!notice config-source-line     2 | Lisen = 5\n"
        "!notice config-source-line       | ^~~~~\n"s,
        out);
    out.clear();
    Writer(out, true).diagnostic(diagnostic, line.get());
    CPPUNIT_ASSERT_EQUAL("!error config-unknown-option x.conf:2:1: unknown option 'Lisen'; did you mean 'Listen'?\n"s,
                         out);
    out.clear();
    diagnostic.origin = {line, {1, 8}};
    diagnostic.severity = config::Diagnostic::Severity::warning;
    diagnostic.hint.clear();
    Writer(out, false).diagnostic(diagnostic, line.get());
    CPPUNIT_ASSERT_EQUAL("!warning config-unknown-option console:1:8: unknown option 'Lisen'\n"s, out);
    out.clear();
    diagnostic.origin = {};
    Writer(out, false).diagnostic(diagnostic, line.get());
    CPPUNIT_ASSERT_EQUAL("!warning config-unknown-option unknown option 'Lisen'\n"s, out);
  }
  void secrets_stay_out_of_logs() {
    CPPUNIT_ASSERT_EQUAL("config get hostname"s, loggable_command("config get hostname"));
    for (const auto line : {"config set TLS_key_password hunter2", "config set tls_key_password=hunter2",
                            "config set tls_key_password = \"hunter2 x\"", "config set \"tls_key_password\" hunter2",
                            "config set tls_key_passwrd hunter2", "config set client_secret hunter2"}) {
      const std::string logged = loggable_command(line);
      CPPUNIT_ASSERT_MESSAGE(logged, logged.find("hunter2") == std::string::npos);
      CPPUNIT_ASSERT_MESSAGE(logged, logged.ends_with("(redacted)"));
    }
    CPPUNIT_ASSERT_EQUAL("config get tls_key_password"s, loggable_command("config get tls_key_password"));
    const std::string pem = loggable_command("config set certificate c private_key \"-----BEGIN PRIVATE KEY-----MIIx");
    CPPUNIT_ASSERT_MESSAGE(pem, pem.find("MIIx") == std::string::npos);
    CPPUNIT_ASSERT_EQUAL("a\\x1B"s, loggable_command("a\x1B"));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(WriterTest);

}  // namespace
