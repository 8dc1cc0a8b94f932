"""TLS = ifavailable: what goes on without TLS after a handshake failed, and what does not."""

from client import Smtp
from harness import TestCase, free_port, make_certificate, wait_for
from sink import SmtpSink

MESSAGE = b"From: a@client.example\r\nSubject: hello\r\n\r\nthe body\r\n"
CONFIG = """
Domain "remote.example" {
  Gateway = ( "127.0.0.1:@port@" "127.0.0.2:@port@" )
  Idle_Timeout = 0
  Retry_Interval = 3600
}
"""


class TlsThatFails(TestCase):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.running = self.daemon(more=CONFIG, port=self.port)
        self.certificate = make_certificate(self.running.dir)

    def sink(self, host, script=None):
        return SmtpSink(self, port=self.port, host=host, certificate=self.certificate, script=script)

    def send(self):
        with Smtp(self.running.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE, recipients=["bob@remote.example"])

    def test_another_host_has_tls(self):
        """The first host's handshake fails, and in plain it has no time: that says nothing of the second."""
        def script(session, verb, line):
            if verb == "CONNECT" and session.number > 0:
                return "421 4.3.2 later"
            return "" if verb == "HANDSHAKE" else None

        self.sink("127.0.0.1", script)
        good = self.sink("127.0.0.2")
        self.send()
        self.assertTrue(good.wait()[0].tls)
        self.assertIn("tls-fallback", self.running.log())

    def test_it_is_remembered(self):
        """Over the end of the last connection there."""
        broken = self.sink("127.0.0.1", lambda session, verb, line: "" if verb == "HANDSHAKE" else None)
        for number in range(3):
            self.send()
            self.assertFalse(broken.wait(number + 1)[number].tls)
            wait_for(lambda: all(session.closed for session in broken.sessions), "the end of all connections")
        self.assertEqual([True] + 3 * [False],
                         ["STARTTLS" in session.commands for session in broken.sessions])
