"""What a power cut may take: nothing that was answered, with 250 by SMTP and LMTP, 200 by
HTTP, ACK or OPENED by ECStream. A shim writes down all that the daemon does to its
disk, and what it answers. An order oracle reads that: each answer comes behind the
sync of its bytes and names, and of the commit of its batch. And the disk is made
again as cuts at random instants may have left it (any part of what was not
synced, names of files too), and the daemon started on it."""

import os
import random
import re
import shutil
import signal

import disk_kit
from disk_kit import LINK, OPENED, WRITE, ShimDaemon, answered, streamed
from doors import Poster, Streamer
from harness import BASE_CONFIG, TestCase, free_port, heavy, timeout, wait_for
from load import Senders, check_numbered
from spool_bytes import DELIVERED, JOURNAL, idents, outcomes, records

POINTS = int(os.environ.get("IMPULSE_POWER_POINTS", "10"))
CONFIG = BASE_CONFIG.replace("@dir@/mail/", "@dir@/disk/mail/") + """
Spool_Segment_Size = 1M
Large_Message_Threshold = 32K
Force_Fsync = @fsync@
LMTP_Listener { Listen "127.0.0.1:@lmtp@" { } }
HTTP_Listener {
  HTTP_Modules = ( inject )
  Listen "127.0.0.1:@http@" { }
}
ECStream_Listener { Listen "127.0.0.1:@ecs@" { } }
Domain "held.example" {
  Delivery_Method = maildir
  Maildir_Path = "@dir@/disk/mail/%{domain}/%{localpart}"
  Suspend_Delivery = @held@
}
"""
CLIENTS = 6


STREAM = "ecs-"


def ports():
    return {name: free_port() for name in ("lmtp", "http", "ecs")}


def name_of(message):
    return re.search(rb"X-Name: (\S+)", message.content)[1].decode()


class PowerCase(TestCase):
    def recorded(self, goal, fsync="true"):
        """A daemon that has had two lives, with a kill -9 between them; and the names it promised, by their ids."""
        daemon = ShimDaemon(self, CONFIG, log=True, fsync=fsync, held="true", **ports())
        names = {}
        self.sent = set()
        for life in range(2):
            daemon.start()
            some = max(5, goal // 10)
            doors = [(goal, Senders(daemon.smtp_port, CLIENTS, f"life{life}-", (200, 4000),
                                    lambda client: f"u{client}@{'held' if client % 2 else 'local'}.example", tolerant=True)),
                     (5, Senders(daemon.smtp_port, 1, f"large{life}-", (40000, 200000),
                                 lambda client: "large@held.example", tolerant=True)),
                     (some, Senders(daemon.values["lmtp"], 1, f"lmtp{life}-", (200, 4000),
                                    lambda client: "l@held.example", tolerant=True, greeting="LHLO")),
                     (some, Poster(daemon.values["http"], f"http{life}-")),
                     (some, Streamer(daemon.values["ecs"], STREAM))]
            before = len(self.sent)
            wait_for(lambda: all(len(door.promised) >= least for least, door in doors) or
                     any(door.threads.errors for _, door in doors), f"{goal} messages", 90)
            if life == 0:  # by the shim: so that its log has all that was done
                daemon.shim.die_at = daemon.shim.calls + 1
                self.assertEqual(-signal.SIGKILL, daemon.wait())
                daemon.shim.die_at = 0
            for _, door in doors:
                door.stop()
                self.sent |= door.sent
                if isinstance(door, Senders):
                    names.update((idents(text)[0], name) for name, text in door.answers.items())
                else:
                    names.update(door.ids)
            self.assertGreater(len(self.sent), before + goal)
        daemon.stop()
        self.assertGreater(len(names), 2 * goal)
        return daemon, names


class Order(PowerCase):
    def early(self, daemon, names):
        """Answers that left before what they promise was durable; each message that was promised is looked at."""
        disk = disk_kit.SpoolDisk(daemon.disk)
        early, seen, listed = [], {}, 0

        def look(message):
            self.larges += message.large is not None
            if not disk.keeps(message):
                early.append(name_of(message))

        for entry in daemon.shim.entries():
            disk.follow(entry)
            for ident in answered(entry):
                message = disk.message(ident)
                seen[ident] = name_of(message)
                look(message)
            for kind, done, ids in streamed(entry):
                if kind == OPENED:  # this is an answer too, to what was sent before the connection broke
                    self.opened.append(done)
                    for message in disk.messages() if done else ():
                        name = name_of(message)
                        if name.startswith(STREAM) and int(name[len(STREAM):]) <= done:
                            look(message)
                listed = max([listed, *ids]) if kind != OPENED else done
                self.assertLessEqual(done, listed)  # all that it says is done was named, and looked at
        # The clients and the disk say the same, but for answers that a kill kept from its client.
        self.assertEqual(names, {ident: seen.get(ident) for ident in names})
        return early

    def setUp(self):
        self.larges, self.opened = 0, []

    @heavy
    @timeout(300)
    def test_no_answer_before_its_sync(self):
        daemon, names = self.recorded(300)
        self.assertEqual([], self.early(daemon, names))
        self.assertGreaterEqual(self.larges, 10)
        self.assertGreater(max(self.opened), 0)
        print(f"{len(names)} answers, each behind its sync")

    @heavy
    @timeout(300)
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
    @timeout(300)
    def test_the_oracle_sees_what_is_early(self):
        daemon, names = self.recorded(50, fsync="false")
        early = {re.match("[a-z]+", name)[0] for name in self.early(daemon, names)}
        self.assertEqual({"life", "large", "lmtp", "http", "ecs"}, early)


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
        after = ShimDaemon(self, CONFIG, fsync="true", held="false", **ports())
        after.environment = {}
        disk, promised, twice, last = disk_kit.SpoolDisk(daemon.disk), set(), 0, -1
        for point in sorted(points):
            for entry in entries[last + 1:point + 1]:
                disk.follow(entry)
                for message in map(disk.message, answered(entry)):
                    promised.update((name_of(message), to.split("@")[0]) for to in message.recipients)
                for _, done, _ in streamed(entry):
                    promised.update((f"{STREAM}{sequence}", "e") for sequence in range(1, done + 1))
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
        self.assertEqual(set(), {name for name, _ in arrived} - self.sent, what)
        after.kill9()
        return sum(count - 1 for count in arrived.values())

    @staticmethod
    def arrived(daemon):
        """How often each message, (name, user), is in a Maildir; damage fails."""
        found = {}
        for path in daemon.disk.glob("mail/*/*/new/*"):
            key = check_numbered(path.read_bytes()), path.parent.parent.name
            found[key] = found.get(key, 0) + 1
        return found
