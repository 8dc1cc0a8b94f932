"""Messages between the spool and files: `spool export`, `spool import`, `ec_show export`, `spool_in`. Nothing is lost on
the way, nothing comes twice, whoever dies in between."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from client import Smtp
from disk_kit import ShimDaemon
from harness import BINDIR, SCALE, TestCase, heavy, read_lines, wait_for


def text(subject, size=10):
    return (f"From: a@client.example\r\nSubject: {subject}\r\nMessage-ID: <{subject}@client.example>\r\n"
            f"Date: Sat, 21 Nov 2026 06:00:00 +0000\r\n\r\n").encode() + b"text \xe9\r\n" * size


SUSPENDED = 'Suspend_Delivery = true\nLarge_Message_Threshold = 20000\n'


REPORT = (b"From: MAILER-DAEMON@far.example\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
          b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
          b"--b\r\nContent-Type: text/plain\r\n\r\nIt did not work.\r\n"
          b"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; far.example\r\n\r\n"
          b"Final-Recipient: rfc822; bob@remote.example\r\nAction: failed\r\nStatus: 5.2.2\r\n"
          b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: mine\r\n\r\n--b--\r\n")


class SpoolFiles(TestCase):
    def send(self, daemon, *subjects, sender="alice@client.example", recipients=("bob@local.example",), size=10):
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            for subject in subjects:
                smtp.message(text(subject, size), sender=sender, recipients=list(recipients))

    def show(self, daemon, *words, status=0):
        spool = getattr(daemon, "disk", daemon.dir) / "spool"
        done = subprocess.run([str(BINDIR / "ec_show"), "-S", str(spool), *map(str, words)],
                              capture_output=True, timeout=100 * SCALE, stdin=subprocess.DEVNULL)
        self.assertEqual(status, done.returncode, done.stdout + done.stderr)
        return done.stdout

    def listed(self, daemon):
        return [json.loads(line) for line in self.show(daemon, "--json").splitlines()]

    def document(self, daemon, *words, status=0):
        """The last document of a console command."""
        done = daemon.console("--json", *words, status=status)
        return json.loads(done.stdout.splitlines()[-1])

    def ids(self, folder):
        return sorted(path.stem for path in Path(folder).glob("*.json"))

    def bodies(self, daemon):
        return sorted(self.show(daemon, "message", each["id"], "full") for each in self.listed(daemon))

    def test_out_and_in_again(self):
        daemon = self.daemon(more=SUSPENDED)
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.expect(250, "MAIL FROM:<Alice@client.example> RET=HDRS ENVID=QQ+3D BODY=8BITMIME")
            smtp.expect(250, "RCPT TO:<bob@local.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;bob+2Bx@local.example")
            smtp.expect(250, "RCPT TO:<eve@other.example> NOTIFY=NEVER")
            smtp.data(text("one"))
            smtp.message(text("two", 10000), sender="")
            smtp.message(text("three"), recipients=["carol@other.example"])
        before = self.listed(daemon)
        bodies = self.bodies(daemon)
        daemon.console("message", "hold", before[0]["id"], "eve@other.example")
        daemon.console("message", "hold", before[2]["id"])
        wait_for(lambda: self.listed(daemon)[2]["state"] == "held", "the hold on the disk")
        before = self.listed(daemon)
        folder = daemon.dir / "out"
        self.assertEqual(3, self.document(daemon, "spool", "export", folder, "--dry-run")["messages"])
        self.assertFalse(folder.exists())
        done = self.document(daemon, "spool", "export", folder, "--remove")
        self.assertEqual((3, 3, True), (done["messages"], done["removed"], done["ended"]))
        self.assertEqual(sum(each["size"] for each in before), done["bytes"])
        self.assertEqual(sorted(each["id"].replace("/", "-") for each in before), self.ids(folder))
        self.assertEqual(bodies, sorted(path.read_bytes() for path in folder.glob("*.eml")))
        self.assertEqual(0o700, folder.stat().st_mode & 0o777)
        # Gone from here, durably.
        self.assertEqual("", daemon.console("mailq").stdout)
        daemon.kill9()
        self.assertEqual([], self.listed(daemon))
        daemon.start()
        self.assertEqual(3, self.document(daemon, "spool", "import", folder, "--dry-run")["messages"])
        self.assertEqual([], self.listed(daemon))
        self.assertEqual(3, self.document(daemon, "spool", "import", folder)["messages"])
        self.assertEqual([], self.ids(folder))
        self.assertEqual(3, len(self.ids(folder / "done")))
        self.assertEqual(0, self.document(daemon, "spool", "import", folder)["messages"])
        after = self.listed(daemon)

        def known(each):
            return {name: value for name, value in each.items() if name != "id"}

        key = json.dumps
        self.assertEqual(sorted(map(known, before), key=key), sorted(map(known, after), key=key))
        self.assertEqual(bodies, self.bodies(daemon))
        for each in before:
            line = re.compile(rf"message-imported.*: was {re.escape(each['id'])}, from ")
            wait_for(lambda line=line: line.search(daemon.log()), "the log tells both ids")
        self.assertEqual(2, sum(each["state"] == "held" for row in after for each in row["recipients"]))
        # The envelope, too: out again, it is the same.
        daemon.console("spool", "export", daemon.dir / "again")

        def envelopes(path):
            found = []
            for file in path.glob("*.json"):
                document = json.loads(file.read_text())
                found.append({name: value for name, value in document.items() if name != "id"})
            return sorted(found, key=key)

        self.assertEqual(envelopes(folder / "done"), envelopes(daemon.dir / "again"))
        # What is held stays so over a crash.
        daemon.kill9()
        self.assertEqual(2, sum(each["state"] == "held" for row in self.listed(daemon) for each in row["recipients"]))
        daemon.start()

    def test_bindings_are_kept(self):
        """With their recipients in queues of several Bindings messages are carried whole, and come back into these."""
        daemon = self.daemon(more=SUSPENDED + "Binding b1 { }\nBinding b2 { }\nDefault_Binding = b2")
        self.send(daemon, "one", recipients=["bob@local.example", "eve@local.example", "bob@other.example"])
        self.assertEqual(1, self.document(daemon, "rebind", "--recipient", "^bob", "b2", "local.example", "to",
                                          "b1")["recipients"])

        def queues():
            rows = [json.loads(line) for line in daemon.console("--json", "domains").stdout.splitlines()]
            return sorted(row["domain"] for row in rows if "domain" in row)

        before = ["local.example%b1", "local.example%b2", "other.example%b2"]
        self.assertEqual(before, queues())
        folder = daemon.dir / "out"
        done = self.document(daemon, "spool", "export", folder, "other.example%b2", "--remove")
        self.assertEqual((1, 0, 1), (done["messages"], done["in_flight"], done["removed"]))
        self.assertEqual([], self.listed(daemon))
        document = json.loads(next(folder.glob("*.json")).read_text())
        self.assertEqual("b2", document["binding"])
        self.assertEqual(["b1", None, None], [each.get("binding") for each in document["recipients"]])
        daemon.console("config", "set", "Default_Binding", "b1")
        self.assertEqual(1, self.document(daemon, "spool", "import", folder)["messages"])
        self.assertEqual(before, queues())
        daemon.kill9()
        daemon.start()
        wait_for(lambda: queues() == before, "the queues as before")

    def test_delivered_in_part(self):
        daemon = self.daemon(more='Domain "remote.example" { Gateway = "127.0.0.1:1" }')
        self.send(daemon, "both", recipients=["bob@local.example", "eve@remote.example"])
        daemon.wait_mail("bob")
        daemon.wait_mainlog("T", 1)
        daemon.console("hold", "domain", "remote.example")
        folder = daemon.dir / "out"
        wait_for(lambda: self.document(daemon, "spool", "export", folder, "--remove")["removed"] == 1, "it is exported")
        document = json.loads(next(folder.glob("*.json")).read_text())
        self.assertEqual(["delivered", "held"], [each["state"] for each in document["recipients"]])
        self.assertEqual(1, self.document(daemon, "spool", "import", folder)["messages"])
        daemon.console("release", "domain", "all")
        daemon.wait_mainlog("T", 2)
        self.assertEqual(1, len(daemon.maildir("bob")))
        self.assertEqual(["delivered", "retrying"], [each["state"] for each in self.listed(daemon)[0]["recipients"]])

    def test_states_of_many_recipients(self):
        """Together they say more of their recipients than a batch may: so they come in several."""
        daemon = self.daemon(more=SUSPENDED)
        self.send(daemon, "one")
        folder = daemon.dir / "out"
        self.document(daemon, "spool", "export", folder, "--remove")
        name, = self.ids(folder)
        document = json.loads((folder / f"{name}.json").read_text())
        body = (folder / f"{name}.eml").read_bytes()
        recipient = {"address": "bob@local.example", "attempts": 3, "last_error": "e" * 512, "binding": "default"}
        document["recipients"] = [recipient] * 10000
        for number in range(20):
            document["id"] = f"00000001/{0x40 + 8 * number:08X}"
            (folder / f"n{number}.json").write_text(json.dumps(document))
            (folder / f"n{number}.eml").write_bytes(body)
        (folder / f"{name}.json").unlink()
        (folder / f"{name}.eml").unlink()
        done = self.document(daemon, "spool", "import", folder)
        self.assertEqual((20, 0), (done["messages"], done["refused"]))
        self.assertEqual(20, len(self.listed(daemon)))

    def test_logs_say_the_same(self):
        """What the logs had of a message when it came they have after an import, too."""
        logs = ('Jsonlog = "@dir@/jsonlog"\nJsonlog_Headers = ( Subject )\nBounce_Domains = ( local.example )\n' + SUSPENDED)
        daemon = self.daemon(more=logs)

        def told(kind):
            lines = [json.loads(line) for line in read_lines(daemon.dir / "jsonlog")]
            return [line for line in lines if line["type"] == kind]

        self.send(daemon, "one")
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(REPORT, sender="", recipients=["alice@local.example"])
        wait_for(lambda: len(told("OOB")) == 1 and len(told("Reception")) == 2, "the report is read")
        folder = daemon.dir / "out"
        self.assertEqual(2, self.document(daemon, "spool", "export", folder, "--remove")["removed"])
        self.assertEqual({"ESMTP"}, {json.loads(path.read_text())["protocol"] for path in folder.glob("*.json")})
        # Other fields are chosen meanwhile: of what came before what was known of it stays so.
        daemon.console("config", "set", "Jsonlog_Headers", "(", "Subject", "From", ")")
        self.assertEqual(2, self.document(daemon, "spool", "import", folder)["messages"])
        daemon.console("config", "set", "Suspend_Delivery", "false")
        for delivery in wait_for(lambda: len(found := told("Delivery")) == 2 and found, "they are delivered"):
            self.assertEqual("ESMTP", delivery["reception_protocol"])
            self.assertIn(delivery["headers"], ({"Subject": "one"}, {"Subject": "Undelivered"}))
        self.assertEqual(["ESMTP", "ESMTP", "IMPORT", "IMPORT"], [line["reception_protocol"] for line in told("Reception")])
        self.assertEqual(1, len(told("OOB")))

    def test_selected(self):
        daemon = self.daemon(more=SUSPENDED)
        self.send(daemon, "one")
        self.send(daemon, "two", sender="carol@client.example", recipients=["x@other.example", "y@other.example"])
        self.send(daemon, "three", sender="", recipients=["x@other.example"])
        folder = daemon.dir / "out"
        for words, count in ((["other.example"], 2), (["--sender", "^carol"], 1), (["all", "--recipient", "bob"], 1),
                             (["other.example", "--sender", "^$"], 1), (["--older", "1h"], 0),
                             (["--header", "subject=^two$"], 1), (["--header", "Subject=^t", "--header", "from=client"], 2),
                             (["--header", "Subject=nothing"], 0), (["--meta", "key=value"], 0)):
            self.assertEqual(count, self.document(daemon, "spool", "export", folder, *words, "--dry-run")["messages"], words)
        self.assertEqual(2, len(self.show(daemon, "--json", "--header", "Subject=^t").splitlines()))
        self.assertEqual(b"0\n", self.show(daemon, "-n", "--meta", "key=value"))
        # A line of it, as Momentum has it, and bare as it is typed.
        for words, count in (("--header subject two", 1), ("--header subject wo", 0), ("--header subject=wo", 1),
                             ("--header subject=^t --header Subject two", 1), ("--meta key value", 0)):
            with daemon.ectl() as console:
                self.assertIn(f" {count} message", str(console.command(f"spool export {folder} {words} --dry-run")), words)
        daemon.console("spool", "export", folder, "--header", "Subject", status=2)
        self.assertEqual(1, self.document(daemon, "spool", "export", daemon.dir / "two", "--header", "Subject=two",
                                          "--remove")["removed"])
        self.assertEqual(2, len(self.listed(daemon)))
        self.assertEqual(1, self.document(daemon, "spool", "import", daemon.dir / "two")["messages"])
        self.assertEqual(2, self.document(daemon, "spool", "export", folder, "other.example", "--remove")["removed"])
        self.assertEqual(["bob@local.example"], [each["recipients"][0]["recipient"] for each in self.listed(daemon)])
        self.assertEqual(3, daemon.console("spool", "export", folder, "nowhere.example", status=3).returncode)

    def test_copies_are_no_second_mail(self):
        daemon = self.daemon(more=SUSPENDED)
        self.send(daemon, "one", "two")
        folder = daemon.dir / "out"
        self.assertEqual(2, self.document(daemon, "spool", "export", folder)["messages"])
        again = self.document(daemon, "spool", "export", folder)
        self.assertEqual((0, 2), (again["messages"], again["there"]))
        self.assertEqual(2, len(self.listed(daemon)))
        done = daemon.console("spool", "import", folder, status=1)
        self.assertEqual(2, done.stderr.count("is in this spool still"), done.stderr)
        self.assertEqual(2, len(self.listed(daemon)))
        self.assertEqual(2, len(self.ids(folder)))
        # The same files after all: removed, since they are there.
        self.assertEqual(2, self.document(daemon, "spool", "export", folder, "--remove")["removed"])
        self.assertEqual(2, self.document(daemon, "spool", "import", folder)["messages"])
        # Who puts what was imported back gets no second mail either.
        for path in list((folder / "done").iterdir()):
            (folder / path.name).write_bytes(path.read_bytes())
        self.assertIn("imported already", daemon.console("spool", "import", folder, status=1).stderr)
        self.assertEqual(2, len(self.listed(daemon)))

    def test_bad_pairs_stay(self):
        daemon = self.daemon(more=SUSPENDED)
        self.send(daemon, "one", "two", "three", "four")
        folder = daemon.dir / "out"
        daemon.console("spool", "export", folder, "--remove")
        first, second, third, fourth = self.ids(folder)
        document = (folder / f"{first}.json").read_text()
        (folder / f"{first}.json").write_text(document.replace('"bob@local.example"', '"bob local.example"'))
        (folder / f"{second}.eml").unlink()
        with open(folder / f"{third}.eml", "ab") as file:
            file.write(b"more")
        (folder / "alone.eml").write_bytes(text("alone"))
        os.symlink("/etc/passwd", folder / "link.json")
        done = daemon.console("spool", "import", folder, status=1)
        self.assertRegex(done.stderr, rf"{first}\.json:9:\d+: an address is expected")
        self.assertRegex(done.stderr, rf"{second}\.json: {second}\.eml is missing")
        self.assertRegex(done.stderr, rf"{third}\.eml: not the \d+ bytes")
        self.assertRegex(done.stderr, r"alone\.eml: alone\.json is missing")
        self.assertRegex(done.stderr, r"error: link\.json: a symbolic link \[spool-import-refused\]")
        self.assertIn("5 messages not imported", done.stderr)
        self.assertIn("1 message, ", done.stdout)
        self.assertEqual([fourth], self.ids(folder / "done"))
        self.assertEqual([first, third], [name for name in self.ids(folder) if name in (first, third)])
        (folder / f"{first}.json").write_text(document)
        self.assertIn("1 message, ", daemon.console("spool", "import", folder, status=1).stdout)

    def test_folders_that_are_refused(self):
        daemon = self.daemon(more=SUSPENDED)
        self.send(daemon, "one")
        self.assertIn("begins with /", daemon.console("spool", "export", "out", status=2).stderr)
        self.assertIn("begins with /", daemon.console("spool", "import", "out", status=2).stderr)
        open_folder = daemon.dir / "open"
        open_folder.mkdir()
        open_folder.chmod(0o777)
        self.assertIn("anybody may write", daemon.console("spool", "export", open_folder, status=6).stderr)
        os.symlink(open_folder, daemon.dir / "link")
        self.assertIn("symbolic link", daemon.console("spool", "export", daemon.dir / "link", status=1).stderr)
        self.assertIn("this is a spool", daemon.console("spool", "import", daemon.dir / "spool", status=1).stderr)
        within = daemon.dir / "spool" / "quarantine" / "mine"
        within.parent.mkdir(exist_ok=True)
        for folder in (daemon.dir / "spool" / "mine", within):
            self.assertIn("within a spool", daemon.console("spool", "export", folder, status=1).stderr)
            done = subprocess.run([str(BINDIR / "ec_show"), "-S", str(daemon.dir / "spool"), "export", str(folder)],
                                  capture_output=True, text=True, timeout=100 * SCALE, stdin=subprocess.DEVNULL)
            self.assertNotEqual(0, done.returncode)
            self.assertIn("within a spool", done.stderr)
            self.assertFalse(folder.exists())
        self.assertEqual(3, daemon.console("spool", "import", daemon.dir / "nowhere", status=3).returncode)
        self.assertEqual([], list(open_folder.iterdir()))

    def test_what_is_being_delivered_stays(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen()
            port = listener.getsockname()[1]
            daemon = self.daemon(more=f'Domain "slow.example" {{ Gateway = "127.0.0.1:{port}" }}')
            self.send(daemon, "one", recipients=["x@slow.example", "y@slow.example"])
            connection, _ = listener.accept()
            connection.sendall(b"220 slow.example\r\n")
            connection.recv(1000)  # EHLO
            connection.sendall(b"250 slow.example\r\n")
            connection.recv(1000)  # MAIL, and nothing is said to it
            folder = daemon.dir / "out"
            done = self.document(daemon, "spool", "export", folder, "--remove")
            self.assertEqual((0, 1, 0), (done["messages"], done["in_flight"], done["removed"]))
            # A copy is possible.
            self.assertEqual(1, self.document(daemon, "spool", "export", folder)["messages"])
            connection.close()

    def test_from_a_spool_without_daemon(self):
        lost = self.daemon(more=SUSPENDED)
        self.send(lost, "one", "two", recipients=["bob@local.example"])
        self.send(lost, "three", sender="", recipients=["carol@local.example"], size=10000)
        lost.kill9()
        folder = lost.dir / "out"
        self.assertIn(b"1 messages", self.show(lost, "export", folder, "--recipient", "carol"))
        self.assertIn(b"2 messages", self.show(lost, "--json", "export", folder).replace(b'"messages":2', b"2 messages"))
        self.assertEqual(3, len(self.ids(folder)))
        daemon = self.daemon()
        self.assertEqual(3, self.document(daemon, "spool", "import", folder)["messages"])
        daemon.wait_mail("bob", 2)
        daemon.wait_mail("carol", 1)
        self.assertEqual(["import"] * 3, [record["protocol"] for record in daemon.wait_mainlog("R", 3)])

    def test_spool_in(self):
        daemon = self.daemon(more=SUSPENDED)
        self.send(daemon, "one")
        name = self.listed(daemon)[0]["id"]
        self.assertIn("in the queue already", daemon.console("spool_in", name).stdout)
        self.assertFalse(self.document(daemon, "spool_in", name)["queued"])
        daemon.console("spool_in", "00000001/00000040", status=3)
        daemon.console("spool_in", status=2)

    def shimmed(self):
        return ShimDaemon(self, more=SUSPENDED).start(), random.Random(7)

    def cut_short(self, daemon, chance, most, folder, *words):
        """That command, and the daemon dies within it: up to `most` calls to its spool later, or when there are some
        more files; false: it was done before."""
        daemon.shim.die_at = daemon.shim.calls + chance.randint(2, most)
        wanted = len(self.ids(folder)) + chance.randrange(1, 60)
        console = subprocess.Popen([str(BINDIR / "ec_console"), str(daemon.control), *map(str, words)],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: console.poll() is not None or len(self.ids(folder)) >= wanted, "some of it is done", 60)
        if console.poll():
            self.assertEqual(-signal.SIGKILL, daemon.wait(), daemon.complaints())
        daemon.kill9()
        daemon.shim.die_at = 0
        return console.wait() != 0

    @heavy
    def test_killed_in_the_middle(self):
        """Again and again, until all of it is in: each message once."""
        count = 400
        daemon, chance = self.shimmed()
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            for number in range(count):
                smtp.message(text(f"n{number}"), recipients=["bob@local.example"])
        bodies = self.bodies_of(daemon)
        folder = daemon.disk / "out"
        self.assertEqual(count, self.document(daemon, "spool", "export", folder, "--remove")["removed"])
        kills = 0  # two at least: all of it takes almost forty calls
        while kills < 25 and self.cut_short(daemon, chance, 18, folder / "done", "spool", "import", folder):
            kills += 1
            daemon.start()
        if not daemon.running:
            daemon.start()
        if self.ids(folder):
            daemon.console("spool", "import", folder, status=None)
        self.assertGreater(kills, 1)
        self.assertEqual([], self.ids(folder))
        self.assertEqual(bodies, self.bodies_of(daemon))

    @heavy
    def test_killed_while_it_is_exported(self):
        """Whenever it dies, each message is in the queue or in the folder; all of it comes back, once each."""
        count = 400
        daemon, chance = self.shimmed()
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            for number in range(count):
                smtp.message(text(f"n{number}"), recipients=["bob@local.example"])
        folder = daemon.disk / "out"
        expected = sorted(f"n{number}" for number in range(count))

        def subjects(path, pattern="*.eml"):
            return [re.search(rb"\nSubject: (\S+)", each.read_bytes())[1].decode() for each in Path(path).glob(pattern)]

        def whole(path):
            return [name for name in self.ids(path) if (path / f"{name}.eml").exists()]

        kills, cut = 0, True  # three at least: all of it takes almost thirty calls
        while kills < 25 and cut:
            cut = self.cut_short(daemon, chance, 8, folder, "spool", "export", folder, "--remove")
            kills += cut
            waiting = {each["id"].replace("/", "-") for each in self.listed(daemon)}
            there = set(whole(folder)) if folder.exists() else set()
            self.assertEqual(count, len(waiting | there))
            daemon.start()
        if cut:
            daemon.console("spool", "export", folder, "--remove")
        self.assertGreater(kills, 2)
        self.assertEqual([], self.listed(daemon))
        self.assertEqual(expected, sorted(subjects(folder)))
        daemon.console("config", "set", "Suspend_Delivery", "false")
        self.assertEqual(count, self.document(daemon, "spool", "import", folder)["messages"])
        daemon.wait_mail("bob", count)
        wait_for(lambda: not self.listed(daemon), "the queue is empty")
        arrived = [re.search(rb"\nSubject: (\S+)", each if isinstance(each, bytes) else Path(each).read_bytes())[1].decode()
                   for each in daemon.maildir("bob")]
        self.assertEqual(expected, sorted(arrived))

    def bodies_of(self, daemon):
        """The text behind our own header fields, which tell it from all others."""
        folder = daemon.dir / f"look{time.monotonic_ns()}"
        self.show(daemon, "export", folder)
        return sorted(path.read_bytes() for path in folder.glob("*.eml"))
