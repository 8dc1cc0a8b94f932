"""What a power cut may take: nothing that was answered with 250. A shim writes down all
that the daemon does to its disk, and what it answers. An order oracle reads that:
each answer comes behind the sync of its bytes and names. And the disk is made
again as cuts at random instants may have left it (any part of what was not
synced, names of files too), and the daemon started on it."""

import os
import random
import re
import shutil
import signal

import disk_kit
from disk_kit import DELIVERED, JOURNAL, LINK, WRITE, ShimDaemon, answered, outcomes, record_of, records
from harness import BASE_CONFIG, TestCase, heavy, timeout, wait_for
from load import Senders, check_numbered

POINTS = int(os.environ.get("IMPULSE_POWER_POINTS", "10"))
CONFIG = BASE_CONFIG.replace("@dir@/spool", "@dir@/disk/spool").replace("@dir@/mail/", "@dir@/disk/mail/") + """
Spool_Segment_Size = 1M
Large_Message_Threshold = 32K
Force_Fsync = @fsync@
Domain "held.example" {
  Delivery_Method = maildir
  Maildir_Path = "@dir@/disk/mail/%{domain}/%{localpart}"
  Suspend_Delivery = @held@
}
"""
CLIENTS = 6


class PowerCase(TestCase):
    def recorded(self, goal, fsync="true"):
        """A daemon that has had two lives, with a kill -9 between them; and the names it promised, by their ids."""
        daemon = ShimDaemon(self, CONFIG, log=True, fsync=fsync, held="true")
        names = {}
        self.sent = set()
        for life in range(2):
            daemon.start()
            senders = Senders(daemon.smtp_port, CLIENTS, f"life{life}-", (200, 4000),
                              lambda client: f"u{client}@{'held' if client % 2 else 'local'}.example", tolerant=True)
            large = Senders(daemon.smtp_port, 1, f"large{life}-", (40000, 200000),
                            lambda client: "large@held.example", tolerant=True)
            wait_for(lambda: len(senders.promised) >= goal and len(large.promised) >= 5 or senders.threads.errors,
                     f"{goal} messages", 90)
            if life == 0:  # by the shim: so that its log has all that was done
                daemon.shim.die_at = daemon.shim.calls + 1
                self.assertEqual(-signal.SIGKILL, daemon.wait())
                daemon.shim.die_at = 0
            for each in (senders, large):
                each.stop()
                self.sent |= each.sent
                for name, text in each.answers.items():
                    ident = re.search(r" ([0-9A-F]{8})/([0-9A-F]{8})-", text)
                    names[int(ident[1], 16), int(ident[2], 16)] = name
        daemon.stop()
        self.assertGreater(len(names), 2 * goal)
        return daemon, names


class Order(PowerCase):
    def early(self, daemon, names):
        """Answers that left before what they promise was durable; each message that was promised is looked at."""
        disk = disk_kit.Disk(daemon.disk)
        early, seen = [], {}
        for entry in daemon.shim.entries():
            disk.follow(entry)
            for ident in answered(entry):
                path, start, end, content, large = record_of(disk, "spool", ident)
                seen[ident] = re.search(rb"X-Name: (\S+)", content)[1].decode()
                good = disk.is_durable(path, start, end)
                if large:
                    self.larges += 1
                    good = good and disk.is_durable(large, 0, len(disk.find(f"{disk.root}/{large}").now))
                if not good:
                    early.append(seen[ident])
        # The clients and the disk say the same, but for answers that a kill kept from its client.
        self.assertEqual(names, {ident: seen.get(ident) for ident in names})
        return early

    def setUp(self):
        self.larges = 0

    @heavy
    def test_no_answer_before_its_sync(self):
        daemon, names = self.recorded(300)
        self.assertEqual([], self.early(daemon, names))
        self.assertGreaterEqual(self.larges, 10)
        print(f"{len(names)} answers, each behind its sync")

    @heavy
    def test_no_outcome_before_its_file(self):
        """What the journal calls delivered is in its Maildir for good, names of folders included."""
        daemon, _ = self.recorded(150)
        disk = disk_kit.Disk(daemon.disk)
        files, early, looked = {}, set(), 0
        for entry in daemon.shim.entries():
            disk.follow(entry)
            if entry.op == LINK:
                path = entry.second[len(disk.root):]
                files[re.search(r"_([0-9A-F]{16})\.", path)[1]] = path
            elif entry.op == WRITE and entry.data[:4] == b"IMPR":
                for kind, _, meta, _ in records(entry.data):
                    for ident, _, state in outcomes(meta) if kind == JOURNAL else ():
                        path = files["%08X%08X" % ident]
                        looked += 1
                        if state != DELIVERED or not disk.is_durable(path, 0, len(disk.find(disk.root + path).now)):
                            early.add(path)
        self.assertEqual(set(), early)
        self.assertGreater(looked, 100)

    @heavy
    def test_the_oracle_sees_what_is_early(self):
        daemon, names = self.recorded(50, fsync="false")
        self.assertNotEqual([], self.early(daemon, names))


class Cut(PowerCase):
    @heavy
    @timeout(120 + 5 * POINTS)
    def test_nothing_promised_is_lost(self):
        daemon, names = self.recorded(150)
        entries = list(daemon.shim.entries())
        chance = random.Random(int(os.environ.get("IMPULSE_POWER_SEED", "1")))
        # Half of them anywhere, half right behind an answer, where a promise is newest.
        answers = [number for number, entry in enumerate(entries) if answered(entry)]
        points = [chance.randrange(len(entries)) for _ in range(POINTS // 2)]
        points += [chance.choice(answers) for _ in range(POINTS - len(points))]
        after = ShimDaemon(self, CONFIG, fsync="true", held="false")
        after.environment = {}
        disk, promised, twice, last = disk_kit.Disk(daemon.disk), set(), 0, -1
        for point in sorted(points):
            for entry in entries[last + 1:point + 1]:
                disk.follow(entry)
                for ident in answered(entry):
                    content = record_of(disk, "spool", ident)[3]
                    promised.add(re.search(rb"X-Name: (\S+)", content)[1].decode())
            last = point
            shutil.rmtree(after.disk)
            disk.write_out(after.disk, chance)
            twice += self.restarted(after, promised, f"cut behind entry {point} of {len(entries)}")
        print(f"{len(points)} power cuts, up to {len(promised)} promised messages, none lost; {twice} came twice")

    def restarted(self, after, promised, what):
        """How many come twice on that disk; all that were promised come."""
        after.start()
        try:
            wait_for(lambda: promised <= self.arrived(after).keys(),
                     lambda: f"{what}: {sorted(promised - self.arrived(after).keys())[:10]} of {len(promised)} missing")
        except AssertionError:
            shutil.copytree(after.disk, after.dir / "lost")
            raise
        arrived = self.arrived(after)
        self.assertEqual(set(), arrived.keys() - self.sent, what)
        after.kill9()
        return sum(count - 1 for count in arrived.values())

    @staticmethod
    def arrived(daemon):
        """How often each message is in a Maildir; damage fails."""
        found = {}
        for path in daemon.disk.glob("mail/*/*/new/*"):
            name = check_numbered(path.read_bytes())
            found[name] = found.get(name, 0) + 1
        return found
