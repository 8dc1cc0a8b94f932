"""A daemon's disk under a shim (disk_shim.cc): calls that fail, wait or kill, and
a log of all that was written and answered, from which the disk can be rebuilt as a
power cut might have left it at any instant."""

import errno
import functools
import hashlib
import mmap
import os
import re
import shutil
import struct
import subprocess
import tempfile
import unittest
from collections import namedtuple
from pathlib import Path

from harness import BASE_CONFIG, Daemon
from spool_bytes import COMMIT, MESSAGE, RECORD, idents, records

SECTOR = 512
OPEN, WRITE, SYNC, SYNCED, TRUNCATE, UNLINK, RENAME, LINK, MKDIR, SEND = range(1, 11)
BEFORE, MIDWAY, AFTER = range(3)
FIELDS = ["calls", "die_at", "die_how", "fail_ops", "fail_errno", "fail_left", "failed", "sync_delay", "syncs", "hold_reads",
          "reads_left", "held_reads", "bad_inode", "bad_from", "bad_to"]
ENTRY = struct.Struct("<IIIIQqq")
Entry = namedtuple("Entry", "op handle offset result first second data")
FOREVER = 2**64 - 1


@functools.cache
def library(source="disk_shim.cc"):
    """A shim, compiled; once for all processes."""
    source = Path(__file__).parent / source
    compiler = shutil.which("c++") or shutil.which("g++")
    if not compiler:
        raise unittest.SkipTest("not installed: a compiler, for the shim")
    name = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"impulse-{source.stem}-{os.getuid()}-{name}.so"
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            made = Path(folder) / "shim.so"
            subprocess.run([compiler, "-std=c++20", "-O1", "-shared", "-fPIC", "-o", str(made), str(source)], check=True,
                           timeout=300)
            made.rename(path)
    return path


class Shim:
    """For one daemon after the other; its fields are those of Control in disk_shim.cc."""

    def __init__(self, folder, roots, log=False):
        self.log_path = Path(folder) / "shim.log"
        control = Path(folder) / "shim.control"
        control.write_bytes(bytes(4096))
        with open(control, "r+b") as file:
            self.__dict__["map"] = mmap.mmap(file.fileno(), 4096)
        self.environment = {"LD_PRELOAD": str(library()), "DISK_SHIM_ROOTS": ":".join(map(str, roots)),
                            "DISK_SHIM_CONTROL": str(control), **({"DISK_SHIM_LOG": str(self.log_path)} if log else {})}

    def __getattr__(self, name):
        if name not in FIELDS:
            raise AttributeError(name)
        return struct.unpack_from("<Q", self.map, FIELDS.index(name) * 8)[0]

    def __setattr__(self, name, value):
        if name in FIELDS:
            struct.pack_into("<Q", self.map, FIELDS.index(name) * 8, value)
        else:
            super().__setattr__(name, value)

    def fail(self, error, *ops, times=FOREVER):
        """Such calls fail from now on; without any, nothing fails any more."""
        self.fail_left = 0
        self.fail_ops = sum(1 << op for op in ops)
        self.fail_errno = error
        self.fail_left = times if ops else 0

    def hold(self, thread, after=0):
        """The reads of that thread wait, from now on or behind so many more; "": none does any more."""
        self.reads_left = after
        self.hold_reads = int.from_bytes(thread.encode()[:8].ljust(8, b"\0"), "little") if thread else 0

    def bad_sector(self, path, start, end):
        """Those bytes of a file cannot be read from now on."""
        self.bad_inode = 0
        self.bad_from, self.bad_to = start, end
        self.bad_inode = os.stat(path).st_ino

    def good_again(self):
        self.bad_inode = self.bad_to = 0

    def read_only(self):
        self.fail(errno.EROFS, OPEN, WRITE, TRUNCATE, UNLINK, RENAME, LINK, MKDIR)

    def entries(self):
        """What was logged; an entry that a kill cut short is left out."""
        log = self.log_path.read_bytes()
        at = 0
        while at + ENTRY.size <= len(log):
            op, first, second, third, handle, offset, result = ENTRY.unpack_from(log, at)
            at += ENTRY.size
            if at + first + second + third > len(log):
                return
            names = [os.fsdecode(log[at:at + first]), os.fsdecode(log[at + first:at + first + second])]
            at += first + second
            yield Entry(op, handle, offset, result, *names, log[at:at + third])
            at += third


class ShimDaemon(Daemon):
    """Everything that has to be durable is below @dir@/disk, which the shim watches: the spool by itself."""

    def __init__(self, test, config=BASE_CONFIG, log=False, **values):
        super().__init__(test, config, **values)
        self.disk = self.dir / "disk"
        self.disk.mkdir()
        self.shim = Shim(self.dir, [self.disk], log)
        self.environment = self.shim.environment

    def configure(self, config, **values):
        super().configure(config.replace("@dir@/spool", "@dir@/disk/spool"), **values)


# --- what the log says of the disk -------------------------------------------

class Node:
    """A file or a folder: as it is now, as it is durable, and by handle what the syncs under way will have made
    durable, with their numbers: of two at a time the one that began last counts, whichever ends last."""

    def __init__(self, content):
        self.now = content()
        self.durable = content()
        self.syncing = {}
        self.begun = self.best = 0

    def sync(self, handle):
        self.begun += 1
        self.syncing[handle] = (self.begun, self.snapshot())

    def synced(self, handle, good):
        number, snapshot = self.syncing.pop(handle)
        if good and number > self.best:
            self.best = number
            self.take(snapshot)


class File(Node):
    def __init__(self):
        super().__init__(bytearray)
        self.dirty = set()     # sectors that differ, maybe, from what is durable

    def write(self, offset, data):
        if len(self.now) < offset:
            self.now.extend(bytes(offset - len(self.now)))
        self.now[offset:offset + len(data)] = data
        self.dirty.update(range(offset // SECTOR, (offset + len(data) - 1) // SECTOR + 1))

    def truncate(self, size):
        before = len(self.now)
        if size < before:
            del self.now[size:]
        else:
            self.now.extend(bytes(size - before))
        self.dirty.update(range(min(size, before) // SECTOR, max(size, before) // SECTOR + 1))

    def snapshot(self):
        return len(self.now), {n: bytes(self.now[n * SECTOR:(n + 1) * SECTOR]) for n in self.dirty}

    def take(self, snapshot):
        size, sectors = snapshot
        self.resize(self.durable, size)
        for number, content in sectors.items():
            at = number * SECTOR
            self.durable[at:at + len(content)] = content
            if self.now[at:at + SECTOR] == self.durable[at:at + SECTOR]:
                self.dirty.discard(number)

    @staticmethod
    def resize(content, size):
        if size < len(content):
            del content[size:]
        else:
            content.extend(bytes(size - len(content)))

    def after_power_loss(self, chance):
        """Any of the sectors that were not synced are there, one of them to a part."""
        content = bytearray(self.durable)
        if len(self.now) != len(self.durable):
            self.resize(content, chance.choice((len(self.now), len(self.durable),
                                                chance.randint(*sorted((len(self.now), len(self.durable)))))))
        dirty = sorted(self.dirty)
        share = chance.choice((0.0, 0.5, 0.5, 0.9, 1.0))
        kept = [number for number in dirty if chance.random() < share]
        torn = chance.choice(dirty) if dirty and chance.random() < 0.5 else None
        for number in kept + [torn] * (torn is not None):
            at = number * SECTOR
            size = chance.randrange(SECTOR) if number == torn else SECTOR
            part = self.now[at:min(at + size, len(content))]
            content[at:at + len(part)] = part
        return content

    def is_durable(self, start, end):
        return end <= len(self.durable) and self.durable[start:end] == self.now[start:end]


class Folder(Node):
    """Names, and what they name."""

    def __init__(self):
        super().__init__(dict)

    def snapshot(self):
        return dict(self.now)

    def take(self, snapshot):
        self.durable = snapshot

    def after_power_loss(self, chance):
        share = chance.choice((0.0, 0.5, 0.5, 1.0))
        names = {}
        for name in self.now.keys() | self.durable.keys():
            old, new = self.durable.get(name), self.now.get(name)
            node = old if old is new or chance.random() >= share else new
            if node is not None:
                names[name] = node
        return names


class Disk:
    """Follows a log, entry by entry. `root` is there, empty, and durable."""

    def __init__(self, root):
        self.root = str(root)
        self.top = Folder()
        self.open = {}

    def find(self, path):
        node = self.top
        for name in path[len(self.root):].strip("/").split("/"):
            if name and node is not None:
                node = node.now.get(name) if isinstance(node, Folder) else None
        return node

    def at(self, path):
        """The folder of a name, and that name."""
        folder, _, name = path.rpartition("/")
        return self.find(folder), name

    def follow(self, entry):
        if entry.op == OPEN:
            node = self.find(entry.first)
            if node is None:
                assert entry.offset & os.O_CREAT, f"{entry.first} was never made"
                folder, name = self.at(entry.first)
                node = folder.now[name] = File()
            if entry.offset & os.O_TRUNC:
                node.truncate(0)
            self.open[entry.handle] = node
        elif entry.op == WRITE:
            self.open[entry.handle].write(entry.offset, entry.data)
        elif entry.op == TRUNCATE:
            self.open[entry.handle].truncate(entry.offset)
        elif entry.op == SYNC:
            self.open[entry.handle].sync(entry.handle)
        elif entry.op == SYNCED:
            self.open[entry.handle].synced(entry.handle, entry.result == 0)
        elif entry.op == UNLINK:
            folder, name = self.at(entry.first)
            del folder.now[name]
        elif entry.op in (RENAME, LINK):
            folder, name = self.at(entry.first)
            target, new = self.at(entry.second)
            target.now[new] = folder.now[name]
            if entry.op == RENAME:
                del folder.now[name]
        elif entry.op == MKDIR:
            folder, name = self.at(entry.first)
            folder.now[name] = Folder()

    def is_durable(self, path, start, end):
        """Those bytes of a file, and all names on the way to it."""
        node = self.top
        for name in path.strip("/").split("/"):
            if name not in node.durable or node.durable[name] is not node.now.get(name):
                return False
            node = node.durable[name]
        return node.is_durable(start, end)

    def write_out(self, to, chance):
        """The disk as a power cut might leave it now."""
        def write(folder, path):
            path.mkdir()
            for name, node in folder.after_power_loss(chance).items():
                if isinstance(node, Folder):
                    write(node, path / name)
                else:
                    (path / name).write_bytes(node.after_power_loss(chance))

        write(self.top, Path(to))


# --- what the log says of a spool --------------------------------------------

ANSWERS = (re.compile(rb"(?:^|\r\n)250 2\.0\.0 OK: queued as ([0-9A-F]{8}/[0-9A-F]{8}-)"),  # SMTP, LMTP
           re.compile(rb'"id":"([0-9A-F]{8}/[0-9A-F]{8}-)'))  # HTTP
FRAME = struct.Struct(">IBBHQ")  # of ECStream, doc/ecstream.md
OPENED, ACK = 0x05, 0x18


def streamed(entry):
    """(OPENED or ACK, the sequence up to which all is done, {sequence: id} of those it names) of each that is sent."""
    at = 0
    while entry.op == SEND and at + FRAME.size <= len(entry.data):
        length, kind, _, zero, done = FRAME.unpack_from(entry.data, at)
        if zero or length > 16384:
            return  # not ECStream
        at += FRAME.size
        payload, ids = entry.data[at:at + length], {}
        at += length
        while kind == ACK and payload:
            sequence, size = struct.unpack_from(">QB", payload)
            ids[sequence], = idents(payload[9:9 + size].decode())
            payload = payload[9 + size:]
        if kind in (OPENED, ACK):
            yield kind, done, ids


def answered(entry):
    """The ids (segment, offset) of messages that are accepted by what is sent there."""
    if entry.op != SEND:
        return []
    told = [ident for answer in ANSWERS for text in answer.findall(entry.data) for ident in idents(text.decode())]
    return told + [ident for _, _, ids in streamed(entry) for ident in ids.values()]


Message = namedtuple("Message", "path start end content large batch recipients")


def record_of(disk, spool, ident):
    """Of a message's record: where it is, its bytes, the path of the rest of its body, or None, the number of its
    batch, or None, and its recipients."""
    path = f"{spool}/{ident[0]:08X}.seg"
    start = ident[1]
    node = disk.find(f"{disk.root}/{path}")
    if not isinstance(node, File) or node.now[start:start + 4] != b"IMPR":
        return None
    meta, body = struct.unpack_from("<II", node.now, start + 20)
    end = start + RECORD + meta + body
    at, large, batch, recipients = start + RECORD, None, None, []
    while at < start + RECORD + meta:
        tag, at = node.now[at], at + 1
        length = shift = 0
        while True:
            byte, at = node.now[at], at + 1
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        if tag == 2:
            recipients.append(node.now[at:at + length].decode())
        elif tag == 129:
            number, = struct.unpack_from("<Q", node.now, at)
            large = f"{spool}/large/{number:016X}.body"
        elif tag == 130:
            batch, = struct.unpack_from("<Q", node.now, at)
        at += length
    return Message(path, start, end, bytes(node.now[start:end]), large, batch, recipients)


class SpoolDisk(Disk):
    """Knows of a spool on it what makes a message count."""

    def __init__(self, root, spool="spool"):
        super().__init__(root)
        self.spool = spool
        self.commits = {}  # by the batch: where it is

    def follow(self, entry):
        super().follow(entry)
        if entry.op == WRITE and entry.data[:4] == b"IMPR":
            for kind, at, meta, body in records(entry.data):
                if kind == COMMIT:
                    segment, = struct.unpack_from("<I", entry.data, at + 8)
                    batch, = struct.unpack_from("<Q", meta)
                    start = entry.offset + at
                    self.commits[batch] = (f"{self.spool}/{segment:08X}.seg", start,
                                           start + RECORD + len(meta) + len(body))

    def message(self, ident):
        return record_of(self, self.spool, ident)

    def messages(self):
        """All whose first record is there."""
        for name, node in self.find(f"{self.root}/{self.spool}").now.items():
            if name.endswith(".seg"):
                for kind, at, _, _ in records(bytes(node.now)):
                    if kind == MESSAGE:
                        yield self.message((int(name[:8], 16), at))

    def keeps(self, message):
        """Whether it is there whatever a power cut takes now: its record, the rest of its body, its batch's commit."""
        places = [(message.path, message.start, message.end)]
        if message.large:
            places.append((message.large, 0, len(self.find(f"{self.root}/{message.large}").now)))
        if message.batch is not None:
            if message.batch not in self.commits:
                return False
            places.append(self.commits[message.batch])
        return all(self.is_durable(*place) for place in places)
