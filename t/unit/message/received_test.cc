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
  CPPUNIT_TEST(protocol_words);
  CPPUNIT_TEST(names_users_and_ciphers);
  CPPUNIT_TEST(utf8_where_it_may_stand);
  CPPUNIT_TEST(hostile_users_and_recipients);
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
    CPPUNIT_ASSERT_EQUAL(std::string("Received: from client.example (unknown [192.0.2.7])\r\n"
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
    CPPUNIT_ASSERT_EQUAL(std::string("Received: from client.example (unknown [IPv6:2001:db8::1])\r\n"
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
      CPPUNIT_ASSERT(first.ends_with(" (unknown [192.0.2.7])"));
      CPPUNIT_ASSERT(first.size() < 998);
      const std::string name = first.substr(15, first.size() - 15 - 22);
      CPPUNIT_ASSERT_EQUAL(
          std::string::npos,
          name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:[]?"));
    }
  }

  // RFC 3848 and RFC 6531 §4.3, all of them.
  void protocol_words() {
    const std::pair<SessionTraits, std::string_view> table[] = {
        {{.extended = false}, "SMTP"},
        {{}, "ESMTP"},
        {{.authenticated = true}, "ESMTPA"},
        {{.tls = true}, "ESMTPS"},
        {{.tls = true, .authenticated = true}, "ESMTPSA"},
        {{.extended = false, .tls = true}, "ESMTPS"},
        {{.extended = false, .authenticated = true}, "ESMTPA"},
        {{.lmtp = true}, "LMTP"},
        {{.lmtp = true, .authenticated = true}, "LMTPA"},
        {{.lmtp = true, .tls = true}, "LMTPS"},
        {{.lmtp = true, .tls = true, .authenticated = true}, "LMTPSA"},
        {{.utf8 = true}, "UTF8SMTP"},
        {{.authenticated = true, .utf8 = true}, "UTF8SMTPA"},
        {{.tls = true, .utf8 = true}, "UTF8SMTPS"},
        {{.tls = true, .authenticated = true, .utf8 = true}, "UTF8SMTPSA"},
        {{.lmtp = true, .utf8 = true}, "UTF8LMTP"},
        {{.lmtp = true, .authenticated = true, .utf8 = true}, "UTF8LMTPA"},
        {{.lmtp = true, .tls = true, .utf8 = true}, "UTF8LMTPS"},
        {{.lmtp = true, .tls = true, .authenticated = true, .utf8 = true}, "UTF8LMTPSA"},
    };
    for (const auto& [traits, word] : table) CPPUNIT_ASSERT_EQUAL(word, with_word(traits));
  }
  void names_users_and_ciphers() {
    ReceivedInfo info = usual();
    info.name = "host.client.example";
    info.user = "ann@client.example";
    info.protocol = "ESMTPSA";
    info.tls = "TLSv1.3 TLS_AES_256_GCM_SHA384";
    info.tls_bits = 256;
    CPPUNIT_ASSERT_EQUAL(std::string("Received: from client.example (host.client.example [192.0.2.7])\r\n"
                                     "\t(Authenticated sender: ann@client.example)\r\n"
                                     "\tby mx.example with ESMTPSA id \r\n"
                                     "\t(TLSv1.3 TLS_AES_256_GCM_SHA384 256 bits);\r\n"
                                     "\tTue, 21 Nov 2023 09:05:00 +0000\r\n"),
                         received_field(info).text);
  }
  void utf8_where_it_may_stand() {
    ReceivedInfo info = usual();
    info.helo = "bücher.example";
    info.recipient = "grün@bücher.example";
    CPPUNIT_ASSERT(received_field(info).text.starts_with("Received: from xn--bcher-kva.example ("));
    CPPUNIT_ASSERT(received_field(info).text.contains("for <gr??n@b??cher.example>;"));
    info.utf8 = true;
    CPPUNIT_ASSERT(received_field(info).text.contains("for <grün@bücher.example>;"));
    info.recipient =
        "a\xC2\x85"
        "b\xE2\x80\xA8"
        "c\xC2\xA0"
        "d@x";  // next line, line separator; a space that may stay
    CPPUNIT_ASSERT(
        received_field(info).text.contains("for <a?b?c\xC2\xA0"
                                           "d@x>;"));
    info.recipient = "a\xC2@x";  // not UTF-8 at all
    CPPUNIT_ASSERT(received_field(info).text.contains("for <a?@x>;"));
    info.recipient = "a\xC2";
    CPPUNIT_ASSERT(received_field(info).text.contains("for <a?>;"));
    info.utf8 = false;
    CPPUNIT_ASSERT(received_field(info).text.contains("for <a?>;"));
  }
  void hostile_users_and_recipients() {
    ReceivedInfo info = usual();
    info.user = "x)\r\nBcc: (y\\";
    info.name = "x]) by evil (y\n";
    info.recipient = "a\r\nBcc: b@x";
    const std::string text = received_field(info).text;
    CPPUNIT_ASSERT(text.contains("(x]??by?evil??y? [192.0.2.7])\r\n"));
    CPPUNIT_ASSERT(text.contains("\t(Authenticated sender: x???Bcc: ?y?)\r\n"));
    CPPUNIT_ASSERT(text.contains("for <a??Bcc: b@x>;\r\n"));
    info.user = std::string_view(text).substr(0, 0);
    const std::string long_user(100000, 'u');
    info.user = long_user;
    CPPUNIT_ASSERT(received_field(info).text.size() < 600);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ReceivedTest);

}  // namespace
