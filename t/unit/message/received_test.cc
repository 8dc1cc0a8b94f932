#include "message/received.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace impulse;
using namespace impulse::message;

namespace {

constexpr WallTime at(int64_t seconds) { return WallTime(std::chrono::seconds(seconds)); }

ReceivedInfo usual() {
  ReceivedInfo info;
  info.helo = "client.example";
  info.client = *IpAddress::parse("192.0.2.7");
  info.by = "mx.example";
  info.protocol = "ESMTP";
  info.when = at(1700557500);
  return info;
}

class ReceivedTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ReceivedTest);
  CPPUNIT_TEST(dates);
  CPPUNIT_TEST(plain_field);
  CPPUNIT_TEST(all_clauses);
  CPPUNIT_TEST(hostile_names);
  CPPUNIT_TEST_SUITE_END();

  void dates() {
    const std::pair<int64_t, std::string> table[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 +0000"},          {-1, "Wed, 31 Dec 1969 23:59:59 +0000"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 +0000"},  {1700557500, "Tue, 21 Nov 2023 09:05:00 +0000"},
        {4107542399, "Sun, 28 Feb 2100 23:59:59 +0000"}, {253402300799, "Fri, 31 Dec 9999 23:59:59 +0000"},
    };
    for (const auto& [seconds, text] : table) CPPUNIT_ASSERT_EQUAL(text, mail_date(at(seconds)));
    CPPUNIT_ASSERT_EQUAL(std::string("Thu, 01 Jan 1970 00:00:00 +0000"), mail_date(WallTime(Duration(999999))));
  }
  void plain_field() {
    const TraceField field = received_field(usual());
    CPPUNIT_ASSERT_EQUAL(std::string("Received: from client.example ([192.0.2.7])\r\n"
                                     "\tby mx.example with ESMTP id ;\r\n"
                                     "\tTue, 21 Nov 2023 09:05:00 +0000\r\n"),
                         field.text);
    std::string with_id = field.text;
    with_id.insert(field.id_offset, "00000001/00000040-n");
    CPPUNIT_ASSERT(with_id.contains(" id 00000001/00000040-n;\r\n"));
  }
  void all_clauses() {
    ReceivedInfo info = usual();
    info.client = *IpAddress::parse("2001:db8::1");
    info.protocol = "ESMTPS";
    info.tls = "TLSv1.3 TLS_AES_256_GCM_SHA384";
    info.recipient = "\"a;b\"@x";
    const TraceField field = received_field(info);
    CPPUNIT_ASSERT_EQUAL(std::string("Received: from client.example ([IPv6:2001:db8::1])\r\n"
                                     "\tby mx.example with ESMTPS id \r\n"
                                     "\t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
                                     "\tfor <\"a;b\"@x>;\r\n"
                                     "\tTue, 21 Nov 2023 09:05:00 +0000\r\n"),
                         field.text);
    CPPUNIT_ASSERT_EQUAL(std::string(" id "), field.text.substr(field.id_offset - 4, 4));
    info.unix_socket = true;
    info.helo = "";
    CPPUNIT_ASSERT(received_field(info).text.starts_with("Received: from unknown (unix socket)\r\n"));
  }
  // Nothing a client calls itself can end the field, a comment or the line.
  void hostile_names() {
    std::string all;
    for (int c = 1; c < 255; ++c) all += static_cast<char>(c);
    for (const std::string& helo : {all, std::string("x) by evil (y"), std::string("a\r\nBcc: b"),
                                    std::string(5000, 'a'), std::string("a\0b", 3)}) {
      ReceivedInfo info = usual();
      info.helo = helo;
      const std::string text = received_field(info).text;
      const std::string first = text.substr(0, text.find("\r\n"));
      CPPUNIT_ASSERT(first.ends_with(" ([192.0.2.7])"));
      CPPUNIT_ASSERT(first.size() < 998);
      const std::string name = first.substr(15, first.size() - 15 - 14);
      CPPUNIT_ASSERT_EQUAL(
          std::string::npos,
          name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:[]?"));
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ReceivedTest);

}  // namespace
