"""TLS of listeners, from outside: Python's ssl and openssl s_client as clients.
S and V numbers are statements about listeners of other products that have to
hold here."""

import datetime
import json
import socket
import ssl
import subprocess
import unittest

from client import Smtp
from harness import (BASE_CONFIG, SCALE, Daemon, TestCase, find_program, free_port, is_sanitized, needs, timeout,
                     wait_for)
from pki import Authority, openssl

KEY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
SERVER_NAMES = "DNS:mx.test.example,IP:127.0.0.1"
LISTENERS = """
Certificate "mx" { Cert = "@mx.certificate@" Private_Key = "@mx.key@" }
@global@
ESMTP_Listener {
  TLS_Certificate = "mx"
  @listener@
  Listen "127.0.0.1:@tls@" { Use_SSL = true @listen@ }
  @listens@
}
"""


class Tls(TestCase):
    """A daemon with an implicit TLS port beside the plain one."""

    def setUp(self):
        self.prepared = Daemon(self)
        self.dir = self.prepared.dir
        self.ca = Authority(self.dir)
        self.mx = self.ca.issue("mx.test.example", SERVER_NAMES)
        self.port = free_port()

    def configuration(self, listener="", listen="", listens="", globally=""):
        values = {"tls": self.port, "listener": listener, "listen": listen, "listens": listens, "global": globally,
                  "mx.certificate": self.mx.certificate, "mx.key": self.mx.key, "ca": self.ca.certificate}
        self.prepared.configure(BASE_CONFIG, more=LISTENERS, **values)
        return self.prepared

    def serve(self, *arguments, **options):
        self.served = self.configuration(*arguments, **options).start()
        return self.served

    def refused(self, *arguments, **options):
        """What the check of a configuration says that must not be taken."""
        daemon = self.configuration(*arguments, **options)
        done = daemon.check("--check", "-c", daemon.config_file)
        self.assertEqual(1, done.returncode, done.stdout + done.stderr)
        self.assertRegex(done.stderr, r"impulse\.conf:\d+:\d+: ")
        return done.stderr

    def accepted(self, *arguments, **options):
        """The warnings of one that is taken."""
        daemon = self.configuration(*arguments, **options)
        done = daemon.check("--check", "-c", daemon.config_file)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        return done.stderr

    def context(self, version=None, client=None, ca=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(ca or self.ca.certificate)
        if version:
            context.minimum_version = context.maximum_version = version
        if client:
            context.load_cert_chain(client.chain, client.key)
        return context

    def connect(self, context=None, name=None, port=None, session=None):
        """The TLS socket, behind the greeting."""
        plain = socket.create_connection(("127.0.0.1", port or self.port), timeout=30 * SCALE)
        self.addCleanup(plain.close)
        secured = (context or self.context()).wrap_socket(plain, server_hostname=name, session=session)
        self.addCleanup(secured.close)
        greeting = secured.recv(4096)
        self.assertTrue(greeting.startswith(b"220 "), greeting)
        return secured

    def fails(self, context, name=None, port=None):
        """The reason by which the server refused."""
        with self.assertRaises((ssl.SSLError, ConnectionError)) as caught:
            self.connect(context, name, port)
        return str(caught.exception)

    def shown(self, secured):
        return dict(part[0] for part in secured.getpeercert()["subject"])["commonName"]

    def s_client(self, *words, port=None, send=b"QUIT\r\n", status=None):
        """Output of openssl s_client, both streams."""
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port or self.port}", "-ign_eof",
                               *map(str, words)], input=send, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60 * SCALE)
        text = done.stdout.decode(errors="replace")
        if status is not None:
            self.assertEqual(status, done.returncode, text)
        return text


BOTH = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


class Basics(Tls):
    def test_S12_S13_S14_S38_S40_plain_starttls_and_implicit_side_by_side(self):
        submission = free_port()
        daemon = self.serve(listener="Use_SSL = false",
                            listens=f'Listen "127.0.0.1:{submission}" {{ TLS_Required = true }}')
        with Smtp(daemon.smtp_port) as plain:  # S13: STARTTLS, when the client likes
            self.assertIn("STARTTLS", plain.ehlo())
            plain.expect(250, "MAIL FROM:<a@b.example>")
        with Smtp(submission) as smtp:  # S12: clients must encrypt
            smtp.ehlo()
            self.assertEqual(530, smtp.command("MAIL FROM:<a@b.example>")[0])
            smtp.starttls()
            smtp.ehlo()
            smtp.expect(250, "MAIL FROM:<a@b.example>")
        secured = self.connect()  # S14: from the first byte; S38: over the listener's value
        self.assertEqual("mx.test.example", self.shown(secured))
        secured.sendall(b"EHLO client.example\r\n")
        self.assertNotIn(b"STARTTLS", secured.recv(4096))

    def test_S11_S19_S23_protocols_by_default_and_by_listen(self):
        strict, old = free_port(), free_port()
        self.serve(globally='TLS_Protocols = "+TLSv1.3"', listens=f"""
            Listen "127.0.0.1:{strict}" {{ Use_SSL = true }}
            Listen "127.0.0.1:{old}" {{ Use_SSL = true TLS_Protocols = ( "TLSv1.2" "TLSv1.3" ) }}""")
        self.assertIn("PROTOCOL_VERSION", self.fails(self.context(ssl.TLSVersion.TLSv1_2), port=strict).upper())
        self.assertEqual("TLSv1.3", self.connect(port=strict).version())
        self.assertEqual("TLSv1.2", self.connect(self.context(ssl.TLSVersion.TLSv1_2), port=old).version())

    def test_TLS_1_0_and_1_1_are_refused(self):
        self.serve()
        for version in ("-tls1", "-tls1_1"):
            self.assertIn("alert protocol version", self.s_client(version, "-cipher", "ALL:@SECLEVEL=0", status=1))
        self.assertIn("TLSv1 is broken", self.refused(listen='TLS_Protocols = "+TLSv1.0:+TLSv1.2"'))

    def test_S20_S21_ciphers_and_whose_order_counts(self):
        client_first = free_port()
        chacha = free_port()
        ciphers = 'TLS_Ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256"'
        self.serve(listener=ciphers,
                   listens=f"""
            Listen "127.0.0.1:{client_first}" {{ Use_SSL = true TLS_Prefer_Server_Ciphers = false }}
            Listen "127.0.0.1:{chacha}" {{
              Use_SSL = true
              TLS_Ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305"
            }}""")
        context = self.context(ssl.TLSVersion.TLSv1_2)
        context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")
        self.assertEqual("ECDHE-ECDSA-AES256-GCM-SHA384", self.connect(context).cipher()[0])
        self.assertEqual("ECDHE-ECDSA-AES128-GCM-SHA256", self.connect(context, port=client_first).cipher()[0])
        context.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384")
        self.assertEqual("ECDHE-ECDSA-CHACHA20-POLY1305", self.connect(context, port=chacha).cipher()[0])
        context.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305")
        self.assertIn("HANDSHAKE_FAILURE", self.fails(context).upper())
        self.assertIn("NO-SUCH-CIPHER", self.refused(listen='TLS_Ciphers = "HIGH:NO-SUCH-CIPHER"'))

    def test_S15_V31_handshake_timeout_of_a_listen(self):
        daemon = self.serve(listen="TLS_Handshake_Timeout = 1")
        for said in (b"", b"\x16\x03\x01\x02\x00\x01"):  # silence, and half a hello
            with socket.create_connection(("127.0.0.1", self.port), timeout=60 * SCALE) as silent:
                silent.sendall(said)
                self.assertEqual(b"", silent.recv(4096))
        wait_for(lambda: daemon.inbound_sessions() == 0, "the end of both sessions")
        self.connect()

    def test_garbage_gets_no_answer_and_one_line_in_the_log(self):
        daemon = self.serve()
        for said in (b"EHLO client.example\r\n", b"GET / HTTP/1.0\r\n\r\n", b"\0" * 100):
            with socket.create_connection(("127.0.0.1", self.port), timeout=60 * SCALE) as lost:
                lost.sendall(said)
                self.assertEqual(b"", lost.recv(4096))
        daemon.wait_log("GET / HTTP/1.0")
        self.assertEqual(1, daemon.log().count("EHLO client.example"))
        self.connect()

    def test_renegotiation_is_refused(self):
        self.serve()
        client = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-tls1_2"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(client.kill)
        seen = b""
        while b"220 " not in seen:
            more = client.stdout.read1(4096)
            self.assertTrue(more, seen)
            seen += more
        client.stdin.write(b"R\n")
        client.stdin.flush()
        rest = client.communicate(timeout=60 * SCALE)[0].decode(errors="replace")
        self.assertIn("no renegotiation", rest)
        self.assertIn("renegotiation", self.refused(listen="TLS_Allow_Renegotiation = true"))
        self.accepted(listen="TLS_Allow_Renegotiation = false")

    def test_a_renewed_certificate_by_reload(self):
        daemon = self.serve()
        before = self.connect()
        serial = before.getpeercert()["serialNumber"]
        self.ca.issue("mx.test.example", SERVER_NAMES)  # over the same files
        self.assertEqual(serial, self.connect().getpeercert()["serialNumber"])
        self.assertIn("mx: renewed", daemon.console("tls", "reload").stdout)
        self.assertNotEqual(serial, self.connect().getpeercert()["serialNumber"])
        before.sendall(b"NOOP\r\n")
        self.assertTrue(before.recv(4096).startswith(b"250 "))

    def test_dh_parameters(self):
        rsa = self.ca.issue("rsa.test.example", rsa=True)
        parameters = self.dir / "dh.pem"
        openssl("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out", parameters)
        self.serve(globally=f'TLS_DHParams_File = "{parameters}"',
                   listen=f'TLS_Certificate = "{rsa.certificate}" TLS_Key = "{rsa.key}"')
        said = self.s_client("-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256", "-CAfile", self.ca.certificate)
        self.assertIn("DHE-RSA-AES128-GCM-SHA256", said)
        self.assertIn("Server Temp Key: DH, 2048 bits", said)
        parameters.write_text("nothing")
        self.assertIn("dh.pem", self.refused(globally=f'TLS_DHParams_File = "{parameters}"'))


class Names(Tls):
    def setUp(self):
        super().setUp()
        self.one, self.wild = self.ca.issue("one.example"), self.ca.issue("wild.example")
        self.scopes = "".join(f'Certificate "{name}" {{ Cert = "{pair.certificate}" Private_Key = "{pair.key}" }}\n'
                              for name, pair in (("one", self.one), ("wild", self.wild)))

    def test_S18_certificates_by_server_name(self):
        daemon = self.serve(globally=self.scopes,
                            listener='TLS_SNI = [ "one.example" = "one" "*.wild.example" = "wild" ]')
        for version in BOTH:
            for name, expected in (("one.example", "one.example"), ("ONE.EXAMPLE", "one.example"),
                                   ("a.wild.example", "wild.example"), ("a.b.wild.example", "wild.example"),
                                   ("wild.example", "mx.test.example"), ("unknown.example", "mx.test.example"),
                                   (None, "mx.test.example")):
                self.assertEqual(expected, self.shown(self.connect(self.context(version), name)), name)
        with Smtp(daemon.smtp_port) as smtp:  # STARTTLS as well
            smtp.ehlo()
            smtp.expect(220, "STARTTLS")
            secured = self.context().wrap_socket(smtp.socket, server_hostname="one.example")
            self.assertEqual("one.example", self.shown(secured))
            secured.close()

    def test_S16_S17_names_must_exist(self):
        said = self.refused(globally=self.scopes, listener='TLS_SNI = [ "one.example" = "onne" ]')
        self.assertIn('there is no Certificate "onne"', said)
        self.assertIn("did you mean 'one'", said)
        self.assertIn('there is no Certificate "nowhere"', self.refused(listen='TLS_Certificate = "nowhere"'))
        self.assertIn("no server name", self.refused(globally=self.scopes, listener='TLS_SNI = [ "m*.x" = "one" ]'))

    def test_S24_S25_S26_S27_certificate_scopes(self):
        inline = self.one.certificate.read_text()
        certificate = f'Certificate "inline" {{ Cert = "{inline}" Private_Key = "file://{self.one.key}" }}\n'
        self.assertEqual("", self.accepted(globally=certificate, listen='TLS_Certificate = "inline"'))
        self.serve(globally=certificate, listen='TLS_Certificate = "inline"')
        self.assertEqual("one.example", self.shown(self.connect()))
        both = f'Certificate "inline" {{ Cert = "{inline}" Private_Key = "{self.one.key.read_text()}" }}\n'
        warned = self.accepted(globally=both, listen='TLS_Certificate = "inline"')
        self.assertIn("warning", warned)
        self.assertNotIn("BEGIN PRIVATE", warned)
        self.assertIn("needs Private_Key", self.refused(globally='Certificate "half" { Cert = "/x.pem" }'))
        self.assertIn("needs Cert", self.refused(globally='Certificate "half" { Private_Key = "/x.pem" }'))

    def test_S22_example_values(self):
        self.serve(globally=self.scopes, listener="""
            TLS_Handshake_Timeout = "1m"
            TLS_SNI = [ "one.example" = "one" "wild.example" = "wild" ]
            TLS_Protocols = ( "TLSv1.2" "TLSv1.3" )
            TLS_Ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
            TLS_Ciphersuites = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
            TLS_Prefer_Server_Ciphers = true""")
        self.assertEqual("wild.example", self.shown(self.connect(name="wild.example")))

    def test_show_and_check_know_certificates_by_name(self):
        ending = self.ca.issue("ending.example", ends=soon())
        daemon = self.serve(
            globally=self.scopes +
            f'Certificate "ending" {{ Cert = "{ending.certificate}" Private_Key = "{ending.key}" }}\n',
            listener='TLS_SNI = [ "*.ending.example" = "ending" "one.example" = "one" ]')
        rows = {row["certificate"]: row for row in documents(daemon, "tls", "show")}
        self.assertEqual({"mx", "one", "ending"}, set(rows))
        self.assertEqual(["*.ending.example"], rows["ending"]["server_names"])
        self.assertEqual([], rows["mx"]["server_names"])
        self.assertIn("*.ending.example", daemon.console("tls", "show").stdout)
        warned = daemon.console("tls", "check", status=5).stderr
        self.assertRegex(warned, r"ending: it ends in 9 days \[tls-expires\]")
        self.assertEqual(1, warned.count("tls-expires"))
        # Renewed: the one by name as well.
        before = self.connect(name="x.ending.example").getpeercert()["serialNumber"]
        self.ca.issue("ending.example")
        self.assertRegex(daemon.console("tls", "check", status=5).stderr, "tls-renewed")
        daemon.console("tls", "reload")
        self.assertNotEqual(before, self.connect(name="x.ending.example").getpeercert()["serialNumber"])
        self.assertNotIn("tls-expires", daemon.console("tls", "check", status=5).stderr)  # its chains are short


def soon():
    """Ten days from now, as openssl ca wants it."""
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=10)).strftime("%Y%m%d%H%M%SZ")


def documents(daemon, *words):
    return [json.loads(line) for line in daemon.console("--json", *words).stdout.splitlines() if line.startswith("{")
            and "certificate" in json.loads(line)]


class ClientCertificates(Tls):
    def setUp(self):
        super().setUp()
        self.good = self.ca.issue("client", "email:client@example.com")

    def test_V33_V35_V37_V38_V43_V45_require_and_not(self):
        optional, none = free_port(), free_port()
        middle = Authority(self.dir, "Middle", issuer=self.ca)
        lower = Authority(self.dir, "Lower", issuer=middle)
        deep = lower.issue("deep")
        revoked = self.ca.issue("revoked")
        self.ca.revoke(revoked)
        old = self.ca.issue("old", begins="20200101000000Z", ends="20210101000000Z")
        stranger = Authority(self.dir, "Other CA").issue("stranger")
        daemon = self.serve(
            listener=f'TLS_Client_CA = "@ca@" TLS_CRL_File = "{self.ca.crl()}"',
            listen="TLS_Verify_Mode = require TLS_Verify_Depth = 1",
            listens=f"""Listen "127.0.0.1:{optional}" {{ Use_SSL = true }}
                        Listen "127.0.0.1:{none}" {{ Use_SSL = true TLS_Verify_Mode = none }}""")
        for version in BOTH:
            self.connect(self.context(version, self.good))
            for who, alert in ((None, None), (old, "CERTIFICATE_EXPIRED"), (revoked, "CERTIFICATE_REVOKED"),
                               (stranger, "UNKNOWN_CA"), (deep, "UNKNOWN_CA")):
                said = self.fails(self.context(version, who)).upper().replace(" ", "_")
                if alert:
                    self.assertIn(alert, said)
            # V45: off by default; V35: server-side TLS alone asks nobody.
            for port in (optional, none):
                for who in (None, self.good, old, revoked, stranger, deep):
                    self.connect(self.context(version, who), port=port)
        for text in ("one is required", "certificate has expired", "certificate revoked", "local issuer",
                     "certificate chain too long"):
            daemon.wait_log(text)

    def test_require_under_starttls(self):
        daemon = self.serve(listener='TLS_Client_CA = "@ca@" TLS_Verify_Mode = require')
        for who, welcome in ((self.good, True), (None, False)):
            with Smtp(daemon.smtp_port) as smtp:
                smtp.ehlo()
                smtp.expect(220, "STARTTLS")
                try:
                    secured = self.context(client=who).wrap_socket(smtp.socket)
                    secured.sendall(b"EHLO client.example\r\n")
                    self.assertEqual(welcome, secured.recv(4096).startswith(b"250"))
                except (ssl.SSLError, ConnectionError):
                    self.assertFalse(welcome)

    def test_a_new_list_by_reload(self):
        daemon = self.serve(listener=f'TLS_Client_CA = "@ca@" TLS_CRL_File = "{self.ca.crl()}"',
                            listen="TLS_Verify_Mode = require")
        context = self.context(ssl.TLSVersion.TLSv1_2, self.good)
        first = self.connect(context)
        self.ca.revoke(self.good)
        self.ca.crl()
        self.assertIn("renewed", daemon.console("tls", "reload").stdout)
        self.assertIn("REVOKED", self.fails(context).upper())
        # What was proved under the old list is worth nothing.
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.connect(context, session=first.session)
        first.sendall(b"NOOP\r\n")
        self.assertTrue(first.recv(4096).startswith(b"250 "))

    def test_configurations_that_cannot_be_meant(self):
        self.assertIn("no issuers", self.refused(listen="TLS_Verify_Mode = require"))
        over = self.ca.crl("over.pem", last="20200101000000Z", ends="20200201000000Z")
        ca = 'TLS_Client_CA = "@ca@"'
        self.assertIn("is over", self.refused(listen=f'{ca} TLS_CRL_File = "{over}"'))
        self.assertIn("No such file", self.refused(listen=f'{ca} TLS_CRL_File = "/nowhere/crl.pem"'))
        self.assertIn("no CRL in it", self.refused(listen=f'{ca} TLS_CRL_File = "@ca@"'))
        self.assertIn("No such file", self.refused(listen='TLS_Client_CA = "/nowhere/ca.pem"'))


class PreSharedKeys(Tls):
    SUITES = "PSK-AES256-GCM-SHA384:PSK-AES256-CBC-SHA:PSK-AES128-GCM-SHA256"

    def setUp(self):
        super().setUp()
        self.file = self.dir / "psk"
        self.file.write_text(f"# identity:key\nrelay:{KEY}\n")
        self.psk = f'TLS_PSK = true TLS_PSK_File = "{self.file}"'

    def by_key(self, version, identity="relay", key=KEY, port=None, *more):
        return self.s_client(f"-{version}", "-psk", key, "-psk_identity", identity,
                             *(("-cipher", "PSK") if version == "tls1_2" else ()), *more, port=port)

    def test_V34_V36_V39_V40_V41_V42_keys_alone_and_beside_a_certificate(self):
        alone = free_port()
        daemon = self.serve(listen=self.psk + f' TLS_Ciphers = "{self.SUITES}:HIGH"', listens=f"""
            Listen "127.0.0.1:{alone}" {{
              Use_SSL = true TLS_Certificate = none {self.psk} TLS_Ciphers = "{self.SUITES}"
              TLS_PSK_Identity_Hint = "which relay" }}""")
        for port in (self.port, alone):
            for version in ("tls1_2", "tls1_3"):
                self.assertIn("220 mx.test.example", self.by_key(version, port=port), (port, version))
                for identity, key in (("stranger", KEY), ("relay", "ff" * 32)):
                    self.assertNotIn("220 ", self.by_key(version, identity, key, port))
        for suite in self.SUITES.split(":"):
            said = self.s_client("-tls1_2", "-psk", KEY, "-psk_identity", "relay", "-cipher", suite, port=alone)
            self.assertRegex(said, rf"Cipher is {suite}")
            self.assertIn("PSK identity hint: which relay", said)
        self.connect()  # V39: the certificate serves others
        self.fails(self.context(), port=alone)
        daemon.wait_log("unknown pre-shared key identity 'stranger'")
        self.assertNotIn(KEY, daemon.log())

    def test_the_file_by_reload(self):
        daemon = self.serve(listen=self.psk)
        self.file.write_text(f"another:{KEY}\n")
        self.assertIn("220 ", self.by_key("tls1_3"))
        daemon.console("tls", "reload")
        self.assertNotIn("220 ", self.by_key("tls1_3"))
        self.assertIn("220 ", self.by_key("tls1_3", "another"))
        self.file.write_text("broken\n")
        self.assertIn("line 1", daemon.console("tls", "reload", status=1).stderr)
        self.assertIn("220 ", self.by_key("tls1_3", "another"))

    def test_configurations_that_cannot_be_meant(self):
        self.assertIn("no file", self.refused(listen="TLS_PSK = true"))
        self.assertIn("No such file", self.refused(listen='TLS_PSK = true TLS_PSK_File = "/nowhere/psk"'))
        self.file.write_text(f"one:{KEY}\ntwo {KEY[::-1]}\n")
        said = self.refused(listen=self.psk)
        self.assertIn("line 2", said)
        self.assertNotIn(KEY[::-1], said)
        for option in ("Use_SSL", "TLS_Required"):
            self.assertIn(f"{option} needs",
                          self.refused(listens=f'Listen "127.0.0.1:1" {{ TLS_Certificate = none {option} = true }}'))

    def test_show(self):
        daemon = self.serve(listen=f"TLS_Certificate = none {self.psk}")
        row, = (row for row in documents(daemon, "tls", "show") if row["psk_identities"])
        self.assertEqual(("(pre-shared keys)", 1), (row["certificate"], row["psk_identities"]))
        self.assertIn("certificate (pre-shared keys)", daemon.console("listener", "show", "--tls").stdout)


class Resumption(Tls):
    def test_within_a_listener_and_never_across_rules(self):
        other = free_port()
        daemon = self.serve(listens=f"""Listen "127.0.0.1:{other}" {{
            Use_SSL = true TLS_Client_CA = "@ca@" TLS_Verify_Mode = optional }}""")
        for version in BOTH:
            context = self.context(version)
            first = self.connect(context)
            self.assertFalse(first.session_reused)
            self.assertTrue(self.connect(context, session=first.session).session_reused)
            self.assertFalse(self.connect(context, session=first.session, port=other).session_reused)
            # A commit that has nothing to do with it leaves the keys alone.
            daemon.console("config", "set", "hostname", f"{version.name.lower()}.example".replace("_", "-"))
            self.assertTrue(self.connect(context, session=first.session).session_reused)
            there = self.connect(context, port=other)
            self.assertFalse(self.connect(context, session=there.session).session_reused)

    def test_tickets_off(self):
        self.serve(listen="TLS_Session_Tickets = false")
        for version in BOTH:
            context = self.context(version)
            first = self.connect(context)
            if first.session is not None:
                self.assertFalse(self.connect(context, session=first.session).session_reused)


class Audit(Tls):
    @needs("testssl")
    @unittest.skipIf(is_sanitized(), "thousands of handshakes say no more under sanitizers")
    @timeout(1000)
    def test_testssl_finds_nothing_of_medium_or_higher(self):
        self.mx = self.ca.issue("mx.test.example", SERVER_NAMES, rsa=True,
                                more=["crlDistributionPoints=URI:http://crl.test.example/ca.crl"])
        self.serve()
        report = self.dir / "testssl.json"
        done = subprocess.run(
            [find_program("testssl"), "--quiet", "--color", "0", "--warnings", "off", "--add-ca",
             str(self.ca.certificate), "--nodns", "min", "--ip", "127.0.0.1", "--jsonfile",
             str(report), f"mx.test.example:{self.port}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=900 * SCALE)
        findings = json.loads(report.read_text())
        self.assertGreater(len(findings), 50, done.stdout[-4000:])
        bad = [f"{one['id']}: {one['severity']}: {one['finding']}" for one in findings
               if one["severity"] in ("MEDIUM", "HIGH", "CRITICAL", "FATAL")]
        self.assertEqual([], bad)


if __name__ == "__main__":
    unittest.main()
