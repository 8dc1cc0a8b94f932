"""Mail on its way out by ECStream: to another impulsed, byte by byte and through
kill -9 of either; and to servers that are no good."""

import shutil
import smtplib
import struct
import tempfile

import corpus
from acceptor import Acceptor, hang_up
from client import Smtp
from disk_kit import ShimDaemon
from ecstream_kit import HELLO, LISTENER, inbound_states
from harness import BASE_CONFIG, SCALE, Daemon, TestCase, free_port, make_certificate, timeout, wait_for
from load import Senders, check_numbered, ipv6_works
from mail_compare import with_crlf, with_lf

AS_IT_CAME = "RFC2822_Date_Header = never RFC2822_MessageID_Header = never RFC2822_Missing_Headers = accept\n"
COURIER = 'Delivery_Method = ecstream\nGateway = "127.0.0.1:@far@"\n'
MESSAGE = b"From: a@client.example\r\nSubject: hello\r\n\r\nbody\r\n"


class Pair(TestCase):
    """Two daemons: `near` passes on what `far` keeps."""

    def begin(self, courier="TLS = no\n", listener="", far="", files=(), near="", shim=False):
        """`files`: for the far one, by name; `near`: of the near one's ESMTP_Listener; `shim`: the far one's disk is
        one that can be slow."""
        port = free_port()
        make = ShimDaemon if shim else Daemon
        self.far = make(self, more=AS_IT_CAME + LISTENER + "Relay_Hosts = ( 127.0.0.0/8 )\n" + far, ecs=port,
                        options=listener, listen="", listens="")
        for name, text in dict(files).items():
            (self.far.dir / name).write_text(text)
            (self.far.dir / name).chmod(0o600)
        self.far.start()
        # local.example is the far one's.
        config = BASE_CONFIG[:BASE_CONFIG.index('Domain "local.example"')] + "@more@\n"
        config = config.replace("ESMTP_Listener {", "ESMTP_Listener {\n" + near, 1)
        self.near = Daemon(self, config, more=AS_IT_CAME + COURIER + courier, far=port)
        self.near.start()

    def arrived(self, user="bob"):
        return self.far.maildir(user)


class Relay(Pair):
    def test_byte_by_byte(self):
        self.begin()
        messages = corpus.messages()
        with smtplib.SMTP("127.0.0.1", self.near.smtp_port, timeout=60 * SCALE) as smtp:
            for number, (_, data) in enumerate(messages):
                smtp.sendmail("alice@client.example", [f"u{number}@local.example"], with_crlf(data),
                              mail_options=["BODY=8BITMIME"])
        self.near.wait_mainlog("D", len(messages), 60)
        self.far.wait_mainlog("D", len(messages), 60)
        for number, (name, data) in enumerate(messages):
            found = self.arrived(f"u{number}")
            self.assertEqual(1, len(found), name)
            self.assertTrue(found[0].endswith(with_lf(with_crlf(data))), name)
        one = self.near.mainlog("D")[0]
        self.assertEqual("ecstream", one["protocol"])
        self.assertRegex(one["response"], r"^250 2\.0\.0 taken as [0-9A-F]+/[0-9A-F]+-node1$")
        # What was sent had no second attempt; where nothing was, the host was down, and that counts for all that waits.
        self.assertEqual([], [record for record in self.near.mainlog("T") if "cannot connect" not in record["response"]])

    def test_its_port_is_an_option(self):
        """ECStream_Port is that of next hosts without one; over IPv6, too."""
        six = ipv6_works()
        self.begin('TLS = no\nECStream_Port = @far@\nDomain "local.example" { Gateway = "127.0.0.1" }\n'
                   'Domain "six.example" { Gateway = "::1" }\n', 'Relay_Hosts = ( 127.0.0.0/8 ::1 ) Listen "[::1]:@ecs@" { }' if six else "",
                   'Domain "six.example" { Delivery_Method = maildir Maildir_Path = "@dir@/mail/%{domain}/%{localpart}" }\n')
        with Smtp(self.near.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE, recipients=["bob@local.example", *(["bob@six.example"] if six else [])])
        self.far.wait_mail("bob")
        port = self.near.values["far"]
        peers = {"local.example": ("127.0.0.1", str(port))}
        if six:
            self.far.wait_mail("bob", domain="six.example")
            peers["six.example"] = ("::1", str(port))
        self.assertEqual(peers, {line["domain"]: (line["peer"], line["port"]) for line in self.near.wait_mainlog("D", len(peers))})
        self.assertEqual([], self.near.mainlog("T"))

    def test_tls(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder, True)
        certificate, key = make_certificate(folder)
        for courier, listener, protocol in (("TLS = required\n", f'Use_SSL = true TLS_Certificate = "{certificate}" '
                                             f'TLS_Key = "{key}"', "ecstreams"),
                                            ("TLS = ifavailable\n", "", "ecstream")):
            self.begin(courier, listener)
            with Smtp(self.near.smtp_port) as smtp:
                smtp.ehlo()
                smtp.message(MESSAGE, recipients=["bob@local.example"])
            self.assertEqual(protocol, self.near.wait_mainlog("D", 1)[0]["protocol"])
            self.near.stop()
            self.far.stop()

    def test_plain_where_tls_is_required(self):
        self.begin("TLS = required\n")
        with Smtp(self.near.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE, recipients=["bob@local.example"])
        self.assertIn("TLS", self.near.wait_mainlog("T", 1)[0]["response"])
        self.assertEqual([], self.arrived())

    @timeout(300)
    def test_kill_either_under_load(self):
        self.begin("Max_Outbound_Connections = 2\n")
        senders = Senders(self.near.smtp_port, 10, recipient=lambda client: f"u{client}@local.example", tolerant=True)
        enough = lambda count: wait_for(lambda: len(senders.promised) >= count, f"{count} messages", 120)
        for count, which in ((100, self.far), (300, self.near), (500, self.far), (700, self.near)):
            enough(count)
            which.kill9()
            which.start()
        enough(900)
        senders.stop()
        self.near.wait_empty(120)
        self.far.wait_empty(120)
        names = [check_numbered(message) for client in range(10) for message in self.arrived(f"u{client}")]
        self.assertEqual(set(), senders.promised - set(names))
        # What was under way when one of them died: 100 messages on each of two
        # connections at most, and what the far one was writing into its Maildirs.
        self.assertLessEqual(len(names) - len(set(names)), 4 * (2 * 100 + 32))

    def bring_into_doubt(self):
        """Each connection has mail under way that is never acknowledged: else one of them would be told that the far
        one is down, and so would all that waits."""
        self.near.console("config", "set", "suspend_delivery", "true")
        wait_for(lambda: self.near.counters()["In Delivery"] == 0, "what was sent to be acknowledged")
        self.far.shim.sync_delay = 300_000_000
        self.near.console("config", "set", "suspend_delivery", "false")
        wait_for(lambda: inbound_states(self.far) == ["commit", "commit"], lambda: str(inbound_states(self.far)))

    @timeout(300)
    def test_nothing_twice_when_the_far_one_dies(self):
        """Its stream is asked what it has: no message is lost, and none is there twice."""
        self.begin("Max_Outbound_Connections = 2\nIdle_Timeout = 60\n", far="Suspend_Delivery = true\n", shim=True)
        senders = Senders(self.near.smtp_port, 10, recipient=lambda client: f"u{client}@local.example")
        for count in (100, 300, 500):
            wait_for(lambda: len(senders.promised) >= count, f"{count} messages", 120)
            self.bring_into_doubt()
            self.far.kill9()
            self.far.shim.sync_delay = 0
            self.far.start()
        wait_for(lambda: len(senders.promised) >= 700, "the last messages", 120)
        senders.stop()
        self.near.wait_empty(120)
        self.assertEqual(len(senders.promised), self.far.counters()["Total Queue Size"])
        self.assertEqual([], self.near.mainlog("T"))


class Scripted(Acceptor):
    """An ECStream server that does what `script(server, connection)` says."""

    def __init__(self, test, script):
        self.script, self.connections, self.frames = script, 0, []
        super().__init__(test, free_port())

    def serve(self, connection):
        self.connections += 1
        self.file = connection.makefile("rb")
        try:
            self.script(self, connection)
        except (OSError, ValueError, struct.error):
            pass
        finally:
            hang_up(connection)
            connection.close()

    @staticmethod
    def send(connection, kind, flags=0, sequence=0, payload=b""):
        connection.sendall(struct.pack(">IBBHQ", len(payload), kind, flags, 0, sequence) + payload)

    def next(self):
        length, kind, flags, _, sequence = struct.unpack(">IBBHQ", self.file.read(16))
        self.frames.append((kind, flags, sequence, self.file.read(length)))
        return self.frames[-1]

    def open(self, connection, window=100):
        self.next()
        self.send(connection, 1, payload=HELLO + struct.pack(">BHI", 4, 4, window))
        self.next()
        self.send(connection, 5)


class Hostile(TestCase):
    def begin(self, script, more="", patience=2):
        self.server = Scripted(self, script)
        config = BASE_CONFIG[:BASE_CONFIG.index('Domain "local.example"')] + "@more@\n"
        times = f"EHLO_Timeout = {patience}\nBody_Timeout = {patience}\n"
        self.near = self.daemon(config, more=COURIER + "TLS = no\n" + times + more, far=self.server.port)
        with Smtp(self.near.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE, recipients=["bob@local.example", "eve@local.example", "carol@local.example"])

    def delayed(self, text=""):
        record = self.near.wait_mainlog("T", 3)[0]
        self.assertIn(text, record["response"])
        self.assertEqual([], self.near.mainlog("D"))

    def test_garbage(self):
        self.begin(lambda server, connection: connection.sendall(b"220 mx.example ESMTP\r\n" * 1000))
        self.delayed()

    def test_silence(self):
        self.begin(lambda server, connection: server.file.read())
        self.delayed("timed out")

    def test_goaway_at_once(self):
        self.begin(lambda server, connection: (server.next(), server.send(connection, 0x22, payload=b"\0\4too many")))
        self.delayed("too many")

    def test_no_acknowledgement(self):
        def script(server, connection):
            server.open(connection)
            server.file.read()
        self.begin(script)
        self.delayed()

    def test_no_window(self):
        def script(server, connection):
            server.open(connection, window=0)
            server.file.read()
        self.begin(script)
        self.delayed()

    def test_endless_frames(self):
        """PONGs that nobody asked for are no sign of life."""
        def script(server, connection):
            server.open(connection)
            while True:
                server.send(connection, 0x21, payload=b"x" * 64)
        self.begin(script)
        self.delayed()

    def test_acknowledges_what_was_not_sent(self):
        def script(server, connection):
            server.open(connection)
            server.next()
            server.send(connection, 0x18, sequence=1000)
        self.begin(script)
        self.delayed()

    def test_closes_behind_a_message(self):
        def script(server, connection):
            server.open(connection)
            server.next()
        self.begin(script)
        self.delayed("no answer")

    def test_goes_on_where_it_was(self):
        """Behind a lost connection only what the stream has not got is sent, and what was refused stays so."""
        def script(server, connection):
            server.next()
            server.send(connection, 1, payload=HELLO + struct.pack(">BHI", 4, 4, 100))
            server.next()
            if server.connections == 1:
                server.send(connection, 5)
                server.next()
                return
            server.send(connection, 5, flags=1, sequence=1)
            server.file.read()
        self.begin(script, patience=60)
        self.assertEqual(3, len(self.near.wait_mainlog("D", 3)))
        self.assertEqual([], self.near.mainlog("T"))
        opens = [frame for frame in self.server.frames if frame[0] == 4]
        self.assertEqual([1, 0], [flags for _, flags, _, _ in opens])  # NEW, and then not
        self.assertEqual(opens[0][3], opens[1][3])
        self.assertEqual(1, sum(frame[0] == 0x10 for frame in self.server.frames))

    def test_one_recipient_is_refused(self):
        """The others go in another message, at once."""
        def script(server, connection):
            server.open(connection)
            kind, _, sequence, _ = server.next()
            server.send(connection, 0x19, sequence=sequence,
                        payload=struct.pack(">HIB", 550, 1, 5) + b"5.1.1" + b"nobody of that name")
            server.send(connection, 0x18, sequence=sequence)
            kind, _, sequence, _ = server.next()
            server.send(connection, 0x18, sequence=sequence)
            server.file.read()
        self.begin(script, "Generate_Bounces = false\n", patience=60)
        self.assertEqual({"bob", "carol"}, {record["to_local"] for record in self.near.wait_mainlog("D", 2)})
        refused = self.near.wait_mainlog("P", 1)[0]
        self.assertEqual(("eve", "550 5.1.1 nobody of that name"), (refused["to_local"], refused["response"]))
        self.assertEqual([], self.near.mainlog("T"))
