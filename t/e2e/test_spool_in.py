"""spool_in: what the disk did not give at the start comes into the queue when an operator calls it in; once, whoever
else is at it; and not before the disk gives all of its envelope, as it was."""

import collections
import json
import subprocess

from client import Smtp
from disk_kit import ShimDaemon
from harness import BASE_CONFIG, BINDIR, TestCase, wait_for
from load import check_numbered, numbered_message
from spool_bytes import RECORD, idents

CONFIG = BASE_CONFIG + """
Spool_Segment_Size = 1M
Domain "held.example" {
  Delivery_Method = maildir
  Maildir_Path = "@dir@/mail/%{domain}/%{localpart}"
  Suspend_Delivery = @held@
}
"""
FAILED, NOT_FOUND, BUSY = 1, 3, 7
STAYS = "the message stays, and the next start tries again"


class SpoolIn(TestCase):
    def unread(self, before=1, behind=1, size=9000, **start):
        """A daemon whose disk did not give one message at the start, the only one for u@held.example; what waits
        beside it is for local.example. (What lies within the same 4 KiB may be lost with it for that start.)"""
        daemon = self.daemon_ = ShimDaemon(self, CONFIG, held="true")
        daemon.configure(CONFIG.replace('Domain "local.example" {', 'Domain "local.example" {\n  Suspend_Delivery = true'))
        daemon.start()
        self.promised = set()
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            for number in range(before + 1 + behind):
                to = "u@held.example" if number == before else "u@local.example"
                said = smtp.message(numbered_message(f"m{number}", size), recipients=[to])
                self.promised.add(f"m{number}")
                if number == before:
                    self.id = said.split()[-1]
        daemon.stop()
        (segment, self.offset), = idents(self.id)
        self.path = daemon.disk / "spool" / f"{segment:08X}.seg"
        self.break_it()
        daemon.configure(CONFIG, held=start.pop("held", "true"))
        if start:
            self.addCleanup(daemon.shim.hold, "")
            daemon.shim.hold("spool-index", start["after"])
        daemon.start(indexed=not start)
        return daemon

    def break_it(self):
        self.daemon_.shim.bad_sector(self.path, self.offset + RECORD, self.offset + RECORD + 8)

    def spool_in(self, status=0):
        done = self.daemon_.console("spool_in", self.id, status=status)
        return done.stdout + done.stderr

    def let_go(self):
        self.daemon_.console("config", "set", "domain", "held.example", "suspend_delivery", "false")

    def all_come_once(self):
        """Also behind a kill."""
        for _ in range(2):
            self.daemon_.wait_empty()
            arrived = collections.Counter(check_numbered(path.read_bytes())
                                          for path in self.daemon_.dir.glob("mail/*/u/new/*"))
            self.assertEqual(collections.Counter(self.promised), arrived)
            self.assertIn("no such message", self.spool_in(NOT_FOUND))
            self.daemon_.console("config", "set", "domain", "local.example", "suspend_delivery", "true")
            with Smtp(self.daemon_.smtp_port) as smtp:  # what is behind it is on the disk: so is its outcome
                smtp.ehlo()
                smtp.message(b"Subject: behind\r\n\r\nit\r\n", recipients=["behind@local.example"])
            self.daemon_.kill9()
            self.daemon_.start()

    def test_delivered_once(self):
        daemon = self.unread()
        daemon.wait_log(STAYS)
        wait_for(lambda: len(daemon.maildir("u")) == 2, "the others")
        # It is not asked for in vain once, but as often as the disk fails.
        for _ in range(2):
            self.assertIn("message-unreadable", self.spool_in(FAILED))
        self.assertEqual(0, daemon.counters()["Total Queue Size"])
        daemon.shim.good_again()
        # Several at a time, each of which has seen that it is in no queue.
        daemon.shim.hold("delivery-io")
        consoles = [subprocess.Popen([str(BINDIR / "ec_console"), str(daemon.control), "spool_in", self.id],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) for _ in range(4)]
        wait_for(lambda: daemon.shim.held_reads >= 2, "reads that wait")
        daemon.shim.hold("")
        said = [console.communicate(timeout=100)[0] for console in consoles]
        self.assertEqual([0] * 4, [console.returncode for console in consoles])
        self.assertEqual(1, sum(text.endswith(": queued\n") for text in said), said)
        self.assertEqual(3, sum("in the queue already" in text for text in said), said)
        self.assertEqual(1, daemon.counters()["Total Queue Size"])
        self.assertIn("in the queue already", self.spool_in())
        self.let_go()
        self.all_come_once()

    def test_over_a_restart(self):
        """The next start reads it, whether it was called in or not."""
        for called in (False, True):
            daemon = self.unread()
            daemon.wait_log(STAYS)
            daemon.shim.good_again()
            if called:
                self.assertIn("queued", self.spool_in())
            daemon.kill9()
            daemon.start()
            self.assertIn("in the queue already", self.spool_in())
            self.let_go()
            self.all_come_once()

    def test_while_others_are_indexed(self):
        """As soon as the start is behind it; not before."""
        count = 200
        daemon = self.unread(behind=count - 2, size=20000, held="false", after=0)  # several segments, many reads of each

        def step():
            daemon.shim.hold("spool-index", 10)
            wait_for(lambda: daemon.shim.reads_left == 0 and daemon.shim.held_reads == 1, "a read that waits")

        def phase():
            return json.loads(daemon.console("--json", "summary").stdout)["spool"]["indexing"]["phase"]

        wait_for(lambda: daemon.shim.held_reads == 1, "a read that waits")
        self.assertIn("still being indexed", self.spool_in(BUSY))
        wait_for(lambda: step() or STAYS in daemon.log(), "that it is not read")
        daemon.shim.good_again()
        said = wait_for(lambda: step() or "still being indexed" not in (said := self.spool_in(None)) and said, "its turn")
        self.assertIn(": queued\n", said)
        self.assertEqual("queueing", phase())
        daemon.wait_mail("u", domain="held.example")
        self.assertEqual("queueing", phase())
        daemon.shim.hold("")
        wait_for(lambda: phase() == "done", "the end")
        self.all_come_once()

    def test_damaged_meanwhile(self):
        """Bytes that are not what was accepted are no message; and it stays one whose disk may come to itself."""
        daemon = self.unread()
        daemon.wait_log(STAYS)
        good = self.path.read_bytes()
        at = good.index(b"u@held.example", self.offset)
        with open(self.path, "r+b") as file:
            file.seek(at)
            file.write(b"v")
        daemon.shim.good_again()
        for _ in range(2):
            self.assertIn(self.path.name, self.spool_in(FAILED))
        self.assertEqual(0, daemon.counters()["Total Queue Size"])
        with open(self.path, "r+b") as file:
            file.seek(at)
            file.write(b"u")
        self.assertIn("queued", self.spool_in())
        self.let_go()
        self.all_come_once()
