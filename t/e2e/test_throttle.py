"""Outbound_Throttle_Messages and _Connections, as they are seen at the next host
and in the console. The rates are so low that nothing more comes while a test looks."""

import json
import time

from client import Smtp
from dns_server import DnsServer
from harness import BASE_CONFIG, Daemon, TestCase, timeout, wait_for
from sink import SmtpSink

MESSAGE = b"From: a@client.example\r\nSubject: hello\r\n\r\nbody\r\n"
GATEWAY = 'Gateway = "127.0.0.1:@sink@"\nTLS = no\n'


class Throttle(TestCase):
    def start(self, more):
        self.sink = SmtpSink(self)
        self.own = self.daemon(BASE_CONFIG, more=GATEWAY + more, sink=self.sink.port)

    def send(self, count, domain):
        with Smtp(self.own.smtp_port) as smtp:
            smtp.ehlo()
            for _ in range(count):
                smtp.message(MESSAGE, recipients=[f"a@{domain}"])

    def domain(self, name):
        done = self.own.console("--json", "domain", name, status=None)
        return json.loads(done.stdout.splitlines()[0]) if done.stdout else {}

    def held_at(self, name, active):
        """Nothing is under way for the domain, and so much waits."""
        return wait_for(lambda: self.domain(name).get("active") == active and self.domain(name)["in_flight"] == 0
                        and self.domain(name), lambda: f"{active} active: {self.domain(name)}")

    def test_a_failed_look_up_is_no_connection(self):
        dns = DnsServer(self)
        dns.add("gate.example", "A", "127.0.0.1")
        dns.behave("gate.example", "SERVFAIL")
        sink = SmtpSink(self)
        self.own = Daemon(self, BASE_CONFIG, sink=sink.port, more='Gateway = "gate.example:@sink@"\nTLS = no\n'
                          'Outbound_Throttle_Connections = "1/3600"\nRetry_Interval = 1\n')
        dns.write_conf(self.own.dir / "resolv.conf")
        self.own.start()
        self.send(1, "far.example")
        self.own.wait_mainlog("T", 1)
        dns.behave("gate.example", None)
        sink.wait()

    def test_messages(self):
        self.start('Outbound_Throttle_Messages = "10/3600"\n')
        self.send(25, "far.example")
        shown = self.held_at("far.example", 15)
        self.assertEqual(10, len(self.sink.messages))
        self.assertEqual(("Outbound_Throttle_Messages", "10/3600", "global"),
                         tuple(shown["throttle"][key] for key in ("option", "rate", "scope")))
        self.assertRegex(self.own.console("domain", "far.example").stdout,
                         r"waiting for: Outbound_Throttle_Messages = \"?10/3600\"? of global, the next one in \d+\.\d s\n")
        # More of it at once, then no end to it.
        self.own.console("config", "set", "Outbound_Throttle_Messages", "12/3600")
        self.held_at("far.example", 13)
        self.assertEqual(12, len(self.sink.messages))
        self.own.console("config", "set", "Domain", "far.example", "Outbound_Throttle_Messages", "0")
        wait_for(lambda: len(self.sink.messages) == 25, "all of them")

    def test_domains_together_and_alone(self):
        self.start('Outbound_Throttle_Messages = "6/3600"\nDomain "own.example" { Outbound_Throttle_Messages = "2/3600" }\n'
                   'Domain "free.example" { Outbound_Throttle_Messages = 0 }\nSuspend_Delivery = true\n')
        for name in ("a.example", "b.example", "own.example", "free.example"):
            self.send(8, name)
        self.own.console("config", "set", "Suspend_Delivery", "false")
        self.held_at("a.example", 5)
        self.held_at("b.example", 5)
        self.assertEqual("Domain own.example", self.held_at("own.example", 6)["throttle"]["scope"].replace('"', ""))
        wait_for(lambda: len(self.sink.messages) == 16, lambda: f"16 messages, there are {len(self.sink.messages)}")

    def test_connections(self):
        self.start('Outbound_Throttle_Connections = "3/3600"\nMax_Deliveries_Per_Connection = 2\n'
                   'Max_Outbound_Connections = 2\n')
        self.send(20, "far.example")
        shown = self.held_at("far.example", 14)
        self.assertEqual("Outbound_Throttle_Connections", shown["throttle"]["option"])
        self.assertEqual((6, 3), (len(self.sink.messages), len(self.sink.sessions)))
        self.own.console("config", "unset", "Outbound_Throttle_Connections")
        wait_for(lambda: len(self.sink.messages) == 20, "all of them")

    def test_a_restart_begins_anew(self):
        """Rates are in memory: nothing of what waits is lost, or sent twice."""
        self.start('Outbound_Throttle_Messages = "4/3600"\n')
        self.send(10, "far.example")
        self.held_at("far.example", 6)
        self.own.stop()
        self.own.start()
        self.held_at("far.example", 2)
        self.own.console("config", "unset", "Outbound_Throttle_Messages")
        wait_for(lambda: len(self.sink.messages) == 10, "all of them")

    @timeout(180)
    def test_both_at_once(self):
        """A domain's turn at one of them comes while it waits for the other: no turn is lost, and all of it goes."""
        names = [f"d{number}.example" for number in range(6)]
        self.start('Outbound_Throttle_Messages = "1/2"\nOutbound_Throttle_Connections = "1/3"\n'
                   'Max_Deliveries_Per_Connection = 1\n' +
                   "".join(f'Domain "{name}" {{ EHLO_Hostname = "{name}" }}\n' for name in names))
        for name in names:
            self.send(1, name)
        self.assertEqual({f"a@{name}" for name in names},
                         {message.recipients[0] for message in self.sink.wait(len(names), 40)})

    @timeout(180)
    def test_a_host_that_greets_slowly(self):
        """Another domain has the token when it is ready; it has its share all the same."""
        slow = SmtpSink(self, script=lambda session, verb, line: time.sleep(2) if verb == "CONNECT" else None)
        self.start('Outbound_Throttle_Messages = "1/2"\nIdle_Timeout = 1\n'
                   f'Domain "slow.example" {{ Gateway = "127.0.0.1:{slow.port}" }}\n')
        self.send(30, "quick.example")
        self.send(2, "slow.example")
        slow.wait(2)
        self.assertLess(len(self.sink.messages), 30)  # not when nobody else was left
