"""What hostile or broken clients do to a session, and what must happen: addresses,
time, TLS, and what must not survive it."""

import socket
import ssl

from harness import SCALE, Threads
from threats import HEAD, SMUGGLED, whole, single_bytes, random_cuts, Client, Threat


class Addresses(Threat):
    def test_relay_probes(self):
        client = self.client("stranger")
        for probe in ("v@far.example", "v%far.example@local.example", "far.example!v@local.example", '"v@far.example"@local.example',
                      "v@[127.0.0.1]", "v@[192.0.2.9]", "v@[IPv6:::1]", "v%local.example@far.example", '"v@local.example"@far.example',
                      "local.example!v@far.example", "@local.example:v@far.example", "@a,@local.example:v@far.example",
                      "v@far.local.example", "v@notlocal.example", "v@local.example.far.example", '"v%far.example"@local.example',
                      '"far.example!v"@local.example', "v@mx.test.example"):
            client.send(f"RSET\nMAIL FROM:<a@far.example>\nRCPT TO:<{probe}>\n")
            self.assertEqual([250, 250], client.codes(2))
            self.assertRegex(client.reply()[1], r"^5\.7\.1 ", probe)
        for broken in ("v@far.example@local.example", "v@local.example,w@far.example", "v@local.example>@far.example",
                       "v@local.example\x00@far.example"):
            client.send(f"RSET\nMAIL FROM:<a@far.example>\nRCPT TO:<{broken}>\n")
            self.assertEqual([250, 250], client.codes(2))
            self.assertIn(client.reply()[0], (500, 501), broken)
        for sender in ("a@local.example", "postmaster@local.example", ""):  # who one says one is helps nobody
            client.send(f"RSET\nMAIL FROM:<{sender}>\nRCPT TO:<v@far.example>\n")
            self.assertEqual([250, 250, 550], client.codes(3))
        self.nobody_was_fooled()

    def test_names_that_are_no_file_names(self):
        client = self.client()
        before = {path.name for path in self.daemon.dir.iterdir()} - {"mail"}
        names = ['"../../escape"', '"../victim"', '"/etc/escape"', '"|touch escape"', '"a/../../escape"', '".."', '"."', '"%{domain}"',
                 '"`touch escape`"', '"$(touch escape)"', '"a;b"', "a/b", "|x", "`x`", "$x", "%x", "*", "?"]
        for name in names:
            client.send(f"MAIL FROM:<a@client.example>\nRCPT TO:<{name}@local.example>\n")
            self.assertEqual(250, client.reply()[0])
            code, text = client.reply()
            self.assertIn(code, (250, 501, 550, 553), text)
            client.send("DATA\n.\n" if code == 250 else "RSET\n")
            answers = client.codes(2 if code == 250 else 1)
            self.assertIn(answers, ([354, 250], [250]), name)
        self.still_serves(client)
        self.daemon.wait_empty()
        # Nothing outside of the Maildirs, and no Maildir but right below the domain's folder.
        base = self.daemon.dir
        self.assertEqual(before, {path.name for path in base.iterdir()} - {"mail"})
        self.assertEqual({"local.example"}, {path.name for path in (base / "mail").iterdir()})
        self.assertEqual([], [path for path in base.rglob("*escape*") if path.parent != base / "mail" / "local.example"])
        for folder in (base / "mail" / "local.example").iterdir():
            self.assertEqual({"new", "cur", "tmp"}, {path.name for path in folder.iterdir()}, folder)

    def test_line_ends_in_addresses(self):
        for payload in (b"MAIL FROM:<a\r\nRCPT TO:<victim@local.example>\r\n", b'MAIL FROM:<"a\r\n"@b>\r\n',
                        b"MAIL FROM:<a@b>\r\nRCPT TO:<x@local.example\r\nDATA\r\n"):
            client = self.client()
            client.send(payload + b"NOOP\r\n")
            answers = client.codes(payload.count(b"\r\n") + 1)
            self.assertEqual(250, answers[-1])
            self.assertTrue(any(code >= 500 for code in answers), answers)
            self.assertNotIn(354, answers)
        self.nobody_was_fooled()


class Time(Threat):
    def test_slow_bytes_gain_nothing(self):
        greeted = self.client("hasty")
        self.assertTrue(greeted.dribble(b"x").startswith(b"421 4.4.2 "))
        silent = self.client("hasty", greet=False)
        self.assertEqual(220, silent.reply()[0])
        self.assertTrue(silent.dribble(b"E").startswith(b"421 4.4.2 "))
        sending = self.client("hasty")
        sending.send("MAIL FROM:<a@client.example>\nRCPT TO:<victim@local.example>\nDATA\n")
        self.assertEqual([250, 250, 354], sending.codes(3))
        self.assertTrue(sending.dribble(b"x").startswith(b"421 4.4.2 "))
        chunk = self.client("hasty")
        chunk.send("MAIL FROM:<a@client.example>\nRCPT TO:<victim@local.example>\nBDAT 100000 LAST\n")
        self.assertEqual([250, 250], chunk.codes(2))
        self.assertTrue(chunk.dribble(b"x").startswith(b"421 4.4.2 "))
        self.nobody_was_fooled()

    def test_a_handshake_has_one_deadline(self):
        client = Client(self.ports["tls-hasty"])
        self.addCleanup(client.close)
        client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # of a ClientHello, the beginning
        self.assertEqual(b"", client.dribble(b"\0"))
        silent = Client(self.ports["tls-hasty"])
        self.addCleanup(silent.close)
        self.assertEqual(b"", silent.file.read())
        self.nobody_was_fooled()


class Security(Threat):
    def test_plain_bytes_on_a_tls_port(self):
        for bytes_ in (b"EHLO x\r\n", b"GET / HTTP/1.0\r\n\r\n", b"\0" * 100, b"\r\n" * 50, SMUGGLED,
                       b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", b"\x16\x03\x01\xff\xff" + b"x" * 5000):
            client = Client(self.ports["tls-hasty"])
            self.addCleanup(client.close)
            try:
                client.send(bytes_)
                said = client.file.read()
            except ConnectionError:
                said = b""
            # An alert at most: never a word of SMTP.
            self.assertNotRegex(said, rb"\d{3}[ -]")
        self.nobody_was_fooled()

    def test_commands_behind_starttls(self):
        for behind in (b"EHLO evil\r\n", b"NOOP\r\n", b"NOO", b"\r\n", b"\n", b"\0", SMUGGLED):
            with self.subTest(behind=behind):
                client = self.client("starttls")
                client.send(b"STARTTLS\r\n" + behind)
                self.assertRegex(client.file.read(), rb"^554 5\.5\.1 [^\r\n]*\r\n$")
        # Behind the 220 they are no handshake.
        client = self.client("starttls")
        client.send("STARTTLS\n")
        self.assertEqual(220, client.reply()[0])
        try:
            client.send(b"EHLO evil\r\nNOOP\r\n")
            said = client.file.read()
        except ConnectionError:
            said = b""
        self.assertNotRegex(said, rb"\d{3}[ -]")
        self.nobody_was_fooled()

    def test_nothing_survives_starttls(self):
        client = self.client("starttls")
        client.send("MAIL FROM:<a@client.example>\nRCPT TO:<victim@local.example>\nRSET\nEHLO plain.example\nSTARTTLS\n")
        self.assertEqual([250, 250, 250, 250, 220], client.codes(5))
        client.secure()
        client.send("MAIL FROM:<a@client.example>\nRCPT TO:<victim@local.example>\nDATA\nNOOP\n")
        self.assertEqual([503, 503, 503, 250], client.codes(4))
        client.send("EHLO secure.example\nMAIL FROM:<a@client.example>\nRCPT TO:<bob@local.example>\nDATA\n.\n")
        self.assertEqual([250, 250, 250, 354, 250], client.codes(5))
        arrived = self.daemon.wait_mail("bob")[0]
        self.assertIn(b"secure.example", arrived)
        self.assertNotIn(b"plain.example", arrived)
        self.nobody_was_fooled()

    def test_nothing_survives_xclient(self):
        client = self.client("gateway")
        client.send("XSETCONTEXT secret=1\nMAIL FROM:<a@client.example>\nRSET\nXCLIENT ADDR=127.0.0.9 HELO=h.example\n")
        self.assertEqual([250, 250, 250, 220], client.codes(4))
        client.send("MAIL FROM:<a@client.example>\nRCPT TO:<victim@local.example>\nDATA\n")
        self.assertEqual([503, 503, 503], client.codes(3))
        client.send("EHLO new.example\nXDUMPCONTEXT\n")
        self.assertEqual(250, client.reply()[0])
        self.assertNotIn("secret", client.reply()[1])
        self.nobody_was_fooled()

    def test_handshakes_at_random_cuts(self):
        """A session under TLS whose records come in pieces: by a proxy that cuts them."""
        for seed in range(4):
            cut = single_bytes if seed == 0 else random_cuts(seed)
            ours, theirs = socket.socketpair()
            server = socket.create_connection(("127.0.0.1", self.ports["tls-pedantic"]), timeout=30 * SCALE)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threads = Threads()

            def forward(source, sink, cut):
                try:
                    while data := source.recv(65536):
                        for piece in cut(data):
                            sink.sendall(piece)
                    sink.shutdown(socket.SHUT_WR)
                except OSError:  # who has heard 221 may be gone
                    pass

            threads.start(forward, theirs, server, cut)
            threads.start(forward, server, theirs, whole)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            ours.settimeout(60 * SCALE)
            client = Client.__new__(Client)
            client.socket = context.wrap_socket(ours)
            client.file = client.socket.makefile("rb")
            client.send("EHLO x\nMAIL FROM:<a@client.example>\nRCPT TO:<bob@local.example>\nDATA\n")
            self.assertEqual([220, 250, 250, 250, 354], client.codes(5))
            client.send(HEAD + b"x\n.\n" + SMUGGLED + b".\r\n")
            self.assertEqual(550, client.reply()[0])
            client.send("QUIT\n")
            self.assertEqual(221, client.reply()[0])
            client.close()
            threads.join()
            for each in (theirs, server):
                each.close()
        self.nobody_was_fooled()


if __name__ == "__main__":
    import unittest

    unittest.main()
