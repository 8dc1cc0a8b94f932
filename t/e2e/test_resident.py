"""Max_Resident_Messages: what just came in need not be read back from the disk."""

import json

from client import Smtp
from harness import BASE_CONFIG, TestCase, wait_for
from sink import SmtpSink

MESSAGE = b"From: a@client.example\r\nSubject: hello\r\n\r\nbody\r\n"


class Resident(TestCase):
    def resident(self):
        parts = json.loads(self.own.console("--json", "memory").stdout.splitlines()[0])["parts"]
        return parts["resident_messages"]["count"]

    def test_from_acceptance_to_delivery(self):
        sink = SmtpSink(self)
        self.own = self.daemon(BASE_CONFIG, more=f'Gateway = "127.0.0.1:{sink.port}"\nTLS = no\nSuspend_Delivery = true\n')
        with Smtp(self.own.smtp_port) as smtp:
            smtp.ehlo()
            for _ in range(20):
                smtp.message(MESSAGE, recipients=["a@far.example"])
            smtp.message(MESSAGE + b"x" * 70 + b"\r\n" + (b"y" * 70 + b"\r\n") * 1000, recipients=["a@far.example"])
        self.assertEqual(20, self.resident())  # but for the large one
        self.own.console("config", "set", "Max_Resident_Messages", "8")
        wait_for(lambda: self.resident() == 8, lambda: f"8 messages, there are {self.resident()}")
        self.own.console("config", "set", "Suspend_Delivery", "false")
        wait_for(lambda: len(sink.messages) == 21, "the mail")
        self.assertTrue(all(message.data.endswith(b"\r\nbody\r\n") or len(message.data) > 70000 for message in sink.messages))
        wait_for(lambda: self.resident() == 0, lambda: f"none, there are {self.resident()}")
