"""Clocks that jump, forward and back, while mail waits: nothing is given up for it,
nothing waits longer for it, and what was promised by the clock is kept by the clock."""

import datetime
import mmap
import struct
import time

from client import Smtp
from disk_kit import library
from harness import Daemon, TestCase, timeout, wait_for
from sink import SmtpSink

DAY = 86400
CONFIG = """
Hostname = clock.example
Spoolbase = @dir@/spool
Mainlog = @dir@/mainlog
Generate_Bounces = false
Spool_Min_Free = 0
Diagnostic_Log = @dir@/log
ESMTP_Listener { Open_Relay = true SMTP_Extensions = ( PIPELINING DELIVERBY FUTURERELEASE ) Listen "127.0.0.1:@smtp@" { } }
Control_Listener { Listen "@dir@/control.sock" { } }
Gateway = "127.0.0.1:@sink@"
TLS = no
@more@
"""


class Clock(TestCase):
    def begin(self, more="", refuse=None):
        """`refuse`: how many attempts of each recipient are told to come later."""
        self.left = refuse or 0
        self.attempts = 0

        def later(session, verb, line):
            if verb != "RCPT" or "<bob@" not in line:
                return None
            self.attempts += 1
            self.left -= 1
            return "450 4.2.1 later" if self.left >= 0 else None

        self.sink = SmtpSink(self, script=later, extensions=("PIPELINING", "DELIVERBY"))
        self.running = Daemon(self, CONFIG, sink=self.sink.port, more=more)
        control = self.running.dir / "clock"
        control.write_bytes(bytes(8))
        with open(control, "r+b") as file:
            self.moved = mmap.mmap(file.fileno(), 8)
        self.running.environment = {"LD_PRELOAD": str(library("clock_shim.cc")), "CLOCK_SHIM_CONTROL": str(control)}
        self.running.start()

    def jump(self, seconds):
        """To so far from the true time."""
        self.moved[:] = struct.pack("<q", int(seconds * 1000000))

    def now(self):
        return time.time() + struct.unpack("<q", self.moved)[0] / 1000000

    def send(self, mail="", recipient="bob@remote.example"):
        with Smtp(self.running.smtp_port) as smtp:
            smtp.ehlo()
            smtp.expect(250, f"MAIL FROM:<alice@local.example> {mail}".strip())
            smtp.expect(250, f"RCPT TO:<{recipient}>")
            smtp.data(b"Subject: hello\r\n\r\nbody\r\n")

    def delayed(self):
        self.running.wait_mainlog("T", 1)

    def assert_delivered(self):
        self.sink.wait()
        self.running.wait_mainlog("D", 1)
        self.assertEqual([], self.running.mainlog("P"))

    def test_far_ahead_nothing_has_become_old(self):
        self.begin("Retry_Interval = 3600\nMessage_Expiration = 7d\n", refuse=2)
        self.send()
        self.delayed()
        self.jump(400 * DAY)
        self.running.console("flush", "domain", "remote.example")
        self.running.wait_mainlog("T", 2)
        self.running.console("flush", "domain", "remote.example")
        self.assert_delivered()

    def test_ahead_it_is_due(self):
        self.begin("Retry_Interval = 3600\n", refuse=1)
        self.send()
        self.delayed()
        self.jump(DAY)
        self.assert_delivered()

    def test_back_it_is_no_later(self):
        self.begin("Retry_Interval = 2\n", refuse=1)
        self.send()
        self.delayed()
        self.jump(-400 * DAY)
        self.assert_delivered()

    def test_mail_of_a_clock_that_was_ahead(self):
        """Its time is in the future when the clock is right again: that gives it no longer life, nor a shorter one."""
        self.begin("Retry_Interval = 1\nMax_Retry_Interval = 1\nMessage_Expiration = 15\n", refuse=1000)
        self.jump(400 * DAY)
        self.send()
        self.delayed()
        self.jump(0)
        self.running.wait_mainlog("P", 1, 60)
        self.assertGreater(self.attempts, 1)

    def test_mail_of_a_clock_that_was_behind(self):
        self.begin("Retry_Interval = 1\nMax_Retry_Interval = 1\n", refuse=2)
        self.jump(-400 * DAY)
        self.send()
        self.delayed()
        self.jump(0)
        self.assert_delivered()

    def test_what_is_held_goes_by_the_clock(self):
        self.begin()
        until = datetime.datetime.fromtimestamp(self.now() + 5000, datetime.timezone.utc)
        self.send(f"HOLDUNTIL={until.strftime('%Y-%m-%dT%H:%M:%S')}Z")
        wait_for(lambda: "bob@" in self.running.console("mailq", "remote.example").stdout, "held mail")
        self.assertEqual([], self.sink.messages)
        self.jump(6000)
        self.assert_delivered()

    def test_what_is_held_waits_for_a_clock_that_was_ahead(self):
        """It is set right, and time goes on: what is held until a moment is not let go before."""
        self.begin()

        def held(seconds, recipient):
            until = datetime.datetime.fromtimestamp(time.time() + seconds, datetime.timezone.utc)
            self.send(f"HOLDUNTIL={until.strftime('%Y-%m-%dT%H:%M:%S')}Z", recipient)
            wait_for(lambda: recipient in self.running.console("mailq", "remote.example").stdout, "held mail")

        self.jump(3600)
        held(5400, "later@remote.example")
        self.jump(0)
        held(1900, "sooner@remote.example")
        self.jump(2000)
        self.assertEqual(["sooner@remote.example"], self.sink.wait()[0].recipients)
        self.running.wait_mainlog("D", 1)
        self.assertIn("later@", self.running.console("mailq", "remote.example").stdout)
        self.jump(5500)
        self.sink.wait(2)

    def test_a_deadline_is_no_nearer(self):
        self.begin("Retry_Interval = 3600\n", refuse=1)
        self.send("BY=80000;R")
        self.delayed()
        self.jump(2 * DAY)
        self.running.console("flush", "domain", "remote.example")
        self.assert_delivered()

    def test_a_deadline_after_a_small_step_back(self):
        self.begin()
        self.jump(-30)
        self.send("BY=20;R")
        self.assert_delivered()

    def test_a_deadline_is_told_once(self):
        for ahead in (-DAY, DAY):
            with self.subTest(ahead=ahead):
                self.begin("Generate_Bounces = true\nRetry_Interval = 1\nMax_Retry_Interval = 1\n", refuse=1000)
                self.jump(ahead)
                self.send("BY=2;N")
                self.sink.wait()
                wait_for(lambda count=self.attempts: self.attempts >= count + 4, "attempts after the report")
                self.assertIn(b"\nAction: delayed", self.sink.messages[0].data.replace(b"\r", b""))
                self.assertEqual(["alice@local.example"], [each for one in self.sink.messages for each in one.recipients])

    def test_a_deadline_that_was_told_is_told_once_over_a_restart(self):
        self.begin("Generate_Bounces = true\nRetry_Interval = 3600\n", refuse=1000)
        self.send("BY=2;N")
        self.sink.wait()
        self.running.wait_mainlog("T", 2)
        self.running.wait_mainlog("D", 1)  # the report's
        self.running.counters()  # the loop has done with both
        self.send("HOLDFOR=5000", "late@held.example")  # its 250: what was to be written before it is durable
        self.running.kill9()
        self.running.start()
        wait_for(lambda: "bob@" in self.running.console("mailq", "remote.example", status=None).stdout, "indexed mail")
        self.running.console("flush", "domain", "remote.example")
        self.running.wait_mainlog("T", 3)
        self.assertEqual(1, len(self.sink.messages))

    def test_older_is_older_whatever_the_clock(self):
        self.begin("Retry_Interval = 3600\n", refuse=1)
        self.jump(400 * DAY)
        self.send()
        self.delayed()
        done = self.running.console("fail", "domain", "remote.example", "--older", "1d", "--dry-run")
        self.assertNotIn("bob@", done.stdout)
        done = self.running.console("spool", "export", str(self.running.dir / "files"), "--older", "1d", "--dry-run")
        self.assertIn("0 messages, 0 bytes, would be exported", done.stdout)
        self.running.console("flush", "domain", "remote.example", "--older", "1d")
        self.running.console("flush", "domain", "remote.example")
        self.assert_delivered()

    def test_by_hand_when_the_clock_was_set_back(self):
        self.begin("Retry_Interval = 3600\n", refuse=1)
        self.jump(-DAY)
        self.send()
        self.delayed()
        self.running.console("hold", "domain", "remote.example")
        self.running.console("release", "domain", "remote.example")
        self.assert_delivered()

    def test_flush_when_the_clock_was_set_back(self):
        self.begin("Retry_Interval = 3600\n", refuse=1)
        self.jump(-DAY)
        self.send()
        self.delayed()
        self.running.console("flush", "domain", "remote.example")
        self.assert_delivered()

    def test_what_was_held_has_its_own_age(self):
        """Held by a clock that was ahead: it is no younger for that."""
        self.begin("Retry_Interval = 1\nMax_Retry_Interval = 1\nMessage_Expiration = 15\n", refuse=1000)
        self.jump(400 * DAY)
        self.send("HOLDFOR=2")
        self.running.wait_mainlog("P", 1, 60)
        self.assertGreater(self.attempts, 1)

    @timeout(120)
    def test_over_a_restart(self):
        """The clock is right again when it is started again; what was written meanwhile says so."""
        for ahead in (-DAY, 100 * DAY):
            with self.subTest(ahead=ahead):
                self.begin("Retry_Interval = 1\nMax_Retry_Interval = 2\nMessage_Expiration = 10d\n", refuse=2)
                self.jump(ahead)
                self.send()
                self.delayed()
                self.running.kill9()
                self.jump(0)
                self.running.start()
                self.assert_delivered()
