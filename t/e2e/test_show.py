"""ec_show: what is in a spool, with the daemon up and down, and nothing else touched."""

import json
import os
import subprocess
import unittest
from pathlib import Path

from client import Smtp
from harness import BINDIR, SCALE, Daemon, TestCase, heavy, wait_for
from load import Senders


def message(subject, size=10):
    return (f"From: a@client.example\r\nSubject: {subject}\r\nMessage-ID: <{subject}@client.example>\r\n"
            f"Date: Sat, 21 Nov 2026 06:00:00 +0000\r\n\r\n").encode() + b"text \xe9\x00\r\n" * size


class Show(TestCase):
    def show(self, daemon, *words, status=0, user=None):
        done = subprocess.run([str(BINDIR / "ec_show"), "-S", str(daemon.dir / "spool"), *map(str, words)],
                              capture_output=True, timeout=100 * SCALE, user=user, stdin=subprocess.DEVNULL)
        if status is not None:
            self.assertEqual(status, done.returncode, done.stdout + done.stderr)
        return done

    def listed(self, daemon, *words):
        return [json.loads(line) for line in self.show(daemon, "--json", *words).stdout.splitlines()]

    def tree(self, daemon):
        """All that is in the spool, with what would change if somebody wrote."""
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in (daemon.dir / "spool").rglob("*")}

    def test_up_and_down(self):
        daemon = self.daemon(more="Suspend_Delivery = true\nLarge_Message_Threshold = 20000")
        sent = {"one": message("one"), "two": message("two", 10000)}
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(sent["one"], sender="Alice@client.example",
                         recipients=["bob@local.example", "eve@local.example"])
            smtp.message(sent["two"], sender="", recipients=["carol@local.example"])
        running = self.listed(daemon)
        daemon.stop()
        before = self.tree(daemon)
        found = self.listed(daemon)
        self.assertEqual(running, found)
        self.assertEqual(["Alice@client.example", ""], [each["sender"] for each in found])
        self.assertEqual(["bob@local.example", "eve@local.example"],
                         [each["recipient"] for each in found[0]["recipients"]])
        self.assertEqual({"waiting"}, {each["state"] for each in found})
        for each, whole in zip(found, sent.values()):
            full = self.show(daemon, "message", each["id"], "full").stdout
            self.assertEqual(len(full), each["size"])
            self.assertTrue(full.endswith(whole), full[:300])
            self.assertIn(each["id"].encode(), full)
            self.assertEqual(full, self.show(daemon, "-m", each["id"]).stdout)
            headers = self.show(daemon, "message", each["id"].partition("-")[0], "headers").stdout
            body = self.show(daemon, "message", each["id"], "body").stdout
            self.assertEqual(full, headers + b"\r\n" + body)
            self.assertIn(b"Subject: ", headers)
            self.assertEqual(whole.partition(b"\r\n\r\n")[2], body)
        details = self.show(daemon, "message", found[0]["id"]).stdout.decode()
        self.assertRegex(details, r"recipient +<eve@local.example> waiting, next now")
        self.assertEqual(found[1], json.loads(self.show(daemon, "--json", "message", found[1]["id"]).stdout))
        # For people, a line each, below a heading.
        lines = self.show(daemon, "-s").stdout.decode().splitlines()
        self.assertEqual(3, len(lines))
        self.assertIn("<bob@local.example>, <eve@local.example>", lines[1])
        # Which are listed.
        for words, wanted in ((("--sender", "^alice@"), [0]), (("--sender", "^$"), [1]), (("--recipient", "eve|dan"), [0]),
                              (("--domain", "LOCAL.example"), [0, 1]), (("-d", "other.example"), []),
                              (("--newer-than", "1h"), [0, 1]), (("--older-than", "1h"), []),
                              (("--start-date", found[0]["received"][:10]), [0, 1]), (("--end_date", "2020-01-01"), []),
                              (("--start_date", "20200101T000000Z", "--end-date", "2999-12-31 23:59"), [0, 1]),
                              (("--sender", "alice", "--recipient", "carol"), [])):
            self.assertEqual([found[number]["id"] for number in wanted],
                             [each["id"] for each in self.listed(daemon, *words)], words)
            self.assertEqual(f"{len(wanted)}\n".encode(), self.show(daemon, "-n", *words).stdout, words)
        summary = self.listed(daemon, "summary")
        self.assertEqual((2, 0), (summary[-1]["messages"], summary[-1]["damaged"]))
        self.assertEqual(summary[-1]["bytes"], sum(each["bytes"] for each in summary[:-1]))
        self.assertGreater(summary[-1]["bytes"], summary[-1]["live_bytes"])
        self.assertIn("2 messages", self.show(daemon, "summary").stdout.decode().splitlines()[-1])
        self.assertEqual(b"", self.show(daemon, "quarantine").stdout)
        self.assertEqual(before, self.tree(daemon))

    def test_what_became_of_recipients(self):
        daemon = self.daemon(more='Domain "remote.example" { Gateway = "127.0.0.1:1" Retry_Interval = 1h }')
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(message("both"), recipients=["bob@local.example", "eve@remote.example"])
        daemon.wait_mainlog("D", 1)
        daemon.wait_mainlog("T", 1)

        def told():
            found = self.listed(daemon)
            self.assertEqual(1, len(found))
            return [each["state"] for each in found[0]["recipients"]] == ["delivered", "retrying"] and found[0]

        found = wait_for(told, "both outcomes on the disk")
        self.assertEqual("retrying", found["state"])
        self.assertGreaterEqual(found["recipients"][1]["attempts"], 1)
        self.assertTrue(found["recipients"][1]["last_error"])
        self.assertTrue(found["next_attempt"])
        daemon.kill9()
        self.assertEqual(["delivered", "retrying"], [each["state"] for each in told()["recipients"]])

    def test_what_an_operator_holds(self):
        daemon = self.daemon(more='Domain "remote.example" { Suspend_Delivery = true }')
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(message("kept"), recipients=["eve@remote.example"])
        found = self.listed(daemon)
        self.assertEqual(["waiting"], [each["state"] for each in found])
        self.assertEqual(0, daemon.console(f"message hold {found[0]['id']}").returncode)
        held = wait_for(lambda: self.listed(daemon, "--recipient", "eve")[0]["state"] == "held" and self.listed(daemon)[0],
                        "the journal entry on the disk")
        self.assertIsNone(held["next_attempt"])
        self.assertEqual(["held"], [each["state"] for each in held["recipients"]])
        # What was let go is due, as what was never held.
        daemon.console(f"message release {found[0]['id']}")
        freed = wait_for(lambda: self.listed(daemon)[0]["state"] == "waiting" and self.listed(daemon)[0],
                         "the journal entry on the disk")
        self.assertEqual([None, None], [freed["next_attempt"], freed["recipients"][0]["next_attempt"]])
        self.assertIn("waiting, next now", self.show(daemon, "message", freed["id"]).stdout.decode())

    def test_ids_of_other_nodes(self):
        """Two nodes' spools may hold the same numbers: who names the node means that one."""
        daemon = self.daemon(more='Suspend_Delivery = true\nBinding b1 { }\nBinding b2 { }\nDefault_Binding = b1')
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(message("mine"), recipients=["eve@remote.example"])
        number = self.listed(daemon)[0]["id"].removesuffix("-node1")
        for part in ("details", "full"):
            for known in (number, number + "-node1"):
                self.show(daemon, "message", known, part)
            done = self.show(daemon, "message", number + "-node2", part, status=1)
            self.assertEqual(f"ec_show: {number}-node2: a message of another node; here it is {number}-node1\n",
                             done.stderr.decode())
        # JSON has what the text has.
        daemon.console("rebind b1 to b2")
        found = wait_for(lambda: self.listed(daemon)[0]["recipients"][0].get("binding") and self.listed(daemon)[0],
                         "the journal entry on the disk")
        self.assertEqual(("b1", "b2"), (found["binding"], found["recipients"][0]["binding"]))
        # Columns stand below their heads.
        head, line = self.show(daemon).stdout.decode().splitlines()
        for word, text in (("RECEIVED", found["received"]), ("STATE", "waiting"), ("NEXT", "now"), ("SENDER", "<")):
            self.assertEqual(head.index(word), line.index(text), head + "\n" + line)

    @heavy
    def test_while_it_is_busy(self):
        """Segments are made, sealed and removed meanwhile: nothing looks damaged, and each message is whole."""
        daemon = self.daemon(more="Spool_Segment_Size = 1M\nLarge_Message_Threshold = 20000")
        senders = Senders(daemon.smtp_port, 4, "busy", (500, 60000))
        wait_for(lambda: len(senders.promised) > 100 or senders.threads.errors, "some messages", 60)
        whole, gone = 0, 0
        for _ in range(15):
            done = self.show(daemon, "--json")
            self.assertEqual(b"", done.stderr)
            for line in done.stdout.splitlines()[:3]:
                one = json.loads(line)
                full = self.show(daemon, "message", one["id"], "full", status=None)
                self.assertIn(full.returncode, (0, 1), full.stderr)
                if full.returncode == 0:
                    self.assertEqual(one["size"], len(full.stdout))
                    whole += 1
                else:
                    self.assertIn(b"finished", full.stderr)
                    gone += 1
        senders.stop()
        print(f"{whole} were whole, {gone} were gone")
        self.assertGreater(len(senders.promised), 0)
        daemon.stop()
        waiting = len(self.listed(daemon))
        self.assertEqual(waiting, self.listed(daemon, "summary")[-1]["messages"])

    def test_damage(self):
        daemon = self.daemon(more="Suspend_Delivery = true")
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            for subject in ("one", "two", "three"):
                smtp.message(message(subject))
        daemon.kill9()
        [segment] = (daemon.dir / "spool").glob("*.seg")
        content = segment.read_bytes()
        segment.write_bytes(content.replace(b"Subject: two", b"Subject: twX"))
        done = self.show(daemon, "--json", status=4)
        self.assertEqual(2, len(done.stdout.splitlines()))
        self.assertIn(b"1 damaged record", done.stderr)
        self.assertEqual(b"", self.show(daemon, "quarantine").stdout)
        # A start keeps it aside.
        daemon.start()
        daemon.stop()
        self.show(daemon)
        [kept] = self.listed(daemon, "quarantine")
        self.assertEqual((segment.name, "damaged"), (kept["segment"], kept["why"]))
        self.assertRegex(kept["changed"], r"^20\d\d-")
        raw = self.show(daemon, "quarantine", kept["name"]).stdout
        self.assertEqual((daemon.dir / "spool/quarantine" / kept["name"]).read_bytes(), raw)
        self.assertEqual(kept["bytes"], len(raw))
        self.assertIn(b"Subject: twX", raw)
        self.assertIn(kept["name"], self.show(daemon, "quarantine").stdout.decode())
        self.show(daemon, "quarantine", "none.bad", status=1)

    def test_damage_that_is_not_kept(self):
        daemon = self.daemon(more="Suspend_Delivery = true\nUnlink_On_Spool_In_Failure = true")
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            for subject in ("one", "two"):
                smtp.message(message(subject))
        daemon.kill9()
        [segment] = (daemon.dir / "spool").glob("*.seg")
        segment.write_bytes(segment.read_bytes().replace(b"Subject: two", b"Subject: twX"))
        daemon.start()
        daemon.wait_log("is damaged, dropped")
        self.assertEqual(1, len(self.listed(daemon)))
        self.assertEqual([], self.listed(daemon, "quarantine"))

    @heavy
    def test_after_compaction(self):
        """The one message that waits in a segment that was full of others: its segment goes, it does not."""
        daemon = self.daemon(more='Domain "remote.example" { Suspend_Delivery = true }\nSpool_Segment_Size = 6M')
        waiting = message("waits", 100)
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(waiting, recipients=["eve@remote.example"])
            [found] = self.listed(daemon)
            segment = daemon.dir / "spool" / (found["id"].partition("/")[0] + ".seg")
            self.assertTrue(segment.exists())
            for number in range(70):
                smtp.message(message(f"passes{number}", 12000), recipients=["bob@local.example"])
        wait_for(lambda: not segment.exists(), lambda: f"the segment gone: {self.show(daemon, 'summary').stdout}", 60)
        for step in (lambda: None, daemon.kill9, daemon.start):
            step()
            self.assertEqual([found], self.listed(daemon, "-d", "remote.example"))
            self.assertTrue(self.show(daemon, "-m", found["id"]).stdout.endswith(waiting))
        self.assertIn("eve@remote.example", daemon.console("message", "details", found["id"]).stdout)

    @heavy
    def test_compaction_keeps_its_rate(self):
        """At a byte a second the second message's turn comes in minutes; at 0 it comes at once, without a restart."""
        daemon = self.daemon(more='Domain "remote.example" { Suspend_Delivery = true }\nSpool_Segment_Size = 6M\n'
                                  "Spool_Compaction_Rate = 1")

        def copied():
            return json.loads(daemon.console("--json", "summary").stdout)["spool"]["copied"]

        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            for name in ("first", "second"):
                smtp.message(message(name, 100), recipients=["eve@remote.example"])
            found = self.listed(daemon)
            segment = daemon.dir / "spool" / (found[0]["id"].partition("/")[0] + ".seg")
            for number in range(70):
                smtp.message(message(f"passes{number}", 12000), recipients=["bob@local.example"])
            wait_for(lambda: copied() == 1, "the first copy", 60)
            for number in range(20):  # the committer comes round
                smtp.message(message(f"more{number}", 1), recipients=["bob@local.example"])
        self.assertEqual(1, copied())
        self.assertTrue(segment.exists())
        daemon.console("config", "set", "spool_compaction_rate", "0")
        wait_for(lambda: copied() == 2 and not segment.exists(), "the segment gone", 60)
        self.assertEqual(found, self.listed(daemon, "-d", "remote.example"))

    def test_what_goes_wrong(self):
        daemon = Daemon(self)
        self.assertIn(b"No such file", self.show(daemon, status=3).stderr)
        self.show(daemon, "quarantine", status=3)
        (daemon.dir / "spool").mkdir()
        self.assertIn(b"not a spool", self.show(daemon, status=3).stderr)
        daemon.start()
        for words in (("nonsense",), ("message",), ("message", "1234"), ("message", "00000000/00000000", "nothing"),
                      ("--sender", "(", "list"), ("--start-date", "yesterday"), ("--older-than", "5y"), ("--nonsense",),
                      ("summary", "more"), ("quarantine", "../lock"), ("quarantine", "a", "b"), ("-d", "x", "summary"),
                      ("--json", "message", "00000000/00000000", "full"), ("--sender",), ("-S", "", "list"),
                      ("--start-date", "2027-02-30"), ("-m", "x"), ("-n", "summary")):
            done = self.show(daemon, *words, status=2)
            self.assertTrue(done.stderr.startswith(b"ec_show: "), (words, done.stderr))
            self.assertEqual(b"", done.stdout)
        self.assertIn(b"no such message", self.show(daemon, "message", "00000001/00000040", status=1).stderr)
        self.assertEqual(b"", self.show(daemon).stdout)
        for option in ("--help", "--version"):
            self.assertIn(b"ec_show", self.show(daemon, option).stdout)
        with open("/dev/full", "wb") as full:
            done = subprocess.run([str(BINDIR / "ec_show"), "--help"], stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(3, done.returncode)

    @unittest.skipUnless(os.getuid() == 0, "only root can be somebody else")
    def test_no_permission(self):
        daemon = self.daemon()
        os.chmod(daemon.dir / "spool", 0o700)
        path = Path(daemon.dir)
        while path != Path("/tmp") and path != Path("/"):
            os.chmod(path, os.stat(path).st_mode | 0o055)
            path = path.parent
        os.chmod(daemon.dir / "spool", 0o700)
        self.assertIn(b"Permission denied", self.show(daemon, status=3, user=65534).stderr)
