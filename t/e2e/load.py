"""Clients that keep a daemon busy while something is done to it, and remember
what they were promised."""

import hashlib
import os
import random
import socket
import threading
import time

from client import Smtp, stuffed
from harness import Threads


def numbered_message(name, size):
    """A message that can be recognised and checked: its name, and a hash of its body."""
    seed = hashlib.sha256(name.encode()).hexdigest()
    lines = [f".{seed}" if number % 7 == 0 else f"{number} {seed}" for number in range(max(1, size // 70))]
    body = "\r\n".join(lines).encode() + b"\r\n"
    return (f"Message-ID: <{name}@client.example>\r\nX-Name: {name}\r\nX-Hash: {hashlib.sha256(body).hexdigest()}\r\n"
            f"\r\n").encode() + body


def check_numbered(arrived):
    """The name of a message that arrived (LF or CRLF); fails when it is damaged."""
    arrived = arrived.replace(b"\r\n", b"\n")
    head, _, body = arrived.partition(b"\n\n")
    fields = dict(line.split(b": ", 1) for line in head.split(b"\n") if line.startswith((b"X-Name: ", b"X-Hash: ")))
    if set(fields) != {b"X-Name", b"X-Hash"}:
        raise AssertionError(f"a message without its marks: {arrived[:1000]!r}")
    name = fields[b"X-Name"].decode()
    if hashlib.sha256(body.replace(b"\n", b"\r\n")).hexdigest().encode() != fields[b"X-Hash"]:
        raise AssertionError(f"{name} is damaged: {arrived[:1000]!r} … {len(arrived)} bytes")
    return name


class Senders:
    """Sessions that send message after message as fast as they are answered.
    `promised` are the names of the messages that got 250. `greeting`: LHLO for LMTP."""

    def __init__(self, port, count, prefix="", sizes=(500, 5000), recipient=lambda client: f"u{client}@local.example",
                 tolerant=False, greeting="EHLO"):
        self.greeting = greeting
        self.port, self.sizes, self.prefix, self.recipient = port, sizes, prefix, recipient
        self.tolerant = tolerant   # the server may vanish (kill -9)
        self.promised = set()
        self.sent = set()
        self.answers = {}          # text of that 250, by name
        self.polite_ends = 0       # 421 between two messages
        self.lock = threading.Lock()
        self.end = threading.Event()
        self.threads = Threads()
        for number in range(count):
            self.threads.start(self._run, number)

    def stop(self):
        self.end.set()
        self.threads.join(120)

    def _run(self, number):
        chance = random.Random(f"{self.prefix}{number}")
        serial = 0
        while not self.end.is_set():
            try:
                with Smtp(self.port) as smtp:
                    smtp.expect(250, f"{self.greeting} client.example")
                    while not self.end.is_set():
                        name = f"{self.prefix}{number}-{serial}"
                        serial += 1
                        message = numbered_message(name, chance.randint(*self.sizes))
                        if not self._send(smtp, name, message, self.recipient(number)):
                            break
                    else:
                        code, text = smtp.command("QUIT")
                        if code not in (221, 421):
                            raise AssertionError(f"QUIT: {code} {text}")
            except OSError:  # refused, reset, closed, timed out
                if not self.tolerant:
                    raise
                if self.end.is_set():
                    return
                time.sleep(0.01)

    def _send(self, smtp, name, message, recipient):
        smtp.send(f"MAIL FROM:<alice@client.example>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n")
        code, text = smtp.reply()
        if code == 421:  # the configuration changed: an end in order, nothing was promised
            with self.lock:
                self.polite_ends += 1
            return False
        if code != 250:
            raise AssertionError(f"MAIL: {code} {text}")
        for expected in (250, 354):
            code, text = smtp.reply()
            if code != expected:
                raise AssertionError(f"{code} {text}, not {expected}")
        with self.lock:
            self.sent.add(name)
        smtp.send(stuffed(message))
        code, text = smtp.reply()
        if code != 250:
            raise AssertionError(f"end of data: {code} {text}")
        with self.lock:
            self.promised.add(name)
            self.answers[name] = text
        return True


class Knockers:
    """Connect, greet, leave, again and again; any connection that is refused or
    dropped fails the test. A session that began under the configuration before
    may end with a 421, in order."""

    def __init__(self, port, count, host="127.0.0.1"):
        self.port, self.host = port, host
        self.served = 0
        self.lock = threading.Lock()
        self.end = threading.Event()
        self.threads = Threads()
        for _ in range(count):
            self.threads.start(self._run)

    def stop(self):
        self.end.set()
        self.threads.join(60)

    def _run(self):
        while not self.end.is_set():
            with Smtp(self.port, host=self.host) as smtp:
                if smtp.banner[0] != 220:
                    raise AssertionError(f"greeted with {smtp.banner}")
                for command, usual in (("EHLO client.example", 250), ("QUIT", 221)):
                    code, text = smtp.command(command)
                    if code == 421:
                        break
                    if code != usual:
                        raise AssertionError(f"{command}: {code} {text}")
            with self.lock:
                self.served += 1


def is_refused(port, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), timeout=30).close()
    except ConnectionRefusedError:
        return True
    return False


def ipv6_works():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return os.path.exists("/proc/net/if_inet6")
    except OSError:
        return False
