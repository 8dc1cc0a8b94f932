"""Configuration text as nobody would write it: a clear error or none, no crash,
no long wait, whatever its size."""

import subprocess
import unittest

from harness import BINDIR, SCALE, Daemon, TestCase

LIMIT = 60 * SCALE


class HugeText(TestCase):
    def check(self, text, *, status):
        """What impulsed --check-syntax says of it; never more than anybody would read."""
        file = Daemon(self).dir / "huge.conf"
        file.write_bytes(text)
        done = subprocess.run([str(BINDIR / "impulsed"), "--check-syntax", str(file)], capture_output=True, text=True,
                              timeout=LIMIT)
        self.assertEqual(status, done.returncode, done.stderr[:2000])
        self.assertLess(len(done.stderr), 100_000)
        return done.stderr

    def test_a_line_of_100_megabytes(self):
        self.assertEqual("", self.check(b"Hostname = " + b"x" * 100_000_000 + b"\n", status=0))
        self.assertIn("huge.conf:1:100000002: error: expected a value behind",
                      self.check(b"x" * 100_000_000 + b" =\n", status=1))

    def test_a_million_statements(self):
        count = 1_000_000 if SCALE == 1 else 100_000
        self.assertEqual("", self.check(b"a=1\n" * count, status=0))
        said = self.check(b"a 1\n" * count, status=1)
        self.assertIn("huge.conf:1:1: error: expected '=' behind 'a'", said)
        self.assertIn(f"and {count - 100} more errors", said)

    def test_a_damaged_file(self):
        count = 5_000_000 if SCALE == 1 else 500_000
        self.assertIn("huge.conf:1:1: error: expected UTF-8", self.check(b"\xff\n" * count, status=1))
        self.assertIn("huge.conf:1:1: error: expected text, found a NUL byte", self.check(b"\0a" * count, status=1))

    def test_ten_thousand_levels(self):
        for opening, closing in ((b"a {", b"}"), (b"a = (", b""), (b"a [ b = [", b"")):
            said = self.check(opening * 10_000 + closing * 10_000, status=1)
            self.assertRegex(said, r"huge\.conf:1:\d+: error: ")


if __name__ == "__main__":
    unittest.main()
