"""A disk that is full, fails, may not be written, has no inode left; a process
that has no descriptor left. New mail is refused at once by each door, what was
answered is not harmed, and all is well again without a restart."""

import collections
import errno
import os
import resource
import subprocess
import unittest

import disk_kit
from client import Smtp, stuffed
from disk_kit import ShimDaemon
from ecstream_kit import ecstream
from harness import BASE_CONFIG, SCALE, TestCase, free_port, settled, timeout, wait_for
from http_kit import Client, transmission
from load import check_numbered, numbered_message
from test_faults import Limit, without_descriptors

CONFIG = BASE_CONFIG.replace("Free = 0", "Free = @free@") + """
Spool_Segment_Size = 1M
Large_Message_Threshold = 64K
LMTP_Listener { Listen "127.0.0.1:@lmtp@" { } }
ECStream_Listener { Listen "127.0.0.1:@ecs@" { } }
HTTP_Listener {
  HTTP_Modules = ( inject health )
  Listen "127.0.0.1:@http@" { }
}
Domain "held.example" {
  Delivery_Method = maildir
  Maildir_Path = "@dir@/mail/%{domain}/%{localpart}"
  Suspend_Delivery = @held@
}
"""
SMALL, LARGE = 1000, 300000
mounts = unittest.skipIf(os.geteuid() != 0, "only root can mount a file system")


class SickDisk(TestCase):
    def setUp(self):
        self.daemon_ = ShimDaemon(self, CONFIG, held="true", free="0",
                                  **{door: free_port() for door in ("http", "lmtp", "ecs")})
        self.promised, self.sent = set(), 0

    # --- what is asked of it

    def send(self, size=SMALL, to="u@held.example", smtp=None):
        """(code, status) of the reply that decides about one more message."""
        self.sent += 1
        name = f"m{self.sent}"
        if smtp is None:
            with Smtp(self.daemon_.smtp_port) as own:
                own.ehlo()
                return self.send(size, to, own)
        for line in ("MAIL FROM:<alice@client.example>", f"RCPT TO:<{to}>", "DATA"):
            code, text = smtp.command(line)
            if code not in (250, 354):
                smtp.command("RSET")
                return code, text.split()[0]
        smtp.send(stuffed(numbered_message(name, size)))
        code, text = smtp.reply()
        if code == 250:
            self.promised.add(name)
        return code, text.split()[0]

    def by_lmtp(self, size=SMALL):
        with Smtp(self.daemon_.values["lmtp"]) as lmtp:
            lmtp.expect(250, "LHLO client.example")
            return self.send(size, smtp=lmtp)

    def by_ecstream(self, size=SMALL):
        """By the client that is installed: ACK is 250."""
        self.sent += 1
        name = f"m{self.sent}"
        client = ecstream.Client(f"127.0.0.1:{self.daemon_.values['ecs']}", timeout=60 * SCALE, reconnect=False)
        try:
            client.send("alice@client.example", ["u@held.example"], numbered_message(name, size))
            client.drain()
        except (ecstream.Error, ecstream.Lost):  # behind a batch that could not be stored
            self.assertEqual(1, len(client.refused), client.gone)
        finally:
            client.close()
        if client.refused:
            return client.refused[0].code, client.refused[0].enhanced
        self.promised.add(name)
        return 250, "2.0.0"

    def by_http(self):
        client = Client(self.daemon_.values["http"])
        try:
            return client.transmit(transmission("http@held.example")).status
        finally:
            client.close()

    def ready(self):
        client = Client(self.daemon_.values["http"])
        try:
            return client.get("/healthz/ready").status
        finally:
            client.close()

    def refused(self, codes, statuses, size=SMALL):
        """At each door, as often as it is tried."""
        for _ in range(3):
            for door in (self.send, self.by_lmtp, self.by_ecstream):
                self.assertIn(door(size), codes, door)
            self.assertIn(self.by_http(), statuses)

    def well_again(self):
        for door in (self.send, self.by_lmtp, self.by_ecstream):
            wait_for(lambda door=door: door()[0] == 250, "mail is accepted again")
            self.assertEqual(250, door(LARGE)[0])
        wait_for(lambda: self.by_http() in (200, 202), "HTTP accepts again")
        wait_for(lambda: self.ready() == 200, "ready again")

    def nothing_is_lost(self, end=ShimDaemon.kill9):
        """What was promised comes, once, and nothing else; by default after a crash."""
        if end:
            end(self.daemon_)
            self.daemon_.configure(CONFIG, held="false")
            self.daemon_.start()
        else:
            self.daemon_.console("config", "set", "domain", "held.example", "suspend_delivery", "false")
        self.daemon_.wait_empty()
        arrived = collections.Counter(check_numbered(path.read_bytes())
                                      for path in self.daemon_.dir.glob("mail/*/u/new/*"))
        self.assertEqual(collections.Counter(self.promised), arrived)

    # --- what is wrong with it

    def faulty(self, make_sick, codes, statuses):
        self.daemon_.start()
        for size in (SMALL, LARGE):
            self.assertEqual(250, self.send(size)[0])
        for _ in range(2):
            make_sick()
            self.refused(codes, statuses)
            self.refused(codes, statuses, LARGE)
            self.assertEqual(503, self.ready())
            self.daemon_.shim.fail(0)
            self.well_again()
        self.assertGreater(self.daemon_.shim.failed, 0)
        self.nothing_is_lost()

    def test_a_full_disk(self):
        self.faulty(lambda: self.daemon_.shim.fail(errno.ENOSPC, disk_kit.WRITE), [(452, "4.3.1")], [507])

    def test_a_write_fails(self):
        self.faulty(lambda: self.daemon_.shim.fail(errno.EIO, disk_kit.WRITE), [(451, "4.3.0")], [503])

    def test_a_sync_fails(self):
        self.faulty(lambda: self.daemon_.shim.fail(errno.EIO, disk_kit.SYNC), [(451, "4.3.0")], [503])

    def test_read_only(self):
        self.faulty(self.daemon_.shim.read_only, [(451, "4.3.0")], [503])

    def test_one_sync_that_fails(self):
        """The message is refused, and does not come back; the next ones go elsewhere."""
        self.daemon_.start()
        for number in range(5):
            self.assertEqual(250, self.send()[0])
            self.daemon_.shim.fail(errno.EIO, disk_kit.SYNC, times=1)
            self.assertEqual((451, "4.3.0"), self.send(LARGE if number % 2 else SMALL))
            self.well_again()
        self.assertEqual(5, self.daemon_.shim.failed)
        self.nothing_is_lost()

    def test_outcomes_wait_for_the_disk(self):
        """What is delivered while nothing can be written is not delivered again."""
        self.daemon_.start()
        for _ in range(20):
            self.assertEqual(250, self.send()[0])
        self.daemon_.shim.read_only()
        self.daemon_.console("config", "set", "domain", "held.example", "suspend_delivery", "false")
        wait_for(lambda: len(list(self.daemon_.dir.glob("mail/*/u/new/*"))) == 20, "all are delivered")
        self.assertEqual((451, "4.3.0"), self.send())
        self.daemon_.shim.fail(0)
        self.daemon_.wait_empty()
        self.well_again()  # and the journal, which waited, is written
        self.nothing_is_lost(ShimDaemon.stop)

    @without_descriptors
    def test_no_descriptors(self):
        self.daemon_.start()
        with Smtp(self.daemon_.smtp_port) as smtp:
            smtp.ehlo()
            self.assertEqual(250, self.send(LARGE, smtp=smtp)[0])
            open_now = settled(lambda: sorted(map(int, os.listdir(f"/proc/{self.daemon_.process.pid}/fd"))),
                               "the same files to be open")
            first_free = next(number for number in range(len(open_now) + 1) if number not in open_now)
            with Limit(self.daemon_.process.pid, resource.RLIMIT_NOFILE, first_free):
                for _ in range(3):
                    # RFC 3463: the system is too busy (X.3.2), not full (X.3.1); and, once the segment needs a
                    # file that it does not get, RFC 5321's "local error in processing".
                    self.assertIn(self.send(LARGE, smtp=smtp), [(451, "4.3.2"), (451, "4.3.0")])
                # What needs no new file goes on, until the segment is full; then it is refused too.
                codes = collections.Counter()
                wait_for(lambda: codes.update([self.send(60000, smtp=smtp)]) or len(codes) > 1, lambda: str(codes))
                self.assertEqual(451, self.send(60000, smtp=smtp)[0])
            wait_for(lambda: self.send(smtp=smtp)[0] == 250, "mail is accepted again")
        self.well_again()
        self.nothing_is_lost()

    # --- real file systems

    def mounted(self, *options):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", self.daemon_.disk],
                              capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            self.skipTest(f"no file system can be mounted here: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", str(self.daemon_.disk)], timeout=60)
        self.daemon_.environment = {}

    @mounts
    @timeout(240)
    def test_a_file_system_without_room(self):
        self.mounted("size=4m")
        self.daemon_.start()
        for size, to in ((50000, "u@held.example"), (LARGE, "u@held.example")):
            codes = collections.Counter()
            wait_for(lambda: codes.update([self.send(size, to)]) or codes[452, "4.3.1"], lambda: str(codes))
            self.assertEqual({(250, "2.0.0"), (452, "4.3.1")} | set(codes), {(250, "2.0.0"), (452, "4.3.1")})
        wait_for(lambda: self.by_http() == 507, "HTTP says so")
        # Delivered mail makes room.
        self.nothing_is_lost(end=None)
        self.well_again()
        self.nothing_is_lost(ShimDaemon.stop)

    @mounts
    def test_a_file_system_without_inodes(self):
        self.mounted("size=64m", "nr_inodes=40")
        self.daemon_.start()
        self.assertEqual(250, self.send(LARGE)[0])
        fillers = []
        with self.assertRaises(OSError) as full:
            while True:
                path = self.daemon_.disk / f"filler{len(fillers)}"
                path.touch()
                fillers.append(path)
        self.assertEqual(errno.ENOSPC, full.exception.errno)
        for _ in range(3):
            self.assertEqual((452, "4.3.1"), self.send(LARGE))
        codes = collections.Counter()
        wait_for(lambda: codes.update([self.send(60000)]) or codes[452, "4.3.1"], lambda: str(codes))
        self.assertEqual(set(), set(codes) - {(250, "2.0.0"), (452, "4.3.1")})
        for path in fillers:
            path.unlink()
        self.well_again()
        self.nothing_is_lost()

    def free(self):
        """Bytes, inodes."""
        space = os.statvfs(self.daemon_.disk)
        return space.f_bavail * space.f_frsize, space.f_ffree

    def filled_to(self, mark):
        """Mail comes until there is less free than Spool_Min_Free: then each door refuses it, and the rest of the disk
        is for what was promised."""
        self.daemon_.configure(CONFIG, free=mark)
        self.daemon_.start()
        codes = collections.Counter()
        wait_for(lambda: codes.update([self.send(LARGE)]) or codes[452, "4.3.1"], lambda: str(codes), 60)
        self.assertEqual({(250, "2.0.0"), (452, "4.3.1")} | set(codes), {(250, "2.0.0"), (452, "4.3.1")})
        self.refused([(452, "4.3.1")], [507])
        self.assertEqual(503, self.ready())
        self.daemon_.wait_log("new mail is refused")

    def has_room_again(self):
        """What is delivered makes room: there was some for the outcomes."""
        self.nothing_is_lost(end=None)
        self.well_again()
        self.daemon_.wait_log("new mail is accepted")
        self.nothing_is_lost(ShimDaemon.stop)

    @mounts
    @timeout(240)
    def test_less_than_min_free(self):
        self.mounted("size=32m")
        self.filled_to("16M")
        free, _ = self.free()
        # The mark, and what may come between two looks.
        self.assertLess(free, (16 << 20) + (16 << 20) // 64)
        self.assertGreater(free, 8 << 20)
        self.has_room_again()

    @mounts
    @timeout(240)
    def test_less_than_min_free_of_inodes(self):
        self.mounted("size=64m", "nr_inodes=100")
        self.filled_to("50%")
        free, inodes = self.free()
        self.assertLess(inodes, 52)
        self.assertGreater(inodes, 20)
        self.assertGreater(free, 40 << 20)
        self.assertIn("inodes are free, Spool_Min_Free is 50", self.daemon_.log())
        self.has_room_again()

    @mounts
    @timeout(240)
    def test_a_file_system_that_has_given_up(self):
        """As ext4 does at an error: it is read-only at once, with files open for writing, until it is mounted anew."""
        image, disk = self.daemon_.dir / "image", str(self.daemon_.disk)

        def run(*words, codes=(0,)):
            done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=60)
            self.assertIn(done.returncode, codes, f"{words}: {done.stdout}{done.stderr}")

        with open(image, "wb") as file:
            file.truncate(64 << 20)
        try:
            run("mkfs.ext4", "-q", "-F", image)
            run("mount", "-o", "loop,errors=remount-ro", image, disk)
        except (FileNotFoundError, AssertionError) as why:
            self.skipTest(f"no ext4 can be mounted here: {why}")
        self.addCleanup(subprocess.run, ["umount", "-l", disk], timeout=60)
        self.daemon_.environment = {}
        self.daemon_.start()
        for size in (SMALL, LARGE, SMALL):
            self.assertEqual(250, self.send(size)[0])
        run("mount", "-o", "remount,abort", disk, codes=(0, 32))
        with self.assertRaises(OSError) as refused:
            (self.daemon_.disk / "mine").touch()
        self.assertEqual(errno.EROFS, refused.exception.errno)
        self.refused([(451, "4.3.0")], [503])
        self.refused([(451, "4.3.0")], [503], LARGE)
        self.assertEqual(503, self.ready())

        def mounted_anew(daemon):
            daemon.kill9()
            run("umount", disk)
            run("e2fsck", "-f", "-p", image, codes=(0, 1))
            run("mount", "-o", "loop", image, disk)

        self.nothing_is_lost(mounted_anew)
        self.well_again()
