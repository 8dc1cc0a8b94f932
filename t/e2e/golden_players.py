"""Ways to play a golden session: by nc or socat, in ec_console, on a terminal as it is seen."""

import os
import re
import select
import shlex
import subprocess

from harness import SCALE, find_program, wait_for
from terminal import Terminal

WIDE = {"COLUMNS": "4000"}  # nothing of a line is scrolled away


class PipePlayer:
    """nc or socat: what is typed and said is the protocol itself."""

    def __init__(self, play):
        daemon = play.daemon
        port = daemon.values["tcp"]
        if play.way == "nc":
            arguments = ["nc", "127.0.0.1", str(port)] if play.tcp else ["nc", "-U", str(daemon.control)]
        else:
            to = f"TCP:127.0.0.1:{port}" if play.tcp else f"UNIX-CONNECT:{daemon.control}"
            arguments = ["socat", "-t", "0", "-", to]
        self.process = subprocess.Popen([find_program(arguments[0]), *arguments[1:]], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.ended, self.payload, self.read = False, None, b""

    def say(self, line, golden, update):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        if self.payload is None and (word := re.search(r"\s<<(\w+)$", line)):
            self.payload = word[1]
            return None
        if self.payload is not None and self.payload != line:
            return None
        self.payload = None
        said = []
        while not said or said[-1][:1] not in ("=", "?"):
            said.append(self._line())
        # A daemon that goes, or says good-bye, closes.
        if said[-1].startswith("=0 bye") or re.fullmatch(r"(--json )?shutdown", line) and said[-1].startswith("=0"):
            self.closed()
        return said

    def hear(self, golden, update):
        """What comes without being asked for: as many lines as are expected."""
        return [self._line() for _ in golden]

    def expected(self, _, golden):
        return golden

    def closed(self):
        """The server closes, and says nothing more."""
        if self.process.args[0].endswith("nc"):
            self.process.stdin.close()  # by TCP nc goes when both sides have ended, and tells the server nothing of this
        while self._more():
            pass
        assert self.read == b"", f"behind the end: {self.read!r}"
        self.ended = True

    def _line(self):
        while b"\n" not in self.read:
            assert self._more(), f"the connection is closed; {self.read!r}"
        line, self.read = self.read.split(b"\n", 1)
        return line.decode()

    def _more(self):
        ready, _, _ = select.select([self.process.stdout], [], [], 20 * SCALE)
        assert ready, f"nothing comes; {self.read!r}"
        more = os.read(self.process.stdout.fileno(), 65536)
        self.read += more
        return more

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        if not self.process.stdin.closed:
            self.process.stdin.close()


class ScreenPlayer:
    """ec_console on a terminal, up to the next prompt."""

    PROMPT = re.compile(r"(?:^|\n)(?:\S*control\.sock|\S+:\d+)(?: \[[^\]\n]*\])?> $|(?:^|\n)\w+> $|password: $")

    def __init__(self, play):
        self.play, self.ended, self.console = play, False, None

    def start(self, *arguments, **environment):
        self.console = Terminal(self.play.daemon.dir, *arguments, prompt=None, **WIDE, **environment)

    def screen(self):
        """All that is shown, up to a prompt, or to the end."""
        def complete():
            gone = self.console.console.poll() is not None
            said = self.console.hear().replace("\r\n", "\n")
            return gone or self.PROMPT.search(said)

        wait_for(complete, lambda: f"a prompt: {self.console.said!r}")
        said, self.console.said = self.console.said.replace("\r\n", "\n"), ""
        return said

    def end(self):
        self.ended = True
        return self.console.end()

    def close(self):
        if self.console:
            self.console.__exit__()
            self.console = None


class ConsolePlayer(ScreenPlayer):
    """Plays a session of the protocol in ec_console, and knows how that shows each line."""

    def __init__(self, play):
        super().__init__(play)
        self.start(f"127.0.0.1:{play.daemon.values['tcp']}" if play.tcp else play.daemon.control)
        self.payload, self.with_payload = None, False

    def say(self, line, golden, update):
        self.console.type(line + "\r")
        said = self.screen()
        shown, _, said = said.partition("\n")
        assert shown == line, f"{shown!r} is not what was typed"
        if self.payload is None and (word := re.search(r"\s<<(\w+)$", line)):
            self.payload = word[1]
            return None
        if self.payload is not None and self.payload != line:
            return None
        self.with_payload, self.payload = self.payload is not None, None
        if any(answer.startswith("=0 bye") for answer in golden):
            assert self.console.end() == 0
            said += self.console.said.replace("\r\n", "\n")
            self.ended = True
        return self.without_prompt(said)

    def without_prompt(self, said):
        at = self.PROMPT.search(said)
        if at and at.start() == 0 and not at[0].startswith("\n"):
            return []
        said = said[:at.start()] if at else said.removesuffix("\n")
        return said.split("\n") if said else []

    def hear(self, golden, update):
        if golden[0].startswith("* ECTL"):
            return self.without_prompt(self.screen())
        # The prompt is shown again behind each.
        wanted = self.expected("", golden)
        found = []
        for line in wanted:
            matcher = self.play.matcher
            def shown():
                lines = self.console.hear().replace("\r", "\n").split("\n")
                return next((text for text in lines if text and matcher.fits(line, text)), None)
            found.append(wait_for(shown, lambda: f"{line!r} in {self.console.said!r}"))
        self.screen()
        return found

    def expected(self, typed, golden):
        """How the answers look on a terminal."""
        typed = self.play.matcher.fill(typed)
        shown, said = [], False
        for line in golden:
            kind, text = line[:1], line[1:]
            if line.startswith("* ECTL/1 "):
                product, *fields = text.split()[1:]
                fields = dict(field.split("=", 1) for field in fields)
                shown += [f"{product} on {fields['node']}, process {fields['pid']}, configuration generation "
                          f"{fields['gen']}", "'help' lists the commands, Tab completes, Ctrl-D quits"]
            elif kind == " ":
                shown.append(text)
                said = True
            elif kind == "!":
                severity, identifier, text = text.split(" ", 2)
                said = said or severity == "error"
                if identifier == "config-source-line":
                    shown.append(text)
                    continue
                shown.append(f"{severity}: {text} [{identifier}]")
                if not self.with_payload and (place := re.match(r"console:1:(\d+|@number@)", text)):
                    if place[1].isdigit():
                        shown += ["  " + typed, " " * (int(place[1]) + 1) + "^"]
                    else:
                        shown += ["  " + typed, "@text@^"]
            elif kind == "=" and not said:
                words = [word for word in text.split()[1:] if not word.startswith("@") or word.endswith("@")]
                shown.append("[" + " ".join(words) + "]")
            elif kind == "*":
                shown.append(text)
        return shown


class TerminalPlayer(ScreenPlayer):
    """A session of ec_console itself, as its user sees it: lines of the golden begin with '|'."""

    KEYS = {"^C": "\x03", "^D": "\x04", "<Tab>": "\t", "<Up>": "\x1b[A"}

    @staticmethod
    def terminal(daemon):
        return Terminal(daemon.dir, daemon.control, **WIDE)

    def say(self, line, golden, update):
        if line.startswith("$ ec_console"):
            self.start(*shlex.split(line)[2:])
            return self.lines(self.screen())
        keys = line
        for name, key in self.KEYS.items():
            keys = keys.replace(name, key)
        if line.endswith("^C"):  # the terminal drops what was not read yet
            self.console.type(keys[:-1])
            wait_for(lambda: keys[:-1] in self.console.hear(), lambda: f"{keys!r} in {self.console.said!r}")
            keys = "\x03"
        self.console.type(keys if line.endswith(("^C", "^D")) else keys + "\r")
        return self.lines(self.screen())

    def lines(self, said):
        return [f"| {line}".rstrip() for line in said.removesuffix("\n").split("\n")]

    def expected(self, _, golden):
        return golden
