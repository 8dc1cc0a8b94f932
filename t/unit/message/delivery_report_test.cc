// Reports that come in: what they say is found, however they are written, and whatever
// else they are.
#include "message/delivery_report.h"

#include <cppunit/extensions/HelperMacros.h>

#include <fmt/format.h>

#include <string>
#include <string_view>

using namespace impulse;
using message::announces_report;
using message::DeliveryReport;
using message::read_report;

namespace {

constexpr std::string_view head =
    "From: MAILER-DAEMON@mx.example.net\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n"
    "\tboundary=\"b=1\"\r\nSubject: no\r\n\r\n";

std::string report(std::string_view status, std::string_view type = "message/delivery-status") {
  return fmt::format(
      "{}a preamble\r\n--b=1\r\nContent-Type: text/plain\r\n\r\nFinal-Recipient: rfc822; no@one.example\r\n"
      "--b=1\r\nContent-Description: status\r\nContent-Type: {}\r\n\r\n{}\r\n--b=1\r\n"
      "Content-Type: message/rfc822\r\n\r\nSubject: mine\r\n\r\nFinal-Recipient: rfc822; not@me.example\r\n--b=1--\r\n",
      head, type, status);
}

std::string shown(const std::string& message) {
  const auto found = read_report(message);
  if (!found) return "none";
  std::string text = found->reporting_mta + "|" + found->envelope_id + "\n";
  for (const auto& each : found->recipients)
    text += fmt::format("{}|{}|{}|{}|{}|{}\n", each.original, each.final, each.action, each.status, each.remote_mta,
                        each.diagnostic);
  return text;
}

}  // namespace

class DeliveryReportTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(DeliveryReportTest);
  CPPUNIT_TEST(as_the_rfc_has_it);
  CPPUNIT_TEST(as_others_write_it);
  CPPUNIT_TEST(what_is_cut_off);
  CPPUNIT_TEST(what_is_none);
  CPPUNIT_TEST(content_types);
  CPPUNIT_TEST(bounds);
  CPPUNIT_TEST_SUITE_END();

  void as_the_rfc_has_it() {
    CPPUNIT_ASSERT_EQUAL(
        std::string("mx.example.net|QQ314159\n"
                    "alias@x.example|bob@y.example|failed|5.1.1|mx.y.example|550 5.1.1 <bob@y.example> unknown\n"
                    "|ann@y.example|delayed|4.4.1||\n"),
        shown(report("Reporting-MTA: dns; mx.example.net\r\nOriginal-Envelope-Id: QQ314159\r\n"
                     "Arrival-Date: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\n"
                     "Original-Recipient: rfc822;alias@x.example\r\nFinal-Recipient: rfc822; bob@y.example\r\n"
                     "Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.y.example\r\n"
                     "Diagnostic-Code: smtp; 550 5.1.1\r\n <bob@y.example>\r\n\tunknown\r\n\r\n"
                     "Final-Recipient: rfc822; ann@y.example\r\nAction: delayed\r\nStatus: 4.4.1\r\n"
                     "Will-Retry-Until: Fri, 2 Jan 2026 00:00:00 +0000\r\n")));
    CPPUNIT_ASSERT_EQUAL(std::string("mx|\n|b\xC3\xB6@y.example|failed|5.1.1||\n"),
                         shown(report("Reporting-MTA: dns; mx\r\n\r\nFinal-Recipient: utf-8; b\xC3\xB6@y.example\r\n"
                                      "Action: failed\r\nStatus: 5.1.1\r\n",
                                      "message/global-delivery-status")));
  }

  void as_others_write_it() {
    CPPUNIT_ASSERT_EQUAL(
        std::string("mx|\n|bob@y.example|failed|5.0.0|192.0.2.1|no\n"),
        shown(report("\r\nREPORTING-MTA : dns;mx (a \\) (nested) comment)\r\n\r\n\r\n"
                     "final-recipient: RFC822;<bob@y.example>\r\naction: Failed (said so)\r\n"
                     "status: 5.0.0 (undefined status)\r\nremote-mta: 192.0.2.1\r\ndiagnostic-code: no\r\n"
                     "Action: delayed\r\nno colon here\r\n")));
    // Lines that end in LF alone.
    std::string bare = report("Reporting-MTA: dns; mx\r\n\r\nFinal-Recipient: rfc822; a@b\r\nAction: failed\r\n");
    std::erase(bare, '\r');
    CPPUNIT_ASSERT_EQUAL(std::string("mx|\n|a@b|failed|||\n"), shown(bare));
    // Without its own group in front.
    CPPUNIT_ASSERT_EQUAL(std::string("|\n|a@b|failed|||\n"),
                         shown(report("Final-Recipient: a@b\r\nAction: failed\r\n")));
  }

  void what_is_cut_off() {
    const std::string whole = report(
        "Reporting-MTA: dns; mx\r\n\r\nFinal-Recipient: rfc822; a@b\r\nAction: failed\r\n\r\n"
        "Final-Recipient: rfc822; c@d\r\nAction: failed\r\n");
    for (size_t size = 0; size < whole.size(); ++size) {
      const auto found = read_report(std::string_view(whole).substr(0, size));
      if (found) CPPUNIT_ASSERT(found->recipients.size() <= 2);
    }
    CPPUNIT_ASSERT_EQUAL(size_t{2}, read_report(whole.substr(0, whole.find("mine")))->recipients.size());
  }

  void what_is_none() {
    const std::string status = "Reporting-MTA: dns; mx\r\n\r\nFinal-Recipient: rfc822; a@b\r\nAction: failed\r\n";
    CPPUNIT_ASSERT(read_report(report(status)).has_value());
    const auto without = [&](std::string_view what, std::string_view with) {
      std::string text = report(status);
      const size_t at = text.find(what);
      CPPUNIT_ASSERT(at != std::string::npos);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(std::string(what), std::string("none"), shown(text.replace(at, what.size(), with)));
    };
    without("multipart/report", "multipart/mixed");
    without("delivery-status;", "feedback-report;");
    without("boundary=\"b=1\"", "x=y");
    without("boundary=\"b=1\"", "boundary=\"b=2\"");
    without("boundary=\"b=1\"", "boundary=\"\"");
    without("message/delivery-status", "text/plain");
    without("Final-Recipient: rfc822; a@b", "Final-Recipient: x400; a@b");
    without("Final-Recipient: rfc822; a@b", "Final-Recipient: rfc822;");
    // A report that is within a report's original is not read.
    CPPUNIT_ASSERT_EQUAL(std::string("none"),
                         shown(fmt::format("{}--b=1\r\nContent-Type: message/rfc822\r\n\r\n{}\r\n--b=1--\r\n", head,
                                           "Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: a@b\r\n")));
    for (const char* text : {"", "\r\n", "Content-Type: multipart/report", "x", "--b=1\r\n"})
      CPPUNIT_ASSERT_EQUAL(std::string("none"), shown(text));
  }

  void content_types() {
    for (const char* type :
         {" multipart/report; report-type=delivery-status; boundary=x",
          "Multipart/REPORT;REPORT-TYPE=\"Delivery-Status\"",
          "multipart/report (a; b); x=\"a\\\";report-type=none\" ; report-type = (c) delivery-status",
          "multipart/report; boundary=x; report-type=global-delivery-status"})
      CPPUNIT_ASSERT_MESSAGE(type, announces_report(type));
    for (const char* type :
         {"", ";", "multipart/report", "multipart/report; report-type=disposition-notification",
          "multipart/report; x=\"; report-type=delivery-status", "text/plain; report-type=delivery-status",
          "multipart/report; (report-type=delivery-status", "multipart/report; report-type=\""})
      CPPUNIT_ASSERT_MESSAGE(type, !announces_report(type));
  }

  void bounds() {
    std::string many = "Reporting-MTA: dns; mx\r\n\r\n";
    for (int i = 0; i < 3000; ++i) many += "Final-Recipient: a@b\r\n\r\n";
    CPPUNIT_ASSERT_EQUAL(DeliveryReport::most_recipients, read_report(report(many))->recipients.size());
    const auto lengthy =
        read_report(report("Final-Recipient: " + std::string(100000, 'a') + "\r\nDiagnostic-Code: smtp;\r\n" +
                           std::string(5000, ' ') + "x\r\n " + std::string(100000, 'y') + "\r\n"));
    CPPUNIT_ASSERT_EQUAL(DeliveryReport::most_text, lengthy->recipients.at(0).final.size());
    CPPUNIT_ASSERT(lengthy->recipients.at(0).diagnostic.size() <= DeliveryReport::most_text);
    std::string deep = "multipart/report; report-type=delivery-status; boundary=x";
    CPPUNIT_ASSERT(!announces_report(std::string(1000000, '(') + deep));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(DeliveryReportTest);
