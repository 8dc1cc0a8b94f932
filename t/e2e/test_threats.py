"""What hostile or broken clients do to the framing of SMTP, and what must happen:
false ends, chunks, lines, whole and in every cut, in plain text and under TLS."""

import select

from harness import SCALE, Threads, is_sanitized, timeout
from threats import HEAD, SMUGGLED, FALSE_ENDS, frames, verdict, whole, single_bytes, random_cuts, Threat


class Framing(Threat):
    def deliver(self, client, frame, cut, expected, before=""):
        client.send(before + "MAIL FROM:<a@client.example>\nRCPT TO:<bob@local.example>\nDATA\n")
        answers = client.codes(3 + before.count("\n"))
        self.assertEqual([250, 250, 354], answers[-3:])
        # What follows the true end is one command, in the same bytes.
        for piece in cut(frame + b"NOOP\r\n"):
            client.send(piece)
        code, text = client.reply()
        self.assertIn(code, expected, f"{frame!r}: {text}")
        self.assertEqual((250, "2.0.0 OK"), client.reply(), repr(frame))
        return code == 250

    def play(self, name, cuts, lone_is_wrong=True, limit=0):
        good = 0
        for cut in cuts:
            client = self.client(name)
            for frame in frames():
                good += self.deliver(client, frame, cut, verdict(frame, lone_is_wrong, limit))
            client.send("QUIT\n")
            self.assertEqual(221, client.reply()[0])
        arrived = self.daemon.wait_mail("bob", good)
        self.assertEqual(good, len(arrived))
        self.nobody_was_fooled()
        self.assertEqual(good, len(self.daemon.maildir("bob")))

    CUTS = [whole, single_bytes, random_cuts(1), random_cuts(2), random_cuts(3)]

    def test_no_false_end_ends_a_message(self):
        self.play("pedantic", self.CUTS)

    def test_nor_under_tls(self):
        self.play("tls-pedantic", self.CUTS)

    def test_nor_where_lone_line_ends_are_taken(self):
        self.play("ignore", self.CUTS, lone_is_wrong=False)

    def test_nor_where_they_are_mended(self):
        self.play("fix", self.CUTS, lone_is_wrong=False)

    def test_nor_where_they_are_mended_under_tls(self):
        self.play("tls-fix", [whole, single_bytes], lone_is_wrong=False)

    def test_nor_while_a_message_that_is_too_large_is_read(self):
        for name in ("small", "tls-small"):
            client = self.client(name)
            for cut in (whole, single_bytes, random_cuts(4)):
                for end in FALSE_ENDS:
                    frame = HEAD + b"x" * 300 + b"\r\n" + b"y" + end + SMUGGLED + b".\r\n"
                    self.assertFalse(self.deliver(client, frame, cut, (552,)))
        self.nobody_was_fooled()

    def test_nor_behind_an_error(self):
        client = self.client()
        for error in ("FOO\n", "MAIL FROM:<a\n", "RCPT TO:<x@y>\n", "DATA\n", "BDAT 6\nQUIT\n", "RSET x\n", "AUTH X\n"):
            for cut in (whole, single_bytes):
                for end in FALSE_ENDS[:8]:
                    frame = HEAD + b"first" + end + SMUGGLED + b".\r\n"
                    expected = verdict(frame, True)
                    client.send(error)
                    self.assertGreaterEqual(client.reply()[0], 500, error)
                    self.deliver(client, frame, cut, expected)
        self.nobody_was_fooled()

    def test_a_lone_line_feed_in_a_command_closes(self):
        for payload in (b"NOOP\nMAIL FROM:<evil@client.example>\r\n", b"MAIL FROM:<a\nRCPT TO:<victim@local.example>\r\n",
                        b"NOOP x\n.\r\n", b"RCPT TO:<a@b>\nDATA\r\n", b"\nNOOP\r\n", b"NOOP\r\n\nNOOP\r\n"):
            for cut in (whole, single_bytes):
                with self.subTest(payload=payload, cut=cut.__name__):
                    client = self.client()
                    for piece in cut(payload):
                        try:
                            client.send(piece)
                        except ConnectionError:
                            break
                    said = client.file.read()
                    self.assertRegex(said, rb"(?s)^(250 2\.0\.0 OK\r\n)?521 5\.5\.2 [^\r\n]*\r\n$")
        self.nobody_was_fooled()


class Chunks(Threat):
    def test_payload_is_payload_in_every_cut(self):
        content = HEAD + b".\r\n" + SMUGGLED + b".\r\nQUIT\r\nBDAT 3 LAST\r\n"
        for name in ("pedantic", "tls-pedantic"):
            for number, cut in enumerate((whole, single_bytes, random_cuts(5), random_cuts(6))):
                client = self.client(name)
                half = len(content) // 2
                stream = (b"MAIL FROM:<a@client.example>\r\nRCPT TO:<%s%d@local.example>\r\nBDAT %d\r\n%sBDAT %d LAST\r\n%sNOOP\r\n"
                          % (name[:3].encode(), number, half, content[:half], len(content) - half, content[half:]))
                for piece in cut(stream):
                    client.send(piece)
                self.assertEqual([250] * 5, client.codes(5))
                arrived = self.daemon.wait_mail(f"{name[:3]}{number}")[0]
                self.assertTrue(arrived.endswith(content.split(b"\r\n\r\n", 1)[1].replace(b"\r\n", b"\n")), arrived)
        self.nobody_was_fooled()

    def test_a_size_that_cannot_be_trusted_closes(self):
        sizes = [b"", b" ", b" -1", b" +1", b" 0x5", b" 1e1", b" 5.0", b" 18446744073709551616", b" 99999999999999999999999 LAST",
                 b" LAST", b" 5 LAST LAST", b" 5 FIRST", b" 5,5", b" \t5x"]
        for size in sizes:
            for cut in (whole, single_bytes):
                with self.subTest(size=size, cut=cut.__name__):
                    client = self.client()
                    client.send("MAIL FROM:<a@client.example>\nRCPT TO:<bob@local.example>\n")
                    self.assertEqual([250, 250], client.codes(2))
                    for piece in cut(b"BDAT" + size + b"\r\n" + SMUGGLED):
                        try:
                            client.send(piece)
                        except ConnectionError:
                            break
                    try:
                        said = client.file.read()
                    except ConnectionError:
                        continue
                    self.assertRegex(said, rb"^(521 5\.5\.4 [^\r\n]*\r\n)?$")
        self.nobody_was_fooled()

    def test_a_refused_chunk_is_consumed(self):
        for before, code in (("", 503), ("MAIL FROM:<a@client.example>\n", 503), ("MAIL FROM:<a@client.example>\nRCPT TO:<>\n", 554)):
            for cut in (whole, single_bytes):
                client = self.client()
                client.send(before)
                client.codes(before.count("\n"))
                for piece in cut(b"BDAT %d LAST\r\n%sNOOP\r\n" % (len(SMUGGLED), SMUGGLED)):
                    client.send(piece)
                self.assertEqual([code, 250], client.codes(2))
        self.nobody_was_fooled()

    def test_the_largest_size_reserves_nothing(self):
        before = self.daemon.resident()
        clients = []
        for _ in range(20):
            client = self.client()
            client.send("MAIL FROM:<a@client.example>\nRCPT TO:<bob@local.example>\nBDAT 18446744073709551615 LAST\nx")
            self.assertEqual([250, 250], client.codes(2))
            clients.append(client)
        self.still_serves()
        if not is_sanitized():
            self.assertLess(self.daemon.resident() - before, 20480, "KiB")

    @timeout(300)
    def test_a_million_chunks_of_one_byte(self):
        count = 100000 if is_sanitized() else 1000000
        client = self.client()
        client.send("MAIL FROM:<a@client.example>\nRCPT TO:<bob@local.example>\n")
        self.assertEqual([250, 250], client.codes(2))
        before = self.daemon.resident()
        threads = Threads()
        threads.start(lambda: [client.send(b"BDAT 1\r\nx" * 1000) for _ in range(count // 1000)])
        expected = b"250 2.0.0 1 octets received\r\n"
        for _ in range(count // 1000):
            self.assertEqual(expected * 1000, client.file.read(len(expected) * 1000))
        threads.join()
        if not is_sanitized():  # the message itself is a million bytes
            self.assertLess(self.daemon.resident() - before, 40960, "KiB")
        client.send("RSET\n")
        self.assertEqual(250, client.reply()[0])
        self.still_serves(client)


class Lines(Threat):
    def test_strange_bytes_in_commands(self):
        strange = [b"NOOP \0\r\n", b"NO\0OP\r\n", b"\0\r\n", b"EHLO a\0b\r\n", b"MAIL FROM:<a\0@b>\r\n", b"NOOP \x1b[2J\r\n",
                   b"NOOP \xc3\xbc\r\n", b"\xff\xfe\r\n", b"VRFY \xff\r\n", b"HELP \x7f\r\n", b"NOOP\rNOOP\r\n", b"NOOP \x08\r\n",
                   b"RSET \xc0\xaf\r\n", b"EHLO \xed\xa0\x80\r\n", b"MAIL FROM:<a@b> SIZE=\xff\r\n", b"NOOP\r\r\n"]
        for cut in (whole, single_bytes, random_cuts(7)):
            client = self.client()
            for line in strange:
                for piece in cut(line + b"NOOP\r\n"):
                    client.send(piece)
                code, text = client.reply()
                self.assertTrue(code in (500, 501) and text.isprintable(), f"{line!r}: {text}")
                self.assertEqual(250, client.reply()[0], repr(line))
        self.nobody_was_fooled()

    def test_an_endless_line(self):
        client = self.client()
        before = self.daemon.resident()
        for _ in range(64):
            client.send(b"x" * (1 << 20))
        if not is_sanitized():
            self.assertLess(self.daemon.resident() - before, 16384, "KiB")
        client.send(b"\r\nNOOP\r\n")
        self.assertEqual([500, 250], client.codes(2))
        self.still_serves(client)

    def test_an_endless_line_of_a_message(self):
        client = self.client()
        client.send("MAIL FROM:<a@client.example>\nRCPT TO:<bob@local.example>\nDATA\n")
        self.assertEqual([250, 250, 354], client.codes(3))
        before = self.daemon.resident()
        for _ in range(128):  # more than Max_Message_Size
            client.send(b"x" * (1 << 20))
        if not is_sanitized():
            self.assertLess(self.daemon.resident() - before, 98304, "KiB")
        client.send(b"\r\n.\r\nNOOP\r\n")
        self.assertEqual([552, 250], client.codes(2))
        self.nobody_was_fooled()

    def test_lines_of_every_length_near_the_limits(self):
        client = self.client()
        for size in (997, 998, 999, 1000, 1001, 4094, 4095):
            client.send(f"NOOP {'x' * (size - 5)}\n")
            self.assertEqual((size, 250 if size <= 4094 else 500), (size, client.reply()[0]))
        self.still_serves(client)

    def test_many_header_fields_and_recipients(self):
        client = self.client()
        client.send("MAIL FROM:<a@client.example>\nRCPT TO:<bob@local.example>\nDATA\n" + "X: y\n" * 300000 + "\n.\n")
        self.assertEqual([250, 250, 354], client.codes(3))
        self.assertIn(client.reply()[0], (250, 550, 552))
        client.send("MAIL FROM:<a@client.example>\n")
        self.assertEqual(250, client.reply()[0])
        threads = Threads()
        threads.start(lambda: client.send("RCPT TO:<bob@local.example>\n" * 20000 + "RSET\n"))
        self.assertLessEqual(set(client.codes(20000)), {250, 452})
        threads.join()
        self.assertEqual(250, client.reply()[0])
        self.still_serves(client)

    @timeout(300)
    def test_a_client_that_does_not_read(self):
        count = 300000
        client = self.client(receive_buffer=4096)
        before = self.daemon.resident()
        client.socket.setblocking(False)
        stuck, sent = 0, 0
        line = b"NOOP\r\n" * 1000
        while stuck < 20 and sent < count * 6:  # until the daemon takes no more
            if not select.select([], [client.socket], [], 0.05)[1]:
                stuck += 1
                continue
            stuck = 0
            at = sent % len(line)
            sent += client.socket.send(line[at:])
        self.still_serves()
        if not is_sanitized():
            self.assertLess(self.daemon.resident() - before, 20480, "KiB")
        client.socket.settimeout(60 * SCALE)
        threads = Threads()  # the daemon reads again once we do
        threads.start(client.send, line[sent % len(line):] if sent % len(line) else b"")
        sent += (-sent) % len(line)
        answer = b"250 2.0.0 OK\r\n"
        for _ in range(sent // len(line)):
            self.assertEqual(answer * 1000, client.file.read(len(answer) * 1000))
        threads.join()
        self.still_serves(client)


if __name__ == "__main__":
    import unittest

    unittest.main()
