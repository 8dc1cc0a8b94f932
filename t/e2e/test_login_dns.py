"""Who gets our password: next hosts that the configuration names, and none that the DNS does, unless it is a
domain of Routes and the host's certificate is verified."""

import socket
import tempfile

from client import Smtp
from dns_server import DnsServer
from harness import BASE_CONFIG, Daemon, TestCase, free_port
from pki import Authority
from sink import SmtpSink

MESSAGE = b"From: a@client.example\r\nSubject: hello\r\n\r\nthe body\r\n"
LOGIN = 'Outbound_SMTP_AUTH_User = alice Outbound_SMTP_AUTH_Pass = "open sesame" Outbound_SMTP_AUTH_Type = ( PLAIN )'
CONFIG = f"""
Remote_SMTP_Port = @sink@
TLS_CA = "@ca@"
{LOGIN}
Retry_Interval = 3600
@options@
"""


def hub(options=""):
    return f'Domain "d.example" {{ Routes = ( "smtp://hub.example?type=mx" ) {options} }}'


def own_address():
    """One of this machine's that is no loopback address; nothing is sent for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        own = probe.getsockname()[0]
    return None if own.startswith("127.") else own


def script(session, verb, line):
    return "235 2.7.0 yes" if verb == "AUTH" else None


class LoginByDns(TestCase):
    def setUp(self):
        super().setUp()
        self.dns = DnsServer(self)
        for domain in ("d.example", "hub.example"):
            self.dns.add(domain, "MX", 10, "mx.example")
        for host in ("mx.example", "own.example"):
            self.dns.add(host, "A", "127.0.0.1")
        self.port = free_port()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.authority = Authority(folder.name)

    def start(self, options, **values):
        self.running = Daemon(self, BASE_CONFIG, more=CONFIG, options=options, sink=self.port,
                              ca=self.authority.certificate, **values)
        self.dns.write_conf(self.running.dir / "resolv.conf")
        return self.running.start()

    def sink(self, host="127.0.0.1", names="DNS:mx.example,DNS:own.example,IP:127.0.0.2", tls=True):
        pair = self.authority.issue(f"sink {host}", names)
        return SmtpSink(self, port=self.port, host=host, script=script, extensions=("AUTH PLAIN", "PIPELINING"),
                        certificate=(pair.chain, pair.key) if tls else None)

    def send(self, recipient):
        with Smtp(self.running.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE, recipients=[recipient])

    def logins(self, sink):
        """The sessions that said AUTH, by whether they were under TLS."""
        return [session.tls for session in sink.sessions if any(line.startswith("AUTH") for line in session.commands)]

    def test_hosts_of_a_recipients_domain_are_not_told(self):
        """Whoever mail is addressed to would get it, however well his certificate is verified."""
        for verify in ("no", "host"):
            for recipient, options in (("a@d.example", ""), ("a@own.example", ""), ("a@[127.0.0.2]", ""),
                                       ("a@d.example", 'Domain "d.example" { Routes = ( "__mx__" ) }'),
                                       ("a@d.example", f'Domain "d.example" {{ {LOGIN} }}')):
                with self.subTest(verify=verify, recipient=recipient, options=options):
                    self.port = free_port()
                    sink = self.sink("127.0.0.2" if "[" in recipient else "127.0.0.1")
                    self.start(f"TLS_Verify = {verify} {options}")
                    self.send(recipient)
                    message = sink.wait()[0]
                    self.assertEqual([], self.logins(sink))
                    self.assertNotIn("AUTH", message.mail_parameters)
                    self.running.stop()
                    sink.stop()

    def test_named_hosts_are_told_beside_those(self):
        """In one route, too: the hub fails, and the mail goes by MX without a word of it."""
        sink, hub = self.sink(), self.sink("127.0.0.3")
        self.start('Domain "d.example" { Routes = ( "127.0.0.3" "__mx__" ) Idle_Timeout = 0 }')
        self.send("a@d.example")
        hub.wait()
        self.assertEqual([True], self.logins(hub))
        hub.stop()
        self.send("b@d.example")
        sink.wait()
        self.assertEqual([], self.logins(sink))

    def test_hosts_of_a_domain_of_routes(self):
        for verify in ("no", "host"):
            with self.subTest(verify):
                self.port = free_port()
                sink = self.sink()
                self.start(hub(f"TLS_Verify = {verify}"))
                self.send("a@d.example")
                sink.wait()
                self.assertEqual([True], self.logins(sink))

    def test_hosts_that_cannot_be_verified(self):
        """Another name in the certificate, and no TLS: the mail waits, and the password stays here."""
        for host, names, tls in (("127.0.0.1", "DNS:other.example", True), ("127.0.0.4", "", False)):
            sink = self.sink(host, names, tls)
            self.dns.set("mx.example", "A", host)
            for verify in ("no", "host"):
                with self.subTest(verify=verify, tls=tls):
                    self.start(hub(f"TLS_Verify = {verify} Outbound_SMTP_AUTH_Requires_TLS = false"))
                    self.send("a@d.example")
                    why = "TLS: " if tls and verify == "host" else "no certificate proves that it is the one"
                    self.assertIn(why, self.running.wait_mainlog("T", 1)[0]["response"])
                    self.assertEqual(([], []), (self.logins(sink), sink.messages))
                    self.running.stop()

    def breaks_once(self, host):
        """A host that breaks the first handshake, and only that."""
        sink = self.sink(host)
        sink.script = lambda session, verb, line: ("" if verb == "HANDSHAKE" and session.number == 0
                                                   else script(session, verb, line))
        return sink

    def goes_again(self, sink):
        """With TLS = ifavailable a handshake was not tried again for ten minutes, and without it nothing went."""
        self.send("a@d.example")
        self.running.wait_mainlog("T", 1)
        self.send("b@d.example")
        self.assertTrue(sink.wait()[0].tls)
        self.assertEqual([True], self.logins(sink))
        self.assertNotIn("tls-fallback", self.running.log())

    def test_a_handshake_that_fails_once(self):
        sink = self.breaks_once("127.0.0.1")
        self.start(hub())
        self.goes_again(sink)

    def test_the_same_with_a_gateway(self):
        own = own_address()
        if own is None:
            self.skipTest("this machine has loopback addresses only, where a login needs no TLS")
        sink = self.breaks_once(own)
        self.start(f'Domain "d.example" {{ Gateway = "{own}:@sink@" }}')
        self.goes_again(sink)

    def test_what_cannot_be_is_said(self):
        daemon = Daemon(self, BASE_CONFIG, more=CONFIG, options=hub("TLS = no"), sink=self.port,
                        ca=self.authority.certificate)
        self.assertIn("Outbound_SMTP_AUTH_User needs TLS with type=mx", daemon.start_fails())
        # Never of use, but nothing that is wrong.
        self.start(f'Domain "d.example" {{ {LOGIN} }}')
        self.assertIn("not for the mail exchanges that this domain's mail goes to", self.running.stderr())
