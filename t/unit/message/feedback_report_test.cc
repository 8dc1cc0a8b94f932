// Complaints that come in: what they say is found, however they are written, and whatever
// else they are.
#include "message/feedback_report.h"

#include <cppunit/extensions/HelperMacros.h>

#include <fmt/format.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace impulse;
using message::announces_feedback;
using message::FeedbackReport;
using message::read_feedback;

namespace {

constexpr std::string_view head =
    "From: abuse@far.example\r\nContent-Type: multipart/report; report-type=feedback-report;\r\n"
    "\tboundary=\"b=1\"\r\nSubject: FW: Earn money\r\n\r\n";
constexpr std::string_view least = "Feedback-Type: abuse\r\nUser-Agent: Some/1.0\r\nVersion: 1\r\n";

std::string complaint(std::string_view fields, std::string_view original = "Subject: mine\r\n\r\nspam\r\n",
                      std::string_view type = "message/rfc822") {
  return fmt::format(
      "{}a preamble\r\n--b=1\r\nContent-Type: text/plain\r\n\r\nFeedback-Type: none\r\n"
      "--b=1\r\nContent-Type: message/feedback-report\r\n\r\n{}\r\n--b=1\r\nContent-Type: {}\r\n\r\n{}\r\n--b=1--\r\n",
      head, fields, type, original);
}

std::string shown(const std::optional<std::string>& value) { return value ? "<" + *value + ">" : "-"; }

std::string shown(const std::vector<std::string>& values) {
  std::string text;
  for (const auto& each : values) text += "<" + each + ">";
  return text;
}

std::string shown(const std::string& message) {
  const auto found = read_feedback(message);
  if (!found) return "none";
  std::string text = fmt::format("{}|{}|{}\n", found->feedback_type, found->user_agent, found->version);
  const auto date =
      found->arrival_date
          ? std::to_string(
                std::chrono::duration_cast<std::chrono::seconds>(found->arrival_date->time_since_epoch()).count())
          : "-";
  const auto mta = found->reporting_mta ? found->reporting_mta->type + ";" + found->reporting_mta->name : "-";
  text +=
      fmt::format("{}|{}|{}|{}|{}|{}\n", date, found->incidents ? std::to_string(*found->incidents) : "-",
                  shown(found->original_envelope_id), shown(found->original_mail_from), mta, shown(found->source_ip));
  text += fmt::format("{}|{}|{}|{}\n", shown(found->authentication_results), shown(found->original_rcpt_to),
                      shown(found->reported_domain), shown(found->reported_uri));
  for (const auto& [name, values] : found->extensions) text += fmt::format("{}: {}\n", name, shown(values));
  return text;
}

}  // namespace

class FeedbackReportTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(FeedbackReportTest);
  CPPUNIT_TEST(as_the_rfc_has_it);
  CPPUNIT_TEST(as_others_write_it);
  CPPUNIT_TEST(originals);
  CPPUNIT_TEST(what_is_cut_off);
  CPPUNIT_TEST(what_is_none);
  CPPUNIT_TEST(bounds);
  CPPUNIT_TEST_SUITE_END();

  void as_the_rfc_has_it() {
    CPPUNIT_ASSERT_EQUAL(std::string("abuse|Some/1.0|1\n-|-|-|-|-|-\n|||\n"), shown(complaint(least)));
    // RFC 5965, appendix B.2.
    CPPUNIT_ASSERT_EQUAL(
        std::string("abuse|SomeGenerator/1.0|1\n"
                    "1110304800|7|<Q1>|<somespammer@example.net>|dns;mail.example.com|<192.0.2.1>\n"
                    "<mail.example.com; spf=fail smtp.mail=somespammer@example.com>|<user@example.com><b@example.com>|"
                    "<example.net>|<http://example.net/earn_money.html><mailto:user@example.com>\n"
                    "removal-recipient: <user@example.com>\n"),
        shown(complaint("Feedback-Type: abuse\r\nUser-Agent: SomeGenerator/1.0\r\nVersion: 1\r\nIncidents: 7\r\n"
                        "Original-Mail-From: <somespammer@example.net>\r\nOriginal-Rcpt-To: <user@example.com>\r\n"
                        "Original-Rcpt-To: <b@example.com>\r\nOriginal-Envelope-Id: Q1\r\n"
                        "Arrival-Date: Tue, 8 Mar 2005 14:00:00 EDT\r\nReporting-MTA: dns; mail.example.com\r\n"
                        "Source-IP: 192.0.2.1\r\nAuthentication-Results: mail.example.com;\r\n"
                        "               spf=fail smtp.mail=somespammer@example.com\r\nReported-Domain: example.net\r\n"
                        "Reported-Uri: http://example.net/earn_money.html\r\nReported-Uri: mailto:user@example.com\r\n"
                        "Removal-Recipient: user@example.com\r\n")));
  }

  void as_others_write_it() {
    CPPUNIT_ASSERT_EQUAL(
        std::string("Fraud||0.1\n1110304800|-|-|<>|;mx|<x.x.x.x>\n|<a@b>||\nincidents-of: <1><2>\n"),
        shown(complaint(
            "FEEDBACK-TYPE : (said so) Fraud\r\nVersion: 0.1 (old)\r\nVersion: 2\r\nIncidents: many\r\n"
            "received-date: 8 Mar 2005 18:00 +0000\r\nOriginal-Mail-From: <>\r\nReporting-MTA: mx\r\n"
            "Source-IP: x.x.x.x\r\nOriginal-Rcpt-To: a@b\r\nIncidents-Of: 1\r\nno colon\r\nincidents-OF: 2\r\n"
            ": no name\r\nno name: either\r\n")));
    std::string bare = complaint(least);
    std::erase(bare, '\r');
    CPPUNIT_ASSERT_EQUAL(std::string("abuse|Some/1.0|1\n-|-|-|-|-|-\n|||\n"), shown(bare));
    // Both dates: the older name's is an extension.
    CPPUNIT_ASSERT(shown(complaint(std::string(least) +
                                   "Arrival-Date: 8 Mar 2005 18:00 +0000\r\nReceived-Date: 1 Jan 2026 0:00 +0000\r\n"))
                       .ends_with("received-date: <1 Jan 2026 0:00 +0000>\n"));
    CPPUNIT_ASSERT(shown(complaint(std::string(least) + "Incidents: 4294967295\r\n")).find("|4294967295|") !=
                   std::string::npos);
    CPPUNIT_ASSERT(shown(complaint(std::string(least) + "Incidents: 4294967296\r\n")).find("\n-|-|") !=
                   std::string::npos);
  }

  void originals() {
    const auto original = [](const std::string& message) { return shown(read_feedback(message)->original_message); };
    CPPUNIT_ASSERT_EQUAL(std::string("<Subject: mine\n\nspam\n>"), original(complaint(least)));
    for (const char* type : {"text/rfc822-headers; charset=utf-8", "message/global", "Message/Global-Headers"})
      CPPUNIT_ASSERT_EQUAL(std::string("<Subject: b\xC3\xB6\n>"),
                           original(complaint(least, "Subject: b\xC3\xB6\r\n", type)));
    CPPUNIT_ASSERT_EQUAL(std::string("-"), original(complaint(least, "Subject: mine\r\n", "text/plain")));
    // What is encoded is not shown as if it were text.
    for (const char* encoding : {"quoted-printable", "BASE64 (so it is)"})
      CPPUNIT_ASSERT_EQUAL(
          std::string("-"),
          original(complaint(least, "U3ViamVjdDogeA==\r\n",
                             fmt::format("text/rfc822-headers\r\nContent-Transfer-Encoding: {}", encoding))));
    CPPUNIT_ASSERT_EQUAL(std::string("<x>"),
                         original(complaint(least, "x", "message/rfc822\r\nContent-Transfer-Encoding: 8bit")));
    // It may stand in front, and a report within it is none of ours.
    const std::string first = fmt::format(
        "{}--b=1\r\nContent-Type: message/rfc822\r\n\r\n{}\r\n--b=1\r\nContent-Type: message/feedback-report"
        "\r\n\r\n{}--b=1--\r\n",
        head, "Content-Type: message/feedback-report\r\n\r\nFeedback-Type: none\r\n", least);
    CPPUNIT_ASSERT_EQUAL(std::string("abuse"), read_feedback(first)->feedback_type);
    CPPUNIT_ASSERT_EQUAL(std::string("<Content-Type: message/feedback-report\n\nFeedback-Type: none\n>"),
                         original(first));
  }

  void what_is_cut_off() {
    const std::string whole = complaint(least);
    const size_t fields = whole.find("Feedback-Type: abuse") + 20;
    for (size_t size = 0; size < whole.size(); ++size)
      CPPUNIT_ASSERT_EQUAL(size >= fields, read_feedback(whole.substr(0, size)).has_value() &&
                                               read_feedback(whole.substr(0, size))->feedback_type == "abuse");
    CPPUNIT_ASSERT_EQUAL(std::string("<Subject: mine\n\nsp>"),
                         shown(read_feedback(whole.substr(0, whole.find("spam") + 2))->original_message));
  }

  void what_is_none() {
    const auto without = [&](std::string_view what, std::string_view with) {
      std::string text = complaint(least);
      const size_t at = text.find(what);
      CPPUNIT_ASSERT(at != std::string::npos);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(std::string(what), std::string("none"), shown(text.replace(at, what.size(), with)));
    };
    without("multipart/report", "multipart/mixed");
    without("feedback-report;", "delivery-status;");
    without("boundary=\"b=1\"", "boundary=\"b=2\"");
    without("boundary=\"b=1\"", "boundary=\"\"");
    without("message/feedback-report", "text/plain");
    without("Feedback-Type: abuse", "Feedback-Typ: abuse");
    without("Feedback-Type: abuse", "Feedback-Type: (abuse)");
    for (const char* text :
         {"", "\r\n", "Content-Type: multipart/report; report-type=feedback-report", "x", "--b=1\r\n"})
      CPPUNIT_ASSERT_EQUAL(std::string("none"), shown(std::string(text)));
    CPPUNIT_ASSERT(announces_feedback("Multipart/Report; boundary=x; Report-Type=\"FEEDBACK-report\""));
    for (const char* type : {"", "multipart/report; report-type=delivery-status",
                             "text/plain; report-type=feedback-report", "message/feedback-report"})
      CPPUNIT_ASSERT_MESSAGE(type, !announces_feedback(type));
  }

  void bounds() {
    std::string many(least);
    for (int i = 0; i < 3000; ++i) many += fmt::format("Reported-Domain: {0}\r\nX-{0}: {0}\r\n", i);
    const auto found = read_feedback(complaint(many)).value();
    CPPUNIT_ASSERT_EQUAL(FeedbackReport::most_fields, 3 + found.reported_domain.size() + found.extensions.size());
    const std::string lengthy(100000, 'a');
    const auto lines = read_feedback(complaint(fmt::format("Feedback-Type: {0}\r\n{0}: x\r\nX: {0}\r\n {0}\r\n"
                                                           "Reporting-MTA: {0};{0}\r\nSource-IP: {0}\r\n",
                                                           lengthy)))
                           .value();
    CPPUNIT_ASSERT_EQUAL(FeedbackReport::most_text, lines.feedback_type.size());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, lines.extensions.size());
    CPPUNIT_ASSERT_EQUAL(FeedbackReport::most_text, lines.extensions.at("x").at(0).size());
    CPPUNIT_ASSERT_EQUAL(FeedbackReport::most_text, lines.source_ip->size());
    CPPUNIT_ASSERT(lines.reporting_mta->name.size() <= FeedbackReport::most_text);
    // Cut between two characters.
    std::string text = "x";
    while (text.size() < 100000) text += "\xC3\xA4";
    const std::string original = read_feedback(complaint(least, text))->original_message.value();
    CPPUNIT_ASSERT_EQUAL(FeedbackReport::most_original - 1, original.size());
    CPPUNIT_ASSERT(original.ends_with("\xC3\xA4"));
    for (const char* each : {"\r\n", "\n", "--b=1\r\n", "--b=1\r\n\r\n", ":\r\n", "(", "\"", "\\"}) {
      std::string hostile(head);
      while (hostile.size() < 200000) hostile += each;
      CPPUNIT_ASSERT(!read_feedback(hostile));
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(FeedbackReportTest);
