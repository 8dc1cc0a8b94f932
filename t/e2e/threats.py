"""What the tests of threats share: Listens of every temper, false ends, cuts of the
stream, a client that says what it is told to, and a daemon that has to stand it."""

import random
import re
import select

from client import Smtp
from harness import Daemon, TestCase, free_port, make_certificate

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


class Client(Smtp):
    """Speaks without waiting for answers."""

    def __init__(self, port, **more):
        super().__init__(port, timeout=60, banner=False, **more)

    def send(self, text):
        """Bytes as they are; the lines of a text end in CRLF."""
        super().send(text if isinstance(text, bytes) else text.replace("\n", "\r\n"))

    def reply(self):
        code, text = super().reply()
        assert text.isascii(), text
        return code, text

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
        self.daemon.wait_empty()
        self.assertEqual([], self.daemon.maildir("victim"))
