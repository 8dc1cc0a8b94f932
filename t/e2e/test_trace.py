"""trace smtp: what sessions say, in a file; with no secret in it."""

import json
import unittest

from client import Smtp
from harness import TestCase, read, wait_for
from sink import SmtpSink

MESSAGE = b"Subject: hello\r\n\r\nsecret body\r\n"


class Inbound(TestCase):
    def test_commands_and_replies_but_no_secrets(self):
        daemon = self.daemon()
        file = daemon.dir / "trace"
        with Smtp(daemon.smtp_port) as smtp:  # is there before the tracer is
            self.assertEqual("Registered smtp tracer #1\n",
                             daemon.console("trace", "smtp", "add", "inbound", "127.0.0.0/8", str(file)).stdout)
            smtp.ehlo()
            for line in ("AUTH PLAIN AGFsaWNlAGh1bnRlcjI=", "AUTH LOGIN", "aHVudGVyMg==", "NOOP"):
                smtp.command(line)
            smtp.message(MESSAGE)
            smtp.quit()
        text = wait_for(lambda: "221" in read(file) and read(file), "the trace")
        for said in (" < EHLO ", " > 250", " < AUTH … (masked)", " < (masked)", " < MAIL FROM:", " * 31 bytes of a message",
                     " < QUIT"):
            self.assertIn(said, text)
        for secret in ("AGFsaWNl", "aHVudGVy", "secret body"):
            self.assertNotIn(secret, text)
        self.assertRegex(text, r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z in:\d+ 127\.0\.0\.1:\d+ < QUIT$")
        listed = daemon.console("trace", "smtp", "list").stdout
        self.assertRegex(listed, rf"^\[ +1\] +clients: 127\.0\.0\.0/8\n +file: {file} @ {len(text.encode())}\n$")
        self.assertEqual("Removed smtp tracer #1\n", daemon.console("trace", "smtp", "remove", "1").stdout)
        self.assertEqual("", daemon.console("trace", "smtp", "list").stdout)
        with Smtp(daemon.smtp_port) as smtp:
            smtp.quit()
        self.assertEqual(text, read(file))

    def test_only_who_was_meant(self):
        daemon = self.daemon()
        daemon.console("trace", "smtp", "add", "inbound", "192.0.2.0/24", str(daemon.dir / "others"))
        daemon.console("trace", "smtp", "add", "inbound", "*", str(daemon.dir / "all"))
        with Smtp(daemon.smtp_port) as smtp:
            smtp.quit()
        wait_for(lambda: "QUIT" in read(daemon.dir / "all"), "the trace of all")
        self.assertEqual("", read(daemon.dir / "others"))
        rows = [json.loads(line) for line in daemon.console("--json", "trace", "smtp", "list").stdout.splitlines()]
        self.assertEqual([(1, "192.0.2.0/24", 0), (2, "*", len(read(daemon.dir / "all").encode()))],
                         [(row["id"], row["clients"], row["bytes"]) for row in rows])

    def test_it_has_an_end(self):
        daemon = self.daemon()
        file = daemon.dir / "trace"
        daemon.console("trace", "smtp", "add", "inbound", "*", str(file), "--limit", "4k")
        with Smtp(daemon.smtp_port) as smtp:
            for _ in range(200):
                smtp.command("NOOP")
        wait_for(lambda: "the limit of 4096 bytes is reached" in read(file), "the limit")
        self.assertLess(file.stat().st_size, 4096 + 200)
        self.assertIn("(full)", daemon.console("trace", "smtp", "list").stdout)

    def test_wrong(self):
        daemon = self.daemon()
        (daemon.dir / "elsewhere").write_text("kept\n")
        (daemon.dir / "link").symlink_to("elsewhere")
        for words, status in ((["add"], 2), (["add", "inbound", "*", str(daemon.dir / "link")], 1), (["add", "inbound", "300.0.0.0/8", "/tmp/x"], 2), (["add", "*", "*"], 2),
                              (["add", "inbound", "*", "relative"], 1), (["add", "inbound", "*", str(daemon.control)], 1),
                              (["add", "inbound", "*", "/nonexistent/x"], 1), (["remove"], 2), (["remove", "x"], 2),
                              (["remove", "7"], 3), (["list", "all"], 2), (["add", "*", "*", "/tmp/x", "--limit", "1"], 2)):
            with self.subTest(words=words):
                daemon.console("trace", "smtp", *words, status=status)
        self.assertEqual("", daemon.console("trace", "smtp", "list").stdout)
        self.assertEqual("kept\n", read(daemon.dir / "elsewhere"))


class Outbound(TestCase):
    def test_by_domain(self):
        sink = SmtpSink(self)
        daemon = self.daemon(more=f'Gateway = "127.0.0.1:{sink.port}"')
        one, all_of_them, none = (daemon.dir / name for name in ("one", "all", "none"))
        daemon.console("trace", "smtp", "add", "*", "one.example", str(one))
        daemon.console("trace", "smtp", "add", "outbound", "default", "*", str(all_of_them))
        daemon.console("trace", "smtp", "add", "other", "*", str(none))
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            for domain in ("one.example", "two.example"):
                smtp.message(MESSAGE, recipients=[f"user@{domain}"])
        daemon.wait_mainlog("D", 2)
        text = wait_for(lambda: read(all_of_them).count(" bytes of a message") == 2 and read(all_of_them), "the trace")
        for said in ("user@one.example", "user@two.example", " < 220 ", " > EHLO ", " > DATA", " < 354"):
            self.assertIn(said, text)
        self.assertNotIn("secret body", text)
        text = wait_for(lambda: " bytes of a message" in read(one) and read(one), "the trace of one domain")
        self.assertIn("user@one.example", text)
        self.assertNotIn("user@two.example", text)
        self.assertEqual("", read(none))


if __name__ == "__main__":
    unittest.main()
