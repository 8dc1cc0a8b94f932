// Everything but config: what the daemon is doing, help, completion.
#include "control/columns.h"
#include "control/limits.h"
#include "fake_system.h"

#include "base/text.h"

#include <cppunit/extensions/HelperMacros.h>
#include <nlohmann/json.hpp>

using namespace impulse;
using namespace impulse::control;
using namespace impulse::control::test;
using namespace std::string_literals;

namespace {

MessageDetails a_message() {
  MessageDetails message;
  message.id = "00000001/00000200-n1";
  message.sender = "a@example.net";
  message.received = test_now();
  message.client = "192.0.2.5";
  message.helo = "client\x1b[2J";
  message.listener = "*:25";
  message.size = 1234;
  message.header = "Received: from x\r\n\tby y\r\nSubject: \xff hi\x07\r\n";
  message.recipients.push_back(
      {"b@example.com", "pending", 2, test_now() + std::chrono::seconds(60), "451 later\r\nx"});
  message.recipients.push_back({"c@example.com", "delivered", 1, std::nullopt, ""});
  return message;
}

class CommandsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(CommandsTest);
  CPPUNIT_TEST(summary);
  CPPUNIT_TEST(summary_json_has_every_counter);
  CPPUNIT_TEST(inbound);
  CPPUNIT_TEST(inbound_in_pages);
  CPPUNIT_TEST(queue_by_domain);
  CPPUNIT_TEST(queue_in_pages);
  CPPUNIT_TEST(queue_of_a_domain);
  CPPUNIT_TEST(queue_wrong);
  CPPUNIT_TEST(message);
  CPPUNIT_TEST(message_says_what_is_not_usual);
  CPPUNIT_TEST(message_json);
  CPPUNIT_TEST(message_wrong);
  CPPUNIT_TEST(long_header_is_cut);
  CPPUNIT_TEST(no_arguments);
  CPPUNIT_TEST(help);
  CPPUNIT_TEST(every_command_has_help);
  CPPUNIT_TEST(ages);
  CPPUNIT_TEST_SUITE_END();

  void summary() {
    Console console;
    console.system.counts.add(telemetry::Counter::messages_received, 250);
    console.system.counts.add(telemetry::Counter::sessions_open, 3);
    console.system.domains = {{"a.example", 5, 2, 1}, {"b.example", 1, 0, 0}};
    SpoolStatus& spooled = console.system.spooled;
    spooled.accepting = false;
    spooled.reason = "disk is full";
    spooled.messages = 9;
    spooled.segments = 1;
    spooled.bytes = 4096;
    spooled.free_bytes = 100;
    const std::string reply = console("summary");
    for (const auto line :
         {"                Inbound Concurrency: 3", "                     Active Domains: 2",
          "                  Active Queue Size: 6", "                 Delayed Queue Size: 2",
          "                   Total Queue Size: 9", "                  Received Messages: 250",
          "                     Reception Rate: 2.50 messages/second",
          "                         Spool Size: 4096 bytes in 1 segment, 100 free",
          "                         Compaction: 0 bytes of 0 messages copied; 0 bytes in 0 segments removed",
          "                          Accepting: no: disk is full", "                             Uptime: 100 seconds"})
      CPPUNIT_ASSERT_MESSAGE(line + ("\n" + reply),
                             reply.find(std::string(line).substr(1) + "\n") != std::string::npos);
  }
  void summary_json_has_every_counter() {
    Console console;
    console.system.counts.add(telemetry::Counter::deliveries, 7);
    const auto document = nlohmann::json::parse(payload_of(console("--json summary")).at(0));
    CPPUNIT_ASSERT_EQUAL(telemetry::counter_defs().size(), document.at("counters").size());
    CPPUNIT_ASSERT_EQUAL(7, document.at("counters").at("deliveries").get<int>());
    CPPUNIT_ASSERT_EQUAL(100, document.at("uptime").get<int>());
    CPPUNIT_ASSERT_EQUAL("n1"s, document.at("node").get<std::string>());
  }
  static InboundSession a_session(uint64_t id) {
    InboundSession session;
    session.id = id;
    session.listener = "*:25";
    session.peer = "192.0.2.5:4711";
    session.helo = "client.example";
    session.state = "DATA";
    session.tls = true;
    session.messages = 2;
    session.recipients = 3;
    session.bytes_in = 4567;
    session.generation = 1;
    session.age = std::chrono::milliseconds(264);
    return session;
  }
  void inbound() {
    Console console;
    CPPUNIT_ASSERT_EQUAL("=0 ok sessions=0\n"s, console("show inbound"));
    console.system.sessions.push_back(a_session(23));
    CPPUNIT_ASSERT_EQUAL(
        " 23: *:25 from 192.0.2.5:4711 helo client.example DATA tls (for 0.264s) messages 2 recipients 3 bytes 4567 "
        "gen "
        "1\n=0 ok sessions=1\n"s,
        console("show inbound"));
    console.system.sessions[0].helo = "evil\n=0 ok";
    console.system.sessions[0].tls = false;
    CPPUNIT_ASSERT_EQUAL(
        " 23: *:25 from 192.0.2.5:4711 helo evil\\n=0 ok DATA (for 0.264s) messages 2 recipients 3 bytes 4567 gen "
        "1\n=0 ok sessions=1\n"s,
        console("show inbound"));
    const auto document = nlohmann::json::parse(payload_of(console("--json show inbound")).at(0));
    CPPUNIT_ASSERT_EQUAL("evil\n=0 ok"s, document.at("helo").get<std::string>());
    CPPUNIT_ASSERT_EQUAL(0.264, document.at("age").get<double>());
  }
  void inbound_in_pages() {
    Console console;
    for (uint64_t i = 1000; i > 0; --i) console.system.sessions.push_back(a_session(i));  // in no order
    console.session->feed("show inbound\n");
    console.system.asked = 0;
    std::string out;
    while (out.find(" 300:") == std::string::npos) console.session->produce(out, 100);
    // Meanwhile some go, and one comes.
    std::erase_if(console.system.sessions, [](const auto& session) { return session.id > 600 && session.id <= 700; });
    console.system.sessions.push_back(a_session(2000));
    out += console.drain();
    const auto lines = payload_of(out);
    CPPUNIT_ASSERT_EQUAL(size_t{901}, lines.size());
    uint64_t last = 0;
    for (const auto& line : lines) {
      const uint64_t id = std::stoull(line);
      CPPUNIT_ASSERT(id > last);
      last = id;
    }
    CPPUNIT_ASSERT_EQUAL(uint64_t{2000}, last);
    CPPUNIT_ASSERT_EQUAL(4, console.system.asked);
  }
  void queue_by_domain() {
    Console console;
    CPPUNIT_ASSERT_EQUAL("=0 ok domains=0 recipients=0\n"s, console("mailq"));
    console.system.domains = {{"b.example", 5, 2, 1}, {"a.example", 25, 0, 0}};
    CPPUNIT_ASSERT_EQUAL(
        " Domain                                               Active    Delayed  In flight\n"
        " a.example                                                25          0          0\n"
        " b.example                                                 5          2          1\n"
        "=0 ok domains=2 recipients=33\n"s,
        console("mailq"));
    CPPUNIT_ASSERT_EQUAL(
        " {\"domain\":\"a.example\",\"active\":25,\"delayed\":0,\"in_flight\":0,\"held\":0,\"binding\":\"default\"}\n"
        " {\"domain\":\"b.example\",\"active\":5,\"delayed\":2,\"in_flight\":1,\"held\":0,\"binding\":\"default\"}\n"
        "=0 ok domains=2 recipients=33\n"s,
        console("--json mailq"));
  }
  void queue_in_pages() {
    Console console;
    for (int i = 999; i >= 0; --i) console.system.domains.push_back({fmt::format("d{:03}.example", i), 1, 0, 0});
    const auto lines = payload_of(console("mailq"));
    CPPUNIT_ASSERT_EQUAL(size_t{1001}, lines.size());
    for (int i = 0; i < 1000; ++i)
      CPPUNIT_ASSERT(lines[static_cast<size_t>(i) + 1].starts_with(fmt::format("d{:03}.example ", i)));
  }
  void queue_of_a_domain() {
    Console console;
    console.system.domains = {{"a.example", 3, 0, 0}};
    for (int i = 0; i < 3; ++i) {
      QueuedRecipient row;
      row.id = fmt::format("00000001/0000000{}-n1", i);
      row.sender = i == 0 ? "" : "s@example.net";
      row.recipient = "r\r\n@a.example";
      row.domain = "a.example";
      row.size = 100;
      row.received = test_now();
      row.attempts = static_cast<uint32_t>(i);
      if (i == 1) row.state = QueuedRecipient::State::in_flight;
      if (i == 2) row.next_attempt = test_now();
      if (i == 2) row.last_error = "451 not now";
      console.system.recipients.push_back(row);
    }
    CPPUNIT_ASSERT_EQUAL(
        " 00000001/00000000-n1 <> to <r\\r\\n@a.example> size 100 received 2019-12-20T00:01:40Z attempts 0\n"
        " 00000001/00000001-n1 <s@example.net> to <r\\r\\n@a.example> size 100 received 2019-12-20T00:01:40Z attempts "
        "1 "
        "in flight\n"
        " 00000001/00000002-n1 <s@example.net> to <r\\r\\n@a.example> size 100 received 2019-12-20T00:01:40Z attempts "
        "2 "
        "next 2019-12-20T00:01:40Z: 451 not now\n=0 ok shown=3 recipients=3\n"s,
        console("mailq A.example"));
    const std::string limited = console("mailq a.example --limit 2");
    CPPUNIT_ASSERT_EQUAL(size_t{2}, payload_of(limited).size());
    CPPUNIT_ASSERT(
        limited.ends_with("!notice queue-more 2 of 3 shown; --limit N shows more\n=0 ok shown=2 recipients=3\n"));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, payload_of(console("--json mailq --limit 1 a.example")).size());
  }
  void queue_wrong() {
    Console console;
    CPPUNIT_ASSERT_EQUAL("!error queue-no-such-domain nothing waits for a.example\n=3 not-found\n"s,
                         console("mailq a.example"));
    for (const auto command : {"mailq a b", "mailq --limit", "mailq a --limit", "mailq a --limit 0",
                               "mailq a --limit 99999999999", "mailq a --domain a", "mailq --domain", "mailq -b",
                               "mailq a --limit x", "mailq --all", "mailq \"\"", "mailq a --limit 1 --limit 2"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(command, "=2 usage"s, status_of(console(command)));
  }
  void message() {
    Console console;
    console.system.messages[*MessageId::parse("00000001/00000200")] = a_message();
    CPPUNIT_ASSERT_EQUAL(
        " Message: 00000001/00000200-n1\n"
        "       Created: 2019-12-20T00:01:40Z\n"
        "  Received Via: *:25 from 192.0.2.5 helo client\\x1B[2J\n"
        "        Sender: <a@example.net>\n"
        "          Size: 1234\n"
        "     Recipient: <b@example.com> pending, 2 attempts, next 2019-12-20T00:02:40Z: 451 later\\r\\nx\n"
        "     Recipient: <c@example.com> delivered, 1 attempt\n"
        "        Header:\n"
        "   Received: from x\n"
        "   \tby y\n"
        "   Subject: \\xFF hi\\x07\n"
        "=0 ok\n"s,
        console("message details 00000001/00000200-n1"));
    CPPUNIT_ASSERT_EQUAL("=0 ok"s, status_of(console("message details 00000001/00000200")));
  }
  void message_says_what_is_not_usual() {
    Console console;
    MessageDetails message = a_message();
    message.binding = "fast";
    message.envid = "QQ314159";
    message.recipients[0].binding = "slow";
    console.system.messages[*MessageId::parse("00000001/00000200")] = message;
    const auto lines = payload_of(console("message details 00000001/00000200"));
    CPPUNIT_ASSERT_EQUAL("      Binding: fast"s, lines.at(3));
    CPPUNIT_ASSERT_EQUAL("        ENVID: QQ314159"s, lines.at(5));
    CPPUNIT_ASSERT_EQUAL(
        "    Recipient: <b@example.com> pending, 2 attempts, next 2019-12-20T00:02:40Z, by slow: 451 later\\r\\nx"s,
        lines.at(7));
    const auto documents = payload_of(console("--json message details 00000001/00000200"));
    CPPUNIT_ASSERT_EQUAL("fast"s, nlohmann::json::parse(documents.at(0)).at("binding").get<std::string>());
    CPPUNIT_ASSERT_EQUAL("QQ314159"s, nlohmann::json::parse(documents[0]).at("envid").get<std::string>());
    CPPUNIT_ASSERT_EQUAL("slow"s, nlohmann::json::parse(documents.at(1)).at("binding").get<std::string>());
    CPPUNIT_ASSERT(!nlohmann::json::parse(documents.at(2)).contains("binding"));
  }
  void message_json() {
    Console console;
    console.system.messages[*MessageId::parse("00000001/00000200")] = a_message();
    const auto lines = payload_of(console("--json message details 00000001/00000200-n1"));
    CPPUNIT_ASSERT_EQUAL(size_t{6}, lines.size());
    CPPUNIT_ASSERT_EQUAL(2, nlohmann::json::parse(lines[0]).at("recipients").get<int>());
    CPPUNIT_ASSERT_EQUAL("pending"s, nlohmann::json::parse(lines[1]).at("state").get<std::string>());
    CPPUNIT_ASSERT(!nlohmann::json::parse(lines[2]).contains("next_attempt"));
    CPPUNIT_ASSERT_EQUAL("Received: from x"s, nlohmann::json::parse(lines[3]).at("header").get<std::string>());
  }
  void message_wrong() {
    Console console;
    console.system.messages[*MessageId::parse("00000001/00000200")] = a_message();
    CPPUNIT_ASSERT_EQUAL(
        "!error message-not-found 00000001/00000200-n2 is a message of another node; this one is n1\n=3 not-found\n"s,
        console("message details 00000001/00000200-n2"));
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("message details 00000001/00000200-")));
    CPPUNIT_ASSERT_EQUAL("!error message-not-found no message 00000001/00000201-n1\n=3 not-found\n"s,
                         console("message details 00000001/00000201-n1"));
    for (const auto command : {"message details", "message details x", "message details 00000001",
                               "message details a b", "message details ( a )"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(command, "=2 usage"s, status_of(console(command)));
  }
  void long_header_is_cut() {
    Console console;
    MessageDetails message = a_message();
    message.header = "X: " + std::string(200000, 'x') + "\r\n";
    console.system.messages[*MessageId::parse("00000001/00000200")] = message;
    const std::string reply = console("message details 00000001/00000200-n1");
    CPPUNIT_ASSERT(reply.size() < 65536);
    CPPUNIT_ASSERT(
        reply.ends_with("!notice message-header-cut 60000 of 200005 bytes of the header section are shown\n=0 ok\n"));
  }
  void no_arguments() {
    Console console;
    for (const auto command : {"version", "pid", "summary", "show inbound", "listener show", "quit"})
      CPPUNIT_ASSERT_EQUAL_MESSAGE(command, "=2 usage"s, status_of(console(command + " more"s)));
    CPPUNIT_ASSERT(!console.session->finished());
  }
  void help() {
    Console console;
    CPPUNIT_ASSERT_EQUAL(all_commands().size(), payload_of(console("help")).size());
    CPPUNIT_ASSERT_EQUAL(size_t{23}, payload_of(console("help config")).size());
    CPPUNIT_ASSERT_EQUAL("config set [SCOPE...] OPTION [=] VALUE"s, payload_of(console("help CONFIG set")).at(0));
    CPPUNIT_ASSERT_EQUAL(
        " Idle_Time  seconds without a byte before 421 4.4.2 and close\n"
        "   type     duration\n   default  5m\n   scopes   ESMTP_Listener, LMTP_Listener, "
        "HTTP_Listener, Listen, Peer, Pathway_Group, Pathway\n   changes  next-message\n=0 ok\n"s,
        console("help idle_time"));
    CPPUNIT_ASSERT(console("help listen").starts_with(" Listen  "));
    for (const auto scope : {"global", "esmtp_listener"}) {
      const std::string reply = console("help "s + scope);
      CPPUNIT_ASSERT_MESSAGE(reply, reply.find("\n     Max_Message_Size  ") != std::string::npos);
      CPPUNIT_ASSERT_MESSAGE(reply, reply.find("TimestampFormat") == std::string::npos);  // not in this version
    }
    CPPUNIT_ASSERT(console("help global").find("\n     Spoolbase  ") != std::string::npos);
    CPPUNIT_ASSERT(console("help delivery_method").find("type     enum: esmtp,") != std::string::npos);
    CPPUNIT_ASSERT(console("help timestampformat").find("not in this version") != std::string::npos);
    CPPUNIT_ASSERT_EQUAL(
        "!error control-no-help no command, option or scope is called 'idletime'; did you mean 'Idle_Time'?\n"
        "=3 not-found\n"s,
        console("help idletime"));
    CPPUNIT_ASSERT_EQUAL("=3 not-found"s, status_of(console("help config nonsense")));
  }
  void every_command_has_help() {
    for (const Command& command : all_commands()) {
      CPPUNIT_ASSERT(!command.help.empty() && command.run != nullptr);
      CPPUNIT_ASSERT_EQUAL(lower(command.name), std::string(command.name));
    }
  }
  void ages() {
    using namespace std::chrono;
    CPPUNIT_ASSERT_EQUAL("0.264s"s, age_text(milliseconds(264)));
    CPPUNIT_ASSERT_EQUAL("12s"s, age_text(seconds(12)));
    CPPUNIT_ASSERT_EQUAL("3m05s"s, age_text(seconds(185)));
    CPPUNIT_ASSERT_EQUAL("2h07m"s, age_text(minutes(127)));
    CPPUNIT_ASSERT_EQUAL("4d03h"s, age_text(hours(99)));
    CPPUNIT_ASSERT_EQUAL("0.000s"s, age_text(seconds(-5)));
    CPPUNIT_ASSERT_EQUAL("-"s, time_text(WallTime{}));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(CommandsTest);

}  // namespace
