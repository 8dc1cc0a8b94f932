"""Mail on its way out over IPv6: to addresses of the DNS, literals and configured hosts; which family is tried when,
from which address of ours, and what the logs make of it."""

import json
import unittest

from harness import free_port, read, wait_for
from load import ipv6_works
from sink import SmtpSink
from test_routing import Routing

# Nobody's (RFC 3849), so that it is no address of this machine.
NOT_OURS = "2001:db8::7"


@unittest.skipUnless(ipv6_works(), "no IPv6 here")
class ByIpv6(Routing):
    def host(self, name, *addresses):
        """A domain whose one mail exchange has these."""
        self.dns.add(f"{name}.example", "MX", 10, f"mx.{name}.example")
        for address in addresses:
            self.dns.add(f"mx.{name}.example", "AAAA" if ":" in address else "A", address)

    def records(self, kind):
        lines = [json.loads(line) for line in read(self.running.dir / "jsonlog").splitlines(keepends=True)
                 if line.endswith("\n")]
        return [line for line in lines if line["type"] == kind]

    def test_what_the_logs_say(self):
        """An address with its port stands in brackets; where it stands alone, as it is."""
        self.host("d", "::1")
        daemon = self.start('Jsonlog = "@dir@/jsonlog"\nBouncelog = "@dir@/bouncelog"\n')
        replies = ["450 4.2.1 later"]
        sink = self.sink("::1", script=lambda session, verb, line: replies.pop() if verb == "RCPT" and replies else None)
        self.send("a@d.example")
        self.delivered(sink)
        daemon.wait_mainlog("D", 1)
        self.assertEqual({"::1"}, {session.peer for session in sink.sessions})
        there = ("::1", str(self.port))
        for kind in ("T", "D"):
            line, = daemon.mainlog(kind)
            self.assertEqual(there, (line["peer"], line["port"]))
            self.assertRegex(line["local"], r"^\[::1\]:\d+$")
        line, = read(daemon.dir / "bouncelog").splitlines()
        self.assertEqual(there, (line.split("@")[14], line.split("@")[16]))
        for kind in ("TransientFailure", "Delivery"):
            record, = wait_for(lambda: self.records(kind), f"a record {kind}")
            self.assertEqual({"name": "mx.d.example", "addr": "::1"}, record["peer_address"])
            self.assertRegex(record["source_address"]["address"], r"^\[::1\]:\d+$")
        self.assertIn("[::1] IPv6", daemon.console("domain", "route", "d.example").stdout)

    def test_nobody_there(self):
        self.host("d", "::1")
        self.start()
        self.send("a@d.example")
        said = self.outcome("T", "d.example")
        self.assertIn(f"cannot connect to [::1]:{self.port}: ", said)
        self.assertIn("Connection refused", said)

    def test_literals_and_configured_hosts(self):
        self.dns.add("six.example", "AAAA", "::1")
        other, lmtp = free_port(), free_port()
        daemon = self.start(f"""
            Domain "gateway.example" {{ Gateway = "[::1]:{other}" }}
            Domain "bare.example" {{ Gateway = "::1" }}
            Domain "routes.example" {{ Routes = ( "smtp://[::1]:{other}?pref=1" ) }}
            Domain "named.example" {{ Gateway = "six.example:{other}" }}
            Domain "lmtp.example" {{ Gateway = "[::1]" Delivery_Method = lmtp LMTP_Port = {lmtp} }}
        """)
        here = self.sink("::1")
        there = SmtpSink(self, port=other, host="::1")
        boxes = SmtpSink(self, port=lmtp, host="::1", lmtp=True)
        self.send("a@[IPv6:::1]", *(f"a@{name}.example" for name in ("gateway", "bare", "routes", "named", "lmtp")))
        daemon.wait_mainlog("D", 6)
        arrived = [sorted(message.recipients[0] for message in sink.messages) for sink in (here, there, boxes)]
        self.assertEqual([["a@[IPv6:::1]", "a@bare.example"],
                          ["a@gateway.example", "a@named.example", "a@routes.example"], ["a@lmtp.example"]], arrived)
        self.assertEqual(([], []), (daemon.mainlog("T"), daemon.mainlog("P")))
        self.assertFalse([query for query in self.dns.queries if query[0] != "six.example"])

    def test_families_in_turn(self):
        """IPv6 first; the other family's address is tried in the same attempt when that does not answer."""
        self.host("d", "127.0.0.2", "::1")
        daemon = self.start("Max_Deliveries_Per_Connection = 1\n")
        four, six = self.sink("127.0.0.2"), self.sink("::1")
        self.send("a@d.example")
        self.delivered(six)
        six.stop()
        self.send("b@d.example")
        self.delivered(four)
        six = self.sink("::1")
        self.send("c@d.example")
        self.delivered(six)
        self.assertEqual([["b@d.example"]], [message.recipients for message in four.messages])
        self.assertEqual([], daemon.mainlog("T"))
        self.assertEqual([("::1", str(self.port)), ("127.0.0.2", str(self.port)), ("::1", str(self.port))],
                         [(line["peer"], line["port"]) for line in daemon.wait_mainlog("D", 3)])

    def test_from_our_address(self):
        """With an IPv6 Bind_Address only IPv6 is tried, and from there alone."""
        self.host("both", "127.0.0.2", "::1")
        self.host("four", "127.0.0.2")
        daemon = self.start("Bind_Address = \"::1\"\n")
        four, six = self.sink("127.0.0.2"), self.sink("::1")
        self.send("a@both.example", "a@four.example")
        self.delivered(six)
        self.assertIn("4.4.4 [internal] mx.four.example: no IPv6 address, as Bind_Address is one",
                      self.outcome("T", "four.example"))
        six.stop()
        self.send("b@both.example")
        self.assertIn("Connection refused", self.outcome("T", "both.example"))
        daemon.console("config", "set", "bind_address", NOT_OURS)
        self.send("c@both.example")
        wait_for(lambda: [line for line in daemon.mainlog("T") if f"source address {NOT_OURS}: " in line["response"]],
                 lambda: f"an attempt from there: {daemon.mainlog('T')}")
        self.assertEqual([], four.sessions)

    def test_addresses_that_are_not_tried(self):
        own = free_port()
        self.host("here", "::1")
        self.host("prohibited", "2001:db8:0:1::9")
        self.host("mapped", "::ffff:127.0.0.2")
        self.host("unspecified", "::")
        self.host("multicast", "ff02::1")
        self.start(f"""
            Prohibited_Hosts = ( "2001:db8:0:1::/64" 127.0.0.2 )
            ESMTP_Listener {{ Listen "[::1]:{own}" {{ }} }}
            Domain "here.example" {{ Remote_SMTP_Port = {own} }}
        """)
        four = self.sink("127.0.0.2")
        said = {"here": f"5.4.6 [internal] mail loops back to myself: mx.here.example is [::1]:{own}",
                "prohibited": "5.4.4 [internal] mx.prohibited.example: 2001:db8:0:1::9 is one of Prohibited_Hosts",
                "mapped": "5.4.4 [internal] mx.mapped.example: 127.0.0.2 is one of Prohibited_Hosts",
                "unspecified": "5.4.4 [internal] mx.unspecified.example: :: is no host's address",
                "multicast": "5.4.4 [internal] mx.multicast.example: ff02::1 is no host's address"}
        self.send(*(f"a@{name}.example" for name in said))
        for name, text in said.items():
            self.assertIn(text, self.outcome("P", f"{name}.example"))
        self.assertEqual([], four.sessions)


if __name__ == "__main__":
    unittest.main()
