"""Clients behind a proxy that speaks the PROXY protocol: who the client is,
who may say so, and what becomes of the rest. HAProxy's own words too."""

import socket
import ssl
import struct
import subprocess
import unittest

from client import Smtp
from harness import BASE_CONFIG, SCALE, Daemon, TestCase, find_program, free_port, make_certificate, needs, timeout, wait_for

CONFIG = BASE_CONFIG.replace('Listen "127.0.0.1:@smtp@" { }', """
  Relay_Hosts = ( 192.0.2.0/24 198.51.100.0/24 127.6.0.0/16 )
  Proxy_Trusted_Hosts = ( 127.0.0.1 127.5.0.0/16 )
  TLS_Certificate = "mx"
  Listen "127.0.0.1:@smtp@" { }
  Listen "*:@proxied@" {
    Proxy_Protocol = on
    Peer "192.0.2.0/24" { Banner_Hostname = "named.example" }
    Peer "192.0.2.66" { Deny = true }
    Peer "2001:db8::/32" { Banner_Hostname = "six.example" }
    Peer "127.0.0.0/8" { Banner_Hostname = "loopback.example" }
    Peer "127.7.0.0/16" { Proxy_Protocol = off }
    Peer "198.51.100.0/24" { Proxy_Identity_As_User = true }
  }
  Listen "@dir@/proxied.sock" {
    Proxy_Protocol = on
    Peer "192.0.2.0/24" { Banner_Hostname = "named.example" }
  }
  Listen "*:@tls@" {
    Proxy_Protocol = on
    Use_SSL = true
    Peer "192.0.2.0/24" { Banner_Hostname = "named.example" }
  }""") + """
Certificate "mx" { Cert = "@dir@/mx.crt" Private_Key = "@dir@/mx.key" }
"""

V1 = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 25\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def tlv(kind, value):
    return struct.pack(">BH", kind, len(value)) + value


def v2(source="192.0.2.1", port=56324, vectors=b"", command=0x21):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    to = "2001:db8::25" if ":" in source else "198.51.100.7"
    body = (socket.inet_pton(family, source) + socket.inet_pton(family, to) + struct.pack(">HH", port, 25) + vectors)
    return SIGNATURE + struct.pack(">BBH", command, 0x21 if ":" in source else 0x11, len(body)) + body


def certificate(name, verify=0, client=3):
    return tlv(0x20, struct.pack(">BI", client, verify) + tlv(0x21, b"TLSv1.3") + tlv(0x22, name))


def insecure():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class ProxyCase(TestCase):
    def proxied(self, config=CONFIG, **values):
        daemon = Daemon(self, config, proxied=free_port(), tls=free_port(), **values)
        make_certificate(daemon.dir)
        return daemon.start()

    def behind(self, daemon, header, source=None):
        """A client whose proxy says `header`; its banner has been read."""
        smtp = Smtp(daemon.values["proxied"], source=source, banner=False)
        self.addCleanup(smtp.close)
        smtp.send(header)
        smtp.banner = smtp.reply()
        return smtp

    def closed(self, daemon, sent, source=None):
        """What was sent is answered by nothing but the end."""
        with socket.create_connection(("127.0.0.1", daemon.values["proxied"]), timeout=30 * SCALE,
                                      source_address=(source, 0) if source else None) as raw:
            try:
                raw.sendall(sent)
                self.assertEqual(b"", raw.recv(100), sent)
            except ConnectionError:
                pass  # closed while something was on its way

    def name_of(self, smtp):
        return smtp.banner[1].split()[0]


class WhoIsWho(ProxyCase):
    def test_C68_V25_V26_text_header_names_the_client(self):
        daemon = self.proxied()
        smtp = self.behind(daemon, V1)
        self.assertEqual("named.example", self.name_of(smtp))
        smtp.ehlo()
        shown = daemon.console("show", "inbound").stdout
        self.assertIn(" from 192.0.2.1:56324 by 127.0.0.1:", shown)
        self.assertIn('"proxy":"127.0.0.1:', daemon.console("--json", "show", "inbound").stdout.replace(" ", ""))
        smtp.message(b"Subject: by proxy\r\n\r\nhello\r\n")
        self.assertIn(b"[192.0.2.1]", daemon.wait_mail("bob")[0])
        self.assertEqual("192.0.2.1", daemon.wait_mainlog("R", 1)[0]["peer"])
        # Relaying follows the client, not its proxy.
        smtp.expect(250, "MAIL FROM:<a@client.example>")
        smtp.expect(250, "RCPT TO:<x@elsewhere.example>")
        other = self.behind(daemon, V1.replace(b"192.0.2.1", b"203.0.113.1"))
        other.ehlo()
        other.expect(250, "MAIL FROM:<a@client.example>")
        other.expect(550, "RCPT TO:<x@elsewhere.example>")

    def test_C69_binary_header(self):
        daemon = self.proxied()
        for header, name, peer in ((v2(), "named.example", "192.0.2.1:56324"),
                                   (v2("2001:db8::77", 99), "six.example", "[2001:db8::77]:99"),
                                   (v2(vectors=tlv(4, b"") + tlv(0xEE, b"x" * 3000)), "named.example",
                                    "192.0.2.1:56324"),
                                   (v2("::ffff:192.0.2.9"), "named.example", "192.0.2.9:56324")):
            smtp = self.behind(daemon, header)
            self.assertEqual(name, self.name_of(smtp))
            self.assertIn(f" from {peer} by ", daemon.console("show", "inbound").stdout)
            smtp.quit()

    def test_C68_C69_local_and_unknown_keep_the_peer(self):
        daemon = self.proxied()
        names = b"/run/client".ljust(108, b"\0") * 2
        for header in (b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN 192.0.2.1 198.51.100.7 1 2\r\n", v2(command=0x20),
                       SIGNATURE + b"\x20\0\0\0", SIGNATURE + b"\x21\0\0\x03abc",
                       SIGNATURE + b"\x21\x31" + struct.pack(">H", len(names)) + names):
            self.assertEqual("loopback.example", self.name_of(self.behind(daemon, header)), header)

    def test_peer_scopes_of_the_proxy_decide_whether_it_speaks(self):
        daemon = self.proxied()
        with Smtp(daemon.values["proxied"], source="127.7.0.1") as smtp:  # Proxy_Protocol = off
            self.assertEqual("loopback.example", self.name_of(smtp))
        self.assertEqual("named.example", self.name_of(self.behind(daemon, V1, "127.5.0.1")))

    def test_denied_client_behind_a_trusted_proxy(self):
        smtp = self.behind(self.proxied(), v2("192.0.2.66"))
        self.assertEqual(554, smtp.banner[0])

    def test_byte_by_byte_and_pipelined(self):
        daemon = self.proxied()
        for header in (V1, v2()):
            smtp = Smtp(daemon.values["proxied"], banner=False)
            for byte in header:
                smtp.send(bytes([byte]))
            self.assertEqual("named.example", smtp.reply()[1].split()[0])
            smtp.close()
            smtp = self.behind(daemon, header + b"EHLO client.example\r\nNOOP\r\n")
            self.assertEqual(250, smtp.reply()[0])
            self.assertEqual(250, smtp.reply()[0])

    def test_V27_what_the_header_says_is_in_the_log(self):
        daemon = self.proxied(CONFIG + 'Debug_Flags { Debug = ( NET ) }\n')
        self.behind(daemon, v2(vectors=certificate(b"alice") + tlv(2, b"mx.example") + tlv(5, b"id-7")))
        daemon.wait_log("stands for 192.0.2.1:56324, TLSv1.3, certificate of \"alice\" (verified), "
                        "asked for mx.example, id id-7")

    def test_proxy_by_a_unix_socket(self):
        """It counts as 127.0.0.1, as every client of a Unix socket does."""
        daemon = self.proxied()
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(30 * SCALE)
            raw.connect(str(daemon.dir / "proxied.sock"))
            raw.sendall(V1)
            self.assertTrue(raw.recv(200).startswith(b"220 named.example"))
            self.assertIn(f" from 192.0.2.1:56324 by {daemon.dir}/proxied.sock", daemon.console("show", "inbound").stdout)

    def test_V28_V29_on_the_listener_or_on_one_listen(self):
        everywhere = BASE_CONFIG.replace("ESMTP_Listener {", "ESMTP_Listener {\n  Proxy_Protocol = on\n"
                                         "  Proxy_Trusted_Hosts = ( 127.0.0.1 )")
        daemon = self.daemon(everywhere)
        smtp = Smtp(daemon.smtp_port, banner=False)
        smtp.send(V1)
        self.assertEqual(220, smtp.reply()[0])
        smtp.close()
        with Smtp(self.proxied().smtp_port) as plain:  # another Listen has it on, this one has not
            self.assertEqual(220, plain.banner[0])

    def test_switched_on_while_it_runs(self):
        daemon = self.proxied()
        with Smtp(daemon.smtp_port) as before:
            daemon.console("config", "set", "esmtp_listener", "listen", f"127.0.0.1:{daemon.smtp_port}",
                           "proxy_protocol", "on")
            smtp = Smtp(daemon.smtp_port, banner=False)
            smtp.send(V1)
            self.assertEqual(220, smtp.reply()[0])
            smtp.close()
            self.assertEqual(421, before.command("EHLO x")[0])  # its options are others now

    def test_V30_identity_of_the_certificate(self):
        daemon = self.proxied()
        expected = []
        for header, protocol in ((v2("198.51.100.1", vectors=certificate(b"alice")), "esmtpa"),
                                 (v2("198.51.100.1", vectors=certificate(b"alice", verify=1)), "esmtp"),
                                 (v2("198.51.100.1", vectors=certificate(b"alice", client=1)), "esmtp"),
                                 (v2("192.0.2.1", vectors=certificate(b"alice")), "esmtp")):
            smtp = self.behind(daemon, header)
            smtp.ehlo()
            smtp.message(b"Subject: who\r\n\r\nhello\r\n")
            smtp.quit()
            expected.append(protocol)
        self.assertEqual(expected, [record["protocol"] for record in daemon.wait_mainlog("R", len(expected))])


class Tls(ProxyCase):
    def test_starttls_behind_the_header(self):
        smtp = self.behind(self.proxied(), V1)
        smtp.ehlo()
        smtp.starttls()
        smtp.ehlo()
        smtp.message(b"Subject: tls\r\n\r\nhello\r\n")

    def test_C70_implicit_tls_behind_the_header(self):
        daemon = self.proxied()
        for header in (V1, v2()):
            raw = socket.create_connection(("127.0.0.1", daemon.values["tls"]), timeout=30 * SCALE)
            raw.sendall(header)
            with insecure().wrap_socket(raw) as secure:
                self.assertTrue(secure.recv(200).startswith(b"220 named.example"))

    def test_C70_header_and_client_hello_in_one_piece(self):
        daemon = self.proxied()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = insecure().wrap_bio(incoming, outgoing)
        with self.assertRaises(ssl.SSLWantReadError):
            tls.do_handshake()
        with socket.create_connection(("127.0.0.1", daemon.values["tls"]), timeout=30 * SCALE) as raw:
            raw.sendall(v2() + outgoing.read())
            while True:
                incoming.write(raw.recv(65536))
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    raw.sendall(outgoing.read())
            raw.sendall(outgoing.read())
            greeting = b""
            while not greeting:
                try:
                    greeting = tls.read(200)
                except ssl.SSLWantReadError:
                    incoming.write(raw.recv(65536))
            self.assertTrue(greeting.startswith(b"220 named.example"))

    def test_tls_without_a_header(self):
        daemon = self.proxied()
        with socket.create_connection(("127.0.0.1", daemon.values["tls"]), timeout=30 * SCALE) as raw:
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                insecure().wrap_socket(raw)
        daemon.wait_log("no PROXY header")


class Hostile(ProxyCase):
    def refused(self, daemon):
        return int(daemon.console("counter", "show", "proxy_refused").stdout.split()[0])

    def test_bad_headers(self):
        daemon = self.proxied()
        bad = [b"EHLO client.example\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/1.1\r\n\r\n",
               b"proxy TCP4 192.0.2.1 198.51.100.7 1 2\r\n", b"PROXY TCP4 192.0.2.1 198.51.100.7 65536 25\r\n",
               b"PROXY TCP4 192.0.2.1 198.51.100.7 025 25\r\n", b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
               b"PROXY TCP6 192.0.2.1 198.51.100.7 1 2\r\n", b"PROXY TCP4 192.0.2.1 198.51.100.7 1 2\n",
               b"PROXY TCP4 " + b"1" * 200, b"PROXY UNKNOWN " + b"x" * 100, b"\r\n\r\n\0\r\nQUIX",
               v2(command=0x11), v2(command=0x22), v2(vectors=b"\4"), v2(vectors=tlv(3, b"\0" * 4)),
               v2(vectors=tlv(0x22, b"x"))[:14] + b"\xff\xff", SIGNATURE + b"\x21\x12\0\x0c" + b"\0" * 12,
               SIGNATURE + b"\x21\x11\0\x0b" + b"\0" * 11, SIGNATURE + b"\x21\x41\0\x0c" + b"\0" * 12,
               v2(vectors=certificate(b"alice\0.example"))]
        for header in bad:
            self.closed(daemon, header)
        wait_for(lambda: self.refused(daemon) == len(bad), lambda: f"{len(bad)} refused: {self.refused(daemon)}")
        wait_for(lambda: daemon.log().count("proxy-refused") == len(bad), "a line for each in the log")
        self.assertEqual("named.example", self.name_of(self.behind(daemon, V1)))
        self.assertEqual([], daemon.mainlog("R"))

    def test_who_is_not_trusted(self):
        daemon = self.proxied()
        for header in (V1, v2(), v2(command=0x20), b"", b"EHLO x\r\n"):
            self.closed(daemon, header, "127.9.9.9")
        daemon.wait_log("not one of Proxy_Trusted_Hosts")
        # Nor does it help to have the header name a trusted host.
        self.closed(daemon, v2("127.0.0.1"), "127.9.9.9")
        self.assertEqual(6, self.refused(daemon))

    def test_nobody_is_trusted_by_default(self):
        daemon = self.proxied(CONFIG.replace("Proxy_Trusted_Hosts = ( 127.0.0.1 127.5.0.0/16 )", ""))
        self.closed(daemon, V1)

    def test_a_header_where_none_is_wanted_is_a_bad_command(self):
        with Smtp(self.proxied().smtp_port) as smtp:
            self.assertEqual(500, smtp.command(V1.decode().rstrip("\r\n"))[0])
            smtp.ehlo()
            smtp.expect(250, "MAIL FROM:<alice@client.example>")

    def test_a_second_header_is_a_bad_command(self):
        smtp = self.behind(self.proxied(), V1)
        self.assertEqual(500, smtp.command("PROXY TCP4 192.0.2.77 198.51.100.7 1 2")[0])

    def test_C70_nothing_is_sent_before_the_header(self):
        daemon = self.proxied()
        with socket.create_connection(("127.0.0.1", daemon.values["proxied"]), timeout=30 * SCALE) as silent:
            silent.sendall(V1[:20])
            for _ in range(5):  # others come and are served meanwhile
                self.assertEqual("named.example", self.name_of(self.behind(daemon, V1)))
            silent.setblocking(False)
            with self.assertRaises(BlockingIOError):
                silent.recv(1)

    @timeout(60)
    def test_C70_deadline_for_the_whole_header(self):
        daemon = self.proxied()
        with socket.create_connection(("127.0.0.1", daemon.values["proxied"]), timeout=30 * SCALE) as slow:
            slow.sendall(v2()[:20])
            self.assertEqual(b"", slow.recv(1))
        daemon.wait_log("no PROXY header in time")

    def test_open_and_closed_is_no_news(self):
        daemon = self.proxied()
        for _ in range(3):
            socket.create_connection(("127.0.0.1", daemon.values["proxied"]), timeout=30 * SCALE).close()
        wait_for(lambda: self.refused(daemon) == 3, "three that only looked")
        self.assertNotIn("proxy-refused", daemon.log())

    def test_end_while_some_have_not_said_who_they_are(self):
        daemon = self.proxied()
        with socket.create_connection(("127.0.0.1", daemon.values["proxied"]), timeout=30 * SCALE) as silent:
            self.behind(daemon, V1).quit()  # the one before has been accepted then
            daemon.stop()
            with self.assertRaisesRegex(ConnectionError, "."):
                if silent.recv(1) == b"":
                    raise ConnectionError("closed")

    def test_refused_by_name_for_the_console(self):
        daemon = self.proxied()
        for option, value in (("Proxy_Protocol", "on"), ("Proxy_Trusted_Hosts", "( 10.0.0.1 )"),
                              ("Proxy_Identity_As_User", "true")):
            done = daemon.console("config", "set", "control_listener", option, value, status=1)
            self.assertIn(f"{option} is not available in Control_Listener", done.stdout + done.stderr)


@needs("swaks")
class Swaks(ProxyCase):
    def test_both_versions(self):
        daemon = self.proxied()
        for number, how in enumerate((["--proxy-version", "1", "--proxy-family", "TCP4"],
                                      ["--proxy-version", "2", "--proxy-family", "AF_INET"])):
            done = subprocess.run(["swaks", "--server", f"127.0.0.1:{daemon.values['proxied']}", "--from",
                                   "alice@client.example", "--to", "bob@local.example", *how, "--proxy-source",
                                   f"192.0.2.{number + 1}", "--proxy-source-port", "1234", "--proxy-dest",
                                   "198.51.100.7", "--proxy-dest-port", "25"],
                                  capture_output=True, text=True, timeout=60 * SCALE)
            self.assertEqual(0, done.returncode, done.stdout + done.stderr)
            self.assertEqual(f"192.0.2.{number + 1}", daemon.wait_mainlog("R", number + 1)[-1]["peer"])


HAPROXY = """
global
  maxconn 100
defaults
  mode tcp
  timeout connect 20s
  timeout client 60s
  timeout server 60s
frontend one
  bind 127.0.0.1:@one@
  default_backend one
backend one
  server mx 127.0.0.1:@proxied@ send-proxy
frontend two
  bind 127.0.0.1:@two@
  default_backend two
backend two
  server mx 127.0.0.1:@proxied@ send-proxy-v2 proxy-v2-options crc32c,unique-id,authority
frontend through
  bind 127.0.0.1:@through@
  default_backend through
backend through
  server mx 127.0.0.1:@tls@ send-proxy-v2
frontend ended
  bind 127.0.0.1:@ended@ ssl crt @dir@/proxy.pem ca-file @dir@/client.crt verify optional crt-ignore-err all
  default_backend ended
backend ended
  server mx 127.0.0.1:@proxied@ send-proxy-v2-ssl-cn
"""


@needs("haproxy")
class Haproxy(ProxyCase):
    """What HAProxy's clients come from is 127.6.0.1, so as to tell it from HAProxy itself."""

    CLIENT = "127.6.0.1"

    def setUp(self):
        ports = {name: free_port() for name in ("one", "two", "through", "ended")}
        config = CONFIG.replace('Peer "127.0.0.0/8"',
                                'Peer "127.6.0.0/16" { Banner_Hostname = "client.example" '
                                "Proxy_Identity_As_User = true }\n    Peer \"127.0.0.0/8\"")
        self.server = self.proxied(config)
        for name in ("proxy", "client"):
            make_certificate(self.server.dir, name, f"{name}.example")
        pem = (self.server.dir / "proxy.crt").read_text() + (self.server.dir / "proxy.key").read_text()
        (self.server.dir / "proxy.pem").write_text(pem)
        self.server.values.update(ports)
        path = self.server.dir / "haproxy.cfg"
        path.write_text(self.server.fill(HAPROXY))
        with open(self.server.dir / "haproxy.out", "wb") as out:
            proxy = subprocess.Popen([find_program("haproxy"), "-db", "-f", str(path)], stdout=out, stderr=out,
                                     stdin=subprocess.DEVNULL)
        self.addCleanup(proxy.wait)
        self.addCleanup(proxy.terminate)

        def answers():
            self.assertIsNone(proxy.poll(), (self.server.dir / "haproxy.out").read_text())
            try:
                socket.create_connection(("127.0.0.1", ports["ended"]), timeout=30 * SCALE).close()
                return True
            except ConnectionRefusedError:
                return False
        wait_for(answers, "HAProxy answers")

    def connect(self, name):
        return Smtp(self.server.values[name], source=self.CLIENT)

    def test_send_proxy(self):
        for number, name in enumerate(("one", "two")):
            with self.connect(name) as smtp:
                self.assertEqual("client.example", self.name_of(smtp))
                smtp.ehlo()
                smtp.message(b"Subject: x\r\n\r\nhello\r\n")
                self.assertEqual(self.CLIENT, self.server.wait_mainlog("R", number + 1)[-1]["peer"])
                smtp.starttls()
                smtp.ehlo()

    def test_tls_through_the_proxy(self):
        raw = socket.create_connection(("127.0.0.1", self.server.values["through"]), timeout=30 * SCALE,
                                       source_address=(self.CLIENT, 0))
        with insecure().wrap_socket(raw) as secure:
            self.assertTrue(secure.recv(200).startswith(b"220 mx.test.example"))
            self.assertIn(f" from {self.CLIENT}:", self.server.console("show", "inbound").stdout)

    def test_V27_V30_tls_ended_by_the_proxy(self):
        for number, (shown, protocol) in enumerate(((None, "esmtp"), ("client", "esmtpa"))):
            context = insecure()
            if shown:
                context.load_cert_chain(self.server.dir / f"{shown}.crt", self.server.dir / f"{shown}.key")
            raw = socket.create_connection(("127.0.0.1", self.server.values["ended"]), timeout=30 * SCALE,
                                           source_address=(self.CLIENT, 0))
            with context.wrap_socket(raw) as secure:
                smtp = Smtp.__new__(Smtp)
                smtp.socket, smtp.file = secure, secure.makefile("rb")
                smtp.banner = smtp.reply()
                self.assertEqual("client.example", self.name_of(smtp))
                smtp.ehlo()
                smtp.message(b"Subject: x\r\n\r\nhello\r\n")
                smtp.close()
            self.assertEqual(protocol, self.server.wait_mainlog("R", number + 1)[-1]["protocol"])


if __name__ == "__main__":
    unittest.main()
