"""Golden sessions: what is typed at the console, and what has to be answered, word for word.

Each golden/*.session is played by `nc`, by `socat` and in ec_console on a terminal of its own, against a fresh daemon.
The format, and what a line may leave open, is described in golden.py. IMPULSE_GOLDEN_UPDATE=1 t/e2e/run test_golden
writes the answers of this build into the files instead of comparing; look at the difference before you commit it.
"""

import json
import os
import re
import unittest

from golden import FOLDER, Golden, Matcher, Play
from golden_players import ConsolePlayer, PipePlayer, TerminalPlayer
from harness import TestCase, find_program, timeout

UPDATE = bool(os.environ.get("IMPULSE_GOLDEN_UPDATE"))
PLAYERS = {"nc": PipePlayer, "socat": PipePlayer, "console": ConsolePlayer, "terminal": TerminalPlayer}


class Sessions(TestCase):
    """Has a test for each session and each way to play it; they are added below."""

    def play(self, golden, way):
        if way in ("nc", "socat") and not find_program(way):
            self.skipTest(f"not installed: {way}")
        if UPDATE and way != golden.ways[0]:
            self.skipTest("only the first way to play a session updates it")
        Play(self, golden, way, PLAYERS[way], UPDATE).run()
        if UPDATE:
            golden.save()


def add_tests():
    for path in sorted(FOLDER.glob("*.session")):
        golden = Golden(path)
        for way in golden.ways:
            name = f"test_{path.stem.replace('-', '_')}_by_{way}"
            setattr(Sessions, name, timeout(40)(lambda self, path=path, way=way: self.play(Golden(path), way)))


add_tests()


class Coverage(TestCase):
    """A new command without goldens fails here."""

    def seen(self, commands):
        """What is typed in the goldens: command -> set of "right", "wrong", "json"."""
        seen = {command: set() for command in commands}
        for path in FOLDER.glob("*.session"):
            for typed, answers in Golden(path).exchanges():
                words = typed.split()
                while words and words[0].startswith("@"):
                    words.pop(0)
                as_json = bool(words) and words[0] == "--json"
                words = words[1:] if as_json else words
                status = next((line for line in answers if line.startswith("=")), None)
                names = [" ".join(words[:length]) for length in range(len(words), 0, -1)]
                command = next((name for name in names if name in seen), None)
                if status is None or command is None:
                    continue
                right = status[1:2] in "05"
                seen[command].add("right" if right else "wrong")
                if right and as_json:
                    seen[command].add("json")
        return seen

    def test_every_command_is_there_right_and_wrong_and_as_json(self):
        daemon = self.daemon()
        commands = [json.loads(line)["command"] for line in daemon.console("--json", "help").stdout.splitlines()]
        self.assertGreater(len(commands), 50)
        missing = {command: sorted({"right", "wrong", "json"} - kinds)
                   for command, kinds in self.seen(commands).items() if kinds != {"right", "wrong", "json"}}
        self.assertEqual({}, missing, "commands that no golden session shows so")

    def test_every_command_of_the_console_itself(self):
        daemon = self.daemon()
        with TerminalPlayer.terminal(daemon) as terminal:
            listed = set(re.findall(r"(?m)^(\\\w+)", terminal.run("\\help")))
        self.assertIn("\\quit", listed)
        typed = {words[0] for path in FOLDER.glob("*.session") for keys, _ in Golden(path).exchanges()
                 if (words := keys.split())}
        self.assertEqual(set(), listed - typed)


class TheMatcherItself(unittest.TestCase):
    """A golden that fits everything would be worth nothing."""

    def setUp(self):
        self.matcher = Matcher({"dir": "/tmp/x", "smtp": "2525"})

    def test_lines(self):
        for golden, line, fits in ((" a @dir@/b", " a /tmp/x/b", True), (" a @dir@/b", " a /tmp/y/b", False),
                                   (" at @time@", " at 2026-01-02T03:04:05Z", True), (" at @time@", " at noon", False),
                                   (" @number@ b", "    17 b", True), (" @number@ b", " x b", False),
                                   (" a", " a b", False), (" a.c", " abc", False), (" @blank@", " ", True)):
            with self.subTest(golden=golden, line=line):
                self.assertEqual(fits, self.matcher.fits(golden, line))

    def test_names_stand_for_one_value(self):
        self.assertTrue(self.matcher.fits(" @number:n@ @number:n@", " 12 12"))
        self.assertFalse(self.matcher.fits(" @number:n@", " 13"))
        self.assertEqual("kill 12", self.matcher.fill("kill @number:n@"))

    def test_blocks(self):
        self.assertTrue(self.matcher.block_fits(["a", "@lines@", "z"], ["a", "b", "c", "z"]))
        self.assertFalse(self.matcher.block_fits(["a", "@lines@", "z"], ["a", "b", "c"]))
        self.assertFalse(self.matcher.block_fits(["a"], ["a", "b"]))
        self.assertFalse(self.matcher.block_fits(["a", "b"], ["a"]))


if __name__ == "__main__":
    unittest.main()
