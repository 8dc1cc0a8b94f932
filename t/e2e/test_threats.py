"""What hostile or broken clients do by SMTP, and what must happen: framing in
every cut, in plain text and under TLS; sizes, addresses, time, TLS."""

import random
import re
import select
import socket
import ssl

from harness import (SCALE, Daemon, TestCase, Threads, free_port, is_sanitized, make_certificate, timeout, wait_for)

CERTIFICATE = 'TLS_Certificate = "@dir@/mx.crt" TLS_Key = "@dir@/mx.key"'
LISTENS = {
    "pedantic": "",
    "ignore": "Pathway = ignore",
    "fix": "Pathway = fix",
    "small": "Max_Message_Size = 200",
    "tls-pedantic": f"{CERTIFICATE} Use_SSL = true",
    "tls-fix": f"{CERTIFICATE} Use_SSL = true Pathway = fix",
    "tls-small": f"{CERTIFICATE} Use_SSL = true Max_Message_Size = 200",
    "starttls": f"{CERTIFICATE} Require_EHLO = true",
    "stranger": "Relay_Hosts = ( 192.0.2.1 ) Relay_Domains = ( local.example )",
    "hasty": f"{CERTIFICATE} Greeting_Timeout = 1 Command_Timeout = 1 Data_Timeout = 1",
    "tls-hasty": f"{CERTIFICATE} Use_SSL = true TLS_Handshake_Timeout = 1",
    "gateway": "XCLIENT_Hosts = ( 127.0.0.1 ) Require_EHLO = true "
               "SMTP_Extensions = ( PIPELINING XCLIENT XREMOTEIP XSETCONTEXT XDUMPCONTEXT )",
}
CONFIG = """\
Hostname = mx.test.example
Nodename = node1
Spoolbase = "@dir@/spool"
Spool_Min_Free = 0
Mainlog = "@dir@/mainlog"
Diagnostic_Log = "@dir@/log"
Rejectlog = "@dir@/rejectlog"
Pathway ignore { RFC2822_Lone_LF_In_Body = ignore RFC2822_Lone_LF_In_Headers = ignore }
Pathway fix { RFC2822_Lone_LF_In_Body = fix RFC2822_Lone_LF_In_Headers = fix }
ESMTP_Listener {
  Max_Errors = 0
@listens@
}
Control_Listener { Listen "@dir@/control.sock" { } }
Domain "local.example" {
  Delivery_Method = maildir
  Maildir_Path = "@dir@/mail/%{domain}/%{localpart}"
}
"""
HEAD = b"From: a@client.example\r\nSubject: x\r\n\r\n"
SMUGGLED = (b"MAIL FROM:<evil@client.example>\r\nRCPT TO:<victim@local.example>\r\nDATA\r\n"
            b"Subject: smuggled\r\n\r\nx\r\n")
# What some server somewhere takes for the end of a message, and is none.
FALSE_ENDS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r", b"\r\n.\r\r\n", b"\r\n.\r\0\n",
              b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\n\0.\n", b"\r\n. \r\n", b"\r\n.\t\r\n", b"\r\n..\r\n", b"\n\n.\n\n",
              b"\x0b.\x0b", b"\r\n.\x0c\r\n", b"\x85.\x85", b"\xe2\x80\xa8.\xe2\x80\xa8", b"\r\n.\x1a\r\n", b"\r\n\xff.\r\n",
              b"\r\r.\r\r", b"\r\n.\r\x0b\n"]


def frames():
    """Vectors: what follows 354, up to and with its true end."""
    for end in FALSE_ENDS:
        yield HEAD + b"first" + end + SMUGGLED + b".\r\n"         # in the body
        yield b"Subject: x" + end + SMUGGLED + b".\r\n"           # in the header section
        behind = end[end.index(b".") + 1:]
        if behind != b"\r\n":
            yield b"." + behind + SMUGGLED + b".\r\n"           # right behind 354
    yield b".\r\n"
    yield b"\r\n.\r\n"
    yield b"Subject: x\nbare: y\r\n\r\nx\r\n.\r\n"
    yield HEAD + b"x\r\r\n.\r\n"
    yield HEAD + b"\0" * 50 + b"\r\n\0\r\n.\r\n"


def verdict(frame, lone_is_wrong, limit=0):
    """The code it must get, by reading what RFC 5321 §4.5.2 says."""
    if frame == b".\r\n":
        content = b""
    else:
        content = frame[:frame.index(b"\r\n.\r\n") + 2]
        content = re.sub(rb"(^|\r\n)\.", rb"\1", content)
    if lone_is_wrong and re.search(rb"(?<!\r)\n|\r(?!\n)", content):
        return (550, 552) if limit else (550,)
    return (552,) if limit and len(content) > limit else (250,)


def whole(data):
    return [data]


def single_bytes(data):
    return [data[at:at + 1] for at in range(len(data))]


def random_cuts(seed):
    source = random.Random(seed)

    def cut(data):
        pieces = []
        while data:
            size = source.randint(1, 9)
            pieces.append(data[:size])
            data = data[size:]
        return pieces
    return cut


class Client:
    def __init__(self, port, tls=False, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(5 * SCALE)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.secure()
        self.file = self.socket.makefile("rb")

    def secure(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.replace("\n", "\r\n").encode())

    def reply(self):
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                raise ConnectionError(f"closed; before: {lines}")
            lines.append(line)
            if line[3:4] == b" ":
                return int(line[:3]), b"".join(lines).decode("ascii")

    def codes(self, count):
        return [self.reply()[0] for _ in range(count)]

    def dribble(self, byte, limit=500):
        """Sends a byte now and then until something comes; returns that, b"" at the end of the connection."""
        for _ in range(limit):
            if select.select([self.socket], [], [], 0.05)[0]:
                try:
                    return self.file.readline()
                except ConnectionError:
                    return b""
            try:
                self.socket.sendall(byte)
            except ConnectionError:
                return b""
        raise AssertionError("nobody minds")

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Threat(TestCase):
    def setUp(self):
        self.ports = {name: free_port() for name in LISTENS}
        self.daemon = Daemon(self)
        make_certificate(self.daemon.dir)
        listens = "\n".join(f'  Listen "127.0.0.1:{self.ports[name]}" {{ {options} }}' for name, options in LISTENS.items())
        self.daemon.configure(CONFIG, listens=listens)
        self.daemon.start()

    def client(self, name="pedantic", greet=True, **more):
        client = Client(self.ports[name], tls=name.startswith("tls-"), **more)
        self.addCleanup(client.close)
        if greet:
            self.assertEqual(220, client.reply()[0])
            client.send("EHLO client.example\n")
            self.assertEqual(250, client.reply()[0])
        return client

    def still_serves(self, client=None):
        """A message from somebody else (or `client`) arrives; logs are lines of text."""
        before = len(self.daemon.maildir("witness"))
        client = client or self.client()
        client.send("MAIL FROM:<>\nRCPT TO:<witness@local.example>\nDATA\n.\n")
        self.assertEqual([250, 250, 354, 250], client.codes(4))
        self.daemon.wait_mail("witness", before + 1)
        for name in ("log", "mainlog", "rejectlog", "stderr"):
            said = (self.daemon.dir / name).read_bytes() if (self.daemon.dir / name).exists() else b""
            self.assertIsNone(re.search(rb"[\0-\x08\x0b-\x1f\x7f]", said), name)

    def nobody_was_fooled(self):
        self.still_serves()
        wait_for(lambda: self.daemon.counters()["Total Queue Size"] == 0, "the queue to empty")
        self.assertEqual([], self.daemon.maildir("victim"))


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
        self.assertEqual((250, "250 2.0.0 OK\r\n"), client.reply(), repr(frame))
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
                self.assertTrue(code in (500, 501) and text.isascii() and text.isprintable() is False, f"{line!r}: {text}")
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
        client.socket.settimeout(5 * SCALE)
        threads = Threads()  # the daemon reads again once we do
        threads.start(client.send, line[sent % len(line):] if sent % len(line) else b"")
        sent += (-sent) % len(line)
        answer = b"250 2.0.0 OK\r\n"
        for _ in range(sent // len(line)):
            self.assertEqual(answer * 1000, client.file.read(len(answer) * 1000))
        threads.join()
        self.still_serves(client)


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
            self.assertRegex(client.reply()[1], r"^550 5\.7\.1 ", probe)
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
        wait_for(lambda: self.daemon.counters()["Total Queue Size"] == 0, "the queue to empty")
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
            ours.settimeout(5 * SCALE)
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
