"""What the options of reports come to (doc/delivery.md, "Reports"), as the sender reads it in his mailbox."""

import email
import email.policy
import smtplib

from harness import BASE_CONFIG, SCALE, TestCase, wait_for
from sink import SmtpSink

MESSAGE = "From: a@client.example\r\nSubject: the very one\r\n\r\nthe very body\r\n"


class Reports(TestCase):
    def start(self, domains, reply, more=""):
        """`domains`: the options of each; all go to a host that answers RCPT with `reply`, and are tried once."""
        sink = SmtpSink(self, script=lambda session, verb, line: reply if verb == "RCPT" else None)
        more += "".join(f'Domain "{name}.example" {{ Gateway = "127.0.0.1:{sink.port}" Retry_Interval = 3600 {options} }}\n'
                        for name, options in domains.items())
        self.running = self.daemon(BASE_CONFIG, more=more)
        with smtplib.SMTP("127.0.0.1", self.running.smtp_port, "client.example", timeout=60 * SCALE) as smtp:
            for name in domains:  # a report of its own for each
                smtp.sendmail("alice@local.example", f"bob@{name}.example", MESSAGE)

    def reports(self, count):
        """Of alice's, by the domain that each is about: the report, and the parts of it behind the first two."""
        found = {}
        for raw in self.running.wait_mail("alice", count):
            report = email.message_from_bytes(raw, policy=email.policy.default)
            self.assertEqual(("<>", "multipart/report"), (report["Return-Path"], report.get_content_type()))
            human, status, *more = report.iter_parts()
            self.assertEqual(("text/plain", "message/delivery-status"), (human.get_content_type(), status.get_content_type()))
            domain = status.get_payload()[1]["Final-Recipient"].split("@")[1].removesuffix(".example")
            self.assertNotIn(domain, found)
            found[domain] = report, more
        self.assertEqual(count, len(found))
        return found

    def test_how_much_of_the_message(self):
        self.start({"usual": "", "no": "Bounces_Inline_Original = no", "headers": "Bounces_Inline_Original = headers",
                    "full": "Bounces_Inline_Original = full"}, "550 5.1.1 nobody")
        told = self.reports(4)
        self.assertEqual({"usual": ["text/rfc822-headers"], "no": [], "headers": ["text/rfc822-headers"],
                          "full": ["message/rfc822"]},
                         {name: [part.get_content_type() for part in parts] for name, (_, parts) in told.items()})
        for name, (report, _) in told.items():
            text = report.as_string()
            self.assertEqual((name != "no", name == "full"), ("the very one" in text, "the very body" in text), name)

    def test_whom_it_is_from(self):
        self.start({"usual": "", "own": "Mailerdaemon = bounces@own.example"}, "550 5.1.1 nobody",
                   "Mailerdaemon = postmaster@client.example\n")
        told = self.reports(2)
        self.assertEqual({"usual": "postmaster@client.example", "own": "bounces@own.example"},
                         {name: report["From"].addresses[0].addr_spec for name, (report, _) in told.items()})

    def test_whom_it_is_from_where_nobody_says(self):
        self.start({"usual": ""}, "550 5.1.1 nobody")
        self.assertEqual("MAILER-DAEMON@mx.test.example", self.reports(1)["usual"][0]["From"].addresses[0].addr_spec)

    def test_mail_that_waits(self):
        """Its sender is told where Generate_Delay_DSN says so, once the interval is over."""
        soon = "Delay_DSN_Retry_Interval = 0"
        self.start({"usual": soon, "no": f"Generate_Delay_DSN = false {soon}", "later": "Generate_Delay_DSN = true",
                    "told": f"Generate_Delay_DSN = true {soon}"}, "450 4.2.1 later")
        self.running.wait_mainlog("T", 4)
        report, parts = self.reports(1)["told"]
        fields = list(report.iter_parts())[1].get_payload()[1]
        self.assertEqual(("delayed", "4.2.1"), (fields["Action"], fields["Status"]))
        self.assertEqual(["text/rfc822-headers"], [part.get_content_type() for part in parts])
        self.assertEqual([], self.running.mainlog("P"))
        wait_for(lambda: self.running.counters()["Total Queue Size"] == 4, "the queue without the report")
