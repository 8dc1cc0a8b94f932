#!/usr/bin/env python3
"""A client of ECStream, by which programs hand messages to Impulse: one file,
nothing but Python's own library (3.8 or newer). What is said on the wire is
specified in ecstream.md.

    import ecstream
    with ecstream.Client("mx.example:1825", stream="orders-2026", user="app1", password="…", tls=True) as client:
        client.send("a@example.org", ["b@example.com"], b"Subject: hi\\r\\n\\r\\nHello\\r\\n")
        client.drain()
        print(client.refused)

What is not acknowledged is kept, and sent again when a connection broke. As a
program it sends one file, or what it reads: ecstream.py --help."""

import argparse
import collections
import select
import socket
import ssl
import struct
import sys
import time

HELLO, AUTH, AUTH_REPLY, OPEN, OPENED = 1, 2, 3, 4, 5
MESSAGE, CHUNK, FLUSH, SKIP = 0x10, 0x11, 0x12, 0x13
ACK, NAK, WINDOW, PING, PONG, GOAWAY = 0x18, 0x19, 0x1A, 0x20, 0x21, 0x22
MORE, WANT_ID, ABORT = 1, 2, 2
# GOAWAY codes behind which it makes no sense to come again.
FOR_GOOD = {5, 7, 8, 9, 16, 17, 18, 19, 20, 21, 23, 24}
NOTIFY = {"NEVER": 1, "SUCCESS": 2, "FAILURE": 4, "DELAY": 8}
BODY = {"7BIT": 0, "8BITMIME": 1, "BINARYMIME": 2}
RET = {"FULL": 1, "HDRS": 2}


class Error(Exception):
    """The server does not want us; this client is of no more use."""


class Lost(Exception):
    """The connection is gone; another one may be made."""


Refusal = collections.namedtuple("Refusal", "sequence code enhanced recipient text")


def field(tag, value):
    if len(value) > 65535:
        raise ValueError("a part of the envelope is too long")
    return struct.pack(">BH", tag, len(value)) + value


def envelope(sender, recipients, *, body_type="7BIT", smtputf8=False, ret=None, envid=None, auth=None,
             deliver_by=None, hold_for=None, hold_until=None, priority=0, require_tls=False, context=None, size=None):
    """The fields of a MESSAGE. A recipient is an address, or a dictionary with
    address and perhaps notify (a list of words) and orcpt. deliver_by is
    (seconds, "R" or "N", trace)."""
    out = [field(1, sender.encode())]
    for recipient in recipients:
        if isinstance(recipient, str):
            recipient = {"address": recipient}
        out.append(field(2, recipient["address"].encode()))
        if recipient.get("notify"):
            out.append(field(3, bytes([sum(NOTIFY[word] for word in recipient["notify"])])))
        if recipient.get("orcpt"):
            out.append(field(4, recipient["orcpt"].encode()))
    if BODY[body_type]:
        out.append(field(0x10, bytes([BODY[body_type]])))
    if smtputf8:
        out.append(field(0x11, b""))
    if ret:
        out.append(field(0x12, bytes([RET[ret]])))
    if envid:
        out.append(field(0x13, envid.encode()))
    if auth:
        out.append(field(0x14, auth.encode()))
    if deliver_by:
        seconds, mode, trace = deliver_by
        out.append(field(0x15, struct.pack(">i", seconds) + mode.encode() + bytes([bool(trace)])))
    if hold_for is not None:
        out.append(field(0x16, struct.pack(">I", hold_for)))
    if hold_until is not None:
        out.append(field(0x17, struct.pack(">Q", hold_until)))
    if priority:
        out.append(field(0x18, struct.pack(">b", priority)))
    if require_tls:
        out.append(field(0x19, b""))
    if size is not None:
        out.append(field(0x1A, struct.pack(">Q", size)))
    for key, value in (context or {}).items():
        key = key.encode()
        out.append(field(0x20, bytes([len(key)]) + key + value.encode()))
    return b"".join(out)


class Client:
    """One stream. `acknowledged`: how far it has come, if that is known, as when
    a program sends again what it had not seen acknowledged; else numbers go on
    behind what the server has. `new`: nobody can know the stream. `max_bytes`:
    what is kept unacknowledged; send() waits above it.

    `refused` and `ids` say what became of messages. `forgotten`: the server had
    lost its memory of the stream when the client came again: what was on its way
    then may be stored twice."""

    def __init__(self, endpoint, stream="", *, user=None, password="", tls=False, ca=None, verify=True,
                 certificate=None, key=None, new=False, acknowledged=None, timeout=30, hostname=None,
                 reconnect=True, max_bytes=64 << 20):
        self.endpoint, self.stream, self.user, self.password = endpoint, stream, user, password
        self.timeout, self.reconnect, self.new = timeout, reconnect, new
        self.hostname = hostname or socket.gethostname()
        self.done = acknowledged or 0
        self.waiting = collections.OrderedDict()  # sequence: (envelope, body, want_id), or None: skip it
        self.refused, self.ids, self.next = [], {}, self.done + 1
        self.max_bytes, self.kept = max_bytes, 0  # octets of what is waiting
        self.furthest, self.forgotten = None, False  # furthest: that was ever sent, or that the server had at first
        self.tls = None
        if tls:
            self.tls = ssl.create_default_context(cafile=ca)
            if not verify:
                self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE
            if certificate:
                self.tls.load_cert_chain(certificate, key)
        self.socket, self.buffer, self.pause = None, b"", 0
        self._connect()
        self.next = (self.done if acknowledged is None else acknowledged) + 1

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.drain()
        self.close()

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    # --- what a program calls ------------------------------------------------

    def send(self, sender, recipients, body, *, want_id=False, **parameters):
        """Takes a message (CRLF lines) and sends it as soon as it may; its
        number. Waits while too much is kept. For the parameters see envelope()."""
        fields = envelope(sender, recipients, size=len(body), **parameters)
        while self.waiting and self.kept + len(fields) + len(body) > self.max_bytes:
            self._go_on(self.timeout)
        number = self.next
        self.next += 1
        if number <= self.done:  # the server has it already
            return number
        self.waiting[number] = (fields, bytes(body), want_id)
        self.kept += len(fields) + len(body)
        while True:
            try:
                self._transmit()
                return number
            except (Lost, OSError) as lost:
                self._again(lost)

    def drain(self, timeout=None):
        """Until everything is acknowledged or refused. TimeoutError: it is not."""
        until = None if timeout is None else time.monotonic() + timeout
        while self.waiting:
            if until is not None and time.monotonic() >= until:
                raise TimeoutError(f"{len(self.waiting)} messages are not acknowledged")
            self._go_on(self.timeout if until is None else min(self.timeout, max(0, until - time.monotonic())))

    def _go_on(self, patience):
        """Sends what may go, and waits for an answer."""
        try:
            self._transmit()
            if self.waiting and not self._receive(patience) and patience == self.timeout:
                raise Lost("the server says nothing")
        except (Lost, OSError) as lost:
            self._again(lost)

    # --- the connection ------------------------------------------------------

    def _connect(self):
        self.close()
        self.buffer, self.gone = b"", None
        if "/" in self.endpoint:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(self.timeout)
            connection.connect(self.endpoint)
            host = "localhost"
        else:
            host, _, port = self.endpoint.rpartition(":")
            host = host.strip("[]")
            connection = socket.create_connection((host, int(port)), self.timeout)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        private = self.tls is not None or "/" in self.endpoint or connection.getpeername()[0] in ("127.0.0.1", "::1")
        self.socket = self.tls.wrap_socket(connection, server_hostname=host) if self.tls else connection
        self._write(HELLO, 0, 0, b"ECSTREAM" + struct.pack(">HHI", 1, 1, 0) + field(1, struct.pack(">I", 16384)) +
                    field(6, b"ecstream.py") + field(7, self.hostname.encode()))
        self.opened = False
        hello = self._await(HELLO)[2]
        if hello[:8] != b"ECSTREAM" or struct.unpack(">H", hello[8:10]) != (1,):
            raise Error("the server does not speak ECStream 1")
        told, at = {}, 16
        while at < len(hello):
            tag, size = struct.unpack_from(">BH", hello, at)
            told[tag] = hello[at + 3:at + 3 + size]
            at += 3 + size
        self.max_frame = int.from_bytes(told.get(1, b"\x40\x00"), "big")
        self.max_message = int.from_bytes(told.get(2, b""), "big")
        self.window = int.from_bytes(told.get(4, b""), "big")
        self._log_in(told.get(5, b"").decode().split(), told.get(9) == b"\x01", private)
        self._write(OPEN, int(self.new), self.done, self.stream.encode())
        flags, sequence, _ = self._await(OPENED)
        if self.furthest is not None and sequence > self.furthest:
            raise Error(f"the server has message {sequence} of the stream, which was never sent: another writes to it")
        if not flags & 1 and sequence > self.done:
            raise Error("the server has something of a stream that it does not know")
        if self.stream and self.done > 0 and not flags & 1:
            self.forgotten = True
        self.furthest = max(self.furthest or 0, sequence)
        self._acknowledge(sequence)
        self.new, self.opened, self.pause = False, True, 0
        self.sent, self.part = sequence, None  # part: (sequence, octets of its body that were sent)
        self.limit = self.done + self.window

    def _log_in(self, mechanisms, required, private):
        if self.user is None:
            if "EXTERNAL" in mechanisms:
                return self._auth("EXTERNAL", b"")
        elif "PLAIN" in mechanisms and private:
            return self._auth("PLAIN", b"\0" + self.user.encode() + b"\0" + self.password.encode())
        if required or self.user is not None:
            raise Error("no way to log in that this client knows (PLAIN under TLS, or a certificate)")
        return None

    def _auth(self, mechanism, response):
        self._write(AUTH, 3, 0, bytes([len(mechanism)]) + mechanism.encode() + response)
        reply = self._await(AUTH_REPLY)[2]
        if reply[0] != 1:
            code = struct.unpack(">H", reply[1:3])[0] if reply[0] == 2 else 0
            text = reply[4 + reply[3]:].decode(errors="replace") if code else "unexpected challenge"
            raise (Lost if 400 <= code < 500 else Error)(f"{mechanism}: {code} {text}")

    def _again(self, lost):
        if not self.reconnect:
            raise Error(str(lost)) from lost
        while True:
            time.sleep(self.pause)
            self.pause = min(60, max(1, self.pause * 2)) if self.pause or not self.opened else 0.1
            try:
                return self._connect()
            except (Lost, OSError) as again:
                self.opened = False
                lost = again

    def _write(self, kind, flags, sequence, payload):
        data = memoryview(struct.pack(">IBBHQ", len(payload), kind, flags, 0, sequence) + payload)
        # While the server reads slowly it has to be heard: else both wait for each other.
        self.socket.setblocking(False)
        until = time.monotonic() + self.timeout
        try:
            while data:
                try:
                    data = data[self.socket.send(data):]
                    until = time.monotonic() + self.timeout
                    continue
                except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                    pass
                if time.monotonic() > until:
                    raise Lost("the server does not read")
                select.select([self.socket], [self.socket], [], 1)
                self._fill()
        finally:
            if self.socket is not None:
                self.socket.settimeout(self.timeout)

    def _fill(self):
        self.socket.setblocking(False)
        try:
            more = self.socket.recv(65536)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        if not more:
            raise Lost(self.gone or "the server has closed the connection")
        self.buffer += more
        return True

    def _frame(self):
        if len(self.buffer) < 16:
            return None
        length, kind, flags, _, sequence = struct.unpack_from(">IBBHQ", self.buffer)
        if length > 16384:
            raise Error("the server sent too long a frame")
        if len(self.buffer) < 16 + length:
            return None
        payload, self.buffer = self.buffer[16:16 + length], self.buffer[16 + length:]
        return kind, flags, payload, sequence

    def _await(self, wanted):
        until = time.monotonic() + self.timeout
        while True:
            frame = self._frame()
            if frame is None:
                if time.monotonic() > until:
                    raise Lost("the server says nothing")
                if not self._fill():
                    select.select([self.socket], [], [], max(0, until - time.monotonic()))
            elif frame[0] == wanted:
                return frame[1], frame[3], frame[2]
            else:
                self._take(*frame)

    def _receive(self, patience):
        """Takes what has come; waits for it. False: nothing came."""
        if not self._fill():
            select.select([self.socket], [], [], patience)
            if not self._fill():
                return False
        while (frame := self._frame()) is not None:
            self._take(*frame)
        return True

    def _take(self, kind, flags, payload, sequence):
        if kind == ACK:
            at = 0
            while at < len(payload):
                number, size = struct.unpack_from(">QB", payload, at)
                self.ids[number] = payload[at + 9:at + 9 + size].decode()
                at += 9 + size
            self._acknowledge(sequence)
            self._widen()
        elif kind == NAK:
            code, recipient, size = struct.unpack_from(">HIB", payload)
            if sequence > self.done and self.waiting.get(sequence, ()) is not None:
                self.refused.append(Refusal(sequence, code, payload[7:7 + size].decode(),
                                            None if recipient == 0xFFFFFFFF else recipient,
                                            payload[7 + size:].decode(errors="replace")))
                self._skip(sequence)
        elif kind == WINDOW:
            self.window = struct.unpack(">I", payload)[0]
            self._widen()
        elif kind == PING:
            self._write(PONG, 0, 0, payload)
        elif kind == GOAWAY:
            code = struct.unpack_from(">H", payload)[0]
            self.gone = payload[2:].decode(errors="replace")
            if code in FOR_GOOD:
                raise Error(f"{self.gone} (code {code})")
            self.limit = 0  # nothing more goes; answers go on coming until it closes
        elif kind != PONG and kind < 0x80:
            raise Error("the server sent what cannot come now")

    def _widen(self):
        if self.gone is None:
            self.limit = max(self.limit, self.done + self.window)

    def _acknowledge(self, sequence):
        while self.waiting and (first := next(iter(self.waiting))) <= sequence:
            self._skip(first)
            del self.waiting[first]
        self.done = max(self.done, sequence)

    def _skip(self, sequence):
        """What it holds is not needed any more; its number is."""
        if message := self.waiting.get(sequence):
            self.kept -= len(message[0]) + len(message[1])
            self.waiting[sequence] = None

    # --- messages ------------------------------------------------------------

    def _transmit(self):
        if self.waiting:
            self._receive(0)  # an ACK may let more through
        while self.sent < self.limit and self.sent + 1 < self.next:
            sequence = self.sent + 1
            message = self.waiting.get(sequence)
            self.part = self.part or (sequence, None)
            begun = self.part[1]
            if message is None:
                if begun is None:
                    self._write(SKIP, 0, sequence, b"")
                else:
                    self._write(CHUNK, ABORT, sequence, b"")
                end = True
            else:
                fields, body, want_id = message
                if begun is None and (4 + len(fields) > self.max_frame or 0 < self.max_message < len(body)):
                    self.refused.append(Refusal(sequence, 552, "5.3.4", None, "Too big for the server"))
                    self._skip(sequence)
                    continue
                start = begun or 0
                room = self.max_frame - (4 + len(fields) if begun is None else 0)
                piece = body[start:start + room]
                end = start + len(piece) == len(body)
                self.part = (sequence, start + len(piece))
                if begun is None:
                    self._write(MESSAGE, (0 if end else MORE) | (WANT_ID if want_id else 0), sequence,
                                struct.pack(">I", len(fields)) + fields + piece)
                else:
                    self._write(CHUNK, 0 if end else MORE, sequence, piece)
            if end:
                self.sent, self.part = sequence, None
                self.furthest = max(self.furthest, sequence)
            self._receive(0)


def main():
    parser = argparse.ArgumentParser(description="Hand one message to Impulse by ECStream.")
    parser.add_argument("endpoint", help="host:port, or the path of a Unix socket")
    parser.add_argument("recipient", nargs="+")
    parser.add_argument("-f", "--sender", default="", help="envelope sender (none: the null sender)")
    parser.add_argument("-s", "--stream", default="", help="name of the stream")
    parser.add_argument("-u", "--user")
    parser.add_argument("-p", "--password-file", help="its first line is the password")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--ca", help="file of trusted issuers")
    parser.add_argument("--no-verify", action="store_true")
    parser.add_argument("--certificate", help="ours, PEM, with its key")
    parser.add_argument("--count", type=int, default=1, help="send it so often")
    parser.add_argument("--timeout", type=float, default=30)
    parser.add_argument("--file", help="the message; else it is read from standard input")
    arguments = parser.parse_args()
    password = ""
    if arguments.password_file:
        with open(arguments.password_file, encoding="utf-8") as file:
            password = file.readline().rstrip("\n")
    if arguments.file:
        with open(arguments.file, "rb") as file:
            body = file.read()
    else:
        body = sys.stdin.buffer.read()
    body = b"\r\n".join(body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))
    try:
        client = Client(arguments.endpoint, arguments.stream, user=arguments.user, password=password,
                        tls=arguments.tls, ca=arguments.ca, verify=not arguments.no_verify,
                        certificate=arguments.certificate, timeout=arguments.timeout)
        with client:
            for _ in range(arguments.count):
                client.send(arguments.sender, arguments.recipient, body, want_id=True)
    except (Error, Lost, OSError) as error:
        print(f"ecstream.py: {error}", file=sys.stderr)
        return 69
    for identifier in client.ids.values():
        print(identifier)
    for refusal in client.refused:
        print(f"ecstream.py: {refusal.code} {refusal.enhanced} {refusal.text}", file=sys.stderr)
    return 1 if client.refused else 0


if __name__ == "__main__":
    sys.exit(main())
