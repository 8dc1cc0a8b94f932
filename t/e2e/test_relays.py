"""Mail that Postfix, Exim and Dovecot take from us is what we were given, byte by byte:
the first two pass it on to a sink, where it is looked at; Dovecot has it in Maildirs."""

import re

import mtas
from harness import BASE_CONFIG, TestCase, timeout
from mail_compare import assert_below_trace, with_crlf, with_lf
from sink import SmtpSink
from test_clients import MESSAGES
from test_delivery import AS_IT_CAME, GATEWAY, by_smtplib


LMTP = """
Domain "remote.example" {
  Delivery_Method = lmtp
  Gateway = "@gateway@"
  LMTP_Port = @sink@
  TLS = @tls@
}
"""
BEFORE = re.compile(rb"(?:(?:Return-Path|Delivered-To|Received):[^\n]*\n(?:[ \t][^\n]*\n)*)+")


class Relays(TestCase):
    def relayed(self, kind, tls=False):
        messages = list(MESSAGES.items())
        sink = SmtpSink(self, extensions=("PIPELINING", "SIZE 100000000", "8BITMIME"))
        mta = kind(self, sink.port, tls)
        daemon = self.daemon(AS_IT_CAME + BASE_CONFIG, more=GATEWAY, sink=mta.port)
        by_smtplib(daemon.smtp_port, messages, "remote.example")
        try:
            arrived = {message.recipients[0]: message.data for message in sink.wait(len(messages), 60)}
        finally:
            print(mta.log()[-8000:])
        for number, (name, data) in enumerate(messages):
            assert_below_trace(self, with_crlf(data), arrived[f"u{number}@remote.example"], name)
        self.assertEqual(len(messages), len(sink.messages))
        self.assertEqual([], sink.errors)
        daemon.wait_empty()
        self.assertEqual(len(messages), len(daemon.wait_mainlog("D", len(messages))))

    @timeout(240)
    def test_postfix(self):
        self.relayed(mtas.Postfix)

    @timeout(240)
    def test_exim(self):
        self.relayed(mtas.Exim)

    def to_dovecot(self, tls=False, by_path=False):
        messages = list(MESSAGES.items())
        dovecot = mtas.Dovecot(self, None, tls)
        daemon = self.daemon(AS_IT_CAME + BASE_CONFIG, more=LMTP, sink=dovecot.port, tls="required" if tls else "no",
                             gateway=dovecot.path if by_path else "127.0.0.1")
        by_smtplib(daemon.smtp_port, messages, "remote.example")
        daemon.wait_mainlog("D", len(messages), 60)
        for number, (name, data) in enumerate(messages):
            arrived = dovecot.mail(f"u{number}")
            self.assertEqual(1, len(arrived), name)
            sent = with_lf(with_crlf(data))
            self.assertTrue(arrived[0].endswith(sent), f"{name}: {arrived[0][:3000]!r}")
            self.assertRegex(arrived[0][:-len(sent)], BEFORE, name)
            self.assertEqual(len(BEFORE.match(arrived[0])[0]), len(arrived[0]) - len(sent), name)
        daemon.wait_empty()
        self.assertEqual({"LMTPS" if tls else "LMTP"}, set(re.findall(r"\bwith (LMTPS?)\b", "".join(
            arrived.decode("utf-8", "replace") for arrived in dovecot.mail("u0")))))

    @timeout(240)
    def test_dovecot(self):
        self.to_dovecot()

    @timeout(240)
    def test_dovecot_by_tls(self):
        self.to_dovecot(tls=True)

    @timeout(240)
    def test_dovecot_by_its_socket(self):
        self.to_dovecot(by_path=True)
