"""What a client was promised at the door, as the next server and the sender see
it: parameters of MAIL and RCPT on the way out, reports, held mail, deadlines.
(CONFORMANCE groups 38, 55, 57 to 60, 72 to 75.)"""

import datetime
import email
import email.policy
import os
import random
import re
import shutil
import tempfile
import time

from client import Smtp
from dns_server import DnsServer
from harness import Daemon, TestCase, heavy, make_certificate, timeout, wait_for
from sink import SmtpSink

CONFIG = """
Gateway = "127.0.0.1:@sink@"
ESMTP_Listener {
  SMTP_Extensions = ( PIPELINING SIZE 8BITMIME BINARYMIME SMTPUTF8 ENHANCEDSTATUSCODES CHUNKING DSN DELIVERBY
                      "FUTURERELEASE 100000" MT-PRIORITY REQUIRETLS )
}
"""
MESSAGE = b"From: a@client.example\r\nSubject: hello\r\n\r\nthe body\r\n"
ALL = ("PIPELINING", "SIZE 100000000", "8BITMIME", "SMTPUTF8", "CHUNKING", "BINARYMIME", "DSN", "DELIVERBY",
       "MT-PRIORITY 9")


class Envelope(TestCase):

    def pair(self, extensions=ALL, more="", **options):
        sink = SmtpSink(self, extensions=extensions, **options)
        return self.daemon(more=CONFIG + more, sink=sink.port), sink

    def send(self, daemon, mail="", rcpt="", message=MESSAGE, sender="alice@local.example",
             recipient="bob@remote.example", tls=False):
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            if tls:
                smtp.starttls()
                smtp.ehlo()
            smtp.expect(250, f"MAIL FROM:<{sender}> {mail}".strip())
            smtp.expect(250, f"RCPT TO:<{recipient}> {rcpt}".strip())
            if "BINARYMIME" in mail:
                smtp.send(f"BDAT {len(message)} LAST\r\n".encode() + message)
                code, text = smtp.reply()
                self.assertEqual(250, code, text)
            else:
                smtp.data(message)
            smtp.quit()

    def report(self, daemon, count=1):
        """The newest report that alice has got: its parts, and the fields of the first recipient."""
        raw = daemon.wait_mail("alice", count)[-1]
        self.assertTrue(raw.startswith(b"Return-Path: <>\n"), raw[:200])
        report = email.message_from_bytes(raw, policy=email.policy.default)
        self.assertEqual("multipart/report", report.get_content_type())
        self.assertEqual("delivery-status", report.get_param("report-type"))
        self.assertEqual("auto-replied", report["Auto-Submitted"])
        parts = list(report.iter_parts())
        self.assertEqual(3, len(parts))
        # Python knows message/delivery-status, and not its form in UTF-8.
        text = re.search(r"\nContent-Type: message/(?:global-)?delivery-status\n(?:[^\n]+\n)*\n(.*?\n)\n--",
                         raw.decode(), re.S)
        blocks = [email.message_from_string(block, policy=email.policy.default) for block in text[1].split("\n\n")]
        self.assertEqual(2, len(blocks))
        return parts, blocks[0], blocks[1]

    # on the way out

    def test_59_dsn_parameters_go_on(self):
        daemon, sink = self.pair()
        self.send(daemon, "RET=HDRS ENVID=my+2Bid", "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first+2Bbob@x.example")
        message = sink.wait()[0]
        self.assertIn("RET=HDRS ENVID=my+2Bid", message.mail_parameters)
        self.assertEqual("NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first+2Bbob@x.example",
                         message.recipient_parameters["bob@remote.example"])
        daemon.wait_mainlog("D", 1)
        self.assertEqual([], daemon.maildir("alice"))

    def test_59_an_absent_orcpt_is_added(self):
        daemon, sink = self.pair()
        self.send(daemon, recipient="bob+tag=1@remote.example")
        self.assertEqual("ORCPT=rfc822;bob+2Btag+3D1@remote.example",
                         sink.wait()[0].recipient_parameters["bob+tag=1@remote.example"])

    def test_all_that_is_offered_and_nothing_else(self):
        parameters = "BODY=8BITMIME RET=FULL ENVID=x MT-PRIORITY=4 BY=1000;N"
        daemon, sink = self.pair()
        self.send(daemon, parameters)
        said = sink.wait()[0].mail_parameters
        self.assertRegex(said, r"\ASIZE=\d+ BODY=8BITMIME RET=FULL ENVID=x MT-PRIORITY=4 BY=(1000|9\d\d);N\Z")
        daemon, sink = self.pair(("PIPELINING",))
        self.send(daemon, parameters, "NOTIFY=FAILURE ORCPT=rfc822;x@y")
        message = sink.wait()[0]
        self.assertEqual("", message.mail_parameters)
        self.assertEqual({"bob@remote.example": ""}, message.recipient_parameters)

    def test_38_binarymime_byte_by_byte(self):
        daemon, sink = self.pair()
        body = b"From: a@b.example\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: binary\r\n\r\n" + \
            bytes(range(256)) + b"\r\n.\r\n\n.\n\r.\r" + b"MAIL FROM:<evil@x>\r\n"
        self.send(daemon, "BODY=BINARYMIME", message=body)
        message = sink.wait()[0]
        self.assertIn("BODY=BINARYMIME", message.mail_parameters)
        self.assertTrue(message.data.endswith(body))
        self.assertEqual([], sink.errors)

    def test_38_binarymime_to_a_host_without_it_comes_back(self):
        daemon, sink = self.pair(("PIPELINING", "8BITMIME", "CHUNKING"))
        self.send(daemon, "BODY=BINARYMIME RET=FULL", message=MESSAGE + bytes(range(256)))
        parts, _, fields = self.report(daemon)
        self.assertEqual(("failed", "5.6.3"), (fields["Action"], fields["Status"]))
        self.assertEqual("text/rfc822-headers", parts[2].get_content_type())
        self.assertEqual([], sink.messages)

    def test_55_8bitmime_to_a_host_without_it_comes_back(self):
        daemon, sink = self.pair(("PIPELINING",))
        self.send(daemon, "BODY=8BITMIME", message=MESSAGE + "ä\r\n".encode())
        self.assertEqual("5.6.3", self.report(daemon)[2]["Status"])
        self.send(daemon, "BODY=8BITMIME")  # said, and not so
        sink.wait()

    def test_55_8bitmime_is_converted(self):
        """For a host without it; and what the parts decode to is what it was."""
        daemon, sink = self.pair(("PIPELINING", "SIZE 100000000"))
        text, octets = "Grüße aus Köln\r\n . \r\n..\r\nFrom 漢字 =\t\r\n" * 50, bytes(range(128, 256)) * 30
        inner = "Subject: inner\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" \
                f"Content-Transfer-Encoding: 8bit\r\n\r\n{text}".encode()
        # No octets that lines are made of in what is no text.
        message = (b"From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n"
                   b"Content-Type: multipart/mixed; boundary=\"=_o\"\r\n\r\n--=_o\r\nContent-Type: text/plain; charset=utf-8\r\n"
                   b"Content-Transfer-Encoding: 8bit\r\n\r\n" + text.encode() + b"\r\n--=_o\r\nContent-Type: application/x\r\n\r\n" +
                   octets + b"\r\n--=_o\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + inner +
                   b"\r\n--=_o--\r\n")
        self.send(daemon, "BODY=8BITMIME", message=message)
        received = sink.wait()[0]
        self.assertNotIn("BODY=", received.mail_parameters)
        self.assertIn(f"SIZE={len(received.data)}", received.mail_parameters)
        received.data.decode("ascii")
        first, second, third = email.message_from_bytes(received.data, policy=email.policy.SMTP).iter_parts()
        self.assertEqual("quoted-printable", first["Content-Transfer-Encoding"])
        self.assertEqual(text.encode(), first.get_payload(decode=True))
        self.assertEqual("base64", second["Content-Transfer-Encoding"])
        self.assertEqual(octets, second.get_payload(decode=True))
        self.assertEqual("7bit", third["Content-Transfer-Encoding"])
        self.assertEqual(text.encode(), third.get_content().get_payload(decode=True))
        self.assertEqual([], sink.errors)

    def test_38_binarymime_is_converted(self):
        daemon, sink = self.pair(("PIPELINING", "8BITMIME", "CHUNKING"))
        octets = bytes(range(256)) * 40
        self.send(daemon, "BODY=BINARYMIME", message=b"From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: application/x\r\n"
                  b"Content-Transfer-Encoding: binary\r\n\r\n" + octets)
        received = sink.wait()[0]
        self.assertNotIn("BODY=", received.mail_parameters)
        message = email.message_from_bytes(received.data)
        self.assertEqual("base64", message["Content-Transfer-Encoding"])
        self.assertEqual(octets, message.get_payload(decode=True))

    def test_55_what_cannot_be_converted_comes_back(self):
        daemon, sink = self.pair(("PIPELINING",))
        self.send(daemon, "BODY=8BITMIME", message=b"From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/signed; "
                  b"boundary=b\r\n\r\n--b\r\n\r\n\xC3\xBC\r\n--b--\r\n")
        self.assertEqual("5.6.3", self.report(daemon)[2]["Status"])
        self.assertIn(b"it is signed, and would not be any more", daemon.maildir("alice")[0].replace(b"\n ", b" "))
        self.assertEqual([], sink.messages)

    def test_57_smtputf8(self):
        daemon, sink = self.pair()
        self.send(daemon, "SMTPUTF8", recipient="bøb@remote.example")
        self.assertIn("SMTPUTF8", sink.wait()[0].mail_parameters)
        self.assertEqual({"bøb@remote.example": "ORCPT=utf-8;b\\x{F8}b@remote.example"},
                         sink.messages[0].recipient_parameters)

    def test_57_smtputf8_to_a_host_without_it_comes_back_in_utf8(self):
        daemon, sink = self.pair(("PIPELINING", "8BITMIME", "DSN"))
        self.send(daemon, "SMTPUTF8", recipient="bøb@remote.example")
        parts, _, fields = self.report(daemon)
        self.assertEqual("message/global-delivery-status", parts[1].get_content_type())
        self.assertEqual("utf-8; bøb@remote.example", fields["Final-Recipient"])
        self.assertEqual("5.6.7", fields["Status"])
        self.assertEqual("message/global-headers", parts[2].get_content_type())
        self.assertEqual([], sink.messages)

    def test_57_a_domain_has_a_labels(self):
        daemon, sink = self.pair(("PIPELINING", "8BITMIME"))
        self.send(daemon, "SMTPUTF8", recipient="bob@bücher.example")
        message = sink.wait()[0]
        self.assertEqual(["bob@xn--bcher-kva.example"], message.recipients)
        self.assertNotIn("SMTPUTF8", message.mail_parameters)
        message.data.decode("ascii")

    # reports

    def test_59_relayed_to_a_host_without_dsn(self):
        daemon, sink = self.pair(("PIPELINING",))
        self.send(daemon, "ENVID=a+20b", "NOTIFY=SUCCESS ORCPT=rfc822;x+2By@z.example")
        _, message, recipient = self.report(daemon)
        self.assertEqual("a b", message["Original-Envelope-Id"])
        self.assertTrue(message["Reporting-MTA"].startswith("dns; "), message)
        self.assertIn("Arrival-Date", message)
        self.assertEqual("rfc822; x+y@z.example", recipient["Original-Recipient"])
        self.assertEqual("rfc822; bob@remote.example", recipient["Final-Recipient"])
        self.assertEqual(("relayed", "2.0.0"), (recipient["Action"], recipient["Status"]))
        self.assertTrue(recipient["Diagnostic-Code"].startswith("smtp; 250 "), recipient)
        self.assertEqual(1, len(sink.messages))

    def test_72_delivered_into_a_mailbox(self):
        daemon, _ = self.pair()
        self.send(daemon, rcpt="NOTIFY=SUCCESS", recipient="bob@local.example")
        self.assertEqual("delivered", self.report(daemon)[2]["Action"])
        self.assertEqual(1, len(daemon.wait_mail("bob")))

    def refusing(self, session, verb, line):
        return "550 5.1.1 no such user" if verb == "RCPT" else None

    def test_72_ret(self):
        for ret, kind in (("RET=FULL", "message/rfc822"), ("RET=HDRS", "text/rfc822-headers"),
                          ("", "text/rfc822-headers")):
            daemon, _ = self.pair(script=self.refusing)
            self.send(daemon, ret)
            parts, _, recipient = self.report(daemon)
            self.assertEqual(kind, parts[2].get_content_type())
            self.assertEqual(ret == "RET=FULL", b"the body" in daemon.maildir("alice")[0])
            self.assertEqual("smtp; 550 5.1.1 no such user", recipient["Diagnostic-Code"])

    def test_60_never_and_the_null_sender(self):
        daemon, _ = self.pair(script=self.refusing)
        self.send(daemon, rcpt="NOTIFY=NEVER")
        self.send(daemon, rcpt="NOTIFY=SUCCESS,DELAY")
        self.send(daemon, rcpt="NOTIFY=FAILURE", sender="")
        daemon.wait_mainlog("P", 3)
        self.send(daemon, rcpt="NOTIFY=FAILURE")  # this one alone
        self.report(daemon)
        self.assertEqual(1, len(daemon.maildir("alice")))
        self.assertEqual(5, len(daemon.wait_mainlog("R", 5)))  # four messages, one report

    def test_72_delayed(self):
        attempts = []

        def later(session, verb, line):
            if verb == "RCPT":
                attempts.append(line)
                return "450 4.2.1 later" if len(attempts) == 1 else None

        daemon, sink = self.pair(("PIPELINING",), "Delay_DSN_Retry_Interval = 0\n", script=later)
        self.send(daemon, rcpt="NOTIFY=DELAY")
        _, _, recipient = self.report(daemon)
        self.assertEqual(("delayed", "4.2.1"), (recipient["Action"], recipient["Status"]))
        self.assertIn("Will-Retry-Until", recipient)
        sink.wait()
        self.assertEqual(1, len(daemon.maildir("alice")))

    # time

    def test_73_held_over_a_restart(self):
        daemon, sink = self.pair()
        self.send(daemon, "HOLDFOR=5000", recipient="late@remote.example")
        until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=6)
        self.send(daemon, f"HOLDUNTIL={until.strftime('%Y-%m-%dT%H:%M:%S')}Z", recipient="soon@remote.example")
        rows = wait_for(lambda: daemon.console("mailq", "remote.example").stdout.splitlines(), "held mail in mailq")
        held = [row for row in rows if "late@" in row]
        self.assertRegex(held[0], r" attempts 0 next \d{4}-")
        daemon.stop()
        daemon.start()
        self.send(daemon, recipient="now@remote.example")
        messages = sink.wait(2)
        self.assertEqual({"now@remote.example", "soon@remote.example"}, {m.recipients[0] for m in messages})
        self.assertGreaterEqual(time.time(), int(until.timestamp()))
        self.assertIn("late@", daemon.console("mailq", "remote.example").stdout)

    def test_74_deliver_by_goes_on_with_what_is_left(self):
        daemon, sink = self.pair()
        self.send(daemon, "BY=1000;R")
        self.assertTrue(900 < int(re.search(r"BY=(\d+);R\Z", sink.wait()[0].mail_parameters)[1]) <= 1000)

    def test_74_returned_at_the_deadline(self):
        daemon, sink = self.pair(script=lambda session, verb, line: "450 4.2.1 later" if verb == "RCPT" else None)
        self.send(daemon, "BY=2;R")
        _, _, recipient = self.report(daemon)
        self.assertEqual(("failed", "5.4.7"), (recipient["Action"], recipient["Status"]))
        self.assertEqual([], sink.messages)
        self.assertNotIn("remote.example", daemon.console("mailq").stdout)

    def test_74_notified_after_the_deadline_once(self):
        attempts = []

        def later(session, verb, line):
            if verb == "RCPT":
                attempts.append(line)
                return "450 4.2.1 later" if len(attempts) <= 2 else None

        daemon, sink = self.pair(script=later)
        self.send(daemon, "BY=-1;N")
        _, _, recipient = self.report(daemon)
        self.assertEqual(("delayed", "4.4.7"), (recipient["Action"], recipient["Status"]))
        sink.wait()
        self.assertEqual(1, len(daemon.maildir("alice")))

    # TLS

    def protected(self, sinks, more="", trusted=True, dns=None):
        """A daemon whose mail goes to those, by their name; with `dns` the name is both.example."""
        folder = tempfile.mkdtemp(dir=os.environ.get("IMPULSE_E2E_DIR"))
        self.addCleanup(shutil.rmtree, folder, True)
        own = make_certificate(folder, "own")
        other = make_certificate(folder, "other", "localhost")
        name = "both.example" if dns else "localhost"
        hosts = " ".join(f'"{name}:{sink.port}"' for sink in sinks)
        config = CONFIG.replace('"127.0.0.1:@sink@"', f"( {hosts} )").replace(
            "ESMTP_Listener {", f'TLS_CA = "{self.certificate[0] if trusted else other[0]}"\n{more}\n'
            f'ESMTP_Listener {{ TLS_Certificate = "{own[0]}" TLS_Key = "{own[1]}"\n')
        daemon = Daemon(self, more=config)
        if dns:
            dns.write_conf(daemon.dir / "resolv.conf")
        return daemon.start()

    def tls_sink(self, extensions=(*ALL, "REQUIRETLS"), script=None):
        if not hasattr(self, "certificate"):
            folder = tempfile.mkdtemp(dir=os.environ.get("IMPULSE_E2E_DIR"))
            self.addCleanup(shutil.rmtree, folder, True)
            self.certificate = make_certificate(folder, "sink", "localhost")
        return SmtpSink(self, extensions=extensions, script=script, certificate=self.certificate)

    def test_75_requiretls(self):
        sink = self.tls_sink()
        daemon = self.protected([sink])
        self.send(daemon, "REQUIRETLS RET=FULL", tls=True)
        message = sink.wait()[0]
        self.assertTrue(message.tls)
        self.assertIn("REQUIRETLS", message.mail_parameters)
        daemon.wait_mainlog("D", 1)
        self.assertEqual([], daemon.maildir("alice"))

    def test_75_no_host_has_it(self):
        plain, without = SmtpSink(self, extensions=ALL), self.tls_sink(ALL)
        for sinks, status in (([plain], "5.7.10"), ([without], "5.7.30")):
            with self.subTest(status):
                daemon = self.protected(sinks)
                self.send(daemon, "REQUIRETLS RET=FULL", tls=True)
                parts, _, recipient = self.report(daemon)
                self.assertEqual(status, recipient["Status"])
                self.assertEqual("text/rfc822-headers", parts[2].get_content_type())
                self.assertEqual([], daemon.mainlog("T"))
        self.assertEqual([], plain.messages + without.messages)

    def test_75_addresses_of_the_other_family(self):
        """They cannot be tried from Bind_Address, and were tried for ever on behalf of the message."""
        dns = DnsServer(self)
        dns.add("both.example", "A", "127.0.0.1")
        dns.add("both.example", "AAAA", "::1")
        daemon = self.protected([self.tls_sink(ALL)], "Bind_Address = 127.0.0.1", dns=dns)
        self.send(daemon, "REQUIRETLS", tls=True)
        self.assertEqual("5.7.30", self.report(daemon)[2]["Status"])
        self.assertEqual([], daemon.mainlog("T"))

    def test_75_a_host_that_has_it(self):
        """Neither the first nor the second; other mail goes to the first."""
        plain, without, good = SmtpSink(self, extensions=ALL), self.tls_sink(ALL), self.tls_sink()
        daemon = self.protected([plain, without, good], "Max_Outbound_Connections = 1")
        self.send(daemon)
        plain.wait()
        self.send(daemon, "REQUIRETLS", tls=True)
        self.assertTrue(good.wait()[0].tls)
        self.assertEqual(([], []), (daemon.mainlog("T"), without.messages))

    def test_75_what_may_pass(self):
        """A handshake that fails is remembered for ten minutes, and not for this mail."""
        for said in (None, "454 4.7.0 not now"):
            with self.subTest(said):
                broken = True

                def script(session, verb, line):
                    if verb == ("STARTTLS" if said else "HANDSHAKE") and broken:
                        return said or "no"
                    return None

                sink = self.tls_sink(script=script)
                daemon = self.protected([sink])
                self.send(daemon)
                self.assertFalse(sink.wait()[0].tls)
                self.send(daemon, "REQUIRETLS", tls=True)
                self.assertIn("450 4.7.10 ", str(daemon.wait_mainlog("T", 1)[0]))
                broken = False
                self.assertTrue(sink.wait(2)[1].tls)
                self.assertEqual(([], []), (daemon.mainlog("P"), daemon.maildir("alice")))

    def test_75_a_certificate_that_is_not_verified_yet(self):
        sink = self.tls_sink()
        daemon = self.protected([sink], trusted=False)
        self.send(daemon, "REQUIRETLS", tls=True)
        self.assertIn("450 4.7.5 ", str(daemon.wait_mainlog("T", 1)[0]))
        daemon.console("config", "set", "tls_ca", str(self.certificate[0]))
        self.assertTrue(sink.wait()[0].tls)
        self.assertEqual([], daemon.mainlog("P"))

    # reports and crashes

    @heavy
    @timeout(240)
    def test_72_one_report_of_each_delivery(self):
        """kill -9 while reports are written: each is there, and none twice."""
        daemon, _ = self.pair()
        chance = random.Random(3)
        for number in range(5):
            for each in range(30):
                self.send(daemon, f"ENVID=r{number}m{each}", "NOTIFY=SUCCESS", recipient="bob@local.example")
            goal = 30 * number + chance.randint(1, 20)
            wait_for(lambda: len(daemon.maildir("alice")) >= goal, f"{goal} reports")
            daemon.kill9()
            daemon.start()
        daemon.wait_empty(60)
        reports = {}
        for raw in daemon.maildir("alice"):
            text = raw.decode()
            self.assertIn("\nAction: delivered\n", text)
            envid = re.search(r"\nOriginal-Envelope-Id: (\S+)\n", text)[1]
            reports.setdefault(envid, set()).add(re.search(r"\nMessage-ID: (\S+)\n", text)[1])
        self.assertEqual({f"r{number}m{each}" for number in range(5) for each in range(30)}, set(reports))
        # A crash may repeat the delivery of a report, as of any message: but not the report.
        self.assertEqual([], [envid for envid, ids in reports.items() if len(ids) != 1])

    def test_72_a_damaged_message_comes_back(self):
        daemon, sink = self.pair(script=lambda session, verb, line: "450 4.2.1 later" if verb == "RCPT" else None)
        self.send(daemon, "ENVID=mine RET=FULL")
        daemon.wait_mainlog("T", 1)
        daemon.stop()
        damaged = 0
        for path in (daemon.dir / "spool").glob("*.seg"):
            content = path.read_bytes()
            damaged += content.count(b"the body")
            path.write_bytes(content.replace(b"the body", b"tha body"))
        self.assertEqual(1, damaged)
        daemon.start()
        raw = daemon.wait_mail("alice")[0].decode()
        for part in ("\nStatus: 5.3.0\n", "\nOriginal-Envelope-Id: mine\n", "was damaged while it was kept here"):
            self.assertIn(part, raw)
        daemon.wait_empty()
        self.assertIn("message-damaged", daemon.log())
        self.assertEqual([], sink.messages)
        self.assertEqual(1, len(list((daemon.dir / "spool" / "quarantine").iterdir())))
