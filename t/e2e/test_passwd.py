"""ec_passwd: password files made and edited, and that impulsed takes them at once."""

import datetime
import fcntl
import hashlib
import os
import pty
import stat
import subprocess
import tempfile
import termios
import unittest
from pathlib import Path

from harness import BINDIR, SCALE, TestCase, needs
from test_auth import AuthCase, Client


def passwd(*words, password=None):
    """In a session of its own: there is no terminal."""
    command = [str(BINDIR / "ec_passwd"), *(["--stdin"] if password is not None else []), *map(str, words)]
    return subprocess.run(command, input="" if password is None else password + "\n", text=True, capture_output=True,
                          timeout=60 * SCALE, start_new_session=True)


class Passwd(TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name) / "users"

    def run_it(self, *words, password=None, status=0):
        done = passwd(*words, password=password)
        self.assertEqual(status, done.returncode, done.stderr)
        return done

    def typed(self, *lines):
        """On a terminal; returns the status and what was shown."""
        control, line = pty.openpty()
        child = subprocess.Popen([str(BINDIR / "ec_passwd"), str(self.file), "alice"], stdin=line, stdout=line,
                                 stderr=line, start_new_session=True,
                                 preexec_fn=lambda: fcntl.ioctl(line, termios.TIOCSCTTY, 0))
        os.close(line)
        shown = b""
        for text in lines:
            while not shown.endswith(b": "):
                shown += os.read(control, 1000)
            os.write(control, text.encode() + b"\n")
            shown += b"|"
        try:
            while piece := os.read(control, 1000):
                shown += piece
        except OSError:  # the terminal's other end is gone
            pass
        os.close(control)
        return child.wait(60 * SCALE), shown.decode()

    def test_a_life(self):
        self.run_it(self.file, "alice", password="sesame")
        self.assertEqual(0o600, stat.S_IMODE(self.file.stat().st_mode))
        self.assertNotIn("sesame", self.file.read_text())
        self.run_it("--verify", self.file, "alice", password="sesame")
        self.run_it("--verify", self.file, "alice", password="Sesame", status=1)
        self.run_it("--verify", self.file, "bob", password="x", status=1)
        self.run_it("--hash", "both", "-i", "5000", self.file, "bob", password="x")
        self.assertEqual("alice SCRAM-SHA-256\nbob SCRAM-SHA-256\nbob SCRAM-SHA-1\n",
                         self.run_it("--list", self.file).stdout)
        before = self.file.read_text()
        self.run_it("--delete", self.file, "mallory", status=1)
        self.assertEqual(before, self.file.read_text())
        self.run_it("--delete", self.file, "alice")
        self.assertEqual(["bob"] * 2, [line.split(":")[0] for line in self.file.read_text().splitlines()])

    def test_nothing_else_changes(self):
        self.file.write_text("# kept\n\nalice:one\ncarol:three\n")
        self.file.chmod(0o644)
        link = self.file.with_name("link")
        link.symlink_to("users")
        self.run_it(link, "alice", password="two")
        self.assertTrue(link.is_symlink())
        self.assertEqual("# kept\n\nalice:two\ncarol:three\n", self.file.read_text())
        self.assertEqual(0o640, stat.S_IMODE(self.file.stat().st_mode))
        self.assertEqual({"users", "link"}, {path.name for path in self.file.parent.iterdir()})

    def test_what_is_refused(self):
        self.file.write_text("alice\n")
        self.assertIn("line 1", self.run_it(self.file, "bob", password="x", status=3).stderr)
        self.assertEqual("alice\n", self.file.read_text())
        self.file.write_text("alice:home:0123456789abcdef0123456789abcdef\n")
        self.assertIn("--realm", self.run_it(self.file, "bob", password="x", status=2).stderr)
        self.file.unlink()
        for words in ((), (self.file,), (self.file, "a", "b"), ("-i", "4095", self.file, "a"),
                      ("-f", "x", self.file, "a"), ("--hash", "md5", self.file, "a"), ("--list", self.file, "a"),
                      ("--nonsense",), ("-r", "a:b", self.file, "a"),
                      ("--delete", "--verify", self.file, "a"), ("-f", "file", "-i", "5000", self.file, "a"),
                      ("-f", "file", self.file, "#a"), ("-f", "file", self.file, "a:b"), (self.file, "")):
            self.run_it(*words, password="x", status=2)
        self.run_it("--list", self.file, status=3)
        self.run_it(self.file.parent / "no" / "users", "a", password="x", status=3)
        self.run_it(self.file, "a", password="", status=4)
        self.run_it(self.file, "a", status=4)  # there is no terminal
        self.assertFalse(self.file.exists())
        self.assertIn("usage:", self.run_it("--help").stdout)

    def test_asked_for_twice_without_an_echo(self):
        status, shown = self.typed("open sesame", "open sesame")
        self.assertEqual(0, status, shown)
        self.assertNotIn("sesame", shown)
        self.run_it("--verify", self.file, "alice", password="open sesame")
        before = self.file.read_text()
        status, shown = self.typed("one", "two")
        self.assertEqual(4, status, shown)
        self.assertEqual(before, self.file.read_text())


class Keys(TestCase):
    """ec_passwd key: files of API keys."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name) / "keys"

    def run_it(self, *words, key=None, status=0):
        done = subprocess.run([str(BINDIR / "ec_passwd"), "key", *map(str, words)], text=True, capture_output=True,
                              input="" if key is None else key + "\n", timeout=60 * SCALE)
        self.assertEqual(status, done.returncode, done.stderr)
        return done

    def add(self, *words):
        return self.run_it("add", *words, self.file).stdout.removesuffix("\n")

    def row(self, name):
        return next(line.split() for line in self.run_it("list", self.file).stdout.splitlines() if name in line)

    def test_a_life(self):
        key = self.add("--user", "alice", "--tenant", "Blue", "--rights", "metrics,inject", "--expires", "2199-01-31",
                       "--label", "news: weekly")
        self.assertRegex(key, r"\Aimp_[0-9a-z]{12}_[0-9A-Za-z]{43}\Z")
        _, name, secret = key.split("_")
        self.assertEqual(0o600, stat.S_IMODE(self.file.stat().st_mode))
        text = self.file.read_text()
        self.assertNotIn(secret, text)
        digest = hashlib.sha256(key.encode()).hexdigest()
        self.assertEqual(f"{name}:{digest}:alice:blue:inject,metrics:21990131T000000Z:news: weekly\n", text)
        self.assertEqual([name, "alice", "blue", "inject,metrics", "21990131T000000Z", "news:", "weekly"],
                         self.row(name))
        self.assertEqual(f"{name} blue/alice inject,metrics\n", self.run_it("verify", self.file, key=key).stdout)
        self.run_it("verify", self.file, key=key[:-1], status=1)
        self.run_it("expire", self.file, name)
        self.assertIn("(expired)", self.row(name))
        self.assertIn("has expired", self.run_it("verify", self.file, key=key, status=1).stderr)
        self.run_it("expire", "--expires", "never", self.file, name)
        self.assertIn("never", self.row(name))
        self.run_it("verify", self.file, key=key)
        other = self.add("-u", "bob", "--rights", "admin")
        self.run_it("revoke", self.file, name)
        self.assertNotIn("expired", self.run_it("verify", self.file, key=key, status=1).stderr)
        self.run_it("verify", self.file, key=other)
        before = self.file.read_text()
        self.run_it("revoke", self.file, name, status=1)
        self.run_it("expire", self.file, name, status=1)
        self.assertEqual(before, self.file.read_text())
        self.assertEqual({"keys"}, {path.name for path in self.file.parent.iterdir()})

    def test_durations(self):
        for word, least in (("2d", 86400), ("2h", 3600), ("2m", 60)):
            name = self.add("-u", "a", "--rights", "inject", "--expires", word).split("_")[1]
            end = datetime.datetime.strptime(self.row(name)[4] + "+0000", "%Y%m%dT%H%M%SZ%z")
            self.assertGreater((end - datetime.datetime.now(datetime.timezone.utc)).total_seconds(), least)

    def test_at_the_same_time(self):
        command = [str(BINDIR / "ec_passwd"), "key", "add", "-u", "a", "--rights", "inject", str(self.file)]
        children = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
                    for _ in range(8)]
        keys = [child.communicate(timeout=60 * SCALE)[0].strip() for child in children]
        for key in keys:
            self.run_it("verify", self.file, key=key)

    def test_what_is_refused(self):
        good = ("--user", "a", "--rights", "inject")
        for words in (("add", self.file), ("add", "-u", "a", self.file), ("add", "--rights", "inject", self.file),
                      ("add", *good), ("add", *good, self.file, "x"), ("add", *good, ""),
                      ("add", "-u", "a", "--rights", "root", self.file), ("add", "-u", "a:b", *good[2:], self.file),
                      ("add", *good, "-t", "a/b", self.file), ("add", *good, "--label", "a\nb", self.file),
                      ("add", *good, "--expires", "soon", self.file), ("add", *good, "--expires", "0d", self.file),
                      ("add", *good, "--expires", "2026-02-30", self.file), ("add", "--nonsense", self.file),
                      ("list", "-u", "a", self.file), ("list", "--expires", "1d", self.file), ("list",),
                      ("revoke", self.file), ("revoke", self.file, "imp_a_b"), ("expire", self.file, "")):
            self.run_it(*words, status=2)
        self.assertFalse(self.file.exists())
        for words in (("list", self.file), ("revoke", self.file, "a"), ("expire", self.file, "a"),
                      ("add", *good, self.file.parent / "no" / "keys")):
            self.run_it(*words, status=3)
        self.run_it("verify", self.file, key="", status=4)
        self.file.write_text("# mine\nnonsense\n")
        self.assertIn("line 2", self.run_it("add", *good, self.file, status=3).stderr)
        self.assertEqual("# mine\nnonsense\n", self.file.read_text())

    def test_a_key_that_nobody_sees(self):
        kept = self.add("-u", "a", "--rights", "inject")
        before = self.file.read_text()
        with open("/dev/full", "w") as full:
            done = subprocess.run([str(BINDIR / "ec_passwd"), "key", "add", "-u", "b", "--rights", "inject", self.file],
                                  stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True,
                                  timeout=60 * SCALE)
        self.assertEqual(3, done.returncode, done.stderr)
        self.assertIn("No space left", done.stderr)
        self.assertNotIn("added", done.stderr)
        self.assertEqual(before, self.file.read_text())
        self.run_it("verify", self.file, key=kept)

    def test_labels_show_what_they_are(self):
        # C1, and bytes that are no UTF-8: a terminal may obey them.
        for label in ("a\x1b[2J", "a\u009b2J", "a\xff".encode("latin-1"), "a\x7f"):
            done = subprocess.run([str(BINDIR / "ec_passwd"), "key", "add", "-u", "a", "--rights", "inject", "--label",
                                   label, self.file], stdin=subprocess.DEVNULL, capture_output=True, timeout=60 * SCALE)
            self.assertEqual(2, done.returncode, label)
            self.assertIn(b"label", done.stderr)
        self.assertFalse(self.file.exists())
        self.add("-u", "a", "--rights", "inject", "--label", "für Größeres")
        self.assertEqual(["für", "Größeres"], self.row("für")[5:])

    def test_a_password_file_called_key(self):
        done = subprocess.run([str(BINDIR / "ec_passwd"), "--stdin", "key", "add"], input="sesame\n", text=True,
                              capture_output=True, timeout=60 * SCALE, cwd=self.file.parent)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("add:SCRAM", (self.file.parent / "key").read_text())


@needs("openssl")
class Taken(AuthCase):
    def test_by_the_server_at_once(self):
        daemon = self.serve()
        for words, name, attempt in (((), "scram", Client.scram),
                                     (("--hash", "sha1"), "scram", lambda c, u, p: c.scram(u, p, "SCRAM-SHA-1")),
                                     (("-f", "file"), "clear", Client.plain)):
            for password in ("first", "sécond"):
                done = passwd(*words, daemon.dir / name, "dave", password=password)
                self.assertEqual(0, done.returncode, done.stderr)
                self.assertEqual(235, attempt(self.client(), "dave", password)[0], (name, password))
        passwd("--delete", daemon.dir / "clear", "dave")
        self.assertEqual(535, self.client().plain("dave", "sécond")[0])
        self.assertEqual(235, self.client().plain("alice", "open sesame")[0])


if __name__ == "__main__":
    unittest.main()
