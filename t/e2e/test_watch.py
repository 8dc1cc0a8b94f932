"""watch: counters and events, told without asking."""

import json
import socket
import unittest

from client import Smtp
from harness import TestCase, is_sanitized

MESSAGE = b"Subject: hello\r\n\r\nhi\r\n"


class Watch(TestCase):
    def until(self, ectl, text):
        """Reads notices up to one that holds the text."""
        lines = []
        for _ in range(1000):
            lines.append(ectl.line())
            self.assertTrue(lines[-1].startswith("* "), lines)
            if text in lines[-1]:
                return lines
        self.fail(f"no {text} in {lines}")

    def test_counters_and_events(self):
        daemon = self.daemon()
        with daemon.ectl() as ectl:
            self.assertEqual(0, ectl.command("watch on --interval 100ms").code)
            with Smtp(daemon.smtp_port) as smtp:
                smtp.ehlo()
                smtp.message(MESSAGE)
                self.until(ectl, "messages_received=1")
            self.until(ectl, "sessions_open=0")
            daemon.console("config", "set", "domain", "x.example", "retry_interval", "5")
            self.assertIn("generation 2", self.until(ectl, "event config-commit")[-1])
            daemon.console("listener", "stop", "esmtp_listener")
            self.assertIn(str(daemon.smtp_port), self.until(ectl, "event listener-closed")[-1])
            daemon.console("listener", "start", "esmtp_listener")
            self.until(ectl, "event listener-bound")
            # An answer is never broken up by notices.
            ectl.send("help\nwatch off\npid\n")
            while not (line := ectl.line()).startswith("=0"):
                pass
            while not (line := ectl.line()).startswith("=0"):
                self.assertTrue(line.startswith("* "), line)
            self.assertEqual([str(daemon.process.pid)], ectl.reply().payload)

    def test_json(self):
        daemon = self.daemon()
        with daemon.ectl() as ectl:
            self.assertEqual(0, ectl.command("--json watch on --interval 100ms").code)
            counters = json.loads(self.until(ectl, "control_commands")[-1][2:])["counters"]
            self.assertGreaterEqual(counters["control_commands"], 1)

    def test_a_client_that_only_reads_stays_connected(self):
        from harness import BASE_CONFIG
        daemon = self.daemon(BASE_CONFIG.replace("Control_Listener {", "Control_Listener { Timeout = 1"))
        with daemon.ectl() as ectl:
            ectl.command("watch on --interval 100ms")
            for _ in range(30):  # each is told before the next is asked for; in all some seconds
                daemon.console("pid")
                self.until(ectl, "control_commands=")

    def test_a_slow_reader_costs_nothing(self):
        daemon = self.daemon()
        with socket.socket(socket.AF_UNIX) as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect(str(daemon.control))
            slow.sendall(b"watch on --interval 100ms\n")
            slow.recv(10)  # and no more
            with daemon.ectl() as ectl:
                before = None
                for number in range(3000):
                    ectl.send(f"config set domain x.example retry_interval {1 + number % 2}\n")
                    self.assertEqual(0, ectl.reply().code)
                    if number == 1000:
                        before = daemon.resident()
                if not is_sanitized():
                    self.assertLess(daemon.resident() - before, 16 << 10)

            slow.settimeout(30)
            text = b""
            while b"* dropped " not in text:  # once it reads again, it is told
                text += slow.recv(1 << 16)

    def test_wrong(self):
        daemon = self.daemon()
        for words in (["watch"], ["watch", "maybe"], ["watch", "on", "--interval", "1ms"], ["watch", "off", "now"]):
            daemon.console(*words, status=2)


if __name__ == "__main__":
    unittest.main()
