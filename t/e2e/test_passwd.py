"""ec_passwd: password files made and edited, and that impulsed takes them at once."""

import fcntl
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
