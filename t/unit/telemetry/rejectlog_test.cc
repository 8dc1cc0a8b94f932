// Golden lines of the rejection log, and what hostile fields cannot do to them.
#include "telemetry/rejectlog.h"

#include "temp_dir.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>

using namespace impulse;
using namespace std::string_literals;
using telemetry::Rejection;
using telemetry::Rejectlog;

namespace {

Rejection sample() {
  Rejection what;
  what.time = WallTime(std::chrono::milliseconds(1236672125042));
  what.session = 18;
  what.listener = "ESMTP_Listener";
  what.listen = "*:25";
  what.peer = "10.79.25.142:42601";
  what.local = "10.79.25.142:25";
  what.pathway = "default";
  what.group = "default";
  what.phase = "greeted";
  what.code = 550;
  what.cause = "relay";
  what.text = "5.7.1 Relaying denied";
  what.helo = "rh52-node1";
  what.command = "MAIL FROM:<>";
  return what;
}

std::string logged(Scratch<Rejectlog>& log, const Rejection& what) {
  log.log().rejection(what);
  return log.news();
}

class RejectlogTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(RejectlogTest);
  CPPUNIT_TEST(as_in_the_manual);
  CPPUNIT_TEST(a_recipient);
  CPPUNIT_TEST(as_json);
  CPPUNIT_TEST(a_tenants_client);
  CPPUNIT_TEST(hostile_fields);
  CPPUNIT_TEST(long_fields_are_cut);
  CPPUNIT_TEST(no_path_no_log);
  CPPUNIT_TEST_SUITE_END();

  void as_in_the_manual() {
    Scratch<Rejectlog> log(Rejectlog::Form::momentum);
    CPPUNIT_ASSERT_EQUAL(
        "1236672125: R=\"10.79.25.142:42601\" L=\"10.79.25.142:25\" C=\"18\" PATH=\"default\" PATH_GRP=\"default\" "
        "P=\"awaiting mailfrom\" E=550 M=relay CTXCONN=[pathway=default,listen=\"*:25\",ehlo_domain=rh52-node1] "
        "CTXMESS=[mailfrom_string=\"MAIL FROM:<>\"] 5.7.1 Relaying denied\n"s,
        logged(log, sample()));
  }
  void a_recipient() {
    Scratch<Rejectlog> log(Rejectlog::Form::momentum);
    Rejection what = sample();
    what.phase = "rcpt";
    what.user = "joe";
    what.in_transaction = true;
    what.sender = "a@b.example";
    what.recipient = "\"x@y\"@c.example";
    what.command = "RCPT TO:<d@e.example>";
    CPPUNIT_ASSERT_EQUAL(
        "1236672125: R=\"10.79.25.142:42601\" L=\"10.79.25.142:25\" C=\"18\" PATH=\"default\" PATH_GRP=\"default\" "
        "P=\"awaiting rcptto\" E=550 M=relay "
        "CTXCONN=[pathway=default,listen=\"*:25\",ehlo_domain=rh52-node1,auth_user=joe] "
        "CTXMESS=[mailfrom_localpart=a,mailfrom_domain=b.example,rcptto_localpart=\"\\x22x@y\\x22\","
        "rcptto_domain=c.example,rcptto_string=\"RCPT TO:<d@e.example>\"] 5.7.1 Relaying denied\n"s,
        logged(log, what));
  }
  void a_tenants_client() {
    Rejection what = sample();
    what.tenant = "blue";
    Scratch<Rejectlog> momentum(Rejectlog::Form::momentum);
    CPPUNIT_ASSERT(logged(momentum, what).find(",tenant=blue,ehlo_domain=rh52-node1]") != std::string::npos);
    Scratch<Rejectlog> json(Rejectlog::Form::json);
    CPPUNIT_ASSERT(logged(json, what).find("\"tenant\":\"blue\",\"phase\"") != std::string::npos);
  }
  void as_json() {
    Scratch<Rejectlog> log(Rejectlog::Form::json);
    Rejection what = sample();
    what.in_transaction = true;
    what.recipient = "d@e.example";
    CPPUNIT_ASSERT_EQUAL(
        "{\"time\":\"2009-03-10T08:02:05.042Z\",\"session\":18,\"listener\":\"ESMTP_Listener\",\"listen\":\"*:25\","
        "\"local\":\"10.79.25.142:25\",\"peer\":\"10.79.25.142:42601\",\"pathway\":\"default\",\"phase\":\"greeted\","
        "\"helo\":\"rh52-node1\",\"command\":\"MAIL FROM:<>\",\"sender\":\"\",\"recipient\":\"d@e.example\","
        "\"code\":550,\"text\":\"5.7.1 Relaying denied\",\"cause\":\"relay\"}\n"s,
        logged(log, what));
  }
  void hostile_fields() {
    Rejection what = sample();
    what.helo = "x] CTXMESS=[\n1: R=\"\x1b[2J\xff";
    what.command = "MAIL FROM:<\"\\\"\"@x>\r\n";
    Scratch<Rejectlog> log(Rejectlog::Form::momentum);
    const std::string line = logged(log, what);
    CPPUNIT_ASSERT_EQUAL(line.size() - 1, line.find('\n'));
    CPPUNIT_ASSERT(line.find("ehlo_domain=\"x] CTXMESS=[\\n1: R=\\x22\\x1B[2J\\xFF\"] CTXMESS=["
                             "mailfrom_string=\"MAIL FROM:<\\x22\\\\\\x22\\x22@x>\\r\\n\"] 5.7.1") !=
                   std::string::npos);
    Scratch<Rejectlog> json(Rejectlog::Form::json);
    const std::string document = logged(json, what);
    CPPUNIT_ASSERT_EQUAL(document.size() - 1, document.find('\n'));
    CPPUNIT_ASSERT(document.find("\"helo\":\"x] CTXMESS=[\\u000a1: R=\\\"\\u001b[2J\\u00ff\",") != std::string::npos);
    CPPUNIT_ASSERT(document.find("\"command\":\"MAIL FROM:<\\\"\\\\\\\"\\\"@x>\\u000d\\u000a\",") != std::string::npos);
  }
  void long_fields_are_cut() {
    const std::string much(100000, 'x');
    for (const auto form : {Rejectlog::Form::momentum, Rejectlog::Form::json}) {
      Scratch<Rejectlog> log(form);
      Rejection what = sample();
      what.helo = what.command = what.text = much;
      CPPUNIT_ASSERT(logged(log, what).size() < 4000);
    }
  }
  void no_path_no_log() {
    auto log = Rejectlog::open("", Rejectlog::Form::json).value();
    CPPUNIT_ASSERT(!log->wanted());
    log->rejection(sample());
    CPPUNIT_ASSERT(log->reopen().has_value());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RejectlogTest);

}  // namespace
