"""Clients for ECStream, a daemon that serves it, and what cuts connections."""

import json
import random
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

from disk_kit import ShimDaemon
from harness import BINDIR, SCALE, Closing, Daemon, TestCase, free_port

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "console"))
import ecstream  # noqa: E402  the client that is installed

LISTENER = """
ECStream_Listener {
  @options@
  Listen "127.0.0.1:@ecs@" { @listen@ }
  @listens@
}
"""
HELLO = b"ECSTREAM" + struct.pack(">HHI", 1, 1, 0)


def body(number, size=0):
    """A message that says which it is, and ends in a known way."""
    head = b"From: a@client.example\r\nSubject: number\r\nX-Number: %d\r\n\r\n" % number
    line = b"0123456789012345678901234567890123456789012345678901234567890\r\n"
    return head + line * max(1, size // len(line)) + b"end of %d\r\n" % number


def number_of(message):
    """… and which it was; it arrived whole."""
    number = int(message.split(b"X-Number: ", 1)[1].split(b"\n", 1)[0])
    assert message.replace(b"\r\n", b"\n").endswith(b"\nend of %d\n" % number), message[-200:]
    return number


class Case(TestCase):
    def begin(self, options="", listen="", listens="", more="", files=(), shim=False, **values):
        """`shim`: its disk is one that can be slow."""
        make = ShimDaemon if shim else Daemon
        self.daemon = make(self, more=LISTENER + more, **{"ecs": free_port(), "options": options, "listen": listen,
                                                          "listens": listens, **values})
        for name, text in dict(files).items():
            (self.daemon.dir / name).write_text(text)
            (self.daemon.dir / name).chmod(0o600)
        return self.daemon.start()

    @property
    def endpoint(self):
        return f"127.0.0.1:{self.daemon.values['ecs']}"

    def client(self, stream="", endpoint=None, **more):
        client = ecstream.Client(endpoint or self.endpoint, stream, **{"timeout": 60 * SCALE, **more})
        self.addCleanup(client.close)
        return client

    def raw(self, hello=True, **more):
        raw = Raw(self.daemon.values["ecs"], **more)
        self.addCleanup(raw.close)
        if hello:
            raw.send(1, payload=HELLO)
            self.assertEqual("HELLO", raw.next()[0])
        return raw

    def send_some(self, client, first, last, size=0, **more):
        return [client.send("a@client.example", ["bob@local.example"], body(number, size), **more)
                for number in range(first, last + 1)]

    def refusals(self, cause):
        shown = self.daemon.console("--json", "counter", "show", f"refused_{cause}").stdout
        return json.loads(shown.splitlines()[0])["value"]

    def numbers(self, user="bob"):
        return sorted(number_of(message) for message in self.daemon.maildir(user))

    def inbound(self):
        return inbound_states(self.daemon)

    def queued(self):
        return self.daemon.counters()["Received Messages"]


def inbound_states(daemon):
    """What its sessions are at, sorted."""
    rows = map(json.loads, daemon.console("--json", "show", "inbound").stdout.splitlines())
    return sorted(row["state"] for row in rows if "state" in row)


NAMES = {1: "HELLO", 3: "AUTH_REPLY", 5: "OPENED", 0x18: "ACK", 0x19: "NAK", 0x1A: "WINDOW", 0x20: "PING", 0x21: "PONG",
         0x22: "GOAWAY"}


class Raw(Closing):
    """Frames as they are, of which some may be none."""

    def __init__(self, port, source="127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60 * SCALE, source_address=(source, 0))
        self.file = self.socket.makefile("rb")

    def send(self, kind, flags=0, sequence=0, payload=b""):
        self.octets(struct.pack(">IBBHQ", len(payload), kind, flags, 0, sequence) + payload)

    def octets(self, data):
        self.socket.sendall(data)

    def open(self, stream=b"", flags=0, sequence=0):
        self.send(4, flags, sequence, stream)
        return self.next()

    def message(self, sequence, recipients=("bob@local.example",), data=None, flags=0, sender="a@client.example",
                **more):
        fields = ecstream.envelope(sender, recipients, **more)
        self.send(0x10, flags, sequence,
                  struct.pack(">I", len(fields)) + fields + (body(sequence) if data is None else data))

    def next(self):
        """(name, flags, sequence, payload) of the next frame; None: the connection has ended."""
        header = self.file.read(16)
        if len(header) < 16:
            return None
        length, kind, flags, _, sequence = struct.unpack(">IBBHQ", header)
        return NAMES[kind], flags, sequence, self.file.read(length)

    def until(self, name):
        """The next of that name; what comes before it is thrown away."""
        while (frame := self.next()) is not None:
            if frame[0] == name:
                return frame
        raise AssertionError(f"the connection ended before {name}")

    def goaway(self):
        """The code of GOAWAY, with which the connection ends."""
        code = struct.unpack_from(">H", self.until("GOAWAY")[3])[0]
        while self.next() is not None:
            pass
        return code


def nak(payload):
    """(code, recipient or None, enhanced code, text)"""
    code, recipient, size = struct.unpack_from(">HIB", payload)
    return code, None if recipient == 0xFFFFFFFF else recipient, payload[7:7 + size].decode(), payload[7 + size:].decode()


class Cutter:
    """Stands between clients and a port, and cuts a connection after some
    octets, in the middle of anything."""

    def __init__(self, test, port, least, most, seed):
        self.port, self.least, self.most = port, least, most
        self.chance, self.cuts = random.Random(seed), 0
        self.door = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self.door.getsockname()[1]}"
        self.calm = False  # cuts no more
        self.hold = None   # an event that it waits for before it cuts; the connection stands still until then
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()
        test.addCleanup(self.door.close)

    def _accept(self):
        while True:
            try:
                client, _ = self.door.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client, self.chance.randint(self.least, self.most)),
                             daemon=True).start()

    def _serve(self, client, budget):
        try:
            server = socket.create_connection(("127.0.0.1", self.port), timeout=60 * SCALE)
        except OSError:
            client.close()
            return
        left, lock = [budget], threading.Lock()

        def end():
            for side in (client, server):
                try:
                    side.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

        def carry(source, target):
            try:
                while data := source.recv(16384):
                    # What stands still in the one direction must not keep answers from coming.
                    if self.hold and source is server:
                        target.sendall(data)
                        continue
                    with lock:
                        if not self.calm and len(data) > left[0]:
                            data, left[0] = data[:left[0]], 0
                        else:
                            left[0] -= len(data)
                        over = not self.calm and left[0] <= 0
                    target.sendall(data)
                    if over:
                        if self.hold:
                            self.hold.wait()
                        self.cuts += 1
                        break
            except OSError:
                pass
            end()

        back = threading.Thread(target=carry, args=(server, client), daemon=True)
        back.start()
        carry(client, server)
        back.join()
        client.close()
        server.close()


def start_c_client(endpoint, stream, count, *, acknowledged=0, size=0, first=None):
    """The C library, as a process: says 'ack N', 'nak N code', and at last 'done'."""
    return subprocess.Popen([str(BINDIR / "t/e2e/ecstream_client"), endpoint, stream, str(acknowledged),
                             str(acknowledged + 1 if first is None else first), str(count), str(size)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
