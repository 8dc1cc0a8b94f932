"""Domains that go to the same next host, or have too few connections for all: each gets its turn."""

import threading

from client import Smtp
from harness import SCALE, TestCase, wait_for
from sink import SmtpSink

MESSAGE = b"From: a@client.example\r\nSubject: hello\r\n\r\nthe body\r\n"


class Sharing(TestCase):
    def send(self, daemon, *recipients):
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE, sender="", recipients=recipients)

    def closed_gate(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        return gate

    def test_three_beside_three_thousand(self):
        gate = self.closed_gate()

        def script(session, verb, line):
            if verb == "CONNECT":
                gate.wait(100 * SCALE)

        sink = SmtpSink(self, script=script)
        daemon = self.daemon(more='Gateway = "127.0.0.1:@sink@"\nMax_Outbound_Connections = 1\n'
                                  "Max_Recipients_Per_Batch = 1\n", sink=sink.port)
        for first in range(0, 3000, 1000):
            self.send(daemon, *(f"u{number}@big.example" for number in range(first, first + 1000)))
        for number in range(3):
            self.send(daemon, f"u{number}@small.example")
        wait_for(lambda: daemon.counters()["Total Queue Size"] == 3003, "all of it in the queue")
        gate.set()

        def places():
            return [place for place, message in enumerate(list(sink.messages))
                    if message.recipients[0].endswith("@small.example")]

        wait_for(lambda: len(places()) == 3, lambda: f"those three, there are {places()} of {len(sink.messages)}")
        # In turn it is every second one. By one connection: what two have taken may arrive in any order.
        self.assertLess(max(places()), 12)

    def test_fewer_connections_than_hosts(self):
        """Server_Max_Outbound_Connections: who has none gets the next that is free."""
        gate = self.closed_gate()

        def script(session, verb, line):
            if verb == "MAIL":
                gate.wait(100 * SCALE)

        sinks = [SmtpSink(self, script=script) for _ in range(3)]
        daemon = self.daemon(more="Server_Max_Outbound_Connections = 2\nMax_Outbound_Connections = 1\n" + "".join(
            f'Domain "d{number}.example" {{ Gateway = "127.0.0.1:{sink.port}" }}\n' for number, sink in enumerate(sinks)))
        for number in range(3):
            for each in range(30 if number < 2 else 1):
                self.send(daemon, f"u{each}@d{number}.example")
            wait_for(lambda: number == 2 or any("MAIL" in line for session in sinks[number].sessions
                                                for line in session.commands), f"a connection of d{number}")
        self.send(daemon, "u@local.example")
        daemon.wait_mail("u")
        self.assertEqual([1, 1, 0], [len(sink.sessions) for sink in sinks])
        gate.set()
        sinks[2].wait(1)
        for sink in sinks[:2]:
            sink.wait(30)
