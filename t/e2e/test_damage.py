"""Bytes of the spool that change while the daemon is away. Whatever they are: it starts,
no wrong byte is delivered, and no more than the message that they belong to is
missing. (t/unit/spool/damage_test.cc does so with each byte of a small spool, below the daemon.)"""

import os
import random
import shutil

from client import Smtp
from harness import BASE_CONFIG, TestCase, heavy, timeout, wait_for
from load import check_numbered, numbered_message

FLIPS = int(os.environ.get("IMPULSE_DAMAGE_FLIPS", "10"))
BYTES = int(os.environ.get("IMPULSE_DAMAGE_BYTES", "8"))  # of a small spool; 0: each
CONFIG = BASE_CONFIG + "Spool_Segment_Size = 1M\nLarge_Message_Threshold = 64K\nSuspend_Delivery = @held@\n"


class Damage(TestCase):
    @heavy
    @timeout(120 + 5 * FLIPS)
    def test_flipped_bytes(self):
        """In the newest segment, which was not closed, and in a sealed one; in large bodies."""
        daemon = self.daemon(CONFIG, held="true")
        names = self.fill(daemon, "sealed", (300, 2000, 90000, 100))
        daemon.stop()
        daemon.start()
        names |= self.fill(daemon, "open", (1000, 500, 150000, 20))
        daemon.kill9()
        good = daemon.dir / "good"
        shutil.copytree(daemon.dir / "spool", good)
        daemon.configure(CONFIG, held="false")
        files = [path for path in sorted(good.rglob("*")) if path.suffix in (".seg", ".body")]
        self.assertEqual({".seg", ".body"}, {path.suffix for path in files})
        chance = random.Random(int(os.environ.get("IMPULSE_DAMAGE_SEED", "1")))
        missing = 0
        for _ in range(FLIPS):
            path = chance.choice(files)
            content = path.read_bytes()
            used = len(content.rstrip(b"\0"))  # not the zeros in front of the next message
            at = chance.choice((chance.randrange(used), chance.randrange(min(used, 400)),
                                used - 1 - chance.randrange(min(used, 400))))
            missing += self.flipped(daemon, names, path, at, chance.randint(1, 255))
        print(f"{FLIPS} bytes flipped: {missing} times a message is missing, and none is wrong")

    @heavy
    @timeout(240 if BYTES else 14400)
    def test_each_byte_of_a_small_spool(self):
        """Of its sealed segment, and of the one that was not closed."""
        daemon = self.daemon(CONFIG, held="true")
        names = self.fill(daemon, "sealed", (70, 70))
        daemon.stop()
        daemon.start()
        names |= self.fill(daemon, "open", (70, 70))
        daemon.kill9()
        good = daemon.dir / "good"
        shutil.copytree(daemon.dir / "spool", good)
        daemon.configure(CONFIG, held="false")
        chance = random.Random(int(os.environ.get("IMPULSE_DAMAGE_SEED", "1")))
        places = [(path, at) for path in sorted(good.glob("*.seg")) for at in range(len(path.read_bytes().rstrip(b"\0")))]
        self.assertEqual(2, len({path for path, _ in places}))
        missing = 0
        for path, at in chance.sample(places, BYTES) if BYTES else places:
            missing += self.flipped(daemon, names, path, at, chance.randint(1, 255))
        print(f"{BYTES or len(places)} of {len(places)} bytes flipped: {missing} times a message is missing, none is wrong")

    def flipped(self, daemon, names, path, at, by):
        """How many are missing with that byte of that good file changed: one at most."""
        spool, good = daemon.dir / "spool", daemon.dir / "good"
        shutil.rmtree(spool)
        shutil.copytree(good, spool)
        shutil.rmtree(daemon.dir / "mail", ignore_errors=True)
        content = bytearray(path.read_bytes())
        content[at] ^= by
        (spool / path.relative_to(good)).write_bytes(content)
        return self.delivered(daemon, names, f"byte {at} of {path.name} changed by {by}")

    @staticmethod
    def fill(daemon, prefix, sizes):
        names = set()
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            for number, size in enumerate(sizes):
                names.add(f"{prefix}{number}")
                smtp.message(numbered_message(f"{prefix}{number}", size), "alice@local.example", ["u@local.example"])
        return names

    def delivered(self, daemon, names, what):
        """How many are missing: one at most."""
        daemon.start()
        wait_for(lambda: len(daemon.maildir("u")) >= len(names) - 1 and daemon.counters()["Total Queue Size"] == 0,
                 lambda: f"{what}: only {len(daemon.maildir('u'))} of {len(names)} arrive")
        arrived = [check_numbered(message) for message in daemon.maildir("u")]
        daemon.stop()
        self.assertEqual(sorted(set(arrived)), sorted(arrived), what)
        self.assertEqual(set(), set(arrived) - names, what)
        lost = names - set(arrived)
        self.assertLessEqual(len(lost), 1, what)
        if lost:  # and not without a word
            self.assertTrue(daemon.maildir("alice") or any((daemon.dir / "spool/quarantine").iterdir()), what)
        return len(lost)
