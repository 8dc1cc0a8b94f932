// What holds for mail by every protocol: from the configuration's text to
// rules, who may relay, whose sender address it is.
#include "intake/message_rules.h"
#include "intake/relay.h"
#include "intake/sender_match.h"

#include "base/host_name.h"

#include "../config/kit.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>
#include <utility>

using namespace impulse;
using namespace impulse::intake;

namespace {

class IntakeTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(IntakeTest);
  CPPUNIT_TEST(names);
  CPPUNIT_TEST(every_option_arrives);
  CPPUNIT_TEST(the_same_for_each_listener);
  CPPUNIT_TEST(counts);
  CPPUNIT_TEST(who_may_relay);
  CPPUNIT_TEST(whose_sender);
  CPPUNIT_TEST_SUITE_END();

  static const config::Options& options(const config::SnapshotPtr& snapshot, config::ScopeKind kind) {
    const auto* listen = snapshot->find_listen(kind, Endpoint::parse("127.0.0.1:2500").value());
    CPPUNIT_ASSERT(listen != nullptr);
    return listen->options();
  }
  static MessageRules rules_of(const std::string& global, const std::string& listen,
                               const std::string& listener = "ESMTP_Listener",
                               config::ScopeKind kind = config::ScopeKind::esmtp_listener) {
    const auto snapshot =
        config::test::snapshot(global + "\n" + listener + " { Listen \"127.0.0.1:2500\" { " + listen + " } }\n");
    MessageRules rules;
    read_message_rules(options(snapshot, kind), rules);
    return rules;
  }

  void names() {
    CPPUNIT_ASSERT(!host_name().empty());
    CPPUNIT_ASSERT_EQUAL(host_name(), rules_of("", "").received_hostname);
    CPPUNIT_ASSERT_EQUAL(std::string("a.example"), rules_of("Hostname = a.example", "").received_hostname);
    CPPUNIT_ASSERT_EQUAL(std::string("b.example"),
                         rules_of("Hostname = a.example", "Received_Hostname = b.example").received_hostname);
  }

  static constexpr const char* all =
      "RFC2821_Pedantic_Address_Rules = false\n"
      "RFC2822_Trace_Headers = false\n"
      "RFC2822_Date_Header = always\n"
      "RFC2822_MessageID_Header = never\n"
      "RFC2822_Missing_Headers = reject\n"
      "RFC2822_Max_Line_Length_Policy = reject\n"
      "RFC2822_Max_Line_Length = 500\n"
      "Max_Received_Headers = 7\n"
      "Growbuf_Size = 4096\n";

  void every_option_arrives() {
    const MessageRules made = rules_of(std::string("Hostname = mx.example\n") + all +
                                           "RFC2822_Lone_LF_In_Body = fix\nRFC2822_Lone_LF_In_Headers = ignore\n"
                                           "Large_Message_Threshold = 5000\n",
                                       "Allow_Null_Envelope_Sender = false Allow_IP_Literal = false\n"
                                       "Max_Message_Size = 1M Max_Recipients_Per_Message = 3 Tenant = blue\n"
                                       "Context = [ a = b ]");
    MessageRules expected;
    expected.received_hostname = "mx.example";
    expected.pedantic_addresses = expected.trace_headers = false;
    expected.allow_null_sender = expected.allow_ip_literal = false;
    expected.fixups = {message::AddField::always, message::AddField::never, message::MissingHeaders::reject,
                       message::LongLines::reject, 500};
    expected.lone_lf_body = message::LoneLf::fix;
    expected.lone_lf_headers = message::LoneLf::ignore;
    expected.max_received_headers = 7;
    expected.max_recipients = 3;
    expected.max_message_size = 1 << 20;
    expected.large_message = 5000;
    expected.body_block = 4096;
    expected.tenant = "blue";
    expected.context = {{"a", "b"}};
    CPPUNIT_ASSERT(made == expected);
  }

  void the_same_for_each_listener() {
    const MessageRules smtp = rules_of(all, "Max_Message_Size = 2M");
    CPPUNIT_ASSERT(!(smtp == rules_of("", "")));
    CPPUNIT_ASSERT(smtp == rules_of(all, "Max_Message_Size = 2M", "HTTP_Listener", config::ScopeKind::http_listener));
  }

  void counts() {
    // Of recipients a message has never more than the spool takes.
    CPPUNIT_ASSERT_EQUAL(uint32_t{100000}, rules_of("", "").max_recipients);
    CPPUNIT_ASSERT_EQUAL(uint32_t{99999}, rules_of("", "Max_Recipients_Per_Message = 99999").max_recipients);
    CPPUNIT_ASSERT_EQUAL(uint32_t{100000}, rules_of("", "Max_Recipients_Per_Message = 100001").max_recipients);
    CPPUNIT_ASSERT_EQUAL(uint32_t{0}, to_count(-5));
    CPPUNIT_ASSERT_EQUAL(uint32_t{1}, to_count(0, 1));
    CPPUNIT_ASSERT_EQUAL(uint32_t{12}, to_count(12));
    CPPUNIT_ASSERT_EQUAL(UINT32_MAX, to_count(INT64_MAX));
  }

  void who_may_relay() {
    RelayRules rules;
    const auto relays = [&](std::string_view from, std::string_view sender, std::string_view recipient) {
      return may_relay(rules, IpAddress::parse(from).value(), sender, recipient);
    };
    rules.relay_hosts = NetworkList({IpPrefix::parse("127.0.0.0/8").value()});
    rules.relay_domains = config::GlobList({"ours.example", "*.sub.example"});
    rules.relay_sending_domains = config::GlobList({"partner.example"});
    CPPUNIT_ASSERT(relays("127.0.0.1", "", "x@far"));
    CPPUNIT_ASSERT(!relays("192.0.2.1", "", "x@far"));
    CPPUNIT_ASSERT(relays("192.0.2.1", "", "x@OURS.example"));
    CPPUNIT_ASSERT(relays("192.0.2.1", "", "x@a.sub.example"));
    CPPUNIT_ASSERT(!relays("192.0.2.1", "", "x@sub.example"));
    CPPUNIT_ASSERT(!relays("192.0.2.1", "", "x@notours.example"));
    CPPUNIT_ASSERT(!relays("192.0.2.1", "", "x@ours.example.far"));
    for (const char* probe : {"v%far@ours.example", "far!v@ours.example", "\"v@far\"@ours.example"})
      CPPUNIT_ASSERT_MESSAGE(probe, !relays("192.0.2.1", "", probe) && relays("127.0.0.1", "", probe));
    CPPUNIT_ASSERT(relays("192.0.2.1", "me@Partner.example", "x@far"));
    CPPUNIT_ASSERT(!relays("192.0.2.1", "me@partner.example.far", "x@far"));
    CPPUNIT_ASSERT(!relays("192.0.2.1", "\"me@partner.example\"@far", "x@far"));
    rules.relay_sending_domains = config::GlobList({"*"});
    CPPUNIT_ASSERT(!relays("192.0.2.1", "", "x@far"));  // the null sender has no domain
    CPPUNIT_ASSERT(relays("192.0.2.1", "a@b", "x@far"));
    rules.relay_sending_domains = config::GlobList();
    rules.open_relay = true;
    CPPUNIT_ASSERT(relays("192.0.2.1", "", "x@far"));
    // All of them are the configuration's.
    const auto snapshot = config::test::snapshot(
        "ESMTP_Listener { Listen \"127.0.0.1:2500\" { Relay_Hosts = ( 10.0.0.0/8 ) Relay_Domains = ( d.example )\n"
        "Relay_For_Sending_Domains = ( e.example ) } }");
    read_relay_rules(options(snapshot, config::ScopeKind::esmtp_listener), rules);
    CPPUNIT_ASSERT(!rules.open_relay && relays("10.1.2.3", "", "x@far") && !relays("127.0.0.1", "", "x@far"));
    CPPUNIT_ASSERT(relays("192.0.2.1", "", "x@d.example") && relays("192.0.2.1", "a@e.example", "x@far"));
  }

  void whose_sender() {
    using enum SenderMatch;
    CPPUNIT_ASSERT(sender_matches(off, "a@b.example", "c@d.example"));
    for (const SenderMatch rule : {domain, address}) {
      CPPUNIT_ASSERT(sender_matches(rule, "", "a@b.example") && sender_matches(rule, "a@b.example", ""));
      CPPUNIT_ASSERT(sender_matches(rule, "a@B.example", "a@b.example"));
      CPPUNIT_ASSERT(!sender_matches(rule, "a@x.b.example", "a@b.example"));
      CPPUNIT_ASSERT_EQUAL(rule == domain, sender_matches(rule, "c@b.example", "a@b.example"));
      CPPUNIT_ASSERT_EQUAL(rule == domain, sender_matches(rule, "A@b.example", "a@b.example"));
      CPPUNIT_ASSERT_EQUAL(rule == domain, sender_matches(rule, "c@b.example", "b.example"));
    }
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(IntakeTest);

}  // namespace
