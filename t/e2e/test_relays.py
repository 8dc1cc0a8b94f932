"""Mail that Postfix and Exim take from us is what we were given, byte by byte: they
pass it on to a sink, where it is looked at."""

import mtas
from harness import BASE_CONFIG, TestCase, assert_below_trace, timeout, wait_for, with_crlf
from sink import SmtpSink
from test_clients import MESSAGES
from test_delivery import AS_IT_CAME, GATEWAY, by_smtplib


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
        wait_for(lambda: daemon.counters()["Total Queue Size"] == 0, "an empty queue")
        self.assertEqual(len(messages), len(daemon.wait_mainlog("D", len(messages))))

    @timeout(240)
    def test_postfix(self):
        self.relayed(mtas.Postfix)

    @timeout(240)
    def test_exim(self):
        self.relayed(mtas.Exim)
