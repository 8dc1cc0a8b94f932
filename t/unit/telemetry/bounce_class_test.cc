// What kind of failure a reply is, by the table.
#include "telemetry/bounce_class.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>
#include <utility>

using namespace impulse;
using telemetry::classify;
using telemetry::parts_of;
using telemetry::Record;
using Kind = telemetry::Record::Kind;

class BounceClassTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(BounceClassTest);
  CPPUNIT_TEST(permanent_failures);
  CPPUNIT_TEST(transient_failures);
  CPPUNIT_TEST(what_we_decided_ourselves);
  CPPUNIT_TEST(replies_are_taken_apart);
  CPPUNIT_TEST_SUITE_END();

  static unsigned code_of(const std::string& response, Kind kind, const std::string& status = {}) {
    Record record;
    record.kind = kind;
    record.response = response;
    record.status = status;
    return classify(record).code;
  }

  void permanent_failures() {
    const std::pair<const char*, unsigned> cases[] = {
        {"550 5.1.1 <bob@example.fict>: Recipient address rejected", 10},
        {"550 5.1.1 this spam goes nowhere", 10},  // what says enough outweighs words
        {"556 5.1.10 null MX", 10},
        {"550 5.1.2 no such domain", 21},
        {"552 5.2.2 over quota", 22},
        {"552 5.3.4 too big", 23},
        {"550 5.4.4 no route", 21},
        {"554 5.4.6 loop", 40},
        {"554 5.7.1 <bob@example.fict>: Relay access denied", 54},
        {"554 5.7.1 Service unavailable; client [192.0.2.1] blocked using Spamhaus", 51},
        {"554 5.7.1 This looks like SPAM", 52},
        {"554 5.7.1 no executable attachments please", 53},
        {"554 5.7.1 rejected", 50},
        {"550 5.7.26 not authenticated", 50},
        {"550 5.0.0 User unknown", 10},
        {"550 no such user here", 10},
        {"550 Mailbox is full", 22},
        {"552 that was all", 22},
        {"551 elsewhere", 10},
        {"550 no", 1},
        {"554 5.5.2 syntax", 1},
        {"554 5.99.99 what", 1},
        {"", 1},
    };
    for (const auto& [response, code] : cases)
      CPPUNIT_ASSERT_EQUAL_MESSAGE(response, code, code_of(response, Kind::bounce));
  }

  void transient_failures() {
    CPPUNIT_ASSERT_EQUAL(22U, code_of("no room in the Maildir", Kind::transient, "4.2.2"));
    CPPUNIT_ASSERT_EQUAL(70U, code_of("450 later", Kind::transient, "4.2.2"));  // what it said counts
    const std::pair<const char*, unsigned> cases[] = {
        {"452 4.2.2 over quota", 22},
        {"451 4.7.1 greylisted, come again", 70},
        {"450 4.7.1 blocked for now", 50},
        {"450 4.1.2 no such domain", 21},
        {"452 4.3.1 full", 40},
        {"421 4.4.2 time-out", 70},
        {"421 no adequate servers", 70},
        {"cannot connect to [192.0.2.1]:25", 70},
        {"", 70},
        {"450 4.7.25 reverse lookup", 50},
        {"450 4.2.1 too fast", 70},
        {"450 user unknown, yet", 70},
    };
    for (const auto& [response, code] : cases)
      CPPUNIT_ASSERT_EQUAL_MESSAGE(response, code, code_of(response, Kind::transient));
  }

  void what_we_decided_ourselves() {
    CPPUNIT_ASSERT_EQUAL(24U, code_of("5.4.7 [internal] not delivered in time: 450 4.2.2 full", Kind::expiration));
    CPPUNIT_ASSERT_EQUAL(25U, code_of("550 5.1.1 unknown", Kind::admin_bounce));
    Record record;
    record.kind = Kind::expiration;
    CPPUNIT_ASSERT_EQUAL(std::string("Timeout"), std::string(classify(record).name));
    CPPUNIT_ASSERT_EQUAL(std::string("Soft"), std::string(classify(record).category));
  }

  void replies_are_taken_apart() {
    const auto check = [](const char* response, int code, const char* status, const char* text) {
      const auto parts = parts_of(response);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(response, code, parts.code);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(response, std::string(status), std::string(parts.status));
      CPPUNIT_ASSERT_EQUAL_MESSAGE(response, std::string(text), std::string(parts.text));
    };
    check("250 2.0.0 Ok", 250, "2.0.0", "Ok");
    check("250", 250, "", "");
    check("250 ", 250, "", "");
    check("550 5.1.1", 550, "5.1.1", "");
    check("5.4.7 [internal] late", 0, "5.4.7", "[internal] late");
    check("5.7.123 x", 0, "5.7.123", "x");
    check("550 5.7.1234 x", 550, "", "5.7.1234 x");
    check("550 5.1.1: x", 550, "", "5.1.1: x");
    check("550 3.1.1 x", 550, "", "3.1.1 x");
    check("550 5.1 x", 550, "", "5.1 x");
    check("550 55.1.1 x", 550, "", "55.1.1 x");
    check("5500 x", 0, "", "5500 x");
    check("150 x", 0, "", "150 x");
    check("", 0, "", "");
    check("no answer", 0, "", "no answer");
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(BounceClassTest);
