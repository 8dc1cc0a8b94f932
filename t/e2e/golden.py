"""The form of golden sessions (golden/*.session), and how one is played.

    # a comment
    % directive …          what is done beside the console; see Play.do_*
    > what is typed        each line below it, up to a blank line, is what has to be answered
     payload               … as the protocol says it (doc/control-protocol.md): payload lines begin with a blank,
    !error id text         notices with '!', the status with '='
    =0 ok gen=1

A session begins with the greeting ("* ECTL/1 …"), and so does each connection behind one that `quit` has ended. Lines
are the same for each way to play them: what ec_console makes of them on a terminal is worked out from them
(golden_players.py). A session with `% over terminal` shows a terminal instead: lines that begin with '|'.

In a line @name@ stands for what differs between two runs:
    @dir@ @smtp@ @tcp@ @dead@ @pid@ @version@ @user@ @uid@   known, and compared: the test's folder, its ports, …
    @time@ @number@ @decimal@ @id@ @word@ @text@ @blank@     anything of that form
    @id:mail@              the same thing wherever it stands in the session; it may be typed, too
    @lines@                any number of lines
"""

import difflib
import os
import pwd
import re
import shutil
from pathlib import Path

from client import Smtp
from harness import BASE_CONFIG, Daemon, free_port, make_certificate, wait_for

FOLDER = Path(__file__).resolve().parent / "golden"

FORMS = {
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z",
    "number": r"[\d,]+",
    "decimal": r"\d+(?:\.\d+)?(?:e-\d+)?",
    "id": r"[0-9A-Za-z./-]+",
    "word": r"[^\s\"]+",
    "text": r".*",
    "blank": r"",
}
PLACEHOLDER = re.compile(r"@(\w+)(?::(\w+))?@")
TCP_LISTEN = '  Listen "127.0.0.1:@tcp@" { }\n'


class Matcher:
    """Compares lines with golden ones. Remembers what named placeholders stood for."""

    def __init__(self, values):
        self.values = {name: str(value) for name, value in values.items()}
        self.named = {}

    def fill(self, text):
        """What is typed: with known values and those that were found."""
        def value(match):
            if match[2]:
                return self.named[match[2]]
            return self.values.get(match[1], match[0])
        return PLACEHOLDER.sub(value, text)

    def fits(self, golden, line):
        pattern, names, end = "", [], 0
        matches = [match for match in PLACEHOLDER.finditer(golden) if match[1] in FORMS or match[1] in self.values]
        shifting = any(match[1] in FORMS for match in matches)  # beside a number columns shift

        def literal(text):
            return re.sub(r"(\\ )+", "[ ]+", re.escape(text)) if shifting else re.escape(text)

        for match in matches:
            pattern += literal(golden[end:match.start()])
            end = match.end()
            if match[1] not in FORMS:
                pattern += re.escape(self.values[match[1]])
            elif match[2] in self.named:
                pattern += re.escape(self.named[match[2]])
            elif match[2] in names:
                pattern += f"(?P={match[2]})"
            elif match[2]:
                names.append(match[2])
                pattern += f"(?P<{match[2]}>{FORMS[match[1]]})"
            else:
                pattern += FORMS[match[1]]
        pattern += literal(golden[end:])
        found = re.fullmatch(pattern, line)
        if found:
            self.named.update({name: found[name].strip() for name in names})
        return bool(found)

    def block_fits(self, golden, lines):
        if not golden:
            return not lines
        if golden[0].strip(" |") == "@lines@":
            return any(self.block_fits(golden[1:], lines[skipped:]) for skipped in range(len(lines) + 1))
        return bool(lines) and self.fits(golden[0], lines[0]) and self.block_fits(golden[1:], lines[1:])

    def as_golden(self, line):
        """A line that was never seen before, with placeholders for what is known to vary."""
        known = self.values
        for name in ("dir", "version", "pid", "smtp", "tcp", "dead"):
            if known.get(name):
                line = re.sub(rf"(?<![\w@]){re.escape(known[name])}(?!\w)", f"@{name}@", line)
        line = re.sub(rf"(console: |user ){re.escape(known['user'])}\b", r"\1@user@", line)
        line = re.sub(rf"^ {re.escape(known['user'])} via", " @user@ via", line)
        for pattern, form in ((FORMS["time"], "@time@"), (r"\b[0-9A-F]{8}/[0-9A-F]{8}-node1", "@id@"),
                              (r"(?<=127\.0\.0\.1:)\d{4,}", "@number@"), (r'(?<="age":)[\d.e-]+', "@decimal@"), (r"\b20\d\d-\d\d-\d\d@[\d:]{8}", "@word@")):
            line = re.sub(pattern, form, line)
        return re.sub(r"( +)$", r"\1@blank@", line)

    def updated(self, golden, lines):
        """The golden lines for `lines`: old ones where they fit."""
        if self.block_fits(golden, lines):
            return golden
        result, left = [], list(golden)
        for line in lines:
            old = next((index for index, text in enumerate(left) if text.strip() != "@lines@" and
                        PLACEHOLDER.search(text) and self.fits(text, line)), None)
            result.append(self.as_golden(line) if old is None else left[old])
            if old is not None:
                del left[:old + 1]
        return result


class Golden:
    """A session's file: steps of (kind, text, lines) in order."""

    def __init__(self, path):
        self.path = path
        self.steps = []
        lines = iter(path.read_text().splitlines())
        for line in lines:
            if not line or line.startswith("#"):
                self.steps.append(["text", line, []])
            elif line.startswith("%"):
                body = []
                if line.endswith("<<END"):
                    for inner in lines:
                        if inner == "END":
                            break
                        body.append(inner)
                self.steps.append(["do", line[1:].strip(), body])
            elif line.startswith(">"):
                self.steps.append(["type", line[2:], []])
            elif line[0] in " !=*?|":
                if not self.steps or self.steps[-1][0] not in ("type", "answer"):
                    self.steps.append(["answer", "", []])  # the greeting; what is said by itself
                self.steps[-1][2].append(line)
            else:
                raise AssertionError(f"{path.name}: what is '{line}'?")

    def directive(self, name):
        return next((step for step in self.steps if step[0] == "do" and step[1].split()[0] == name), None)

    @property
    def ways(self):
        over = self.directive("over")
        return over[1].split()[1:] if over else ["nc", "socat", "console"]

    def exchanges(self):
        """(what is typed, the answer); of a request with a payload its first line."""
        found, request = [], None
        for kind, text, lines in self.steps:
            if kind == "type":
                request = request or text
                if lines:
                    found.append((request, lines))
                    request = None
        return found

    def save(self):
        out = []
        for kind, text, lines in self.steps:
            if kind == "text":
                out.append(text)
            elif kind == "do":
                out += [f"% {text}", *lines, *(["END"] if text.endswith("<<END") else [])]
            else:
                out += [f"> {text}".rstrip()] if kind == "type" else []
                out += lines
        self.path.write_text("\n".join(out) + "\n")


class Play:
    """One session, played once."""

    def __init__(self, test, golden, way, player, update):
        self.test, self.golden, self.way, self.make, self.update = test, golden, way, player, update
        self.players, self.smtp = {}, None
        self.name = "first"
        config = golden.directive("config")
        tcp = golden.directive("tcp") is not None
        base = BASE_CONFIG.replace('control.sock" { }\n', 'control.sock" { }\n' + (TCP_LISTEN if tcp else ""))
        values = {"tcp": free_port() if tcp else "", "dead": free_port(), "user": pwd.getpwuid(os.getuid()).pw_name}
        self.daemon = Daemon(test, base, more="\n".join(config[2]) if config else "", **values)
        self.tcp = tcp
        test.addCleanup(lambda: self.smtp and self.smtp.close())  # before the daemon, which would wait for it

    def run(self):
        for kind, text, lines in self.golden.steps:  # what has to be there when the daemon starts
            if kind == "do" and text.split()[0] in ("certificate", "write", "directory"):
                self.do(text, lines)
            elif kind in ("type", "answer"):
                break
        self.daemon.start()
        with self.daemon.ectl() as other:
            version = other.greeting.split()[2].removeprefix("impulse/")
        self.matcher = Matcher({**self.daemon.values, "pid": self.daemon.process.pid, "version": version,
                                "uid": os.getuid()})
        begun = False
        for step in self.golden.steps:
            kind, text, lines = step
            if kind == "do":
                if begun or text.split()[0] not in ("certificate", "write", "directory"):
                    self.do(text, lines)
                continue
            if kind == "text":
                continue
            begun = True
            player = self.player()
            if kind == "type":
                said = player.say(self.matcher.fill(text), lines, self.update)
            else:
                said = player.hear(lines, self.update)
            if said is None:
                continue  # a line of a payload
            if self.update:
                step[2][:] = self.matcher.updated(lines, said)
            elif not self.matcher.block_fits(player.expected(text, lines), said):
                expected = player.expected(text, lines)
                difference = difflib.unified_diff(expected, self.matcher.updated(expected, said), "golden", "said",
                                                  lineterm="", n=100)
                self.test.fail(f"{self.golden.path.name} by {self.way}, '{text}'\n" + "\n".join(difference))

    def player(self):
        player = self.players.get(self.name)
        if player is None or player.ended:
            if player:
                player.close()
            player = self.players[self.name] = self.make(self)
            self.test.addCleanup(player.close)
        return player

    # directives

    def do(self, text, body):
        name, _, rest = text.partition(" ")
        getattr(self, "do_" + name)(rest.removesuffix("<<END").strip(), body)

    def do_over(self, *_):
        """over WAY…: which ways this session can be played (nc socat console)."""

    def do_tcp(self, *_):
        """tcp: over TCP, not by the Unix socket."""

    def do_config(self, *_):
        """config <<END: what the configuration has beside BASE_CONFIG."""

    def do_on(self, name, _):
        """on NAME: the following is typed in another connection (the one at the beginning is `first`)."""
        self.name = name

    def do_write(self, name, body):
        """write FILE <<END: a file in the test's folder."""
        (self.daemon.dir / name).write_text(self.daemon.fill("\n".join(body) + "\n"))

    def do_append(self, rest, _):
        """append FILE TEXT: a line more in a file."""
        name, line = rest.split(" ", 1)
        with (self.daemon.dir / name).open("a") as stream:
            stream.write(self.daemon.fill(line) + "\n")

    def do_remove(self, name, _):
        """remove FILE: the file, or the folder, is gone."""
        path = self.daemon.dir / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def do_directory(self, name, _):
        """directory NAME"""
        (self.daemon.dir / name).mkdir()

    def do_certificate(self, name, _):
        """certificate NAME: NAME.crt and NAME.key, in the folder."""
        make_certificate(self.daemon.dir, name)

    def do_smtp(self, line, _):
        """smtp LINE: said on an SMTP connection, which is opened when there is none; `smtp close` closes it."""
        if line == "close":
            self.smtp.close()
            self.smtp = None
            return
        if self.smtp is None:
            self.smtp = Smtp(self.daemon.smtp_port)
        if line != "open":
            self.smtp.command(line)

    def do_mail(self, rest, _):
        """mail FROM TO: a message goes in."""
        sender, recipient = rest.split()
        with Smtp(self.daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(b"From: a@b.example\r\nSubject: golden\r\n\r\nHi.\r\n", sender, (recipient,))
            smtp.quit()

    def do_until(self, rest, _):
        """until COMMAND => TEXT: waits until the command's answer holds the text."""
        command, text = rest.split(" => ")
        with self.daemon.ectl() as other:
            wait_for(lambda: text in str(other.command(command)), lambda: f"{text} in {other.command(command)}")

    def do_ends(self, status, _):
        """ends STATUS: the console ends by itself."""
        self.test.assertEqual(int(status), self.players[self.name].end())

    def do_closed(self, *_):
        """closed: the server closes the connection."""
        self.players[self.name].closed()

    def do_exits(self, *_):
        """exits: the daemon ends, in order."""
        self.test.assertEqual(0, self.daemon.wait())

    def do_crash(self, *_):
        """crash: the daemon is killed and started again."""
        self.daemon.kill9().start()
        self.matcher.values["pid"] = str(self.daemon.process.pid)
