// From configuration text to Policy: every option that a session obeys.
#include "support.h"

#include "config/keys.h"
#include "config/loader.h"
#include "config/snapshot.h"
#include "config/tree.h"
#include "message/limits.h"

#include <cppunit/extensions/HelperMacros.h>

#include <unistd.h>

using namespace smtp_test;
using namespace std::string_literals;

namespace {

// The policy of *:25 in a configuration with these global and Listen options.
Policy policy_of(const std::string& global, const std::string& listen, bool tls_usable = false) {
  config::LoadOptions options;
  const std::string text = global + "\nESMTP_Listener { Listen \"*:25\" { " + listen + " } }\n";
  options.read_file = [&](const std::string&) -> Result<std::string> { return text; };
  config::Built built = config::build(config::load("test.conf", options));
  const config::SnapshotPtr snapshot =
      config::has_errors(built.diagnostics) ? nullptr : config::compile(built.root, 1, built.diagnostics);
  std::string mistakes;
  for (const auto& diagnostic : built.diagnostics) mistakes += diagnostic.render() + "\n";
  CPPUNIT_ASSERT_MESSAGE(mistakes, snapshot != nullptr);
  const auto* listens = snapshot->find_listen(config::ScopeKind::esmtp_listener, *Endpoint::parse("*:25"));
  CPPUNIT_ASSERT(listens != nullptr);
  return *make_policy(listens->options(), tls_usable);
}

class PolicyTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(PolicyTest);
  CPPUNIT_TEST(defaults);
  CPPUNIT_TEST(names);
  CPPUNIT_TEST(extensions_and_tls);
  CPPUNIT_TEST(every_option_arrives);
  CPPUNIT_TEST(a_session_obeys);
  CPPUNIT_TEST_SUITE_END();

  void defaults() {
    const Policy made = policy_of("Hostname = mx.example", "");
    Policy expected = usual_policy();
    expected.relay_hosts = NetworkList({*IpPrefix::parse("127.0.0.0/8"), *IpPrefix::parse("::1")});
    expected.smtputf8 = expected.chunking = expected.dsn = true;
    expected.max_recipients = message::most_recipients;
    CPPUNIT_ASSERT(made == expected);
  }

  void names() {
    char host[256] = {};
    CPPUNIT_ASSERT_EQUAL(0, ::gethostname(host, sizeof host - 1));
    const Policy system = policy_of("", "");
    CPPUNIT_ASSERT_EQUAL(std::string(host), system.hostname);
    CPPUNIT_ASSERT_EQUAL(std::string(host) + " ESMTP Impulse", system.banner);
    const Policy named = policy_of("Hostname = a.example", "Banner_Hostname = b.example Received_Hostname = c.example");
    CPPUNIT_ASSERT_EQUAL("b.example"s, named.hostname);
    CPPUNIT_ASSERT_EQUAL("b.example ESMTP Impulse"s, named.banner);
    CPPUNIT_ASSERT_EQUAL("c.example"s, named.received_hostname);
    CPPUNIT_ASSERT_EQUAL("x.example ready"s, policy_of("", "Static_Banner = \"220 x.example ready\"").banner);
    CPPUNIT_ASSERT_EQUAL("x.example ready"s, policy_of("", "Static_Banner = \"x.example ready\"").banner);
  }

  void extensions_and_tls() {
    const Policy few = policy_of("", "SMTP_Extensions = ( \"ENHANCEDSTATUSCODES\" )");
    CPPUNIT_ASSERT(few.enhanced_status_codes && !few.pipelining && !few.size && !few.eight_bit_mime && !few.starttls);
    CPPUNIT_ASSERT(policy_of("", "", true).starttls);  // by itself where there is a certificate
    CPPUNIT_ASSERT(!policy_of("", "SMTP_Extensions = ( STARTTLS )", false).starttls);
    CPPUNIT_ASSERT(policy_of("", "SMTP_Extensions = ( STARTTLS )", true).starttls);
    const Policy helo = policy_of("", "SMTP_Protocols = ( HELO )");
    CPPUNIT_ASSERT(helo.helo && !helo.ehlo);
  }

  void every_option_arrives() {
    const Policy made = policy_of(
        "Hostname = mx.example\n"
        "RFC2821_Pedantic_Address_Rules = false\n"
        "RFC2821_Allow_Whitespace_In_Envelope = true\n"
        "RFC2822_Lone_LF_In_Body = fix\n"
        "RFC2822_Lone_LF_In_Headers = ignore\n"
        "RFC2822_Trace_Headers = false\n"
        "Max_Received_Headers = 7\n"
        "Large_Message_Threshold = 5000\n"
        "Growbuf_Size = 4096\n",
        "TLS_Certificate = /x.pem TLS_Required = true STARTTLS_Injection_Policy = ignore Deny = true Require_EHLO = "
        "true\n"
        "Allow_Null_Envelope_Sender = false Allow_IP_Literal = false Allow_Trailing_Whitespace_In_Commands = true\n"
        "Domain_For_Unqualified_Recipient_Addresses = r.example Domain_For_Unqualified_Sender_Address = s.example\n"
        "Max_Message_Size = 1M Max_Recipients_Per_Message = 1 Max_Recipients_Per_Connection = 2\n"
        "Max_Receptions_Per_Connection = 3 Max_Command_Length = 600 Max_Errors = 4 Error_Delay = 250ms\n"
        "Open_Relay = true Relay_Hosts = ( 10.0.0.0/8 ) Relay_Domains = ( d.example ) Relay_For_Sending_Domains = ( "
        "*.e.example )\n"
        "Greeting_Timeout = 1s Command_Timeout = 2s Idle_Time = 3s Data_Timeout = 4s\n"
        "Reconfig_Message = \"4.3.2 Changed\" Reconfig_Policy = always\n");
    Policy expected = usual_policy();
    expected.pedantic_addresses = false;
    expected.allow_whitespace_in_envelope = true;
    expected.lone_lf_body = Policy::LoneLf::fix;
    expected.lone_lf_headers = Policy::LoneLf::ignore;
    expected.trace_headers = false;
    expected.max_received_headers = 7;
    expected.body_block = 4096;
    expected.large_message = 5000;
    expected.tls_required = true;
    expected.starttls_reject_injection = false;
    expected.deny = true;
    expected.require_ehlo = true;
    expected.allow_null_sender = false;
    expected.allow_ip_literal = false;
    expected.allow_trailing_whitespace = true;
    expected.unqualified_recipient_domain = "r.example";
    expected.unqualified_sender_domain = "s.example";
    expected.max_message_size = 1 << 20;
    expected.max_recipients = 1;
    expected.max_recipients_connection = 2;
    expected.max_receptions_connection = 3;
    expected.max_command_length = 600;
    expected.max_errors = 4;
    expected.error_delay = std::chrono::milliseconds(250);
    expected.open_relay = true;
    expected.relay_hosts = NetworkList({*IpPrefix::parse("10.0.0.0/8")});
    expected.relay_domains = config::GlobList({"d.example"});
    expected.relay_sending_domains = config::GlobList({"*.e.example"});
    expected.greeting_timeout = std::chrono::seconds(1);
    expected.command_timeout = std::chrono::seconds(2);
    expected.idle_timeout = std::chrono::seconds(3);
    expected.data_timeout = std::chrono::seconds(4);
    expected.reconfig_message = "4.3.2 Changed";
    expected.reconfig_always = true;
    expected.smtputf8 = expected.chunking = expected.dsn = true;
    CPPUNIT_ASSERT(made == expected);
    // And none of them is what it would be by default.
    CPPUNIT_ASSERT(!(made == policy_of("Hostname = mx.example", "")));
  }

  void a_session_obeys() {
    Dialogue dialogue(policy_of("Hostname = mx.example", "Max_Message_Size = 1k SMTP_Extensions = ( SIZE )"));
    CPPUNIT_ASSERT_EQUAL("220 mx.example ESMTP Impulse\r\n"s, dialogue.banner);
    CPPUNIT_ASSERT_EQUAL("250-mx.example\r\n250 SIZE 1024\r\n"s, dialogue.say("EHLO a\r\n"));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(PolicyTest);

}  // namespace
