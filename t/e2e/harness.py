"""What the end-to-end tests stand on: a daemon in a folder of its own, its
console, its logs, Maildirs; and waiting that waits for something.

Nothing here knows the daemon's inside. Standard library only.
"""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

from main_log import parse_mainlog

TOP = Path(__file__).resolve().parent.parent.parent
BINDIR = Path(os.environ.get("IMPULSE_BINDIR", TOP / "build"))
SCALE = float(os.environ.get("IMPULSE_E2E_SCALE", "1"))


def timeout(seconds):
    """Decorator: how long a test may take (120 s without it)."""
    def mark(function):
        function.timeout = seconds
        return function
    return mark


def heavy(function):
    """Decorator: the test wants the machine for itself."""
    function.heavy = True
    return function


def needs(*programs):
    """Decorator: skip where a program is not installed (./check installs all)."""
    missing = [program for program in programs if not find_program(program)]
    return unittest.skipIf(missing, "not installed: " + ", ".join(missing))


def find_program(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def wait_for(condition, what, seconds=30):
    """Polls until condition() is true and returns its value; fails with `what` at the deadline."""
    deadline = time.monotonic() + seconds * SCALE
    pause = 0.005
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds * SCALE:.0f} s in vain: " + (what() if callable(what) else what))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def settled(look, what, seconds=30):
    """What look() tells, once it has told the same five times in a row."""
    seen = []
    wait_for(lambda: seen.append(look()) or seen[-5:] == seen[-1:] * 5, what, seconds)
    return seen[-1]


def is_sanitized():
    """Sanitizers keep what was freed, and want address space: memory says nothing then."""
    binary = (BINDIR / "impulsed").read_bytes()
    return b"__asan_init" in binary or b"__tsan_init" in binary


# --- ports -------------------------------------------------------------------

_port_locks = []  # held as long as the process lives


def lock_file(path):
    """Open; that of another user only to be read, which is enough to lock it."""
    try:
        return open(path)
    except FileNotFoundError:
        return open(path, "x")


def free_port():
    """A TCP port that no other test uses now, outside the range that the kernel gives to clients."""
    folder = Path(tempfile.gettempdir()) / "impulse-e2e-ports"
    folder.mkdir(exist_ok=True)
    with contextlib.suppress(PermissionError):
        folder.chmod(0o1777)  # for every user; of mkdir's mode the umask would take some
    start = 20000 + (os.getpid() * 37) % 9000
    for port in list(range(start, 30000)) + list(range(20000, start)):
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            lock = stack.enter_context(lock_file(folder / str(port)))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.bind(("0.0.0.0", port))
            stack.pop_all()
            _port_locks.append(lock)
            return port
    raise AssertionError("no free port")


# --- the daemon --------------------------------------------------------------

BASE_CONFIG = """\
Hostname = mx.test.example
Nodename = node1
Spoolbase = "@dir@/spool"
Spool_Min_Free = 0 Memory_HWM = 100
Mainlog = "@dir@/mainlog"
Diagnostic_Log = "@dir@/log"
Retry_Interval = 1
Max_Retry_Interval = 2 Resolv_Conf = "@dir@/resolv.conf"
ESMTP_Listener {
  Listen "127.0.0.1:@smtp@" { }
}
Control_Listener {
  Listen "@dir@/control.sock" { }
}
Domain "local.example" {
  Delivery_Method = maildir
  Maildir_Path = "@dir@/mail/%{domain}/%{localpart}"
}
@more@
"""


class Daemon:
    """One impulsed. `config`: text with @name@ for values; @dir@ and @smtp@ are always known."""

    def __init__(self, test, config=BASE_CONFIG, more="", **values):
        base = os.environ.get("IMPULSE_E2E_DIR")
        self.dir = Path(tempfile.mkdtemp(prefix="d", dir=base))
        if base is None:
            test.addCleanup(shutil.rmtree, self.dir, True)
        self.control = self.dir / "control.sock"
        self.test = test
        self.process = None
        self.environment = {}  # of the process, beside our own
        self.values = {"dir": str(self.dir), "smtp": free_port(), "more": more, **values}
        self.smtp_port = self.values["smtp"]
        self.config_file = self.dir / "impulse.conf"
        # Nobody answers there: no test asks a real name server (dns_server.py is one for tests).
        (self.dir / "resolv.conf").write_text("nameserver 127.0.0.1:1\n")
        self.configure(config)
        test.addCleanup(self._clean_up)

    # configuration

    def configure(self, config, **values):
        """Writes the configuration file; running daemons notice nothing before a reload."""
        self.values.update(values)
        self.config_file.write_text(self.fill(config))

    def fill(self, text):
        for _ in range(2):  # a value may name values
            for name, value in self.values.items():
                text = text.replace(f"@{name}@", str(value))
        return text

    # life

    def spawn(self, *arguments, user=None):
        """Starts without waiting; `user`: as somebody else (only root can)."""
        with open(self.dir / "stdout", "ab") as stdout, open(self.dir / "stderr", "ab") as stderr:
            self.process = subprocess.Popen([str(BINDIR / "impulsed"), "-c", str(self.config_file), "-f", *arguments],
                                            stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd=self.dir,
                                            user=user, env={**os.environ, **self.environment})
        return self

    def start(self, indexed=True):
        """Starts, and waits until the control socket answers; and until what was in the spool is in the queue, where
        the log is one that says so."""
        recovered = self.log().count("spool-recovered")
        indexed = indexed and f'Diagnostic_Log = "{self.dir / "log"}"' in self.config_file.read_text()
        self.spawn()

        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"impulsed ended with {self.process.returncode}:\n{self.complaints()}")
            try:
                with Ectl(self.control):
                    return True
            except (OSError, ConnectionError):
                return False

        wait_for(ready, lambda: "the control socket does not answer:\n" + self.complaints(), 60)
        if indexed:
            wait_for(lambda: self.log().count("spool-recovered") > recovered or self.process.poll() is not None,
                     lambda: "what was in the spool is not in the queue:\n" + self.complaints(), 120)
        return self

    def start_fails(self, status=1, user=None):
        """Starts what cannot start; returns what it said."""
        self.spawn(user=user)
        code = self.wait()
        self.test.assertEqual(status, code, self.complaints())
        return self.complaints()

    def wait(self, seconds=60):
        try:
            return self.process.wait(timeout=seconds * SCALE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"impulsed has not ended after {seconds * SCALE:.0f} s") from None

    def stop(self):
        """SIGTERM; the end must be in order."""
        self.process.send_signal(signal.SIGTERM)
        code = self.wait()
        self.test.assertEqual(0, code, self.complaints())
        return self

    def kill9(self):
        self.process.kill()
        self.process.wait()
        return self

    def signal(self, number):
        self.process.send_signal(number)
        return self

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def _clean_up(self):
        if self.running:
            self.process.terminate()
            try:
                self.process.wait(timeout=40 * SCALE)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGABRT)
                self.process.wait()
                raise AssertionError("impulsed did not end on SIGTERM") from None
        stderr = self.stderr()
        for sign in ("AddressSanitizer", "ThreadSanitizer", "runtime error:", "LeakSanitizer"):
            if sign in stderr:
                raise AssertionError(f"{sign} has something to say:\n{stderr[-8000:]}")

    def check(self, *arguments):
        """impulsed with other arguments, to its end."""
        return subprocess.run([str(BINDIR / "impulsed"), *map(str, arguments)], capture_output=True, text=True,
                              timeout=60 * SCALE, stdin=subprocess.DEVNULL, cwd=self.dir)

    # what it says

    def stderr(self):
        return read(self.dir / "stderr")

    def log(self):
        return read(self.dir / "log")

    def complaints(self):
        return self.stderr() + self.log()

    def wait_log(self, text, seconds=30):
        return wait_for(lambda: text in self.log(), f"'{text}' in the diagnostic log", seconds)

    def mainlog(self, kind=None):
        """Records of the main log, parsed; `kind` is R, D, T, P or M; None: all but M."""
        return [record for record in map(parse_mainlog, read_lines(self.dir / "mainlog"))
                if record["kind"] == kind or (kind is None and record["kind"] != "M")]

    def wait_mainlog(self, kind, count, seconds=30):
        return wait_for(lambda: len(self.mainlog(kind)) >= count and self.mainlog(kind),
                        lambda: f"{count} {kind} lines in the main log, there are {len(self.mainlog(kind))}", seconds)

    def resident(self):
        """Memory it has, KiB."""
        for line in read(f"/proc/{self.process.pid}/status").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")

    # mail

    def maildir(self, user, domain="local.example"):
        """Messages of a user, as bytes with LF line ends, oldest first."""
        folder = self.dir / "mail" / domain / user / "new"
        return [path.read_bytes() for path in sorted(folder.glob("*"))] if folder.is_dir() else []

    def wait_mail(self, user, count=1, domain="local.example", seconds=30):
        return wait_for(lambda: len(self.maildir(user, domain)) >= count and self.maildir(user, domain),
                        lambda: f"{count} messages for {user}@{domain}, there are {len(self.maildir(user, domain))}",
                        seconds)

    # control

    def console(self, *words, stdin=None, status=0):
        """ec_console in batch mode; `status` None takes any."""
        done = subprocess.run([str(BINDIR / "ec_console"), str(self.control), *map(str, words)], text=True,
                              input=stdin if stdin is not None else "", capture_output=True, timeout=100 * SCALE)
        if status is not None and done.returncode != status:
            raise AssertionError(f"ec_console {' '.join(map(str, words))}: status {done.returncode}, not {status}\n"
                                 f"{done.stdout}{done.stderr}")
        return done

    def ectl(self):
        return Ectl(self.control)

    def counters(self):
        """The numbers of `summary`, by their labels."""
        found = {}
        for line in self.console("summary").stdout.splitlines():
            match = re.match(r"\s*([^:]+):\s+(-?\d+)\b", line)
            if match:
                found[match[1].strip()] = int(match[2])
        return found

    def wait_empty(self, seconds=30):
        """Until the queue is empty; `seconds`: how long it may stay as long as it is."""
        least, deadline = None, 0
        while size := self.counters()["Total Queue Size"]:
            if least is None or size < least:
                least, deadline = size, time.monotonic() + seconds * SCALE
            elif time.monotonic() > deadline:
                raise AssertionError(f"{size} in the queue, and it gets no shorter: {self.counters()}\n{self.complaints()}")
            time.sleep(0.05)

    def inbound_sessions(self):
        return self.counters()["Inbound Concurrency"]


def read(path):
    try:
        return Path(path).read_text(errors="replace")
    except FileNotFoundError:
        return ""


def read_lines(path):
    """The lines of a log; one that is still being written is none yet."""
    return read(path).split("\n")[:-1]


# --- the control protocol, by hand -------------------------------------------

class Closing:
    """A connection (`socket`, and `file` that reads from it) for a `with`."""

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Ectl(Closing):
    """ECTL/1 over a Unix socket, or TCP when given (host, port)."""

    def __init__(self, address):
        family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(60 * SCALE)
        try:
            self.socket.connect(address if family == socket.AF_INET else str(address))
            self.file = self.socket.makefile("rb")
            self.greeting = self.line()
        except BaseException:
            self.socket.close()
            raise

    def line(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("the control connection is closed")
        return line.decode("utf-8").rstrip("\n")

    def send(self, text):
        self.socket.sendall(text.encode())

    def reply(self):
        lines = []
        while True:
            line = self.line()
            if line.startswith("="):
                return Reply(lines, line)
            lines.append(line)

    def command(self, text):
        self.send(text + "\n")
        return self.reply()


class Reply:
    def __init__(self, lines, status):
        self.lines = lines
        self.status = status
        words = status[1:].split(" ")
        self.code = int(words[0])
        self.word = words[1] if len(words) > 1 else ""
        self.values = dict(word.split("=", 1) for word in words[2:] if "=" in word)

    @property
    def payload(self):
        return [line[1:] for line in self.lines if line.startswith(" ")]

    @property
    def remarks(self):
        return [line[1:] for line in self.lines if line.startswith("!")]

    def __str__(self):
        return "\n".join([*self.lines, self.status])


def make_certificate(folder, name="mx", common_name="mx.test.example"):
    """A self-signed certificate; returns (certificate, key)."""
    cert, key = Path(folder) / f"{name}.crt", Path(folder) / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "30", "-subj", f"/CN={common_name}", "-addext",
                    f"subjectAltName=DNS:{common_name},IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
                   check=True, capture_output=True, timeout=60)
    return cert, key


class Threads:
    """Runs functions in threads; join() raises what the first of them raised."""

    def __init__(self):
        self.errors = []
        self.threads = []

    def start(self, function, *arguments):
        def guarded():
            try:
                function(*arguments)
            except BaseException as error:  # whatever it was, the test has to know
                self.errors.append(error)

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        self.threads.append(thread)
        return thread

    def join(self, seconds=60):
        deadline = time.monotonic() + seconds * SCALE
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                raise AssertionError("a client has not ended")
        if self.errors:
            raise self.errors[0]


class TestCase(unittest.TestCase):
    maxDiff = None

    def daemon(self, *arguments, **values):
        """A running daemon."""
        return Daemon(self, *arguments, **values).start()
