"""The logs: what their lines say of a delivery, the same as JSON, rotation, heartbeats, and
files that cannot be written."""

import gzip
import json
import os
import re
import shutil
import tempfile

from client import Smtp
from harness import BASE_CONFIG, Daemon, TestCase, make_certificate, read, read_lines, wait_for
from sink import Drop, SmtpSink

MESSAGE = b"From: a@client.example\r\nSubject: hello\r\n\r\n" + b"0123456789" * 5 + b"\r\n"
LOGS = """Bouncelog = "@dir@/bouncelog"
Jsonlog = "@dir@/jsonlog"
Domain "remote.example" { Gateway = "127.0.0.1:@sink@" @domain@ }
"""


def records(daemon):
    return [json.loads(line) for line in read_lines(daemon.dir / "jsonlog")]


def bounces(daemon):
    names = ["time", "id", "batch", "connection", "kind", "to_local", "to_domain", "from_local", "from_domain", "group",
             "binding", "stage", "class", "size", "peer", "response", "port"]
    return [dict(zip(names, line.split("@"), strict=True)) for line in read_lines(daemon.dir / "bouncelog")]


class LogCase(TestCase):
    def pair(self, script=None, domain="", **more):
        sink = SmtpSink(self, script=script, **more)
        return self.daemon(BASE_CONFIG, more=LOGS, sink=sink.port, domain=domain), sink

    def send(self, daemon, recipients=("bob@remote.example",), sender="", count=1):
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo("client.example")
            for _ in range(count):
                smtp.message(MESSAGE, sender=sender, recipients=list(recipients))

    def wait_records(self, daemon, kind, count=1):
        return wait_for(lambda: len(found := [each for each in records(daemon) if each["type"] == kind]) >= count and found,
                        lambda: f"{count} records {kind}, there are {records(daemon)}")


class Lines(LogCase):
    def test_delivery(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder, True)
        certificate = make_certificate(folder, "sink", "sink.example")
        daemon, sink = self.pair(certificate=certificate, domain="TLS = required TLS_Verify = no")
        self.send(daemon, ["bob@remote.example", "carol@remote.example"])
        delivered = daemon.wait_mainlog("D", 2)
        received = daemon.mainlog("R")
        # One message: they came in one session, and went by one connection.
        self.assertEqual(1, len({line["connection"] for line in received}))
        self.assertRegex(received[0]["connection"], r"^i\d+-[0-9A-F]{8}$")
        self.assertEqual(1, len({line["connection"] for line in delivered}))
        self.assertRegex(delivered[0]["connection"], r"^o\d+-[0-9A-F]{8}$")
        came = self.wait_records(daemon, "Reception", 2)
        went = self.wait_records(daemon, "Delivery", 2)
        self.assertEqual([line["id"] for line in received], [each["id"] for each in came])
        self.assertEqual([line["connection"] for line in received], [each["session_id"] for each in came])
        self.assertEqual([line["connection"] for line in delivered], [each["session_id"] for each in went])
        self.assertEqual({"name": "client.example", "addr": "127.0.0.1"}, came[0]["peer_address"])
        self.assertEqual({"name": "127.0.0.1", "addr": "127.0.0.1"}, went[0]["peer_address"])
        self.assertEqual({"code": 250, "enhanced_code": {"class": 2, "subject": 0, "detail": 0}, "content": "taken",
                          "command": "."}, went[0]["response"])
        self.assertTrue(went[0]["tls_protocol_version"].startswith("TLSv1."))
        self.assertTrue(went[0]["tls_cipher"])
        self.assertEqual(["CN=sink.example"], went[0]["tls_peer_subject_name"])
        self.assertEqual(("ESMTP", "ESMTPS"), (came[0]["reception_protocol"], went[0]["delivery_protocol"]))
        self.assertEqual(("node1", "remote.example", "bob@remote.example"),
                         (went[0]["nodeid"], went[0]["queue"], went[0]["recipient"]))
        self.assertEqual(int(received[0]["time"]), came[0]["timestamp"])
        self.assertEqual("", read(daemon.dir / "bouncelog"))

    def failed_at(self, verb, reply="550 5.7.1 no", **more):
        def script(session, asked, line):
            if asked != verb:
                return None
            if reply is None:
                raise Drop
            return reply

        daemon, sink = self.pair(script, **more)
        self.send(daemon)
        kind = "P" if reply and reply.startswith("5") else "T"
        line = daemon.wait_mainlog(kind, 1)[0]
        bounced = wait_for(lambda: bounces(daemon), "a line in the bounce log")[0]
        record = self.wait_records(daemon, "Bounce" if kind == "P" else "TransientFailure")[0]
        self.assertEqual((line["stage"], line["connection"]), (bounced["stage"], bounced["connection"]))
        self.assertEqual((int(line["stage"]), int(line["bytes"])), (record["stage"], record["bytes"]))
        self.assertEqual(bounced["class"], str(record["bounce_code"]))
        self.assertEqual("B" if kind == "P" else "T", bounced["kind"])
        return line, record

    def test_each_stage_of_a_refusal(self):
        for verb, stage, command in (("MAIL", "3", "MAIL FROM"), ("RCPT", "5", "RCPT TO"), ("DATA", "7", "DATA"),
                                     ("END", "9", ".")):
            with self.subTest(verb):
                line, record = self.failed_at(verb)
                self.assertEqual(stage, line["stage"])
                self.assertEqual(command, record["response"]["command"])
                self.assertEqual("Mail Block", record["bounce_classification"])
                if verb == "END":
                    self.assertGreater(int(line["bytes"]), len(MESSAGE))
                else:
                    self.assertTrue(0 < int(line["bytes"]) < len(MESSAGE) + 100, line)

    def test_a_refusal_of_the_connection(self):
        line, record = self.failed_at("CONNECT", "421 4.3.2 not now")
        self.assertEqual(("12", "0"), (line["stage"], line["bytes"]))
        self.assertEqual({"code": 400, "enhanced_code": {"class": 4, "subject": 3, "detail": 2}, "content": "not now"},
                         record["response"])
        line, record = self.failed_at("EHLO", "421 4.3.2 not now")
        self.assertEqual("11", line["stage"])
        self.assertEqual(len("EHLO mx.test.example\r\n"), int(line["bytes"]))

    def test_a_connection_that_breaks(self):
        line, record = self.failed_at("END", None)
        self.assertEqual("9", line["stage"])
        self.assertEqual(400, record["response"]["code"])
        self.assertNotIn("command", record["response"])

    def test_nobody_there(self):
        sink = SmtpSink(self)
        sink.stop()
        daemon = self.daemon(BASE_CONFIG, more=LOGS, sink=sink.port, domain="")
        self.send(daemon)
        line = daemon.wait_mainlog("T", 1)[0]
        self.assertEqual(("0", "0", "127.0.0.1", str(sink.port)),
                         tuple(line[name] for name in ("stage", "bytes", "peer", "port")))
        bounced = wait_for(lambda: bounces(daemon), "a line in the bounce log")[0]
        self.assertEqual(("127.0.0.1", str(sink.port)), (bounced["peer"], bounced["port"]))

    def test_given_up_after_all_attempts(self):
        daemon, sink = self.pair(lambda session, verb, line: "450 4.2.2 full" if verb == "RCPT" else None,
                                 domain="Max_Retries = 1")
        self.send(daemon)
        record = self.wait_records(daemon, "Expiration")[0]
        self.assertEqual(("Timeout", 24, 554), (record["bounce_classification"], record["bounce_code"],
                                                record["response"]["code"]))
        self.assertIn("450 4.2.2 full", record["response"]["content"])
        self.assertEqual(22, self.wait_records(daemon, "TransientFailure")[0]["bounce_code"])
        wait_for(lambda: [line["class"] for line in bounces(daemon)][-1:] == ["24"],
                 lambda: f"it in the bounce log: {bounces(daemon)}")

    def test_recipients_of_one_message_are_told_apart(self):
        replies = {"full": "452 4.2.2 full", "none": "550 5.1.1 none"}
        daemon, sink = self.pair(lambda session, verb, line: next(
            (reply for name, reply in replies.items() if verb == "RCPT" and name in line), None))
        self.send(daemon, [f"{name}@remote.example" for name in ("full", "good", "none")])
        bounce = self.wait_records(daemon, "Bounce")[0]
        self.assertEqual(("none@remote.example", "Invalid Recipient"), (bounce["recipient"], bounce["bounce_classification"]))
        self.assertEqual("good@remote.example", self.wait_records(daemon, "Delivery")[0]["recipient"])

    def test_administrative_failures(self):
        daemon, sink = self.pair(lambda session, verb, line: "450 later" if verb == "RCPT" else None,
                                 domain="Retry_Interval = 3600")
        self.send(daemon)
        self.wait_records(daemon, "TransientFailure")
        daemon.console("fail", "domain", "quiet", "remote.example", "no more of this")
        record = self.wait_records(daemon, "AdminBounce")[0]
        self.assertEqual(("Admin Failure", 25, 22),
                         tuple(record[name] for name in ("bounce_classification", "bounce_code", "stage")))
        self.assertIn("no more of this", record["response"]["content"])
        wait_for(lambda: [line["class"] for line in bounces(daemon)] == ["70", "25"],
                 lambda: f"both in the bounce log: {bounces(daemon)}")

    def test_heartbeats(self):
        daemon, sink = self.pair()
        daemon.console("config", "set", "Log_Heartbeat", "1")
        wait_for(lambda: re.search(r"(?m)^\d+@@@@M$", read(daemon.dir / "mainlog")), "a heartbeat in the main log")
        wait_for(lambda: re.search(r"(?m)^\d+@@@@M1$", read(daemon.dir / "bouncelog")), "a heartbeat in the bounce log")
        self.assertEqual("", read(daemon.dir / "jsonlog"))


class Choice(LogCase):
    """Header fields and values of the context, in every record of a message."""

    CHOICE = """Jsonlog_Headers = ( Subject "X-*" )
Jsonlog_Meta = ( job "metadata.*" )
"""
    SAID = ({"Subject": "hello", "X-Job": "7", "X-Tag": ["a", "b c"]}, {"job": "nightly"})
    MAIL = (b"From: a@client.example\r\nsubject: hello\r\nX-Job: 7\r\nX-Tag: a\r\nx-tag: b\r\n c\r\n"
            b"To: x@example.com\r\n\r\nSubject: body\r\n")

    def with_choice(self, script=None, domain="", global_scope=""):
        sink = SmtpSink(self, script=script)
        daemon = self.daemon(BASE_CONFIG, more=LOGS + self.CHOICE + 'ESMTP_Listener { Context [ job = nightly other = x ] }\n' + global_scope,
                             sink=sink.port, domain=domain)
        return daemon, sink

    def send_mail(self, daemon, recipients=("bob@remote.example",), sender=""):
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo("client.example")
            smtp.message(self.MAIL, sender=sender, recipients=list(recipients))

    def check(self, daemon, kind, count=1):
        for record in self.wait_records(daemon, kind, count):
            self.assertEqual((*self.SAID, "ESMTP"), (record["headers"], record["meta"], record["reception_protocol"]),
                             record)

    def test_deliveries(self):
        daemon, sink = self.with_choice(global_scope='Domain "hole.example" { Blackhole = true }\n')
        self.send_mail(daemon, ["bob@remote.example", "carol@local.example", "dan@hole.example"])
        self.check(daemon, "Reception", 3)
        self.check(daemon, "Delivery", 3)

    def test_failures(self):
        daemon, sink = self.with_choice(lambda session, verb, line: {"tmp@": "450 4.2.2 later", "bad@": "550 5.1.1 no"}.get(
            re.sub(".*<|remote.*", "", line)) if verb == "RCPT" else None, domain="Max_Retries = 1 Retry_Interval = 1")
        self.send_mail(daemon, ["tmp@remote.example", "bad@remote.example"])
        for kind in ("Bounce", "TransientFailure", "Expiration"):
            self.check(daemon, kind)

    def test_without_the_message_at_hand(self):
        daemon, sink = self.with_choice(domain="Retry_Interval = 3600")
        sink.stop()
        self.send_mail(daemon, ["bob@remote.example", "carol@remote.example"])
        self.check(daemon, "TransientFailure", 2)
        # Not from memory.
        daemon.kill9()
        daemon.start()
        daemon.console("fail", "domain", "quiet", "remote.example", "no more of this")
        self.check(daemon, "AdminBounce", 2)

    def test_a_report_has_its_own(self):
        daemon, sink = self.with_choice(lambda session, verb, line: "550 5.1.1 no" if verb == "RCPT" else None)
        self.send_mail(daemon, sender="alice@local.example")
        record = next(each for each in self.wait_records(daemon, "Reception", 2) if each["sender"] == "")
        self.assertEqual(("INTERNAL", {}), (record["reception_protocol"], record["meta"]))
        self.assertTrue(record["headers"]["Subject"], record)
        record = self.wait_records(daemon, "Delivery")[0]
        self.assertEqual(("INTERNAL", "alice@local.example"), (record["reception_protocol"], record["recipient"]))
        self.assertTrue(record["headers"]["Subject"], record)

    def test_it_changes_while_mail_waits(self):
        daemon, sink = self.with_choice(domain="Suspend_Delivery = true")
        self.send_mail(daemon)
        self.wait_records(daemon, "Reception")
        daemon.console("config", "set", "Jsonlog_Headers", "(", "x-job", "To", ")")
        daemon.console("config", "set", "Jsonlog_Meta", "(", "other", ")")
        self.send_mail(daemon)
        record = self.wait_records(daemon, "Reception", 2)[1]
        self.assertEqual(({"x-job": "7", "To": "x@example.com"}, {"other": "x"}), (record["headers"], record["meta"]))
        daemon.console("config", "set", "domain", "remote.example", "Suspend_Delivery", "false")
        # Of what came before only what was chosen then is known.
        told = {record["id"]: record for record in self.wait_records(daemon, "Delivery", 2)}
        first, second = [told[record["id"]] for record in self.wait_records(daemon, "Reception", 2)]
        self.assertEqual(({"x-job": "7"}, {"other": "x"}), (first["headers"], first["meta"]))
        self.assertEqual(({"x-job": "7", "To": "x@example.com"}, {"other": "x"}), (second["headers"], second["meta"]))


class Reports(LogCase):
    """Delivery status notifications that come in by SMTP: out-of-band bounces."""

    DSN = (b"From: MAILER-DAEMON@far.example\r\nTo: x\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
           b"Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"b\"\r\n\r\n"
           b"--b\r\nContent-Type: text/plain\r\n\r\nIt did not work.\r\n"
           b"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; far.example\r\n\r\n"
           b"Final-Recipient: rfc822; bob@remote.example\r\nAction: failed\r\nStatus: 5.2.2\r\n"
           b"Remote-MTA: dns; deep.far.example\r\nDiagnostic-Code: smtp; 552 5.2.2 mailbox full\r\n"
           b"--b\r\nContent-Type: message/rfc822\r\n\r\n")

    def start_watching(self, more=""):
        return self.daemon(BASE_CONFIG, more=LOGS + "Bounce_Domains = ( local.example )\n" + more, sink=1, domain="")

    def report_in(self, daemon, body=b"Subject: mine\r\n\r\nwords\r\n--b--\r\n", sender=""):
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo("far.example")
            smtp.message(self.DSN + body, sender=sender, recipients=["alice+7@local.example"])

    def check(self, daemon, count=1):
        told = self.wait_records(daemon, "OOB", count)
        self.assertEqual(count, len(told))
        for record in told:
            self.assertEqual(("bob@remote.example", "alice+7@local.example", "Mailbox Full", 21),
                             tuple(record[name] for name in ("recipient", "sender", "bounce_classification", "stage")))
            self.assertEqual({"code": 552, "enhanced_code": {"class": 5, "subject": 2, "detail": 2}, "content": "mailbox full"},
                             record["response"])
            self.assertEqual({"name": "deep.far.example", "addr": "127.0.0.1"}, record["peer_address"])
        wait_for(lambda: len(bounces(daemon)) == count, lambda: f"lines in the bounce log: {bounces(daemon)}")
        for line in bounces(daemon):
            self.assertEqual(("B", "bob", "remote.example", "alice+7", "local.example", "21", "22", "127.0.0.1",
                              "552 5.2.2 mailbox full"),
                             tuple(line[name] for name in ("kind", "to_local", "to_domain", "from_local", "from_domain",
                                                           "stage", "class", "peer", "response")))

    def test_a_report_is_told_and_delivered(self):
        daemon = self.start_watching()
        self.report_in(daemon)
        self.check(daemon)
        received = daemon.wait_mainlog("R", 1)[0]
        self.assertEqual((received["id"], received["connection"]), tuple(bounces(daemon)[0][name] for name in ("id", "connection")))
        # It is mail like any other: here, into a mailbox. Nothing is sent for it.
        self.assertIn(b"deep.far.example", daemon.wait_mail("alice+7")[0])
        daemon.wait_mainlog("D", 1)
        self.assertEqual((1, []), (len(daemon.mainlog("R")), daemon.mainlog("P")))

    def test_a_large_one_is_read_by_its_beginning(self):
        daemon = self.start_watching("Large_Message_Threshold = 64k\n")
        self.report_in(daemon, b"Subject: mine\r\n\r\n" + b"0123456789abcdef\r\n" * 50000 + b"--b--\r\n")
        self.check(daemon)

    def test_what_is_none(self):
        daemon = self.start_watching()
        self.send(daemon, ["alice@local.example"])
        self.report_in(daemon)
        self.check(daemon)
        daemon.console("config", "set", "Bounce_Domains", "(", "elsewhere.example", ")")
        self.report_in(daemon)
        self.wait_records(daemon, "Reception", 3)
        daemon.console("config", "set", "Bounce_Domains", "(", "*.example", ")")
        self.report_in(daemon)
        self.check(daemon, 2)

    # As Yahoo sends it: RFC 5965 with what it leaves out.
    ARF = (b"From: <feedback@arf.far.example>\r\nTo: x\r\nSubject: FW:hello\r\nMIME-Version: 1.0\r\n"
           b"Content-Type: multipart/report; boundary=\"arf\"; report-type=feedback-report\r\n\r\n"
           b"--arf\r\nContent-Type: text/plain\r\n\r\nSomebody complains.\r\n"
           b"--arf\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n"
           b"User-Agent: Far-Feedback/2.0\r\nVersion: 0.1\r\nOriginal-Mail-From: <alice+7@local.example>\r\n"
           b"Original-Rcpt-To: bob@remote.example\r\nReceived-Date: Thu, 14 Dec 2023 08:16:15 -0800\r\n"
           b"Reported-Domain: local.example\r\nAuthentication-Results: not available\r\n\r\n"
           b"--arf\r\nContent-Type: message/rfc822\r\n\r\nSubject: hello\r\nX-Job: 7\r\n\r\n")

    def complain(self, daemon, body, recipients=("abuse@local.example",)):
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo("far.example")
            smtp.message(self.ARF + body, sender="feedback@arf.far.example", recipients=list(recipients))

    def check_complaint(self, record):
        feedback = record["feedback_report"]
        original = feedback.pop("original_message")
        self.assertTrue(original.startswith("Subject: hello\nX-Job: 7\n\nwords"), original[:100])
        self.assertEqual({"feedback_type": "abuse", "user_agent": "Far-Feedback/2.0", "version": "0.1",
                          "arrival_date": "2023-12-14T16:16:15Z", "incidents": None, "original_envelope_id": None,
                          "original_mail_from": "alice+7@local.example", "reporting_mta": None, "source_ip": None,
                          "authentication_results": ["not available"], "original_rcpto_to": ["bob@remote.example"],
                          "reported_domain": ["local.example"], "reported_uri": [], "extensions": {},
                          "supplemental_trace": None}, feedback)
        return original

    def test_a_complaint_is_told_and_delivered(self):
        daemon = self.start_watching()
        self.complain(daemon, b"words\r\n--arf--\r\n")
        record = self.wait_records(daemon, "Feedback")[0]
        self.check_complaint(record)
        received = daemon.wait_mainlog("R", 1)[0]
        self.assertEqual((received["id"], received["connection"], "abuse@local.example", "feedback@arf.far.example"),
                         tuple(record[name] for name in ("id", "session_id", "recipient", "sender")))
        self.assertIn(b"Somebody complains.", daemon.wait_mail("abuse")[0])
        self.wait_records(daemon, "Delivery")
        # It stands for the reception, and is no bounce.
        self.assertEqual(["Feedback", "Delivery"], [each["type"] for each in records(daemon)])
        self.assertEqual([], bounces(daemon))

    def test_a_large_complaint_is_read_by_its_beginning(self):
        daemon = self.start_watching("Large_Message_Threshold = 64k\n")
        self.complain(daemon, b"words\r\n" + b"0123456789abcdef\r\n" * 50000 + b"--arf--\r\n",
                      ["abuse@local.example", "bob@local.example"])
        original = self.check_complaint(self.wait_records(daemon, "Feedback")[0])
        self.assertEqual(32768, len(original))
        # One complaint, however many it came to.
        self.wait_records(daemon, "Delivery", 2)
        self.assertEqual(["Delivery", "Delivery", "Feedback", "Reception"], sorted(each["type"] for each in records(daemon)))

    def test_our_own_reports_are_not_told_twice(self):
        daemon = self.start_watching('Domain "remote.example" { Max_Retries = 0 Never_Retry = true }\n')
        self.send(daemon, sender="alice@local.example")
        daemon.wait_mail("alice")
        self.wait_records(daemon, "Expiration")
        self.wait_records(daemon, "Delivery")  # of the report
        self.assertEqual([], [record for record in records(daemon) if record["type"] == "OOB"])
        self.assertEqual(1, len(wait_for(lambda: bounces(daemon), "a line in the bounce log")))


class Rotation(LogCase):
    def rotated(self, daemon, name="mainlog"):
        """Files, oldest first; the last is the log itself."""
        found = sorted(path for path in daemon.dir.iterdir()
                       if re.fullmatch(name + r"\.\d{8}T\d{6}\.\d{3}Z(\.gz)?", path.name))
        return [*found, daemon.dir / name]

    def texts(self, daemon, name="mainlog"):
        return [gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else read(path)
                for path in self.rotated(daemon, name)]

    def test_by_size_and_compressed(self):
        daemon = self.daemon(BASE_CONFIG, more='Log_Rotate_Size = 2k\nJsonlog = "@dir@/jsonlog"\n')
        self.send(daemon, ["bob@local.example"], count=60)
        wait_for(lambda: "".join(self.texts(daemon)).count("@D@") == 60, "all deliveries")
        wait_for(lambda: "".join(self.texts(daemon, "jsonlog")).count('"Delivery"') == 60, "all deliveries as JSON")
        wait_for(lambda: all(path.suffix == ".gz" for path in self.rotated(daemon)[:-1]), "compressed files")
        texts = self.texts(daemon)
        self.assertGreater(len(texts), 5)
        self.assertEqual(60, "".join(texts).count("@R@"))
        for text in texts:
            for line in text.splitlines(keepends=True):
                self.assertRegex(line, r"^\d+@[^@]+@[^@]+@[^@]*@[RD]@.*\n$")
        for line in "".join(self.texts(daemon, "jsonlog")).splitlines():
            json.loads(line)

    def test_kills_lose_no_line_that_was_written(self):
        daemon = self.daemon(BASE_CONFIG, more="Log_Rotate_Size = 1k\n")
        for number in range(1, 5):
            self.send(daemon, ["bob@local.example"], count=10)
            wait_for(lambda: "".join(self.texts(daemon)).count("@D@") >= 10 * number, "all deliveries so far")
            daemon.kill9()
            daemon.start(indexed=False)  # the log that says so is rotated, too
        wait_for(lambda: all(path.suffix == ".gz" for path in self.rotated(daemon)[:-1]), "compressed files")
        # A file that is being compressed is not read while its name changes.
        ids = wait_for(lambda: (lambda found: found if len(found) >= 40 else None)(
            re.findall(r"(?m)^\d+@([^@]+)@[^@]+@[^@]*@R@", "".join(self.texts(daemon)))), "all that were received")
        self.assertEqual((40, 40), (len(ids), len(set(ids))))
        self.assertEqual([], [path.name for path in daemon.dir.iterdir() if path.name.endswith(".tmp")])

    def test_terms_change_while_it_runs(self):
        daemon = self.daemon(BASE_CONFIG, more="Log_Compress = false\n")
        self.send(daemon, ["bob@local.example"], count=10)
        daemon.wait_mainlog("D", 10)
        self.assertEqual(1, len(self.rotated(daemon)))
        daemon.console("config", "set", "Log_Rotate_Size", "1k")
        wait_for(lambda: len(self.rotated(daemon)) == 2, "a rotated file")
        self.assertFalse(self.rotated(daemon)[0].name.endswith(".gz"))
        daemon.console("config", "set", "Log_Compress", "true")
        wait_for(lambda: self.rotated(daemon)[0].name.endswith(".gz"), "a compressed file")
        daemon.console("config", "set", "Log_Keep", "1")
        self.send(daemon, ["bob@local.example"], count=30)
        wait_for(lambda: len(self.rotated(daemon)) == 2 and "@D@" in read(daemon.dir / "mainlog"), "one that is kept")

    def test_by_the_clock(self):
        daemon = Daemon(self, BASE_CONFIG, more="Log_Compress = false\nLog_Rotate_Interval = 1\n")
        daemon.start(indexed=False)  # the log that says so is rotated, too
        self.send(daemon, ["bob@local.example"])
        wait_for(lambda: len(self.rotated(daemon)) > 1 and "@D@" in "".join(self.texts(daemon)), "a rotated file")
        first = self.rotated(daemon)[0]

        def another():
            """One more rotation, of a line that is new."""
            count = len(self.rotated(daemon))
            self.send(daemon, ["bob@local.example"])
            wait_for(lambda: len(self.rotated(daemon)) > count or not first.exists(), "another rotated file")

        daemon.console("config", "set", "Log_Keep_Time", "1h")
        another()
        self.assertTrue(first.exists())
        daemon.console("config", "set", "Log_Keep_Time", "1")
        wait_for(lambda: not first.exists() or another(), "the end of the first one")

    def test_by_order(self):
        daemon = self.daemon(BASE_CONFIG)
        self.send(daemon, ["bob@local.example"], count=2)
        daemon.wait_mainlog("D", 2)
        daemon.console("rotate", "logs")
        wait_for(lambda: len(self.rotated(daemon)) == 2, "a rotated file")
        self.send(daemon, ["bob@local.example"])
        daemon.wait_mainlog("D", 1)
        self.assertEqual([2, 1], [text.count("@D@") for text in self.texts(daemon)])
        rows = {row["log"]: row for row in map(json.loads, daemon.console("--json", "logs").stdout.splitlines())}
        self.assertEqual({"Diagnostic_Log", "Mainlog"}, set(rows))
        self.assertEqual((str(daemon.dir / "mainlog"), 1, 0, ""),
                         tuple(rows["Mainlog"][name] for name in ("path", "rotations", "lost", "trouble")))

    def test_two_logs_have_two_files(self):
        daemon = Daemon(self, BASE_CONFIG, more='Jsonlog = "@dir@/./mainlog"\n')
        self.assertIn("Mainlog has that file", daemon.start_fails())


class Trouble(LogCase):
    def test_a_pipe_that_nobody_reads(self):
        daemon = Daemon(self, BASE_CONFIG, more='Jsonlog = "@dir@/fifo"\n')
        os.mkfifo(daemon.dir / "fifo")
        reader = os.open(daemon.dir / "fifo", os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        daemon.start()
        self.send(daemon, ["bob@local.example"], count=200)  # more than a pipe holds
        daemon.wait_mainlog("D", 200)
        daemon.wait_log("log-write-failed")
        wait_for(lambda: "Jsonlog" in (shown := daemon.console("logs").stdout) and "cannot be written" in shown, "trouble")
        self.assertIn("jsonlog_lines_lost", daemon.console("counter", "list", "jsonlog").stdout)

    def test_a_full_disk(self):
        daemon = self.daemon(BASE_CONFIG, more='Jsonlog = "/dev/full"\nBouncelog = "/dev/full"\n')
        self.send(daemon, ["bob@local.example"], count=20)
        daemon.wait_mainlog("D", 20)
        daemon.wait_log("/dev/full: No space left on device")
