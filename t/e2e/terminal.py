"""ec_console on a terminal of its own, and a daemon that says what a test wants."""

import fcntl
import os
import pty
import socket
import subprocess
import termios
import threading

from harness import BINDIR, SCALE, wait_for


class Terminal:
    """ec_console on a pseudo-terminal that controls it: what is typed reaches it as from a keyboard, Ctrl-C too."""

    def __init__(self, home, *arguments, prompt="> ", **environment):
        self.control, line = pty.openpty()
        variables = {**os.environ, "HOME": str(home), "TERM": "dumb", "INPUTRC": "/dev/null", **environment}
        for name in {"NO_COLOR", "PAGER"} - environment.keys():
            variables.pop(name, None)

        def take_terminal():
            fcntl.ioctl(line, termios.TIOCSCTTY, 0)

        self.console = subprocess.Popen([str(BINDIR / "ec_console"), *map(str, arguments)], stdin=line, stdout=line,
                                        stderr=line, env=variables, start_new_session=True, preexec_fn=take_terminal)
        os.close(line)
        os.set_blocking(self.control, False)
        self.said = ""
        if prompt is not None:
            self.expect(prompt)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.console.kill()
        self.console.wait()
        os.close(self.control)

    def type(self, keys):
        os.write(self.control, keys.encode())

    def expect(self, text):
        """Waits until that is said, and forgets what was said up to it; returns what came before."""
        wait_for(lambda: text in self.hear(), lambda: f"{text!r} in {self.said!r}")
        before, self.said = self.said.split(text, 1)
        return before

    def hear(self):
        while True:
            try:
                more = os.read(self.control, 65536)
            except (BlockingIOError, OSError):  # nothing yet; ended
                return self.said
            if not more:
                return self.said
            self.said += more.decode(errors="replace")

    def run(self, command):
        """A command's output, up to the next prompt."""
        self.type(command + "\r")
        self.expect("\n")
        return self.expect("> ")

    def end(self):
        """Its exit status, when it ends by itself."""
        def ended():
            self.hear()  # it may have to be listened to
            return self.console.poll() is not None

        wait_for(ended, lambda: f"the console to end; it says {self.said!r}")
        return self.console.returncode


class FakeDaemon:
    """Speaks ECTL/1 as `answer(connection, request)` does: it gets a Connection, and says and hears through it. A
    connection ends when it returns False. `wrap` makes a TLS socket of a plain one."""

    def __init__(self, test, folder, answer, tcp=False, auth="", wrap=None, greet=True):
        self.answer, self.auth, self.wrap, self.greet = answer, auth, wrap, greet
        self.connections = 0
        self.socket = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX)
        self.path = folder / "fake.sock"
        self.socket.bind(("127.0.0.1", 0) if tcp else str(self.path))
        self.socket.listen()
        self.endpoint = f"127.0.0.1:{self.socket.getsockname()[1]}" if tcp else str(self.path)
        threading.Thread(target=self._serve, daemon=True).start()
        test.addCleanup(self.socket.close)

    def _serve(self):
        while True:
            try:
                plain = self.socket.accept()[0]
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(plain, self.connections), daemon=True).start()

    def _talk(self, plain, number):
        try:
            with (self.wrap(plain) if self.wrap else plain) as stream:
                connection = Connection(stream, number)
                if self.greet:
                    auth = f" auth={self.auth}" if self.auth else ""
                    connection.say(f"* ECTL/1 impulse/9 node=fake pid={number} gen=1{auth}")
                while (request := connection.hear()) is not None:
                    if self.answer(connection, request) is False:
                        return
        except OSError:  # the console has gone, or does not like our certificate
            pass


class Connection:
    def __init__(self, stream, number):
        self.stream, self.number = stream, number
        stream.settimeout(100 * SCALE)
        self.lines = stream.makefile("rb")

    def say(self, *lines):
        self.stream.sendall("".join(line + "\n" for line in lines).encode())

    def hear(self):
        line = self.lines.readline()
        return line.decode().rstrip("\n") if line else None
