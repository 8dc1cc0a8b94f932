"""TLS on the way out: what goes on without it after a handshake failed, and what does not; and what the options of
certificates, protocols and ciphers come to."""

import ssl

from client import Smtp
from harness import BASE_CONFIG, Daemon, TestCase, free_port, make_certificate, wait_for
from pki import Authority, openssl
from sink import SmtpSink

MESSAGE = b"From: a@client.example\r\nSubject: hello\r\n\r\nthe body\r\n"
CONFIG = """
Domain "remote.example" {
  Gateway = ( "127.0.0.1:@port@" "127.0.0.2:@port@" )
  Idle_Timeout = 0
  Retry_Interval = 3600
}
"""


class TlsThatFails(TestCase):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.running = self.daemon(more=CONFIG, port=self.port)
        self.certificate = make_certificate(self.running.dir)

    def sink(self, host, script=None):
        return SmtpSink(self, port=self.port, host=host, certificate=self.certificate, script=script)

    def send(self):
        with Smtp(self.running.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE, recipients=["bob@remote.example"])

    def test_another_host_has_tls(self):
        """The first host's handshake fails, and in plain it has no time: that says nothing of the second."""
        def script(session, verb, line):
            if verb == "CONNECT" and session.number > 0:
                return "421 4.3.2 later"
            return "" if verb == "HANDSHAKE" else None

        self.sink("127.0.0.1", script)
        good = self.sink("127.0.0.2")
        self.send()
        self.assertTrue(good.wait()[0].tls)
        self.running.wait_log("tls-fallback")

    def test_it_is_remembered(self):
        """Over the end of the last connection there."""
        broken = self.sink("127.0.0.1", lambda session, verb, line: "" if verb == "HANDSHAKE" else None)
        for number in range(3):
            self.send()
            self.assertFalse(broken.wait(number + 1)[number].tls)
            wait_for(lambda: all(session.closed for session in broken.sessions), "the end of all connections")
        self.assertEqual([True] + 3 * [False],
                         ["STARTTLS" in session.commands for session in broken.sessions])


class Settings(TestCase):
    """What the options of TLS say of connections that we make, as the host at the other end sees it."""

    def setUp(self):
        super().setUp()
        self.running = Daemon(self, more="@domains@")
        self.dir = self.running.dir
        self.authority = Authority(self.dir)
        self.server = self.authority.issue("next host", "IP:127.0.0.1")

    def sink(self, version=None, curve=None, asks=False):
        """`version`: of TLS, and no other; `curve`: the one group; `asks`: for a certificate of our authority's."""
        sink = SmtpSink(self, certificate=(self.server.chain, self.server.key))
        if version:
            sink.context.minimum_version = sink.context.maximum_version = version
        if curve:
            sink.context.set_ecdh_curve(curve)
        if asks:
            sink.context.verify_mode = ssl.CERT_REQUIRED
            sink.context.load_verify_locations(self.authority.certificate)
        return sink

    def start(self, sink, domains, more=""):
        """`domains`: the options of each, by its name; all go to that host."""
        text = more + "".join(f'Domain "{name}.example" {{ {options} }}\n' for name, options in domains.items())
        more = f'Gateway = "127.0.0.1:{sink.port}"\nTLS = required\nRetry_Interval = 3600\nMax_Retry_Interval = 3600\n'
        self.running.configure(BASE_CONFIG, domains=more + text)
        self.running.start()
        self.send(*domains)

    def send(self, *names):
        with Smtp(self.running.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE, sender="", recipients=[f"bob@{name}.example" for name in names])

    def seen(self, sink, count, fact):
        """That of the connections by which mail came, by the domain."""
        return {message.recipients[0].split("@")[1].split(".")[0]: sink.sessions[message.session].handshake[fact]
                for message in sink.wait(count)}

    def refused(self, *names):
        """Why, by the domain."""
        lines = wait_for(lambda: (found := {line["domain"].split(".")[0]: line["response"]
                                            for line in self.running.mainlog("T")}).keys() >= set(names) and found,
                         lambda: f"{names} that cannot go: {self.running.mainlog('T')}")
        self.assertEqual(set(names), set(lines))
        return lines

    def set(self, name, option, value):
        self.running.console("config", "set", "domain", f"{name}.example", option, value)

    def test_a_certificate_of_ours(self):
        """A host that wants one gets that of the domain, and lets nobody else in."""
        mine = self.authority.issue("mine.example")
        other = self.authority.issue("other.example")
        foreign = Authority(self.dir, "Foreign CA").issue("foreign.example")
        locked = self.dir / "locked.key"
        openssl("pkcs8", "-topk8", "-in", mine.key, "-out", locked, "-passout", "pass:sesame")
        sink = self.sink(asks=True)
        domains = {
            "global": "",
            "none": "TLS_Certificate = none",
            "file": f'TLS_Certificate = "{other.chain}" TLS_Key = "{other.key}"',
            "scope": "TLS_Certificate = other",
            "locked": f'TLS_Certificate = "{mine.chain}" TLS_Key = "{locked}"',
            "lockedscope": "TLS_Certificate = locked",
            "foreign": f'TLS_Certificate = "{foreign.chain}" TLS_Key = "{foreign.key}"',
        }
        self.start(sink, domains, f'TLS_Certificate = "{mine.chain}"\nTLS_Key = "{mine.key}"\nTLS_Key_Password = sesame\n'
                   f'Certificate "other" {{ Cert = "{other.chain}" Private_Key = "{other.key}" }}\n'
                   f'Certificate "locked" {{ Cert = "{mine.chain}" Private_Key = "{locked}" }}\n')
        self.assertEqual({"global": "mine.example", "file": "other.example", "scope": "other.example",
                          "locked": "mine.example", "lockedscope": "mine.example"}, self.seen(sink, 5, "client"))
        self.refused("none", "foreign")  # TLS 1.3: the alert that says why may be lost with the connection
        # From the next connection on.
        self.set("none", "tls_certificate", "other")
        self.assertEqual("other.example", self.seen(sink, 6, "client")["none"])

    def test_protocols(self):
        sink = self.sink(ssl.TLSVersion.TLSv1_2)
        self.start(sink, {"usual": "", "new": 'TLS_Protocols = "+TLSv1.3"'})
        self.assertEqual({"usual": "TLSv1.2"}, self.seen(sink, 1, "version"))
        self.assertIn("protocol version", self.refused("new")["new"])
        self.set("new", "tls_protocols", "+TLSv1.2")
        self.assertEqual("TLSv1.2", self.seen(sink, 2, "version")["new"])

    def test_the_newest_unless_it_is_left_out(self):
        sink = self.sink()
        self.start(sink, {"usual": "", "old": "TLS_Protocols = ( TLSv1.2 )"})
        self.assertEqual({"usual": "TLSv1.3", "old": "TLSv1.2"}, self.seen(sink, 2, "version"))

    def test_ciphers_and_suites(self):
        """Each counts for its own version of TLS."""
        sink = self.sink()
        ciphers = {"one": "ECDHE-ECDSA-AES128-GCM-SHA256", "two": "ECDHE-ECDSA-CHACHA20-POLY1305",
                   "three": "TLS_AES_128_GCM_SHA256", "four": "TLS_CHACHA20_POLY1305_SHA256"}
        only = {"one": "+TLSv1.2", "two": "+TLSv1.2", "three": "+TLSv1.3", "four": "+TLSv1.3"}
        self.start(sink, {name: f'TLS_Protocols = "{only[name]}" '
                          f'{"TLS_Ciphersuites" if cipher.startswith("TLS_") else "TLS_Ciphers"} = "{cipher}"'
                          for name, cipher in ciphers.items()})
        self.assertEqual(ciphers, self.seen(sink, 4, "cipher"))

    def test_groups(self):
        sink = self.sink(curve="secp384r1")
        self.start(sink, {"good": 'TLS_Groups = "P-256:P-384"', "bad": "TLS_Groups = X25519"})
        self.assertEqual({"good": "TLSv1.3"}, self.seen(sink, 1, "version"))
        self.assertIn("handshake failure", self.refused("bad")["bad"])
        self.set("bad", "tls_groups", "P-384")
        self.seen(sink, 2, "version")

    def test_issuers(self):
        """TLS_CA counts where TLS_Verify asks for it."""
        elsewhere = Authority(self.dir, "Elsewhere")
        good, bad = (f'TLS_CA = "{each.certificate}"' for each in (self.authority, elsewhere))
        domains = {"no": bad, "ca": f"{good} TLS_Verify = ca", "host": f"{good} TLS_Verify = host",
                   "foreign": f"{bad} TLS_Verify = ca"}
        sink = self.sink()
        self.start(sink, domains)
        self.assertEqual({"no", "ca", "host"}, set(self.seen(sink, 3, "version")))
        self.assertIn("unable to get local issuer certificate", self.refused("foreign")["foreign"])
        self.set("foreign", "tls_ca", self.authority.certificate)
        self.seen(sink, 4, "version")

    def test_names(self):
        self.server = self.authority.issue("somebody else", "DNS:else.example,IP:127.0.0.2")
        sink = self.sink()
        trusted = f'TLS_CA = "{self.authority.certificate}"'
        self.start(sink, {"ca": f"{trusted} TLS_Verify = ca", "host": f"{trusted} TLS_Verify = host"})
        self.seen(sink, 1, "version")
        self.assertIn("mismatch", self.refused("host")["host"])
