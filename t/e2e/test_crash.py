"""kill -9 in the middle of fifty clients at full speed, and at each call with
which the daemon changes its disk. What was answered with 250 is delivered, or
its sender gets one report; nothing is damaged; nothing is invented; and nothing
comes twice that was not being delivered when it happened."""

import collections
import os
import random
import re
import shutil
import signal
import struct
import time
import unittest
import zlib
from pathlib import Path

from client import Smtp
from disk_kit import AFTER, BEFORE, MIDWAY, ShimDaemon
from harness import BASE_CONFIG, TestCase, heavy, timeout, wait_for
from load import Senders, check_numbered, numbered_message
from sink import SmtpSink
from spool_bytes import crc32c, records, unfinished

ROUNDS = int(os.environ.get("IMPULSE_CRASH_ROUNDS", "5"))
CALLS = int(os.environ.get("IMPULSE_CRASH_CALLS", "12"))  # to die at; 0: at each
CLIENTS = 50


# Reports come back to the sender of all the messages here.
REPORTS = """
Domain "client.example" {
  Delivery_Method = maildir
  Maildir_Path = "@dir@/mail/%{domain}/%{localpart}"
}
"""


def names_of(records, reports=False):
    """Of the messages, or of those that the reports among them are about. A torn record has none."""
    found = [re.search(rb"X-Name: (\S+)\r\n", record) for record in records.values()
             if (b"multipart/report" in record) == reports]
    return {match[1].decode() for match in found if match}


class Arrivals:
    """How often each message arrived, and each report by (name of what it is about, its Message-ID); each is read
    once, and damage fails."""

    def __init__(self, daemon, sink):
        self.daemon, self.sink = daemon, sink
        self.files = set()
        self.relayed = 0
        self.found, self.reports = collections.Counter(), collections.Counter()

    def count(self):
        for domain in (self.daemon.dir / "mail").glob("*"):
            for folder in domain.glob("*/new"):
                new = {entry.path for entry in os.scandir(folder)} - self.files
                self.files |= new
                if domain.name == "client.example":
                    self.reports.update(self.told(Path(path).read_bytes()) for path in new)
                else:
                    self.found.update(check_numbered(Path(path).read_bytes()) for path in new)
        relayed = self.sink.messages[self.relayed:]
        self.relayed += len(relayed)
        self.found.update(check_numbered(message.data) for message in relayed)
        return self.found

    @staticmethod
    def told(report):
        head, _, rest = report.partition(b"\n\n")
        found = re.search(rb"^X-Name: (\S+)", rest, re.M), re.search(rb"^Message-ID: (\S+)", head, re.M)
        if not all(found) or b"\nAction: failed\n" not in rest:
            raise AssertionError(f"not the report of a failure: {report!r}")
        return tuple(match[1].decode() for match in found)

    def reported(self):
        """Names of what there are reports about."""
        return {name for name, _ in self.reports}

    def told_twice(self):
        """Of what there are several reports; and those that are there more often than once, as names."""
        about = collections.Counter(name for name, _ in self.reports)
        return [name for name, count in about.items() if count > 1], collections.Counter(
            {name: count - 1 for (name, _), count in self.reports.items() if count > 1})


class Kill(TestCase):
    @heavy
    @timeout(120 + 30 * ROUNDS)
    def test_fifty_clients(self):
        sink = SmtpSink(self, script=self.judge)
        daemon = self.daemon(more='Domain "remote.example" { Gateway = "127.0.0.1:@sink@" }\nSpool_Segment_Size = 4M\n' +
                             REPORTS, sink=sink.port)
        chance = random.Random(int(os.environ.get("IMPULSE_CRASH_SEED", "1")))
        arrivals = Arrivals(daemon, sink)
        promised, sent = set(), set()
        in_flight, reports_in_flight, most = collections.Counter(), collections.Counter(), 0

        def recipient(client):
            return f"u{client}@{'remote' if client % 4 == 0 else 'local'}.example"

        for number in range(ROUNDS):
            senders = Senders(daemon.smtp_port, CLIENTS, f"r{number}-", (200, 4000) if number % 3 else (200, 300000),
                              recipient, tolerant=True)
            goal = chance.randint(50, 600)
            wait_for(lambda: len(senders.promised) >= goal or senders.threads.errors, f"{goal} messages", 60)
            time.sleep(chance.random() * 0.1)  # anywhere between two answers
            daemon.kill9()
            senders.stop()
            promised |= senders.promised
            sent |= senders.sent
            # Delivered, and nothing in the spool says so: these, and no others, come again.
            wait_for(lambda: not sink.open, "the end of the sink's sessions")
            left = unfinished(daemon.dir / "spool")
            now = names_of(left) & arrivals.count().keys()
            reports = names_of(left, reports=True) & arrivals.reported()
            most = max(most, len(now) + len(reports))
            in_flight.update(now)
            reports_in_flight.update(reports)
            daemon.start()
        daemon.wait_empty(120)
        daemon.stop()

        arrivals = Arrivals(daemon, sink)  # all of it once more, as it is now
        arrived = arrivals.count()
        self.assertEqual([], sink.errors)
        if ROUNDS >= 200:
            self.assertGreaterEqual(len(promised), 20000)
        refused = {name for name in sent if self.is_refused(int(name.split("-")[1]))}
        missing = promised - refused - arrived.keys()
        self.assertEqual(set(), missing, f"{len(missing)} of {len(promised)} promised messages are lost")
        self.assertEqual(set(), arrived.keys() - (sent - refused))
        twice = arrived - collections.Counter(arrived.keys())
        self.assertEqual({}, dict(twice - in_flight))
        # Who is refused is not forgotten either: there is one report, which may be delivered once more itself.
        unreported = promised & refused - arrivals.reported()
        self.assertEqual(set(), unreported, f"nobody was told of {len(unreported)} failures")
        self.assertEqual(set(), arrivals.reported() - refused)
        of_one, again = arrivals.told_twice()
        self.assertEqual([], of_one)
        self.assertEqual({}, dict(again - reports_in_flight))
        self.assertGreater(len(self.delayed & promised), 0)
        print(f"{ROUNDS} kills: {len(promised)} promised, {sum(arrived.values())} arrived ({len(self.delayed)} of them later), "
              f"{sum(twice.values())} of them again; {len(arrivals.reported())} failed and were reported, "
              f"{sum(again.values())} of the reports came again; {sum((in_flight + reports_in_flight).values())} deliveries "
              f"were in flight, at most {most} at a kill")

    def setUp(self):
        self.delayed = set()

    @staticmethod
    def is_refused(client):
        return client % 12 == 0  # each of these is at remote.example

    def judge(self, session, verb, line):
        """Refuses some recipients for good, and one message in eight once."""
        if verb == "RCPT" and self.is_refused(int(re.search(r"u(\d+)@", line)[1])):
            return "550 5.1.1 no such user"
        if verb == "END":
            name = check_numbered(line)
            if zlib.crc32(name.encode()) % 8 == 0 and name not in self.delayed:
                self.delayed.add(name)
                return "451 4.7.1 come again"
        return None

    @heavy
    @timeout(600)
    def test_kill_while_recovering(self):
        """A crash during the recovery from a crash."""
        daemon = self.daemon(more="Suspend_Delivery = true\nSpool_Segment_Size = 1M")
        senders = Senders(daemon.smtp_port, 10, tolerant=True)
        wait_for(lambda: len(senders.promised) >= 1000 or senders.threads.errors, "1000 messages", 60)
        daemon.kill9()
        senders.stop()
        for pause in (0, 0.01, 0.03, 0.1):
            daemon.spawn()
            time.sleep(pause)
            daemon.kill9()
        daemon.start()
        daemon.console("config", "set", "suspend_delivery", "false")
        daemon.wait_empty()
        arrived = [check_numbered(message) for client in range(10) for message in daemon.maildir(f"u{client}")]
        self.assertEqual(set(), senders.promised - set(arrived))
        self.assertEqual(set(), set(arrived) - senders.sent)
        self.assertEqual(len(arrived), len(set(arrived)))  # nothing was delivered before: nothing comes twice

    def test_termination_at_full_speed(self):
        """SIGTERM under load: clients are sent away in order, nothing promised is lost or doubled."""
        daemon = self.daemon()
        senders = Senders(daemon.smtp_port, 10, tolerant=True)
        wait_for(lambda: len(senders.promised) >= 200 or senders.threads.errors, "200 messages", 60)
        senders.end.set()  # no new message; those under way end
        daemon.stop()
        senders.stop()
        daemon.start()
        daemon.wait_empty(60)
        arrived = [check_numbered(message) for client in range(10) for message in daemon.maildir(f"u{client}")]
        self.assertEqual(sorted(senders.promised), sorted(set(arrived) & senders.promised))
        self.assertEqual(len(arrived), len(set(arrived)))
        self.assertEqual(set(), set(arrived) - senders.sent)


class TornRecords(unittest.TestCase):
    """What tells these tests what a spool says reads nothing out of a record that was torn."""

    def record(self, meta):
        return b"IMPR" + struct.pack("<BB14xIIIII", 1, 2, len(meta), 0, crc32c(meta), 0, 0) + meta + bytes(-len(meta) % 8)

    def test_torn_anywhere(self):
        self.assertEqual(0xE3069283, crc32c(b"123456789"))
        first, last = bytes(range(1, 29)), bytes(range(1, 49))
        whole = self.record(first) + self.record(last)
        self.assertEqual([first, last], [meta for _, _, meta, _ in records(whole + bytes(64))])
        for cut in range(len(whole) - len(last), len(whole)):
            for rest in (b"", bytes(len(whole) - cut + 64)):  # where the file ends there, and where it was made longer before
                self.assertEqual([first], [meta for _, _, meta, _ in records(whole[:cut] + rest)], cut)


class EveryCall(TestCase):
    """A short life that is cut at one call after the other: in front of it, in the middle of what it writes, behind
    it; start-up with its recovery, small and large messages, outcomes of all kinds, a report, removal, and the end."""

    CONFIG = BASE_CONFIG + """
Spool_Segment_Size = 1M
Large_Message_Threshold = 64K
Domain "held.example" {
  Delivery_Method = maildir
  Maildir_Path = "@dir@/mail/%{domain}/%{localpart}"
  Suspend_Delivery = @held@
}
Domain "remote.example" { Gateway = "127.0.0.1:@sink@" }
""" + REPORTS
    LIFE = [("a", 300, "u@local.example"), ("b", 900000, "u@held.example"), ("c", 3000, "u@held.example"),
            ("g", 400, "gone@remote.example"), ("h", 400, "late@remote.example"),
            ("d", 200000, "u@local.example"), ("e", 500000, "u@local.example"), ("f", 100, "u@held.example")]

    @heavy
    @timeout(900 if CALLS else 7200)
    def test_nothing_promised_is_lost(self):
        self.sink = SmtpSink(self, script=self.judge)
        daemon = ShimDaemon(self, self.CONFIG, held="true", sink=self.sink.port)
        # What the life begins with: a spool that has mail in it and was not closed.
        daemon.start()
        before, _ = self.live(daemon, "before-", "u@held.example")
        daemon.kill9()
        start = daemon.dir / "start"
        daemon.disk.rename(start)
        shutil.rmtree(daemon.dir / "mail", ignore_errors=True)
        all_calls = self.cut(daemon, start, before, 0, BEFORE)
        chance = random.Random(int(os.environ.get("IMPULSE_CRASH_SEED", "1")))
        points = sorted(chance.sample(range(1, all_calls + 1), CALLS)) if CALLS else range(1, all_calls + 1)
        for point in points:
            for how in (chance.choice((BEFORE, MIDWAY, AFTER)),) if CALLS else (BEFORE, MIDWAY, AFTER):
                self.cut(daemon, start, before, point, how)
        print(f"died at {len(points)} of {all_calls} calls; nothing lost")

    def live(self, daemon, prefix, to=None):
        """Names of what was promised, and of what was sent, until it dies."""
        promised, sent = set(), set()
        try:
            with Smtp(daemon.smtp_port) as smtp:
                smtp.ehlo()
                for name, size, recipient in self.LIFE:
                    name = prefix + name
                    sent.add(name)
                    smtp.message(numbered_message(name, size), recipients=[to or recipient])
                    promised.add(name)
        except OSError:
            pass
        return promised, sent

    def cut(self, daemon, start, before, point, how):
        """One life up to that call, and one behind it. Returns how many calls there were."""
        what = f"died at call {point}, {['before', 'midway', 'after'][how]}"
        shutil.rmtree(daemon.disk, ignore_errors=True)
        shutil.rmtree(daemon.dir / "mail", ignore_errors=True)
        shutil.copytree(start, daemon.disk)
        wait_for(lambda: not self.sink.open, "the end of the sink's sessions")
        self.sink.messages.clear()
        self.late = 0
        daemon.configure(self.CONFIG, held="true")
        daemon.shim.calls, daemon.shim.die_at, daemon.shim.die_how = 0, point, how
        daemon.spawn()
        wait_for(lambda: daemon.process.poll() is not None or self.serves(daemon), "a daemon that serves or has died")
        promised, sent = self.live(daemon, "then-")
        if daemon.running:
            daemon.process.send_signal(signal.SIGTERM)
        status = daemon.wait()
        self.assertIn(status, (0, -signal.SIGKILL), what + daemon.complaints())
        if point == 0:
            self.assertEqual((0, len(self.LIFE)), (status, len(promised)), daemon.complaints())
        calls, daemon.shim.die_at = daemon.shim.calls, 0
        wait_for(lambda: not self.sink.open, "the end of the sink's sessions")
        left, arrivals = unfinished(daemon.disk / "spool"), Arrivals(daemon, self.sink)
        in_flight = names_of(left) & arrivals.count().keys()
        reports_in_flight = names_of(left, reports=True) & arrivals.reported()
        daemon.configure(self.CONFIG, held="false")
        daemon.start()
        promised = promised | before
        failed = promised & {"then-g"}
        if "then-h" in promised:  # its next attempt is not waited for
            wait_for(lambda: self.late > 0, "an attempt")
            daemon.console("flush", "domain", "remote.example", status=None)
        wait_for(lambda: promised - failed <= arrivals.count().keys(),
                 lambda: f"{what}: {promised - failed - arrivals.found.keys()} are lost")
        wait_for(lambda: arrivals.count() and failed <= arrivals.reported(), f"{what}: nobody was told of {failed}")
        daemon.wait_empty()
        arrived = arrivals.count()
        self.assertEqual(set(), arrived.keys() - (sent - {"then-g"}) - before, what)
        self.assertEqual(set(), {name for name, count in arrived.items() if count > 1} - in_flight, what)
        self.assertEqual(set(), arrivals.reported() - (sent & {"then-g"}), what)
        of_one, again = arrivals.told_twice()
        self.assertEqual([], of_one, what)
        self.assertEqual(set(), again.keys() - reports_in_flight, what)
        daemon.kill9()
        return calls

    @staticmethod
    def serves(daemon):
        try:
            with Smtp(daemon.smtp_port):
                return True
        except OSError:
            return False

    def judge(self, session, verb, line):
        if verb == "RCPT" and "<gone@" in line:
            return "550 5.1.1 no such user"
        if verb == "RCPT" and "<late@" in line:
            self.late += 1
            return "451 4.2.0 come again" if self.late == 1 else None
        return None


if __name__ == "__main__":
    unittest.main()
