"""A name server that says what a test wants, true or not: over UDP and TCP on
one loopback port. What it does not know does not exist (NXDOMAIN)."""

import random
import socket
import struct
import threading
from pathlib import Path

from harness import free_port

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28}
NAMES = {number: name for name, number in TYPES.items()}
RCODES = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5}


def encode_name(name):
    return b"".join(bytes([len(label)]) + label.encode("latin-1") for label in name.rstrip(".").split(".") if label) + b"\0"


def encode_record(owner, kind, ttl, data):
    return encode_name(owner) + struct.pack(">HHIH", TYPES[kind], 1, ttl, len(data)) + data


def encode_data(kind, values):
    if kind == "A":
        return socket.inet_aton(values[0])
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, values[0])
    if kind == "MX":
        return struct.pack(">H", values[0]) + encode_name(values[1])
    if kind == "SOA":
        return encode_name("ns." + values[0]) + encode_name("root." + values[0]) + struct.pack(">5I", 1, 60, 60, 60, values[1])
    return encode_name(values[0])


class Question:
    def __init__(self, packet):
        self.id, self.flags = struct.unpack(">HH", packet[:4])
        labels, at = [], 12
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1").lower())
            at += 1 + packet[at]
        self.name = ".".join(labels)
        self.type = struct.unpack(">H", packet[at + 1:at + 3])[0]
        self.kind = NAMES.get(self.type, str(self.type))
        self.bytes = packet[12:at + 5]


class DnsServer:
    """`add("d.example", "MX", 10, "mx.d.example", ttl=5)`; `behave("d.example", "SERVFAIL")`: the name's answers
    from then on: an rcode's name, "silent", "garbage", "truncated" (over UDP), "wrong id", "foreign" (records
    of another name), or None for the truth. `kind` restricts it to one type."""

    def __init__(self, test):
        self.lock = threading.Lock()
        self.records = {}   # (name, kind): [(ttl, values)]
        self.names = set()
        self.behaviour = {}
        self.chase = True   # follows aliases, as resolvers do
        self.negative_ttl = 60
        self.queries = []   # (name, kind, "udp" or "tcp")
        self.port = free_port()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.tcp = socket.create_server(("127.0.0.1", self.port), backlog=50)
        for work in (self._packets, self._connections):
            threading.Thread(target=work, daemon=True).start()
        test.addCleanup(self.stop)

    def stop(self):
        for each in (self.udp, self.tcp):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()

    def write_conf(self, path, more="", timeout=5):
        """A resolv.conf that leads here; `timeout`: a short one is for who wants no answer."""
        Path(path).write_text(f"nameserver 127.0.0.1:{self.port}\noptions timeout:{timeout} attempts:2\n{more}")

    def add(self, name, kind, *values, ttl=300):
        with self.lock:
            self.records.setdefault((name.lower(), kind), []).append((ttl, values))
            self.names.add(name.lower())

    def set(self, name, kind, *values, ttl=300):
        """Instead of what there was of that kind."""
        self.clear(name, kind)
        self.add(name, kind, *values, ttl=ttl)

    def clear(self, name, kind):
        with self.lock:
            self.records.pop((name.lower(), kind), None)

    def behave(self, name, how, kind=None):
        with self.lock:
            self.behaviour[name.lower(), kind] = how

    def asked(self, name, kind=None):
        """How often."""
        with self.lock:
            return sum(1 for query in self.queries if query[0] == name and kind in (None, query[1]))

    # the inside

    def _packets(self):
        while True:
            try:
                packet, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            answer = self._answer(packet, "udp")
            if answer:
                try:
                    self.udp.sendto(answer, peer)
                except OSError:
                    return

    def _connections(self):
        while True:
            try:
                connection = self.tcp.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._connection, args=(connection,), daemon=True).start()

    def _connection(self, connection):
        with connection, connection.makefile("rb") as file:
            while True:
                try:
                    head = file.read(2)
                    if len(head) < 2:
                        return
                    answer = self._answer(file.read(struct.unpack(">H", head)[0]), "tcp")
                    if answer:
                        connection.sendall(struct.pack(">H", len(answer)) + answer)
                except OSError:
                    return

    def _answer(self, packet, transport):
        try:
            question = Question(packet)
        except (IndexError, struct.error):
            return None
        with self.lock:
            self.queries.append((question.name, question.kind, transport))
            how = self.behaviour.get((question.name, question.kind), self.behaviour.get((question.name, None)))
            return self._say(question, how, transport)

    def _say(self, question, how, transport):
        head = lambda rcode, answers=0, authorities=0, more=0: struct.pack(
            ">6H", question.id, 0x8180 | more | rcode, 1, answers, authorities, 0) + question.bytes
        if how == "silent":
            return None
        if how == "garbage":
            return head(0, 3) + bytes(random.Random(7).randrange(256) for _ in range(60))
        if how in RCODES:
            return head(RCODES[how])
        if how == "foreign":
            return head(0, 1) + encode_record("other.example", "A", 60, encode_data("A", ["127.0.0.66"]))
        records, rcode = self._look_up(question.name, question.kind)
        soa = b"" if any(kind == question.kind for _, kind, _, _ in records) else encode_record(
            "example", "SOA", self.negative_ttl, encode_data("SOA", ["example", self.negative_ttl]))
        if records and not self.chase and records[-1][1] == "CNAME":
            soa = b""
        body = b"".join(encode_record(owner, kind, ttl, encode_data(kind, values)) for owner, kind, ttl, values in records)
        answer = head(rcode, len(records), 1 if soa else 0) + body + soa
        if transport == "udp" and (how == "truncated" or len(answer) > 1232):
            return head(0, more=0x0200)
        if how == "wrong id":
            answer = struct.pack(">H", question.id ^ 0x5555) + answer[2:]
        return answer

    def _look_up(self, name, kind):
        """Records along the aliases; and an rcode."""
        found = []
        for _ in range(9):
            own = [(name, kind, ttl, values) for ttl, values in self.records.get((name, kind), [])]
            if own or kind == "CNAME":
                return found + own, 0
            alias = self.records.get((name, "CNAME"))
            if not alias:
                break
            found.append((name, "CNAME", alias[0][0], alias[0][1]))
            name = alias[0][1][0].lower()
            if not self.chase:
                return found, 0
        return found, 0 if name in self.names else RCODES["NXDOMAIN"]
