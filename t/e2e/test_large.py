"""Messages too large for memory: on the disk while they arrive, whole when
they are delivered, and gone when they are not wanted."""

import os
import stat
import tempfile
import unittest
from pathlib import Path

from client import Smtp
from harness import BASE_CONFIG, TestCase, heavy, is_sanitized, make_certificate, read, timeout, wait_for
from mail_compare import assert_below_trace
from sink import SmtpSink

CONFIG = BASE_CONFIG.replace("ESMTP_Listener {", "ESMTP_Listener {\n  Max_Message_Size = 300000000\n"
                             "  Relay_Hosts = ( 127.0.0.0/8 )")
HEADER = (b"From: alice@client.example\r\nDate: Sat, 21 Nov 2026 06:00:00 +0000\r\nSubject: large\r\nMessage-ID: <large@client.example>\r\n\r\n")
MEBIBYTE = b"".join(b"%07d " % number + b"x" * 118 + b"\r\n" for number in range(8192))


def body(mebibytes):
    return HEADER + MEBIBYTE * mebibytes


def damage_large(daemon):
    """A bit near the end of the one large body that it has."""
    path, = (daemon.dir / "spool" / "large").iterdir()
    with open(path, "r+b") as file:
        file.seek(path.stat().st_size - 5)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))


class Large(TestCase):
    def files(self, daemon):
        return list((daemon.dir / "spool" / "large").iterdir())

    def bytes_on_disk(self, daemon):
        total = 0
        for path in self.files(daemon):
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                pass
        return total

    def begun(self, daemon, sent):
        """A client in the middle of a message, some of which is on the disk."""
        smtp = Smtp(daemon.smtp_port)
        smtp.ehlo()
        smtp.begin()
        smtp.expect(354, "DATA")
        smtp.send(sent)
        wait_for(lambda: self.bytes_on_disk(daemon) > len(sent) / 2, "the beginning on the disk")
        return smtp

    def test_modes_of_its_files(self):
        mask = os.umask(0)
        os.umask(mask)
        for option, mode in (("", 0o640), ("Spool_Mode = 0600", 0o600), ("Spool_Mode = 0664", 0o664)):
            with self.subTest(option):
                daemon = self.daemon(CONFIG, more=f"Suspend_Delivery = true\n{option}\n")
                with Smtp(daemon.smtp_port) as smtp:
                    smtp.ehlo()
                    smtp.message(body(1))
                files = [*self.files(daemon), *(daemon.dir / "spool").glob("*.seg")]
                self.assertGreater(len(files), 1)
                self.assertEqual({mode & ~mask}, {stat.S_IMODE(path.stat().st_mode) for path in files})

    def test_delivered_as_it_was(self):
        daemon = self.daemon(CONFIG)
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(body(5), recipients=["one@local.example", "two@local.example"])
        for user in ("one", "two"):
            assert_below_trace(self, body(5), daemon.wait_mail(user)[0])
        wait_for(lambda: not self.files(daemon), "its file goes with the last recipient")
        self.assertGreater(int(daemon.wait_mainlog("R", 1)[0]["size"]), len(body(5)))

    def test_by_bdat(self):
        daemon = self.daemon(CONFIG.replace("ESMTP_Listener {",
                                            "Large_Message_Threshold = 1000\nESMTP_Listener {\n"
                                            "  SMTP_Extensions = ( CHUNKING )"))
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.begin()
            whole = body(1)
            for start in range(0, len(whole), 300000):
                piece = whole[start:start + 300000]
                last = " LAST" if start + len(piece) == len(whole) else ""
                smtp.send(f"BDAT {len(piece)}{last}\r\n".encode() + piece)
                self.assertEqual(250, smtp.reply()[0])
        assert_below_trace(self, whole, daemon.wait_mail("bob")[0])

    @heavy
    @timeout(300)
    def test_memory_stays_as_it_was(self):
        """200 MiB through the daemon: what it has of memory grows by less than 20 MiB."""
        daemon = self.daemon(CONFIG)
        with Smtp(daemon.smtp_port, timeout=200) as smtp:
            smtp.ehlo()
            smtp.begin(recipients=["bob@nowhere.example"])  # no route: it waits in the spool
            status = f"/proc/{daemon.process.pid}/status"
            Path(f"/proc/{daemon.process.pid}/clear_refs").write_text("5")  # the peak begins anew
            before = daemon.resident()
            smtp.expect(354, "DATA")
            smtp.send(HEADER)
            for _ in range(200):
                smtp.send(MEBIBYTE)
            smtp.send(b".\r\n")
            self.assertEqual(250, smtp.reply()[0])
        peak = next(int(line.split()[1]) for line in read(status).splitlines() if line.startswith("VmHWM:"))
        if not is_sanitized():
            self.assertLess(peak - before, 20 << 10)
        self.assertEqual(1, len(self.files(daemon)))
        self.assertGreater(self.bytes_on_disk(daemon), 199 << 20)
        # It is there after a crash, too.
        daemon.kill9()
        daemon.start()
        self.assertEqual(1, len(self.files(daemon)))
        daemon.wait_log("1 messages in")

    def test_kill_in_the_middle_leaves_nothing(self):
        daemon = self.daemon(CONFIG)
        smtp = self.begun(daemon, body(3))
        daemon.kill9()
        smtp.close()
        self.assertEqual(1, len(self.files(daemon)))
        daemon.start()
        self.assertEqual([], self.files(daemon))
        daemon.wait_log("1 bodies that no message names were removed")

    def test_client_goes_in_the_middle(self):
        daemon = self.daemon(CONFIG)
        self.begun(daemon, body(3)).close()
        wait_for(lambda: not self.files(daemon), "the file goes")
        self.begun(daemon, body(3))
        daemon.stop()
        self.assertEqual([], self.files(daemon))

    def test_too_large_after_all(self):
        daemon = self.daemon(CONFIG.replace("300000000", "4000000"))
        smtp = self.begun(daemon, body(3))
        smtp.send(MEBIBYTE)
        wait_for(lambda: not self.files(daemon), "the file goes when the limit is passed")
        smtp.send(b".\r\n")
        self.assertEqual(552, smtp.reply()[0])
        smtp.message(b"Subject: small\r\n\r\nhello\r\n")

    def test_disk_becomes_full(self):
        daemon = self.daemon(CONFIG)
        smtp = self.begun(daemon, body(2))
        daemon.console("config", "set", "spool_min_free", "1000000000000000")
        daemon.wait_log("new mail is refused")
        smtp.send(MEBIBYTE + b".\r\n")
        code, text = smtp.reply()
        self.assertEqual((452, "4.3.1"), (code, text.split()[0]))
        wait_for(lambda: not self.files(daemon), "the file goes")
        daemon.console("config", "set", "spool_min_free", "0")
        daemon.wait_log("new mail is accepted")
        smtp.message(body(2))
        assert_below_trace(self, body(2), daemon.wait_mail("bob")[0])

    def test_threshold_is_live(self):
        daemon = self.daemon(CONFIG)
        daemon.console("config", "set", "large_message_threshold", "10M")
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(body(1), recipients=["bob@nowhere.example"])
            self.assertEqual([], self.files(daemon))
            daemon.console("config", "set", "large_message_threshold", "0")
            smtp.message(HEADER + b"hello\r\n", recipients=["bob@nowhere.example"])
            self.assertEqual(1, len(self.files(daemon)))

    def test_many_at_once(self):
        daemon = self.daemon(CONFIG)
        clients = []
        for number in range(10):
            smtp = Smtp(daemon.smtp_port)
            smtp.ehlo()
            smtp.begin(recipients=[f"u{number}@local.example"])
            smtp.expect(354, "DATA")
            smtp.send(b"Subject: one of many\r\n\r\n")
            clients.append(smtp)
        for _ in range(2):
            for smtp in clients:
                smtp.send(MEBIBYTE)
        for smtp in clients:
            smtp.send(b".\r\n")
        for number, smtp in enumerate(clients):
            self.assertEqual(250, smtp.reply()[0])
            smtp.quit()
            daemon.wait_mail(f"u{number}")


class Onward(TestCase):
    """To a next host large bodies go as they came: in pieces."""

    WAYS = {"plain": {}, "tls": {"extensions": ("STARTTLS", "PIPELINING", "SIZE 100000000", "8BITMIME")},
            "lmtp": {"lmtp": True}, "small": {"extensions": ()}}

    def setUp(self):
        super().setUp()
        certificate = make_certificate(self.enterContext(tempfile.TemporaryDirectory()))
        self.sinks = {name: SmtpSink(self, certificate=certificate if name == "tls" else None, **options)
                      for name, options in self.WAYS.items()}
        domains = "".join(f'Domain "{name}.example" {{ Gateway = "127.0.0.1:{sink.port}"\n'
                          f'{"Delivery_Method = lmtp" if sink.lmtp else ""} }}\n'
                          for name, sink in self.sinks.items())
        self.server = self.daemon(CONFIG + domains + 'Retry_Interval = 1\n')

    def send(self, message, *names):
        with Smtp(self.server.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(message, recipients=[f"bob@{name}.example" for name in names])

    def test_as_it_was_and_not_in_memory(self):
        self.send(HEADER + b"warm\r\n", *self.sinks)
        for sink in self.sinks.values():
            sink.wait(1)
        status = f"/proc/{self.server.process.pid}/status"
        Path(f"/proc/{self.server.process.pid}/clear_refs").write_text("5")  # the peak begins anew
        before = self.server.resident()
        dots = b"".join(b".%05d\r\n..\r\n" % number for number in range(20000))
        whole = body(12) + dots
        self.send(whole, *self.sinks)
        for sink in self.sinks.values():
            assert_below_trace(self, whole, sink.wait(2, 60)[1].data)
        peak = next(int(line.split()[1]) for line in read(status).splitlines() if line.startswith("VmHWM:"))
        if not is_sanitized():  # four times twelve MiB, were it in memory
            self.assertLess(peak - before, 16 << 10)
        wait_for(lambda: not list((self.server.dir / "spool" / "large").iterdir()), "its file goes")

    def test_damaged_while_it_is_sent(self):
        """It never comes to its end; and then its sender is told."""
        spoiled = []

        def spoil(session, verb, line):
            if verb == "DATA" and not spoiled:
                damage_large(self.server)
                spoiled.append(session)

        self.sinks["plain"].script = spoil
        self.send(body(3), "plain")
        transient = self.server.wait_mainlog("T", 1)[0]
        self.assertIn("the rest of the body cannot be read", str(transient))
        self.server.wait_mainlog("P", 1)
        self.assertEqual([], self.sinks["plain"].messages)


if __name__ == "__main__":
    unittest.main()
