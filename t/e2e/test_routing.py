"""Where mail goes: by MX records from a name server that tells the truth, lies,
is slow or silent; by Routes; and what the console knows of it."""

import json
import socket
import subprocess

from acceptor import Acceptor
from client import Smtp
from dns_server import DnsServer
from harness import BASE_CONFIG, SCALE, Daemon, TestCase, find_program, free_port, needs, timeout, wait_for
from sink import SmtpSink

MESSAGE = b"From: a@client.example\r\nSubject: hello\r\n\r\nbody\r\n"
MX = "Remote_SMTP_Port = @sink@\nTLS = no\nGenerate_Bounces = false\n"


class Silent(Acceptor):
    """Takes connections and says nothing."""

    connections = 0

    def serve(self, connection):
        with self.lock:
            self.connections += 1
        with connection:
            connection.recv(1)


class Routing(TestCase):
    def setUp(self):
        super().setUp()
        self.dns = DnsServer(self)

    def start(self, more="", dns_timeout=5, **values):
        """A daemon that asks self.dns; every next host is at one port."""
        self.port = free_port()
        self.running = Daemon(self, BASE_CONFIG, more=MX + more, sink=self.port, **values)
        self.dns.write_conf(self.running.dir / "resolv.conf", timeout=dns_timeout)
        return self.running.start()

    def sink(self, host="127.0.0.1", **more):
        return SmtpSink(self, port=self.port, host=host, **more)

    def send(self, *recipients):
        with Smtp(self.running.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE, recipients=list(recipients))

    def delivered(self, sink, count=1):
        wait_for(lambda: len(sink.messages) >= count, lambda: f"{count} messages, there are {len(sink.messages)}\n"
                 + self.running.complaints())

    def outcome(self, kind, domain):
        """The main log's response for the first record of that kind of a domain."""
        return wait_for(lambda: [record["response"] for record in self.running.mainlog(kind)
                                 if record["domain"] == domain], f"a {kind} record of {domain}")[0]


class ByMx(Routing):
    def test_by_preference(self):
        self.dns.add("d.example", "MX", 20, "second.example")
        self.dns.add("d.example", "MX", 10, "first.example")
        self.dns.add("first.example", "A", "127.0.0.2")
        self.dns.add("second.example", "A", "127.0.0.3")
        self.start("Max_Deliveries_Per_Connection = 1\n")
        second = self.sink("127.0.0.3")
        self.send("a@d.example")
        self.delivered(second)  # the first one is down
        first = self.sink("127.0.0.2")
        for _ in range(3):
            self.send("a@D.Example")
        self.delivered(first, 3)
        self.assertEqual(1, len(second.messages))

    def test_a_silent_one_is_waited_for_once(self):
        for number in (2, 3):
            self.dns.add("d.example", "MX", number, f"mx{number}.example")
            self.dns.add(f"mx{number}.example", "A", f"127.0.0.{number}")
        self.start("Max_Deliveries_Per_Connection = 1\nConnect_Timeout = @patience@\nRetry_Interval = 1\n",
                   patience=round(3 * SCALE))
        silent = Silent(self, self.port, "127.0.0.2")
        second = self.sink("127.0.0.3")
        for number in range(3):  # each on a connection of its own
            self.send("a@d.example")
            self.delivered(second, number + 1)
        self.assertEqual(1, silent.connections)
        # It comes last, but it comes.
        second.stop()
        silent.stop()
        first = self.sink("127.0.0.2")
        self.send("a@d.example")
        self.delivered(first)

    def test_equal_ones_share(self):
        for number in (2, 3):
            self.dns.add("d.example", "MX", 10, f"mx{number}.example")
            self.dns.add(f"mx{number}.example", "A", f"127.0.0.{number}")
        self.start("Max_Deliveries_Per_Connection = 1\nMax_Outbound_Connections = 1\n")
        sinks = [self.sink(f"127.0.0.{number}") for number in (2, 3)]
        sent = 0
        while not all(sink.messages for sink in sinks):  # at random
            self.assertLess(sent, 200)
            self.send("a@d.example")
            sent += 1
            wait_for(lambda: sum(len(sink.messages) for sink in sinks) == sent, "the message")

    def test_without_mx_and_behind_aliases(self):
        self.dns.add("plain.example", "A", "127.0.0.1")
        self.dns.add("www.example", "CNAME", "real.example")
        self.dns.add("real.example", "MX", 5, "mail.example")
        self.dns.add("mail.example", "CNAME", "host.example")
        self.dns.add("host.example", "A", "127.0.0.1")
        self.start()
        sink = self.sink()
        for chase in (True, False):
            self.dns.chase = chase
            self.send("a@plain.example", "b@www.example")
            self.delivered(sink, 2 if chase else 4)
            self.running.console("refresh", "domain", "all")
            self.running.console("dns_cache", "flush")
        self.assertEqual([], self.running.mainlog("T"))

    def test_for_good(self):
        self.dns.add("null.example", "MX", 0, ".")
        self.dns.add("gone.example", "MX", 10, "missing.example")
        self.dns.add("bare.example", "TXT", "x")
        self.dns.add("myself.example", "MX", 10, "MX.Test.Example")
        self.dns.add("myself.example", "MX", 20, "backup.example")
        self.dns.add("zero.example", "MX", 10, "zeros.example")
        self.dns.add("zeros.example", "A", "0.0.0.0")
        self.start()
        self.send(*(f"a@{name}.example" for name in ("null", "none", "gone", "bare", "myself", "zero")))
        for name, text in {"null": "5.1.10", "none": "5.1.2", "gone": "5.4.4", "bare": "5.1.2", "myself": "5.4.6",
                           "zero": "5.4.4"}.items():
            self.assertIn(text, self.outcome("P", f"{name}.example"))
        self.assertEqual([], self.running.mainlog("T"))

    def test_no_way_is_told_once(self):
        """However much mail comes for the domain meanwhile: the log is for who has to read it."""
        self.start()
        for number in range(1, 6):
            self.send("a@none.example", "b@none.example")
            self.running.wait_mainlog("P", 2 * number)
        self.running.wait_log("no-route: none.example: ")
        self.assertEqual(1, self.running.log().count("no-route: none.example"))

    def test_one_of_our_own_listeners(self):
        self.dns.add("d.example", "MX", 10, "here.example")
        self.dns.add("here.example", "A", "127.0.0.1")
        self.start('Domain "d.example" { Remote_SMTP_Port = @smtp@ }\n')
        self.send("a@d.example")
        self.assertIn("5.4.6 [internal] mail loops back to myself: here.example is 127.0.0.1:", self.outcome("P", "d.example"))

    @timeout(180)
    def test_until_somebody_knows(self):
        """Each of these is a delay, never a failure; and is over when the name server is well."""
        for name, how in (("servfail", "SERVFAIL"), ("refused", "REFUSED"), ("garbage", "garbage"), ("silent", "silent"),
                          ("wrong", "wrong id"), ("foreign", "foreign")):
            self.dns.add(f"{name}.example", "MX", 10, "mx.example")
            self.dns.behave(f"{name}.example", how)
        self.dns.add("loop.example", "CNAME", "pool.example")
        self.dns.add("pool.example", "CNAME", "loop.example")
        self.dns.add("mx.example", "A", "127.0.0.1")
        names = ("servfail", "refused", "garbage", "silent", "wrong", "foreign", "loop")
        self.start(dns_timeout=2)  # two of these are never answered
        sink = self.sink()
        self.send(*(f"a@{name}.example" for name in names))
        for name, text in (("servfail", "SERVFAIL"), ("refused", "REFUSED"), ("garbage", "4.4.3"), ("silent", "no answer"),
                           ("wrong", "no answer"), ("foreign", "records of other names only"),
                           ("loop", "a loop of aliases")):
            said = self.outcome("T", f"{name}.example")
            self.assertIn("4.4.3", said)
            self.assertIn(text, said)
        for name in names:
            self.dns.behave(f"{name}.example", None)
        self.dns.clear("loop.example", "CNAME")
        self.dns.add("loop.example", "MX", 10, "mx.example")
        self.delivered(sink, len(names))
        self.assertEqual([], self.running.mainlog("P"))

    def test_long_answers(self):
        for number in range(1500):
            self.dns.add("huge.example", "MX", 100 + number, f"no{number}.example")
        self.dns.add("many.example", "MX", 7, "mx.example")
        for number in range(300):
            self.dns.add("many.example", "MX", 100 + number, f"no{number}.example")
        self.dns.add("short.example", "MX", 10, "mx.example")
        self.dns.behave("short.example", "truncated")
        self.dns.add("mx.example", "A", "127.0.0.1")
        self.start()
        sink = self.sink()
        self.send("a@many.example", "a@short.example", "a@huge.example")
        self.delivered(sink, 2)
        self.assertIn(("short.example", "MX", "tcp"), self.dns.queries)
        self.assertIn("4.4.3", self.outcome("T", "huge.example"))  # nobody has so many
        self.assertFalse(self.dns.asked("no1.example"), "worse ones are asked for when better ones fail")

    def test_another_server_knows(self):
        """Of two name servers the first one is sick."""
        self.dns.add("d.example", "A", "127.0.0.1")
        self.dns.behave("sick.example", "SERVFAIL")
        sick = DnsServer(self)
        for name in ("d.example", "sick.example"):
            sick.behave(name, "SERVFAIL")
        daemon = self.start()
        (daemon.dir / "two.conf").write_text(f"nameserver 127.0.0.1:{sick.port}\nnameserver 127.0.0.1:{self.dns.port}\n"
                                             "options timeout:1 attempts:1\n")
        daemon.console("config", "set", "resolv_conf", daemon.dir / "two.conf")
        sink = self.sink()
        self.send("a@d.example", "a@sick.example")
        self.delivered(sink)
        self.assertIn("SERVFAIL", self.outcome("T", "sick.example"))
        self.assertTrue(sick.asked("d.example"))

    def test_when_its_time_is_over(self):
        self.dns.add("d.example", "MX", 10, "old.example", ttl=1)
        self.dns.add("old.example", "A", "127.0.0.2")
        self.dns.add("new.example", "A", "127.0.0.3")
        self.start("Idle_Timeout = 60\n")
        old, new = self.sink("127.0.0.2"), self.sink("127.0.0.3")
        self.send("a@d.example")
        self.delivered(old)
        self.dns.set("d.example", "MX", 10, "new.example", ttl=1)

        def arrived():
            self.send("a@d.example")
            return new.messages

        wait_for(arrived, "mail at the new host")

    def test_domains_share_connections(self):
        for domain in ("d.example", "e.example"):
            self.dns.add(domain, "MX", 10 if domain == "d.example" else 1, "mx.example")
        self.dns.add("mx.example", "A", "127.0.0.1")
        self.start("Idle_Timeout = 60\nMax_Outbound_Connections = 1\n")
        sink = self.sink()
        self.send("a@d.example")
        self.delivered(sink)
        self.send("a@e.example")
        self.delivered(sink, 2)
        self.assertEqual(1, len(sink.sessions))

    def test_literals(self):
        self.start("Domain \"[127.0.0.9]\" { Gateway = \"127.0.0.1:@sink@\" }\n")
        sink = self.sink()
        self.send("a@[127.0.0.1]")
        self.delivered(sink)
        self.send("a@[127.0.0.9]")
        self.delivered(sink, 2)
        self.assertEqual([], self.dns.queries)

    def test_no_address_of_our_family(self):
        self.dns.add("d.example", "MX", 10, "mx.example")
        self.dns.add("mx.example", "AAAA", "::1")
        self.start("Bind_Address = 127.0.0.1\n")
        self.send("a@d.example")
        self.assertIn("4.4.4 [internal] mx.example: no IPv4 address, as Bind_Address is one",
                      self.outcome("T", "d.example"))

    def test_prohibited(self):
        self.dns.add("d.example", "MX", 10, "mx.example")
        self.dns.add("mx.example", "A", "127.0.0.2")
        self.start("Prohibited_Hosts = ( 127.0.0.2 )\n")
        sink = self.sink("127.0.0.2")
        self.send("a@d.example")
        self.assertIn("5.4.4 [internal] mx.example: 127.0.0.2 is one of Prohibited_Hosts", self.outcome("P", "d.example"))
        self.running.console("config", "set", "prohibited_hosts", "( )")
        self.send("a@d.example")
        self.delivered(sink)

    def test_ipv6_switched_off(self):
        self.dns.add("d.example", "MX", 10, "mx.example")
        self.dns.add("mx.example", "A", "127.0.0.1")
        self.dns.add("mx.example", "AAAA", "2001:db8::1")
        self.start("Use_IPv6 = false\n")
        sink = self.sink()
        self.send("a@d.example")
        self.delivered(sink)
        self.assertFalse(self.dns.asked("mx.example", "AAAA"))


class ByRoutes(Routing):
    def test_hubs_first_then_the_dns(self):
        self.dns.add("d.example", "MX", 0, "mx.example")
        self.dns.add("mx.example", "A", "127.0.0.3")
        self.start('Routes = ( "smtp://127.0.0.4?pref=20" "smtp://127.0.0.2?pref=10&ttl=60" "__mx__" )\n')
        by_mx = self.sink("127.0.0.3")
        self.send("a@d.example")
        self.delivered(by_mx)
        hub = self.sink("127.0.0.2")
        self.running.console("config", "set", "domain", "d.example", "max_deliveries_per_connection", "1")
        wait_for(lambda: self.send("a@d.example") or hub.messages, "mail at the hub")

    def test_exchanges_of_another_name(self):
        self.dns.add("hub.example", "MX", 10, "mx.hub.example")
        self.dns.add("mx.hub.example", "A", "127.0.0.2")
        self.start('Domain "d.example" { Routes = ( "smtp://hub.example?type=mx" ) }\n')
        sink = self.sink("127.0.0.2")
        self.send("a@d.example")
        self.delivered(sink)
        self.assertFalse(self.dns.asked("d.example"))

    def test_wrong_ones_are_refused(self):
        daemon = self.start()
        for text, says in (("http://h.example", "smtp:// is"), ("smtp://h.example?pref=x", "pref is a number"),
                           ("smtp://h.example?port=0", "port is a number"), ("smtp://h.example?ttl=0", "ttl is a number"),
                           ("smtp://h.example?type=txt", "type is mx or a"), ("smtp://h.example?weight=1", "'weight' is none"),
                           ("smtp://192.0.2.1?type=mx", "has no mail exchanges"), ("2001:db8::1", "stands in brackets"),
                           ("smtp://a b", "expected a host name"), ("[2001:db8::1", "']' is missing"),
                           ("smtp://h.example:26?port=27", "two ports"), ("", "expected a host name")):
            done = daemon.console("config", "set", "routes", f'( "{text}" )', status=1)
            self.assertIn(says, done.stderr + done.stdout, text)
        daemon.configure(BASE_CONFIG, more='Routes = ( "mail.example"\n  "smtp://h.example?pref=x" )')
        done = daemon.check("--check", "-c", daemon.config_file)
        self.assertEqual(1, done.returncode)
        line = daemon.config_file.read_text().splitlines().index('  "smtp://h.example?pref=x" )') + 1
        self.assertRegex(done.stderr, rf"impulse\.conf:({line - 1}|{line}):\d+: .*'smtp://h\.example\?pref=x' is wrong")

    def test_where_a_route_is_wrong(self):
        """What makes no route is told with the place of what is wrong, be it in a file or typed."""
        self.start()
        more = ('Domain "a.example" {\n  Gateway = hub.example\n  Max_Retries = 3\n'
                '    Outbound_SMTP_AUTH_Type = ( PLAIN FOO )\n}\n'
                'Domain "b.example" {\n  Max_Retries = 3\n  Delivery_Method = ecstream\n}\n')
        self.running.configure(BASE_CONFIG, more=more)
        lines = self.running.config_file.read_text().splitlines()
        said = self.running.check("--check", "-c", self.running.config_file).stderr
        for text, column, what in (("    Outbound_SMTP_AUTH_Type = ( PLAIN FOO )", 5, "Outbound_SMTP_AUTH_Type: expected"),
                                   ("  Delivery_Method = ecstream", 3, "ECStream needs next hosts")):
            self.assertRegex(said, rf"impulse\.conf:{lines.index(text) + 1}:{column}: error: {what}")
        line = "config set domain c.example gateway 2001:db8::1:25"
        done = self.running.console(line, status=1)
        self.assertRegex(done.stderr, r"error: console:1:29: Gateway '2001:db8::1:25'")

    def test_a_gateway_nearer_by(self):
        self.start('Routes = ( "127.0.0.2" )\nDomain "d.example" { Gateway = "127.0.0.3" }\n')
        routes, gateway = self.sink("127.0.0.2"), self.sink("127.0.0.3")
        self.send("a@d.example")
        self.delivered(gateway)
        self.send("a@e.example")
        self.delivered(routes)

    def test_from_gateway_to_mx_and_back(self):
        self.dns.add("d.example", "MX", 10, "mx.example")
        self.dns.add("mx.example", "A", "127.0.0.2")
        daemon = self.start("Retry_Interval = 600\nMax_Retry_Interval = 600\nGateway = \"127.0.0.9\"\n")
        sink = self.sink("127.0.0.2")
        self.send("a@d.example")
        self.outcome("T", "d.example")  # nobody is there
        daemon.console("config", "set", "gateway", "( )")
        self.delivered(sink)            # at once
        daemon.console("config", "set", "gateway", "127.0.0.9")
        self.send("a@e.example")
        self.outcome("T", "e.example")


class ResolvConf(Routing):
    def test_is_read_again(self):
        self.dns.add("d.example", "A", "127.0.0.1")
        self.start()
        sick = DnsServer(self)
        sick.behave("d.example", "SERVFAIL")
        path = self.running.dir / "other.conf"
        sick.write_conf(path)
        self.running.console("config", "set", "resolv_conf", path)
        sink = self.sink()
        self.send("a@d.example")
        self.outcome("T", "d.example")
        self.dns.write_conf(path)  # noticed by itself
        self.delivered(sink)

    def test_a_wrong_one_is_refused(self):
        daemon = self.start()
        bad = daemon.dir / "bad.conf"
        bad.write_text("search x\nnameserver dns.example\n")
        for path, says in ((bad, "line 2: expected an address"), (daemon.dir / "missing.conf", "No such file")):
            done = daemon.console("config", "set", "resolv_conf", path, status=1)
            self.assertIn(says, done.stderr + done.stdout)

    def test_gateways_by_name(self):
        self.dns.add("relay.corp.example", "A", "127.0.0.2")
        self.start('Gateway = "relay"\n')
        self.dns.write_conf(self.running.dir / "resolv.conf", "search corp.example\n")
        sink = self.sink("127.0.0.2")
        self.send("a@d.example")
        self.delivered(sink)
        self.running.console("config", "set", "gateway", f"localhost:{self.port}")
        here = self.sink()
        self.send("a@e.example")
        self.delivered(here)


class Commands(Routing):
    def test_the_cache(self):
        self.dns.add("d.example", "MX", 10, "mx.example", ttl=500)
        daemon = self.start()
        lookup = ("dns_cache", "lookup", "d.example", "MX")
        self.assertIn("try a submit", daemon.console(*lookup, status=3).stderr)
        self.assertIn("Submitted", daemon.console("dns_cache", "submit", "D.example", "MX").stdout)
        text = wait_for(lambda: daemon.console(*lookup, status=None).stdout, "the answer")
        self.assertRegex(text, r"d\.example +(500|49\d) +IN +MX +10 mx\.example\.")
        self.assertRegex(daemon.console("dns_cache", "stats").stdout, r"MX: 1\n")
        self.assertIn("d.example MX [", daemon.console("dns_cache", "list").stdout)
        self.assertIn("1 answers", daemon.console("dns_cache", "flush", "d.example").stdout)
        daemon.console(*lookup, status=3)

    def test_a_domains_route(self):
        for domain in ("d.example", "e.example"):
            self.dns.add(domain, "MX", 10, "mx.example")
        self.dns.add("mx.example", "A", "127.0.0.1")
        daemon = self.start()
        sink = self.sink()
        self.assertIn("is not looked up", daemon.console("domain", "route", "d.example").stdout)
        self.send("a@d.example", "a@e.example", "a@none.example")
        self.delivered(sink, 2)
        text = daemon.console("domain", "route", "d.example").stdout
        self.assertRegex(text, r"Domain 'd\.example' has 1 MXs and a TTL of \d+ seconds\n")
        self.assertIn(f"[0 mx.example:{self.port} TTL:", text)
        self.assertIn("[127.0.0.1] IPv4", text)
        self.assertIn("(also used by e.example)", text)
        self.assertIn("NXDOMAIN", wait_for(lambda: "no route" in (said := daemon.console(
            "domain", "route", "none.example").stdout) and said, "the failure"))
        asked = self.dns.asked("d.example", "MX")
        self.assertIn("submitted", daemon.console("dig", "d.example").stdout)
        wait_for(lambda: self.dns.asked("d.example", "MX") > asked, "another question")
        self.assertEqual(3, daemon.console("dig", "local.example", status=3).returncode)
        document = json.loads(daemon.console("--json", "domain", "route", "local.example").stdout.splitlines()[0])
        self.assertEqual("maildir", document["method"])


class RealServer(Routing):
    @needs("dnsmasq")
    def test_dnsmasq(self):
        daemon = self.start()
        port = free_port()
        with open(daemon.dir / "dnsmasq.log", "wb") as log:
            process = subprocess.Popen(
                [find_program("dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null", f"--port={port}", "--no-resolv",
                 "--no-hosts", "--listen-address=127.0.0.1", "--bind-interfaces", "--pid-file=", "--user=", "--local-ttl=60",
                 "--mx-host=d.example,mx1.d.example,10", "--mx-host=d.example,mx2.d.example,20",
                 "--host-record=mx1.d.example,127.0.0.77", "--host-record=mx2.d.example,127.0.0.2",
                 "--cname=alias.example,plain.example", "--host-record=plain.example,127.0.0.2", "--local=/example/"],
                stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)

        def listens():
            self.assertIsNone(process.poll(), (daemon.dir / "dnsmasq.log").read_text())
            try:
                socket.create_connection(("127.0.0.1", port), 5).close()
                return True
            except OSError:
                return False

        wait_for(listens, "dnsmasq")
        (daemon.dir / "dnsmasq.conf").write_text(f"nameserver 127.0.0.1:{port}\n")
        daemon.console("config", "set", "resolv_conf", daemon.dir / "dnsmasq.conf")
        sink = self.sink("127.0.0.2")
        self.send("a@d.example", "a@plain.example", "a@alias.example", "a@none.example")
        self.delivered(sink, 3)
        self.assertIn("5.1.2", self.outcome("P", "none.example"))
