// The session as its owner sees it: relaying, limits, policies that change,
// admission, STARTTLS hand-over, ends of all kinds, trace fields, causes.
#include "support.h"

#include <cppunit/extensions/HelperMacros.h>

using namespace smtp_test;
using namespace std::string_literals;

namespace {

const std::string mail = "MAIL FROM:<a@b>\r\n";
const std::string rcpt = "RCPT TO:<c@d>\r\n";
const std::string message = mail + rcpt + "DATA\r\n.\r\n";

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

class SessionTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(SessionTest);
  CPPUNIT_TEST(relay_probes);
  CPPUNIT_TEST(limits_of_a_connection);
  CPPUNIT_TEST(too_many_errors);
  CPPUNIT_TEST(tarpit);
  CPPUNIT_TEST(safe_points);
  CPPUNIT_TEST(admission);
  CPPUNIT_TEST(bytes_behind_starttls);
  CPPUNIT_TEST(nothing_survives_starttls);
  CPPUNIT_TEST(shutting_down);
  CPPUNIT_TEST(time_outs);
  CPPUNIT_TEST(deadlines_begin_anew);
  CPPUNIT_TEST(states);
  CPPUNIT_TEST(trace_field);
  CPPUNIT_TEST(causes);
  CPPUNIT_TEST(closed_stays_closed);
  CPPUNIT_TEST_SUITE_END();

  void relay_probes() {
    Policy policy = usual_policy();
    policy.relay_domains = config::GlobList({"ours.example"});
    const std::string denied[] = {"v@far",
                                  "v%far@ours.example",
                                  "far!v@ours.example",
                                  "\"v@far\"@ours.example",
                                  "v@[127.0.0.1]",
                                  "v@[192.0.2.9]",
                                  "v%ours.example@far",
                                  "\"v@ours.example\"@far",
                                  "ours.example!v@far",
                                  "v@far.ours.example",
                                  "@ours.example:v@far"};
    for (const std::string& probe : denied) {
      Dialogue stranger(policy, whole(), "198.51.100.7");
      const std::string reply = stranger.say(mail + "RCPT TO:<" + probe + ">\r\n");
      CPPUNIT_ASSERT_MESSAGE(probe + ": " + reply, reply.contains("\r\n550 5.7.1 "));
      CPPUNIT_ASSERT_EQUAL("550 relay"s, joined(stranger.host.causes));
      Dialogue friend_(policy);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(probe, "250 250"s, friend_.codes(mail + "RCPT TO:<" + probe + ">\r\n"));
    }
    for (const std::string& good : {"v@ours.example"s, "@far:v@ours.example"s, "\"a b\"@ours.example"s,
                                    "\"@\"@ours.example"s, "100%@ours.example"s}) {
      Dialogue stranger(policy, whole(), "198.51.100.7");
      CPPUNIT_ASSERT_EQUAL_MESSAGE(good, "250 250"s, stranger.codes(mail + "RCPT TO:<" + good + ">\r\n"));
    }
    for (const std::string& bad : {"v@far@ours.example"s, "v@ours.example,w@far"s, "v@ours.example>@far"s}) {
      Dialogue stranger(policy, whole(), "198.51.100.7");
      CPPUNIT_ASSERT_EQUAL_MESSAGE(bad, "250 501"s, stranger.codes(mail + "RCPT TO:<" + bad + ">\r\n"));
    }
  }

  void limits_of_a_connection() {
    Policy policy = usual_policy();
    policy.max_receptions_connection = 2;
    Dialogue dialogue(policy);
    CPPUNIT_ASSERT_EQUAL("250 250 354 250 250 250 354 250 421"s, dialogue.codes(message + message + message));
    CPPUNIT_ASSERT(dialogue.closed);
    CPPUNIT_ASSERT_EQUAL("421 receptions"s, joined(dialogue.host.causes));

    policy = usual_policy();
    policy.max_recipients_connection = 3;
    Dialogue recipients(policy);
    const std::string replies = recipients.say(mail + rcpt + rcpt + "RSET\r\n" + mail + rcpt + rcpt + rcpt);
    CPPUNIT_ASSERT_EQUAL("250 250 250 250 250 250 421"s, Dialogue::codes_of(replies));
    CPPUNIT_ASSERT(replies.contains("421 4.5.3 ") && recipients.closed);
    CPPUNIT_ASSERT_EQUAL(uint64_t{3}, recipients.session->recipients());
  }

  void too_many_errors() {
    Policy policy = usual_policy();
    policy.max_errors = 3;
    Dialogue dialogue(policy);
    CPPUNIT_ASSERT_EQUAL("500 501 503"s, dialogue.codes("FOO\r\nMAIL\r\nDATA\r\n"));
    CPPUNIT_ASSERT_EQUAL("421 4.7.0 Too many errors\r\n"s, dialogue.say("FOO\r\nNOOP\r\n"));
    CPPUNIT_ASSERT(dialogue.closed);
    CPPUNIT_ASSERT_EQUAL("500 syntax, 501 syntax, 503 bad_sequence, 421 errors"s, joined(dialogue.host.causes));
    // Mail that gets through pays for the past: long sessions of an injector are not cut off for old slips.
    Dialogue busy(policy);
    CPPUNIT_ASSERT_EQUAL("500 500 500 250 250 354 250 500 500 500 421"s,
                         busy.codes(repeat("FOO\r\n", 3) + message + repeat("FOO\r\n", 9)));
    // Neither temporary refusals nor refused messages are the client's errors.
    policy.max_recipients = 1;
    policy.max_message_size = 10;
    Dialogue clean(policy);
    clean.say(mail + rcpt + repeat(rcpt, 20));
    for (int i = 0; i < 10; ++i) clean.say("RSET\r\n" + mail + rcpt + "DATA\r\n0123456789\r\n.\r\n");
    CPPUNIT_ASSERT(!clean.closed);
    policy.max_errors = 0;
    Dialogue free(policy);
    free.say(repeat("FOO\r\n", 10000));
    CPPUNIT_ASSERT(!free.closed);
    policy.max_errors = 3;
    policy.deny = true;
    Dialogue denied(policy);
    CPPUNIT_ASSERT_EQUAL("503 503 503 421"s, denied.codes(repeat("NOOP\r\n", 9)));
  }

  void tarpit() {
    Policy policy = usual_policy();
    policy.max_errors = 4;
    policy.error_delay = std::chrono::seconds(5);
    Dialogue dialogue(policy);
    dialogue.say("FOO\r\nFOO\r\nNOOP\r\n");
    CPPUNIT_ASSERT(dialogue.delay == Duration(0));
    dialogue.say("FOO\r\n");
    CPPUNIT_ASSERT(dialogue.delay == std::chrono::seconds(5));
    dialogue.say("NOOP\r\n");
    CPPUNIT_ASSERT(dialogue.last.delay == Duration(0));
    Dialogue batch(policy);  // no escape by pipelining
    batch.say(repeat("FOO\r\n", 4));
    CPPUNIT_ASSERT(batch.delay == std::chrono::seconds(10));
  }

  void safe_points() {
    Dialogue dialogue;
    dialogue.say("NOOP\r\nVRFY a\r\n");
    CPPUNIT_ASSERT_EQUAL(0, dialogue.host.safe_points);
    Policy other = usual_policy();
    other.hostname = "new.example";
    other.max_recipients = 1;
    dialogue.host.next_policy = std::make_shared<const Policy>(other);
    CPPUNIT_ASSERT_EQUAL("250 250 452"s, dialogue.codes(mail + rcpt + rcpt));  // from MAIL on
    CPPUNIT_ASSERT_EQUAL(1, dialogue.host.safe_points);
    CPPUNIT_ASSERT_EQUAL("new.example"s, dialogue.session->policy().hostname);
    dialogue.host.next_policy = std::make_shared<const Policy>(usual_policy());
    dialogue.say("RSET\r\n");
    CPPUNIT_ASSERT(dialogue.say("EHLO a\r\n").starts_with("250-mx.example\r\n"));
    CPPUNIT_ASSERT_EQUAL(3, dialogue.host.safe_points);

    for (const std::string& command : {mail, "RSET\r\n"s, "EHLO a\r\n"s}) {
      Dialogue ending;
      ending.host.next_policy = fail(Errc::conflict, "4.3.2 Reconfiguration in progress");
      CPPUNIT_ASSERT_EQUAL("421 4.3.2 Reconfiguration in progress\r\n"s, ending.say(command + "NOOP\r\n"));
      CPPUNIT_ASSERT(ending.closed);
    }
    // Never in a transaction, whatever comes.
    Dialogue inside;
    inside.say(mail);
    inside.host.next_policy = fail(Errc::conflict, "4.3.2 x");
    CPPUNIT_ASSERT_EQUAL("250 503 354 250"s, inside.codes(rcpt + mail + "DATA\r\n.\r\n"));
    // The text is configured: it may lack its code, or be hostile to the line.
    Dialogue plain;
    plain.host.next_policy = fail(Errc::conflict, "Come\r\nagain");
    CPPUNIT_ASSERT_EQUAL("421 4.3.2 Come??again\r\n"s, plain.say("RSET\r\n"));
    Policy bare = usual_policy();
    bare.enhanced_status_codes = false;
    Dialogue codeless(bare);
    codeless.host.next_policy = fail(Errc::conflict, "4.3.2 Come again");
    CPPUNIT_ASSERT_EQUAL("421 Come again\r\n"s, codeless.say("RSET\r\n"));
    // A policy that asks for more is obeyed by the very MAIL that brought it.
    Policy strict = usual_policy();
    strict.require_ehlo = true;
    Dialogue stricter;
    stricter.host.next_policy = std::make_shared<const Policy>(strict);
    CPPUNIT_ASSERT_EQUAL("503"s, stricter.codes(mail));
    strict.tls_required = true;
    Dialogue strictest;
    strictest.host.next_policy = std::make_shared<const Policy>(strict);
    CPPUNIT_ASSERT_EQUAL("530"s, strictest.codes(mail));
  }

  void admission() {
    Dialogue dialogue;
    dialogue.host.admission = fail(Errc::no_space, "disk full");
    CPPUNIT_ASSERT(dialogue.say(mail).starts_with("452 4.3.1 "));
    dialogue.host.admission = fail(Errc::busy, "later");
    CPPUNIT_ASSERT(dialogue.say(mail).starts_with("451 4.3.0 "));
    CPPUNIT_ASSERT(!dialogue.session->in_transaction());
    dialogue.host.admission = {};
    dialogue.say(mail + rcpt);
    dialogue.host.admission = fail(Errc::no_space, "disk full");
    CPPUNIT_ASSERT(dialogue.say("DATA\r\n").starts_with("452 4.3.1 "));
    dialogue.host.admission = {};
    CPPUNIT_ASSERT_EQUAL("354 250"s, dialogue.codes("DATA\r\n.\r\n"));
    CPPUNIT_ASSERT_EQUAL("452 admission, 451 admission, 452 admission"s, joined(dialogue.host.causes));
  }

  void bytes_behind_starttls() {
    Policy policy = usual_policy();
    policy.starttls = true;
    Dialogue rejecting(policy);
    CPPUNIT_ASSERT(rejecting.say("STARTTLS\r\nNOOP\r\n").starts_with("554 5.5.1 "));
    CPPUNIT_ASSERT(rejecting.closed);
    CPPUNIT_ASSERT_EQUAL("554 injection"s, joined(rejecting.host.causes));
    policy.starttls_reject_injection = false;
    Dialogue ignoring(policy);
    Output out;
    const std::string_view input = "STARTTLS\r\nMAIL FROM:<evil@x>\r\nRC";
    CPPUNIT_ASSERT_EQUAL(input.size(), ignoring.session->feed(input, out));
    CPPUNIT_ASSERT(ignoring.after(out).starts_with("220 "));
    Output waiting;
    CPPUNIT_ASSERT_EQUAL(size_t{0}, ignoring.session->feed("NOOP\r\n", waiting));
    CPPUNIT_ASSERT(waiting.reply.empty() && waiting.next == Next::start_tls && waiting.waiting == Waiting::tls);
    ignoring.wants_tls = true;
    ignoring.tls();
    CPPUNIT_ASSERT_EQUAL("500 503"s, ignoring.codes("PT TO:<a@b>\r\n" + rcpt));
  }

  void nothing_survives_starttls() {
    Policy policy = usual_policy();
    policy.starttls = policy.require_ehlo = true;
    Dialogue dialogue(policy);
    dialogue.say("EHLO plain\r\nSTARTTLS\r\n");
    CPPUNIT_ASSERT(dialogue.last.waiting == Waiting::tls);
    dialogue.tls();
    CPPUNIT_ASSERT(dialogue.last.next == Next::read && dialogue.session->tls()->version == "TLSv1.3");
    CPPUNIT_ASSERT_EQUAL("connected"s, std::string(dialogue.session->state()));
    CPPUNIT_ASSERT_EQUAL("503 250 250"s, dialogue.codes(mail + "EHLO safe\r\n" + mail));
    CPPUNIT_ASSERT_EQUAL("safe"s, dialogue.session->helo());
    // TLS from the first byte: STARTTLS is neither offered nor taken.
    Dialogue secured(policy, whole(), "127.0.0.1", TlsState{"TLSv1.2", "X", 128});
    CPPUNIT_ASSERT(!secured.say("EHLO a\r\n").contains("STARTTLS"));
    CPPUNIT_ASSERT(secured.say("STARTTLS\r\n").starts_with("503 5.5.1 "));
    // The manner of line ends is decided anew inside.
    Dialogue typed(policy);
    CPPUNIT_ASSERT_EQUAL("250 220"s, typed.codes("EHLO a\nSTARTTLS\n"));
    typed.tls();
    CPPUNIT_ASSERT_EQUAL("250 521"s, typed.codes("EHLO a\r\nNOOP\n"));
  }

  void shutting_down() {
    const auto ask = [](Dialogue& dialogue, std::string_view text = "4.3.2 Shutting down") {
      Output out;
      dialogue.session->shut_down(text, out);
      return dialogue.after(out);
    };
    Dialogue idle;
    CPPUNIT_ASSERT_EQUAL("421 4.3.2 Shutting down\r\n"s, ask(idle));
    CPPUNIT_ASSERT(idle.closed);
    CPPUNIT_ASSERT_EQUAL(""s, ask(idle));  // said once

    Dialogue half;  // a line that has only begun holds nobody up
    half.say("EHLO a\r\nMAI");
    CPPUNIT_ASSERT_EQUAL("421"s, Dialogue::codes_of(ask(half)));

    Dialogue inside;
    inside.say(mail);
    CPPUNIT_ASSERT_EQUAL(""s, ask(inside));
    CPPUNIT_ASSERT_EQUAL("250 354 250 421"s, inside.codes(rcpt + "DATA\r\nx\r\n.\r\n" + mail));
    CPPUNIT_ASSERT(inside.closed && inside.messages.size() == 1);

    Dialogue data;
    data.say(mail + rcpt + "DATA\r\nlone\nlf");
    CPPUNIT_ASSERT_EQUAL(""s, ask(data));
    CPPUNIT_ASSERT_EQUAL("550 421"s, data.codes("\r\n.\r\n"));

    for (const std::string& way_out : {"RSET\r\n"s, "EHLO a\r\n"s}) {
      Dialogue leaving;
      leaving.say(mail + rcpt);
      ask(leaving);
      CPPUNIT_ASSERT_EQUAL("503 250 421"s, leaving.codes(mail + way_out + "NOOP\r\n"));
    }
    Dialogue quitting;
    quitting.say(mail);
    ask(quitting);
    CPPUNIT_ASSERT_EQUAL("221"s, quitting.codes("QUIT\r\n"));

    Dialogue committing;
    Output submit;
    committing.session->feed(mail + rcpt + "DATA\r\n.\r\n", submit);
    CPPUNIT_ASSERT(submit.next == Next::submit);
    CPPUNIT_ASSERT_EQUAL(""s, ask(committing));
    CPPUNIT_ASSERT(committing.last.next == Next::submit);
    committing.session->take_submission();
    Output done;
    committing.session->submitted(MessageId{1, 1}, "n", done);
    CPPUNIT_ASSERT_EQUAL("250 421"s, Dialogue::codes_of(done.reply));
    CPPUNIT_ASSERT(done.next == Next::close);

    Policy policy = usual_policy();
    policy.starttls = true;
    Dialogue handshake(policy);
    handshake.say("STARTTLS\r\n");
    CPPUNIT_ASSERT_EQUAL(""s, ask(handshake));
    Output out;
    handshake.session->tls_started({"TLSv1.3", "X", 1}, out);
    CPPUNIT_ASSERT_EQUAL("421"s, Dialogue::codes_of(out.reply));
  }

  void time_outs() {
    for (const std::string& before : {""s, "EHLO a\r\n"s, mail, mail + rcpt + "DATA\r\nhalf"s, "NOO"s}) {
      Dialogue dialogue;
      dialogue.say(before);
      Output out;
      dialogue.session->timed_out(out);
      CPPUNIT_ASSERT(out.reply.starts_with("421 4.4.2 ") && out.next == Next::close);
      CPPUNIT_ASSERT_EQUAL("closed"s, std::string(dialogue.session->state()));
      CPPUNIT_ASSERT(!dialogue.session->in_transaction());
    }
    Policy policy = usual_policy();
    policy.starttls = true;
    Dialogue handshake(policy);
    handshake.say("STARTTLS\r\n");
    Output out;
    handshake.session->timed_out(out);  // no plain text into a handshake
    CPPUNIT_ASSERT(out.reply.empty() && out.next == Next::close);
  }

  void deadlines_begin_anew() {
    Policy policy = usual_policy();
    policy.greeting_timeout = std::chrono::seconds(1);
    policy.idle_timeout = std::chrono::seconds(2);
    policy.command_timeout = std::chrono::seconds(3);
    policy.data_timeout = std::chrono::seconds(4);
    Dialogue dialogue(policy);
    const auto step = [&](std::string_view input) {
      dialogue.say(input);
      return std::pair(
          std::chrono::floor<std::chrono::seconds>(dialogue.session->deadline(dialogue.last.waiting)).count(),
          dialogue.last.restart_deadline);
    };
    using Pair = std::pair<std::chrono::seconds::rep, bool>;
    CPPUNIT_ASSERT(dialogue.last.restart_deadline &&
                   dialogue.session->deadline(dialogue.last.waiting) == policy.greeting_timeout);
    CPPUNIT_ASSERT(step("EH") == Pair(1, false));       // still the first command's time
    CPPUNIT_ASSERT(step("LO a\r\n") == Pair(2, true));  // idle
    CPPUNIT_ASSERT(step("M") == Pair(3, true));         // a line has begun
    CPPUNIT_ASSERT(step("A") == Pair(3, false));        // and a slow one gains nothing
    CPPUNIT_ASSERT(step("IL FROM:<a@b>\r\n") == Pair(2, true));
    CPPUNIT_ASSERT(step(rcpt + "DATA\r\n") == Pair(4, true));
    CPPUNIT_ASSERT(step("x") == Pair(4, false));  // single bytes of data gain nothing either
    CPPUNIT_ASSERT(dialogue.last.waiting == Waiting::data);
    CPPUNIT_ASSERT(step("\r\n.\r\n") == Pair(2, true));
  }

  void states() {
    Policy policy = usual_policy();
    policy.starttls = true;
    Dialogue dialogue(policy);
    const auto state = [&](std::string_view input) {
      dialogue.say(input);
      return std::string(dialogue.session->state());
    };
    CPPUNIT_ASSERT_EQUAL("connected"s, state(""));
    CPPUNIT_ASSERT_EQUAL("greeted"s, state("EHLO a\r\n"));
    CPPUNIT_ASSERT_EQUAL("mail"s, state(mail));
    CPPUNIT_ASSERT_EQUAL("mail"s, state("RCPT TO:<x\r\n"));
    CPPUNIT_ASSERT_EQUAL("rcpt"s, state(rcpt));
    CPPUNIT_ASSERT_EQUAL("data"s, state("DATA\r\n"));
    Output out;
    dialogue.session->feed(".\r\n", out);
    CPPUNIT_ASSERT_EQUAL("commit"s, std::string(dialogue.session->state()));
    CPPUNIT_ASSERT(dialogue.session->in_transaction());
    dialogue.session->take_submission();
    dialogue.session->submitted(MessageId{}, "n", out);
    CPPUNIT_ASSERT_EQUAL("greeted"s, std::string(dialogue.session->state()));
    CPPUNIT_ASSERT_EQUAL(uint64_t{1}, dialogue.session->messages());
    CPPUNIT_ASSERT_EQUAL("starttls"s, state("STARTTLS\r\n"));
    dialogue.tls();
    CPPUNIT_ASSERT_EQUAL("closed"s, state("QUIT\r\n"));
  }

  void trace_field() {  // 27
    Dialogue dialogue;
    dialogue.say("EHLO c.example\r\n" + mail + rcpt + "DATA\r\nDate: x\r\nFrom: x\r\nMessage-ID: <x@y>\r\n\r\n.\r\n");
    CPPUNIT_ASSERT_EQUAL(
        "Received: from c.example (unknown [127.0.0.1])\r\n\tby mx.example with ESMTP id ID\r\n\tfor <c@d>;\r\n"
        "\tTue, 21 Nov 2023 09:05:00 +0000\r\n"s,
        dialogue.messages.at(0).trace);
    const message::Envelope& envelope = dialogue.messages[0].envelope;
    CPPUNIT_ASSERT_EQUAL("c.example"s, envelope.client_helo);
    CPPUNIT_ASSERT_EQUAL("*:25"s, envelope.listener);
    CPPUNIT_ASSERT_EQUAL("127.0.0.1"s, envelope.client.to_string());
    CPPUNIT_ASSERT(envelope.received == dialogue.host.now());
    // Two recipients are not told of each other.
    dialogue.say(mail + rcpt + "RCPT TO:<e@f>\r\nDATA\r\n.\r\n");
    CPPUNIT_ASSERT(!dialogue.messages.at(1).trace.contains("for "));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, dialogue.messages[1].recipients.size());
    dialogue.say("HELO x)(y\r\n" + message);
    CPPUNIT_ASSERT(dialogue.messages.at(2).trace.starts_with("Received: from x??y (unknown [127.0.0.1])\r\n"));
    CPPUNIT_ASSERT(dialogue.messages[2].trace.contains("with SMTP id ID"));
    Policy silent = usual_policy();
    silent.trace_headers = false;
    Dialogue untraced(silent);
    untraced.say(message);
    CPPUNIT_ASSERT(!untraced.messages.at(0).trace.contains("Received:"));
    Policy six = usual_policy();
    six.open_relay = true;
    Dialogue v6(six, whole(), "2001:db8::7");
    v6.say(message);
    CPPUNIT_ASSERT(v6.messages.at(0).trace.starts_with("Received: from unknown (unknown [IPv6:2001:db8::7])\r\n"));
    CPPUNIT_ASSERT_EQUAL("SMTP"s, v6.messages[0].protocol);
  }

  void causes() {
    Policy policy = usual_policy();
    policy.max_recipients = 1;
    policy.max_message_size = 20;
    policy.max_received_headers = 1;
    policy.max_command_length = 512;
    policy.allow_null_sender = false;
    const std::pair<std::string, std::string> table[] = {
        {"FOO\r\n", "500 syntax"},
        {repeat("x", 600) + "\r\n", "500 command_length"},
        {rcpt, "503 bad_sequence"},
        {"MAIL FROM:<>\r\n", "550 sender"},
        {"MAIL FROM:<x\r\n", "501 address"},
        {"MAIL FROM:<a@b> SIZE=21\r\n", "552 size"},
        {mail + rcpt + rcpt, "452 recipients"},
        {mail + rcpt + "DATA\r\n012345678901234567890\r\n.\r\n", "552 size"},
        {mail + rcpt + "DATA\r\na\nb\r\n.\r\n", "550 lone_lf"},
        {mail + rcpt + "DATA\r\nReceived:\r\nReceived:\r\n.\r\n", "554 loop"},
        {"GET /\r\n", "421 http"},
        {"NOOP\r\nNOOP\n", "521 lone_lf_command"},
    };
    for (const auto& [input, cause] : table) {
      Dialogue dialogue(policy);
      dialogue.say(input);
      CPPUNIT_ASSERT_EQUAL_MESSAGE(escape_line(input, 100), cause, joined(dialogue.host.causes));
      CPPUNIT_ASSERT(!dialogue.host.last_text.empty() && dialogue.host.last_text[1] == '.');
    }
    policy.deny = true;
    CPPUNIT_ASSERT_EQUAL("554 denied"s, joined(Dialogue(policy).host.causes));
    policy = usual_policy();
    policy.tls_required = true;
    Dialogue plain(policy);
    plain.say(mail);
    CPPUNIT_ASSERT_EQUAL("530 tls_required"s, joined(plain.host.causes));
  }

  void closed_stays_closed() {
    Dialogue dialogue;
    dialogue.say("QUIT\r\n");
    Output out;
    CPPUNIT_ASSERT_EQUAL(size_t{6}, dialogue.session->feed("NOOP\r\n", out));
    dialogue.session->timed_out(out);
    dialogue.session->shut_down("x", out);
    dialogue.session->tls_started({}, out);
    dialogue.session->submitted(MessageId{}, "n", out);
    CPPUNIT_ASSERT(out.reply.empty() && out.next == Next::close);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(SessionTest);

}  // namespace
