"""Mail that goes out by LMTP (RFC 2033): each recipient has a reply of its own to the message, and
what it says holds for it alone. Real Dovecot: test_relays.py."""

import email
import email.policy
import tempfile
from pathlib import Path

from client import Smtp
from harness import SCALE, TestCase, free_port, make_certificate, wait_for
from sink import Drop, SmtpSink
from test_hostile_hops import Host, dialogue

MESSAGE = b"From: a@client.example\r\nSubject: hello\r\n\r\n.the body\r\n"
CONFIG = """
Domain "remote.example" {
  Delivery_Method = lmtp
  LMTP_Port = @sink@
  Gateway = "127.0.0.1"
  Body_Timeout = @patience@
  Retry_Interval = 3600
  @options@
}
ESMTP_Listener { SMTP_Extensions = ( PIPELINING SIZE 8BITMIME BINARYMIME CHUNKING DSN ) }
"""
WHO = [f"{name}@remote.example" for name in ("a", "b", "c", "d")]


class LmtpOut(TestCase):
    def begin(self, script=None, options="", patience=60, **sink):
        self.sink = SmtpSink(self, script=script, lmtp=True, **sink)
        self.daemon_ = self.daemon(more=CONFIG, sink=self.sink.port or free_port(), options=options, patience=patience)
        return self.daemon_

    def send(self, *recipients, mail="", rcpt="", message=MESSAGE):
        with Smtp(self.daemon_.smtp_port) as smtp:
            smtp.ehlo()
            smtp.expect(250, f"MAIL FROM:<alice@local.example>{mail}")
            for recipient in recipients or ("a@remote.example",):
                smtp.expect(250, f"RCPT TO:<{recipient}>{rcpt}")
            if "BINARYMIME" in mail:
                smtp.send(f"BDAT {len(message)} LAST\r\n".encode() + message)
                self.assertEqual(250, smtp.reply()[0])
            else:
                smtp.data(message)

    def outcomes(self, kind):
        """Recipients that a line of the main log says this of."""
        return sorted(f"{record['to_local']}@remote.example" for record in self.daemon_.mainlog(kind)
                      if record["domain"] == "remote.example")

    def test_each_recipient_by_itself(self):
        """Delivered, full for good, full for now, refused at RCPT: each as it was said, and nobody gets it twice."""
        said = {"b@remote.example": "552 5.2.2 over quota", "c@remote.example": "452 4.2.2 over quota"}

        def script(session, verb, line):
            if verb == "RCPT" and "<d@" in line:
                return "550 5.1.1 no such user"
            return said.pop(line, None) if verb == "END" else None

        daemon = self.begin(script)
        self.send(*WHO)
        daemon.wait_mainlog("P", 2)
        daemon.wait_mainlog("T", 1)
        self.assertEqual(["a@remote.example"], self.outcomes("D"))
        self.assertEqual(["b@remote.example", "d@remote.example"], self.outcomes("P"))
        self.assertEqual(["c@remote.example"], self.outcomes("T"))
        # 452 behind the message is no "not so many": it was tried once.
        self.assertEqual(1, sum(line.startswith("RCPT TO:<c@") for line in self.sink.sessions[0].commands))
        daemon.console("flush", "domain", "remote.example")
        wait_for(lambda: self.outcomes("D") == ["a@remote.example", "c@remote.example"], "the delivery of the third")
        self.assertEqual([["a@remote.example"], ["c@remote.example"]], [each.recipients for each in self.sink.wait(2)])
        self.assertTrue(self.sink.messages[0].data.endswith(MESSAGE))
        report = b"".join(daemon.wait_mail("alice"))
        self.assertIn(b"552 5.2.2 over quota", report)
        self.assertIn(b"550 5.1.1 no such user", report)
        self.assertNotIn(b"<a@remote.example>", report)
        self.assertEqual([], self.sink.errors)

    def test_lost_between_the_replies(self):
        """Who was answered is done with; the others are tried again."""
        drops = [True]

        def script(session, verb, line):
            if verb == "END" and line == "c@remote.example" and drops:
                drops.clear()
                raise Drop
            return None

        daemon = self.begin(script)
        self.send(*WHO)
        daemon.wait_mainlog("T", 2)
        self.assertEqual(WHO[:2], self.outcomes("D"))
        self.assertEqual(WHO[2:], self.outcomes("T"))
        daemon.console("flush", "domain", "remote.example")
        daemon.wait_mainlog("D", 4)
        self.assertEqual(WHO, self.outcomes("D"))
        self.assertEqual(WHO[2:], self.sink.wait(1)[0].recipients)

    def test_too_few_replies(self):
        """It owes one: who was answered is done with, the other is given up in time."""
        silent = [True]

        def script(session, verb, line):
            if verb == "END" and line == "b@remote.example" and silent:
                silent.clear()
                wait_for(lambda: self.daemon_.mainlog("T"), "the end of our patience")
                raise Drop
            return None

        daemon = self.begin(script, patience=round(3 * SCALE))
        self.send(*WHO[:2])
        record = daemon.wait_mainlog("T", 1)[0]
        self.assertEqual("b", record["to_local"])
        self.assertIn("timed out waiting for", record["response"])
        self.assertEqual(WHO[:1], self.outcomes("D"))

    def test_too_many_replies(self):
        """What comes unasked ends the connection, and is nobody's answer."""
        def talk(connection, lines):
            dialogue(connection, lines, b"220 x\r\n", b"250 x\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n")
            while lines.readline() not in (b".\r\n", b""):
                pass
            connection.sendall(b"250 2.1.5 taken\r\n550 5.0.0 surplus\r\n")

        host = Host(self, talk)
        daemon = self.daemon_ = self.daemon(more=CONFIG, sink=host.port, options="", patience=60)
        for number in range(2):
            self.send(f"u{number}@remote.example")
            daemon.wait_mainlog("D", number + 1)
            wait_for(lambda: host.ended == number + 1, "the end of that connection")
        self.assertEqual([], daemon.mainlog("P") + daemon.mainlog("T"))

    def test_a_connection_for_many_messages_in_batches(self):
        daemon = self.begin(options="Max_Outbound_Connections = 1 Max_Recipients_Per_Batch = 3 Idle_Timeout = 60")
        for number in range(4):
            self.send(*WHO)
        daemon.wait_mainlog("D", 16)
        messages = self.sink.wait(8)
        self.assertEqual([3, 3, 3, 3, 1, 1, 1, 1], sorted((len(each.recipients) for each in messages), reverse=True))
        self.assertEqual({0}, {each.session for each in messages})
        self.assertEqual(1, sum(line.startswith("LHLO ") for line in self.sink.sessions[0].commands))
        self.assertNotIn("RSET", self.sink.sessions[0].commands)

    def test_binary(self):
        daemon = self.begin(extensions=("8BITMIME", "BINARYMIME", "CHUNKING"))
        body = b"From: a@client.example\r\n\r\n" + bytes(range(256)) * 40
        self.send(*WHO[:2], mail=" BODY=BINARYMIME", message=body)
        daemon.wait_mainlog("D", 2)
        self.assertTrue(self.sink.wait()[0].data.endswith(body))

    def test_success_is_reported_as_delivered(self):
        """An LMTP server without DSN leaves the report to us, and it is the last one there is."""
        daemon = self.begin(extensions=("8BITMIME",))
        self.send(*WHO[:2], rcpt=" NOTIFY=SUCCESS")
        raw = daemon.wait_mail("alice")[0]
        self.assertEqual("multipart/report", email.message_from_bytes(raw, policy=email.policy.default).get_content_type())
        self.assertEqual(2, raw.count(b"\nAction: delivered\n"), raw)
        self.assertEqual("", self.sink.messages[0].recipient_parameters["a@remote.example"])

    def test_dsn_goes_on(self):
        """One that does DSN reports itself."""
        daemon = self.begin(extensions=("DSN", "PIPELINING"))
        self.send("a@remote.example", mail=" RET=HDRS ENVID=e1", rcpt=" NOTIFY=SUCCESS ORCPT=rfc822;x@y.example")
        daemon.wait_mainlog("D", 1)
        message = self.sink.wait()[0]
        self.assertIn("ENVID=e1", message.mail_parameters)
        self.assertEqual("NOTIFY=SUCCESS ORCPT=rfc822;x@y.example", message.recipient_parameters["a@remote.example"])
        daemon.wait_empty()
        self.assertEqual([], daemon.maildir("alice"))

    def test_tls(self):
        certificate = make_certificate(Path(self.enterContext(tempfile.TemporaryDirectory())), "lmtp", "localhost")
        daemon = self.begin(certificate=certificate, options="TLS = required")
        self.send()
        daemon.wait_mainlog("D", 1)
        self.assertTrue(self.sink.wait()[0].tls)

    def test_unix_socket(self):
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        daemon = self.begin(path=folder / "lmtp", options=f'Gateway = "{folder}/lmtp"')
        self.send(*WHO)
        daemon.wait_mainlog("D", 4)
        self.assertEqual(WHO, self.sink.wait()[0].recipients)
        self.assertIn(f"[0 {folder}/lmtp]", daemon.console("domain", "route", "remote.example").stdout)
        self.sink.stop()
        self.send()
        self.assertIn(f"{folder}/lmtp", daemon.wait_mainlog("T", 1)[0]["response"])

    def test_it_speaks_smtp(self):
        """Which may be mended: nothing fails for good."""
        self.sink = SmtpSink(self)
        daemon = self.daemon_ = self.daemon(more=CONFIG, sink=self.sink.port, options="", patience=60)
        self.send()
        self.assertIn("what", daemon.wait_mainlog("T", 1)[0]["response"])
        self.assertEqual([], daemon.mainlog("P"))
        self.assertNotIn("HELO", " ".join(self.sink.sessions[0].commands))
