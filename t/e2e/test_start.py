"""A start with much mail in the spool: new mail is taken and delivered while the old is still being indexed; what is
asked meanwhile is answered for what it is; a stop ends it, a kill harms nothing."""

import collections
import json
import signal
import subprocess
import unittest

from client import Smtp
from disk_kit import ShimDaemon
from harness import BASE_CONFIG, BINDIR, SCALE, TestCase, free_port, heavy, timeout, wait_for
from http_kit import Client

OLD = 10000
CONFIG = BASE_CONFIG + """
Spool_Segment_Size = 2M
Domain "old.example" {
  Delivery_Method = blackhole
  Suspend_Delivery = @held@
}
HTTP_Listener {
  HTTP_Modules = ( inject health metrics )
  Listen "127.0.0.1:@http@" { }
}
"""
INDEXER = "spool-index"
REQUEST = {"recipients": [{"address": "once@local.example"}],
           "content": {"from": "a@local.example", "subject": "s", "text": "t"}}


class Start(TestCase):
    def daemon_with(self, count, killed=True, size=300):
        """A spool with so many messages for old.example, of a daemon that has ended."""
        daemon = ShimDaemon(self, CONFIG, held="true", http=free_port())
        self.addCleanup(daemon.shim.hold, "")
        daemon.start()
        self.send_old(daemon, count, size)
        if killed:
            daemon.kill9()
        else:
            daemon.stop()
        return daemon

    @staticmethod
    def send_old(daemon, count, size):
        subprocess.run([str(BINDIR / "ec_inject"), "-q", "-n", str(count), "-c", "20", "-s", str(size), "-t",
                        "u{message}@old.example", f"127.0.0.1:{daemon.smtp_port}"], check=True, capture_output=True,
                       timeout=100 * SCALE)

    @staticmethod
    def indexing(daemon):
        return json.loads(daemon.console("--json", "summary").stdout)["spool"]["indexing"]

    def start_held(self, daemon, after):
        """Starts; the disk gives the thread that indexes so many reads, and the next ones when it is let go on."""
        self.spawn_held(daemon, after)
        wait_for(lambda: daemon.shim.held_reads == 1, "a read that waits")

    @staticmethod
    def spawn_held(daemon, after):
        daemon.shim.held_reads = 0  # those of one that was killed
        daemon.shim.hold(INDEXER, after)
        daemon.start(indexed=False)

    def new_mail(self, daemon, user):
        """Is taken and delivered."""
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(f"Subject: for {user}\r\n\r\nnew\r\n".encode(), recipients=[f"{user}@local.example"])
        self.assertEqual(1, len(daemon.wait_mail(user)))

    def wait_recorded(self, daemon, user):
        """Its outcome is on the disk when what comes behind it is: one message more for old.example."""
        wait_for(lambda: any(record["to_local"] == user for record in daemon.mainlog("D")), f"the outcome of {user}")
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(b"Subject: behind\r\n\r\nit\r\n", recipients=[f"behind-{user}@old.example"])

    def old_mail_goes(self, daemon, count):
        """To each of so many recipients, once."""
        daemon.configure(CONFIG, held="false")
        daemon.console("config", "reload")

        def there():
            return collections.Counter(record["to_local"] for record in daemon.mainlog("D")
                                       if record["domain"] == "old.example")
        wait_for(lambda: len(there()) >= count, lambda: f"{count} recipients, there are {len(there())}", 100)
        daemon.wait_empty()
        self.assertEqual((count, {1}), (len(there()), set(there().values())))

    @heavy
    @timeout(400)
    def test_new_mail_goes_first(self):
        daemon = self.daemon_with(OLD, killed=False)
        ids = [record["id"] for record in daemon.mainlog("R")]
        self.start_held(daemon, 0)
        # Nothing of what was there is known.
        self.new_mail(daemon, "while-reading")
        self.assertEqual(("reading", 0), (self.indexing(daemon)["phase"], self.indexing(daemon)["segments_read"]))
        self.assertIn("Indexing: reading what was there: 0 of", daemon.console("summary").stdout)
        for command in ("details", "fail", "body"):
            said = daemon.console("message", command, ids[0], status=None)
            self.assertIn("still being indexed", said.stdout + said.stderr)
            self.assertNotEqual(0, said.returncode)
        said = daemon.console("mailq")
        self.assertIn("reading what was there", said.stdout + said.stderr)
        said = daemon.console("mailq", "old.example", status=None)
        self.assertIn("nothing waits for old.example yet", said.stdout + said.stderr)
        http = Client(daemon.values["http"])
        self.assertEqual(200, http.get("/healthz/ready").status)
        self.assertIn("impulse_spool_indexing 1", http.get("/metrics").body.decode())
        # ec_show reads for itself.
        listed = subprocess.run([str(BINDIR / "ec_show"), "-S", str(daemon.disk / "spool"), "list"], capture_output=True,
                                text=True, timeout=60 * SCALE)
        self.assertIn(ids[0], listed.stdout, listed.stderr)
        # All that is live is known; the queue gets it by and by.
        segments = self.indexing(daemon)["segments"]
        self.assertGreater(segments, 2)
        wait_for(lambda: self.step(daemon)["queued"] > 0, "the next phase", 60)
        wait_for(lambda: daemon.counters()["Total Queue Size"] > 0, "that the queue gets some of it")
        self.new_mail(daemon, "while-queueing")
        now = self.indexing(daemon)
        self.assertEqual((OLD, "queueing"), (now["messages"], now["phase"]))
        self.assertLess(now["queued"], OLD)
        self.assertIn(ids[-1], daemon.console("message", "details", ids[-1]).stdout)
        wait_for(lambda: self.step(daemon)["queued"] > 0, "some of it in the queue")
        wait_for(lambda: daemon.counters()["Total Queue Size"] > 0, "some of it in the queue")
        # An order is about what is in the queue by then, and says so to who reads and to who looks at its status only.
        said = daemon.console("flush", "domain", "old.example", status=5)
        self.assertRegex(said.stderr, r"queueing what was there: \d+ of \d+ messages .*repeat it when that is done")
        said = daemon.console("flush", "domain", "old.example", "--dry-run")
        self.assertIn("that may be more then", said.stdout + said.stderr)
        said = daemon.console("message", "fail", ids[-1], status=None)
        self.assertIn("still being indexed", said.stdout + said.stderr)
        daemon.shim.hold("")
        daemon.wait_log("spool-recovered")
        wait_for(lambda: self.indexing(daemon)["phase"] == "done", "the end")
        wait_for(lambda: "impulse_spool_indexing 0" in http.get("/metrics").body.decode(), "metrics that say so")
        self.assertNotIn("Indexing:", daemon.console("summary").stdout)
        self.assertEqual("", daemon.console("flush", "domain", "all").stderr)
        self.old_mail_goes(daemon, OLD)

    def step(self, daemon):
        """Another read; tells how far it is."""
        daemon.shim.hold(INDEXER, 1)
        wait_for(lambda: daemon.shim.reads_left == 0 and daemon.shim.held_reads == 1, "a read that waits")
        return self.indexing(daemon)

    @heavy
    @timeout(400)
    def test_killed_while_indexing(self):
        """Again and again, at every phase, with new mail each time."""
        count = 2000
        daemon = self.daemon_with(count)
        new = []
        for after in (0, 1, 3, 6, 10, 15, 20, 25):
            self.spawn_held(daemon, after)
            wait_for(lambda: daemon.shim.held_reads == 1 or "done" == self.indexing(daemon)["phase"],
                     "a read that waits, or the end")
            new.append(f"new{after}")
            self.new_mail(daemon, new[-1])
            self.wait_recorded(daemon, new[-1])
            daemon.kill9()
        daemon.shim.hold("")
        daemon.start()
        self.old_mail_goes(daemon, count + len(new))
        self.assertEqual([1] * len(new), [len(daemon.maildir(user)) for user in new])

    def test_stopped_while_indexing(self):
        """SIGTERM, and the console's shutdown; what was not indexed yet comes with the next start."""
        count = 500
        daemon = self.daemon_with(count)
        for stop in (lambda: daemon.process.send_signal(signal.SIGTERM), lambda: daemon.console("shutdown")):
            recovered, stopping = (daemon.log().count(word) for word in ("spool-recovered", "server-stopping"))
            self.start_held(daemon, 1)
            stop()
            wait_for(lambda: daemon.log().count("server-stopping") > stopping, "the stop")
            daemon.shim.hold("")
            self.assertEqual(0, daemon.wait(), daemon.complaints())
            self.assertEqual(recovered, daemon.log().count("spool-recovered"))
        daemon.start()
        self.old_mail_goes(daemon, count)

    @timeout(400)
    def test_files_wait_for_the_end(self):
        """What needs to know all that is here is refused meanwhile, not done by half: nothing is missing in a folder,
        nothing is taken in twice."""
        count = 1000
        daemon = self.daemon_with(count, size=8000)  # several segments, and several reads of each
        copies = daemon.dir / "copies"
        daemon.start()
        self.assertIn(f"{count} messages, ", daemon.console("spool", "export", copies).stdout)
        last = max(json.loads(path.read_text())["id"] for path in copies.glob("*.json"))
        daemon.kill9()
        self.start_held(daemon, 0)
        out = daemon.dir / "out"
        export, take = ("spool", "export", out), ("spool", "import", copies)
        busy = 7
        for command in (export, (*export, "--remove"), (*export, "--dry-run"), (*export, "old.example"), take,
                        (*take, "--dry-run")):
            said = daemon.console(*command, status=busy).stderr
            self.assertRegex(said, r"still reading what was there: 0 of \d+ segments .*try again when that is done")
        self.assertIn("still being indexed", daemon.console("spool_in", last, status=busy).stderr)
        wait_for(lambda: self.step(daemon)["phase"] == "queueing", "the next phase", 60)
        # All that is here is known, and what is known is not taken in; but the queue does not have all of it.
        self.assertIn("still queueing what was there", daemon.console(*export, "--remove", status=busy).stderr)
        self.assertIn("still being indexed", daemon.console("spool_in", last, status=busy).stderr)
        self.assertIn(f"{count} messages not imported", daemon.console(*take, status=1).stderr)
        daemon.shim.hold("")
        daemon.wait_log("spool-recovered")
        wait_for(lambda: self.indexing(daemon)["phase"] == "done", "the end")
        self.assertFalse(out.exists())
        self.assertEqual(count, len(list(copies.glob("*.json"))))
        self.assertIn("in the queue already", daemon.console("spool_in", last).stdout)
        self.assertIn(f"{count} messages removed here", daemon.console(*export, "--remove").stdout)
        self.assertIn(f"{count} messages, ", daemon.console("spool", "import", out).stdout)
        self.old_mail_goes(daemon, count)

    def test_a_request_that_was_carried_out_before(self):
        """Is not carried out again, also when it comes before what is remembered of it was read."""
        daemon = self.daemon_with(10)
        daemon.start()
        first = Client(daemon.values["http"]).transmit(REQUEST, Idempotency_Key="one")
        self.assertEqual(200, first.status, first)
        self.wait_recorded(daemon, "once")
        daemon.kill9()
        self.start_held(daemon, 0)
        again = Client(daemon.values["http"]).transmit(REQUEST, Idempotency_Key="one")
        self.assertEqual((503, "5"), (again.status, again.headers["Retry-After"]), again)
        other = Client(daemon.values["http"]).transmit(REQUEST)  # which nobody wants to be remembered
        self.assertEqual(200, other.status, other)
        daemon.shim.hold("")
        daemon.wait_log("spool-recovered")
        wait_for(lambda: self.indexing(daemon)["phase"] == "done", "the end")
        again = Client(daemon.values["http"]).transmit(REQUEST, Idempotency_Key="one")
        self.assertEqual((200, first.body), (again.status, again.body))
        daemon.wait_mail("once", 2)
        wait_for(lambda: daemon.counters()["Total Queue Size"] == 11, "that nothing else waits")
        self.assertEqual(2, len(daemon.maildir("once")))


if __name__ == "__main__":
    unittest.main()
