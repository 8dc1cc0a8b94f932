"""What goes along by ECStream to another impulsed, and from there on: parameters of
ESMTP, who we are, bodies that are too large for memory, and streams that outlive
their connections."""

import shutil
import tempfile
from pathlib import Path

from client import Smtp
from harness import is_sanitized, make_certificate, read, timeout, wait_for
from mail_compare import with_lf
from passwords import scram_line
from sink import SmtpSink
from spool_bytes import unfinished
from test_ecstream_out import COURIER, MESSAGE, Pair, Scripted
from test_large import CONFIG, HEADER, body, damage_large

PASSWORD = "open sesame"
LOGIN = f'Outbound_SMTP_AUTH_User = alice\nOutbound_SMTP_AUTH_Pass = "{PASSWORD}"\n'
TAKES_ALL = ("PIPELINING", "SIZE 100000000", "8BITMIME", "SMTPUTF8", "DSN", "MT-PRIORITY", "DELIVERBY", "CHUNKING",
             "BINARYMIME", "AUTH PLAIN")


class Envelope(Pair):
    def send(self, parameters, recipient, message=MESSAGE, bdat=False):
        with Smtp(self.near.smtp_port) as smtp:
            smtp.ehlo()
            smtp.expect(250, f"MAIL FROM:<alice@client.example>{parameters}")
            smtp.expect(250, f"RCPT TO:{recipient}")
            if bdat:
                smtp.send(f"BDAT {len(message)} LAST\r\n".encode() + message)
                self.assertEqual(250, smtp.reply()[0])
            else:
                smtp.data(message)

    def onward(self, extensions=TAKES_ALL):
        sink = SmtpSink(self, extensions=extensions)
        self.begin(far=f'Domain "onward.example" {{ Gateway = "127.0.0.1:{sink.port}" TLS = no }}\n',
                   near="SMTP_Extensions = ( 8BITMIME SMTPUTF8 DSN MT-PRIORITY DELIVERBY CHUNKING BINARYMIME )\n")
        return sink

    def test_parameters_survive_the_hop(self):
        sink = self.onward()
        self.send(" RET=HDRS ENVID=QQ314159 MT-PRIORITY=3 BY=3600;N",
                  "<bob@onward.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first+2Bhand@z.example")
        arrived = sink.wait(1)[0]
        for word in ("RET=HDRS", "ENVID=QQ314159", "MT-PRIORITY=3"):
            self.assertIn(word, arrived.mail_parameters)
        self.assertRegex(arrived.mail_parameters, r"BY=3[56]\d\d;N")
        self.assertEqual("NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first+2Bhand@z.example",
                         arrived.recipient_parameters["bob@onward.example"].strip())
        # Who has it last tells of its success: neither of us made a report.
        self.near.wait_mainlog("D", 1)
        self.assertEqual(["esmtp"], [record["protocol"] for record in self.near.mainlog("R")])

    def test_a_relayed_report_comes_from_the_last_that_knows_how(self):
        """Behind the far one is a host without DSN: its report of `relayed` goes to the sender, with what he said."""
        sink = self.onward(extensions=("PIPELINING",))
        self.send(" ENVID=QQ314159", "<bob@onward.example> NOTIFY=SUCCESS ORCPT=rfc822;orig@z.example")
        sink.wait(1)
        report = self.far.wait_mainlog("R", 2)[1]
        self.assertEqual(("internal", "alice"), (report["protocol"], report["to_local"]))
        text = str(self.far.console("message", "full", report["id"]).stdout)
        for field in ("Action: relayed", "Original-Envelope-Id: QQ314159", "Original-Recipient: rfc822; orig@z.example"):
            self.assertIn(field, text)
        self.near.wait_mainlog("D", 1)
        self.assertEqual(1, len(self.near.mainlog("R")))

    def test_what_is_beyond_ascii(self):
        sink = self.onward()
        text = "From: ä@client.example\r\nSubject: hö\r\n\r\nbö\r\n".encode()
        self.send(" SMTPUTF8 BODY=8BITMIME", "<bö@onward.example> ORCPT=utf-8;ö@z.example", text)
        arrived = sink.wait(1)[0]
        self.assertEqual(["bö@onward.example"], arrived.recipients)
        self.assertIn("SMTPUTF8", arrived.mail_parameters)
        self.assertIn("BODY=8BITMIME", arrived.mail_parameters)
        self.assertTrue(arrived.data.endswith(text))

    def test_binary(self):
        sink = self.onward()
        text = b"From: a@client.example\r\nSubject: bin\r\nContent-Transfer-Encoding: binary\r\n\r\na\nb\rc\0d" + bytes(range(256))
        self.send(" BODY=BINARYMIME", "<bob@onward.example>", text, bdat=True)
        arrived = sink.wait(1)[0]
        self.assertIn("BODY=BINARYMIME", arrived.mail_parameters)
        self.assertTrue(arrived.data.endswith(text))


class Login(Pair):
    def log_in(self, mechanism, password=PASSWORD):
        name = {"PLAIN": "AuthPlainParameters", "SCRAM-SHA-256": "AuthScramParameters"}[mechanism]
        files = {"clear": f"alice:{password}\n", "scram": scram_line("alice", password, "SCRAM-SHA-256")}
        uri = "scram://@dir@/scram" if "SCRAM" in mechanism else "file://@dir@/clear"
        certificate, key = make_certificate(self.enterContext(tempfile.TemporaryDirectory()))
        self.begin(f"{LOGIN}TLS = required\n", files=files,
                   listener=f'Use_SSL = true TLS_Certificate = "{certificate}" TLS_Key = "{key}" Relay_Hosts = ( ) '
                            f'Enable_Authentication = true {name} = [ uri = "{uri}" ]')
        with Smtp(self.near.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE, recipients=["bob@local.example"])

    def test_each_mechanism(self):
        for mechanism in ("PLAIN", "SCRAM-SHA-256"):
            with self.subTest(mechanism):
                self.log_in(mechanism)
                self.assertEqual("ecstreams", self.near.wait_mainlog("D", 1)[0]["protocol"])
                self.assertEqual("ecstreamsa", self.far.wait_mainlog("R", 1)[0]["protocol"])
                self.assertNotIn(PASSWORD, self.near.log() + str(self.near.console("config", "show")))
                self.near.stop()
                self.far.stop()

    def test_wrong_password(self):
        self.log_in("PLAIN", "another")
        self.assertIn("cannot authenticate", self.near.wait_mainlog("T", 1)[0]["response"])
        self.assertEqual([], self.near.mainlog("P"))
        self.assertEqual([], self.arrived())


class Large(Pair):
    """Bodies go as they lie on the disk, in pieces."""

    LISTENER = "Max_Message_Size = 300000000\n"

    def begin(self, courier="TLS = no\n", listener=LISTENER):
        super().begin(courier, listener, near="Max_Message_Size = 300000000\nRelay_Hosts = ( 127.0.0.0/8 )\n")

    def assert_arrived(self, whole, user):
        arrived, = self.far.wait_mail(user, seconds=90)
        self.assertTrue(arrived.endswith(b"\n" + with_lf(whole)), f"{user}: {len(arrived)} bytes for {len(whole)}")

    def send(self, message, *users):
        with Smtp(self.near.smtp_port, timeout=120) as smtp:
            smtp.ehlo()
            smtp.message(message, recipients=[f"{user}@local.example" for user in users])

    @timeout(200)
    def test_as_it_was_and_not_in_memory(self):
        certificate, key = make_certificate(self.enterContext(tempfile.TemporaryDirectory()))
        tls = f'Use_SSL = true TLS_Certificate = "{certificate}" TLS_Key = "{key}"\n'
        for courier, listener in (("TLS = no\n", self.LISTENER), ("TLS = required\n", self.LISTENER + tls)):
            with self.subTest(courier):
                self.begin(courier, listener)
                self.send(HEADER + b"warm\r\n", "warm")
                self.far.wait_mail("warm")
                status = f"/proc/{self.near.process.pid}/status"
                Path(f"/proc/{self.near.process.pid}/clear_refs").write_text("5")  # the peak begins anew
                before = self.near.resident()
                whole = body(40) + b"".join(b".%05d\r\n..\r\n" % number for number in range(20000))
                self.send(whole, "one", "two")
                for user in ("one", "two"):
                    self.assert_arrived(whole, user)
                peak = next(int(line.split()[1]) for line in read(status).splitlines() if line.startswith("VmHWM:"))
                if not is_sanitized():  # forty MiB, were it in memory
                    self.assertLess(peak - before, 16 << 10)
                self.near.wait_mainlog("D", 3)
                self.assertEqual([], self.near.mainlog("T"))
                wait_for(lambda: not list((self.near.dir / "spool" / "large").iterdir()), "its file goes")
                self.near.stop()
                self.far.stop()

    @timeout(200)
    def test_far_one_dies_in_the_middle(self):
        """The stream goes on, and the message begins anew: it arrives once."""
        self.begin()
        whole = body(40)
        self.send(HEADER + b"small\r\n", "small")
        self.far.wait_mail("small")
        large = self.far.dir / "spool" / "large"
        self.send(whole, "one")
        wait_for(lambda: any(path.stat().st_size > 0 for path in large.iterdir()), "a part of it there")
        self.far.kill9()
        self.far.start()
        self.assert_arrived(whole, "one")
        self.near.wait_empty()
        self.assertEqual(1, len(self.arrived("one")))

    def test_damaged_while_it_is_sent(self):
        """It is taken back in the middle, others go on, and then its sender is told."""
        got = []

        def script(server, connection):
            server.open(connection)
            while True:
                kind, flags, sequence, payload = server.next()
                if kind == 0x10 and flags & 1 and not got:
                    got.append(sequence)
                    damage_large(self.near)
                if kind in (0x10, 0x11) and not flags & 1:
                    server.send(connection, 0x18, sequence=sequence)

        server = Scripted(self, script)
        config = CONFIG[:CONFIG.index('Domain "local.example"')] + "@more@\n"
        self.near = self.daemon(config, more=COURIER + "TLS = no\nRetry_Interval = 1\n", far=server.port)
        self.send(body(6), "bob")
        wait_for(lambda: got, "its beginning")
        self.send(HEADER + b"small\r\n", "carol")
        transient = self.near.wait_mainlog("T", 1)[0]
        self.assertIn("the rest of the body cannot be read", str(transient))
        self.near.wait_mainlog("P", 1)
        self.assertEqual(["carol"], [record["to_local"] for record in self.near.wait_mainlog("D", 1)
                                     if record["to_local"] in ("bob", "carol")])
        self.assertEqual([2], [flags for kind, flags, _, _ in server.frames if kind == 0x11 and flags & 2])


class Streams(Pair):
    """A connection for each message: they go on with one stream."""

    def begin(self):
        super().begin("TLS = no\nMax_Outbound_Connections = 1\nMax_Deliveries_Per_Connection = 1\n")
        self.sent = 0

    def send(self):
        with Smtp(self.near.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE, recipients=[f"u{self.sent}@local.example"])
        self.sent += 1
        self.near.wait_mainlog("D", self.sent)
        self.far.wait_mail(f"u{self.sent - 1}")
        # Its outcome is in the spool: a kill does not make it come again.
        wait_for(lambda: not unfinished(self.far.dir / "spool"), "an empty spool there")

    def assert_once(self):
        self.assertEqual([1] * self.sent, [len(self.arrived(f"u{number}")) for number in range(self.sent)])
        self.assertEqual([], self.near.mainlog("T") + self.near.mainlog("P"))

    def test_through_restarts_of_the_far_one(self):
        self.begin()
        for end in (None, self.far.stop, self.far.kill9):
            if end:
                end()
                self.far.start()
            self.send()
            self.send()
        self.assert_once()

    def test_an_older_spool(self):
        """The far one has less of the stream than it acknowledged: there is a new one, and no mail waits for it."""
        self.begin()
        self.send()
        self.far.stop()
        spool, older = self.far.dir / "spool", self.far.dir / "older"
        shutil.copytree(spool, older)
        self.far.start()
        self.send()
        self.far.stop()
        shutil.rmtree(spool)
        older.rename(spool)
        self.far.start()
        for _ in range(2):
            self.send()
        self.assert_once()

    def test_an_empty_spool(self):
        """It has forgotten the stream."""
        self.begin()
        self.send()
        self.far.stop()
        shutil.rmtree(self.far.dir / "spool")
        self.far.start()
        for _ in range(2):
            self.send()
        self.assert_once()
