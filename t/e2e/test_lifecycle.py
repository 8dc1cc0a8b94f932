"""Certificates that are renewed, Listens that overlap, configuration changes
while the daemon ends, clients that take every descriptor."""

import signal
import socket

from client import Smtp
from harness import BASE_CONFIG, SCALE, Daemon, TestCase, make_certificate, wait_for

TLS_CONFIG = BASE_CONFIG.replace('{ }\n}\nControl', '{ TLS_Certificate = "@dir@/mx.crt" TLS_Key = "@dir@/mx.key" }\n}\nControl')


def served_certificate(port):
    """The certificate (DER) that STARTTLS shows."""
    with Smtp(port) as smtp:
        smtp.ehlo()
        smtp.starttls()
        return smtp.socket.getpeercert(binary_form=True)


class Certificates(TestCase):
    def daemon(self):
        daemon = Daemon(self, TLS_CONFIG)
        make_certificate(daemon.dir)
        return daemon.start()

    def test_reload_picks_a_renewed_certificate_up(self):
        daemon = self.daemon()
        before = served_certificate(daemon.smtp_port)
        self.assertEqual(before, served_certificate(daemon.smtp_port))
        make_certificate(daemon.dir)
        daemon.console("config", "reload")
        after = served_certificate(daemon.smtp_port)
        self.assertNotEqual(before, after)
        make_certificate(daemon.dir)
        daemon.signal(signal.SIGHUP)
        wait_for(lambda: served_certificate(daemon.smtp_port) != after, "the certificate that SIGHUP loads")

    def test_a_half_renewed_pair_changes_nothing(self):
        daemon = self.daemon()
        before = served_certificate(daemon.smtp_port)
        key = (daemon.dir / "mx.key").read_bytes()
        make_certificate(daemon.dir)
        (daemon.dir / "mx.key").write_bytes(key)
        said = daemon.console("config", "reload", status=1)
        self.assertIn("tls-certificate", said.stderr)
        self.assertEqual(before, served_certificate(daemon.smtp_port))


class Listens(TestCase):
    def test_wildcard_and_specific_address_serve_side_by_side(self):
        daemon = Daemon(self, BASE_CONFIG.replace('{ }\n}\nControl', """{ Banner_Hostname = one.example }
  Listen "*:@smtp@" { Banner_Hostname = any.example }
}
Control""")).start()
        for host, name in (("127.0.0.1", "one.example"), ("127.0.0.2", "any.example")):
            with Smtp(daemon.smtp_port, host=host) as smtp:
                self.assertIn(name, smtp.banner[1])
        # One goes, the other serves on; and back.
        listen = f"127.0.0.1:{daemon.smtp_port}"
        for value, name in (("false", "any.example"), ("true", "one.example")):
            daemon.console("config", "set", "esmtp_listener", "listen", listen, "enable", value)
            with Smtp(daemon.smtp_port) as smtp:
                self.assertIn(name, smtp.banner[1])

    def test_an_address_in_use_names_its_line(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            daemon = Daemon(self)
            daemon.configure(BASE_CONFIG, smtp=other.getsockname()[1])
            said = daemon.start_fails()
        self.assertRegex(said, r"impulse\.conf:10:3: 127\.0\.0\.1:\d+: bind: Address already in use")


class Ending(TestCase):
    def test_no_change_is_taken_while_the_daemon_ends(self):
        daemon = Daemon(self, more="Shutdown_Timeout = 60").start()
        with Smtp(daemon.smtp_port) as smtp, daemon.ectl() as console:
            smtp.ehlo()
            smtp.expect(250, "MAIL FROM:<a@client.example>")
            daemon.signal(signal.SIGTERM)
            daemon.wait_log("server-stopping")
            reply = console.command(f"config set esmtp_listener listen 127.0.0.1:{daemon.smtp_port} idle_time 99")
            self.assertIn("shutting down", str(reply))
            self.assertIn(reply.code, (1, 7))
            daemon.signal(signal.SIGHUP)
            with self.assertRaises(OSError):
                socket.create_connection(("127.0.0.1", daemon.smtp_port), 5)
            smtp.expect(250, "RCPT TO:<bob@local.example>")
            smtp.expect(221, "QUIT")
        self.assertEqual(0, daemon.wait())

    def test_a_session_that_never_ends_is_cut_off(self):
        daemon = Daemon(self, more="Shutdown_Timeout = 1").start()
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.expect(250, "MAIL FROM:<a@client.example>")
            daemon.signal(signal.SIGTERM)
            self.assertEqual(0, daemon.wait())
        self.assertIn("sessions-dropped", daemon.log())


class Descriptors(TestCase):
    def test_clients_cannot_take_them_all(self):
        daemon = Daemon(self, more="Server_Max_File_Descriptors = 128\n"
                                   'EventLoop "default" { Concurrency = 2 }\n').start()  # a loop has some of its own
        held = []
        try:
            for _ in range(200):
                held.append(socket.create_connection(("127.0.0.1", daemon.smtp_port), 30 * SCALE))
            daemon.wait_log("accept-trouble")
            # The console, the spool and delivery work on.
            self.assertIn("Inbound", daemon.console("summary").stdout)
        finally:
            for client in held:
                client.close()
        wait_for(lambda: daemon.inbound_sessions() == 0, "the end of the sessions")
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(b"Subject: x\r\n\r\nhi\r\n")
        daemon.wait_mail("bob")
