"""What a spool's bytes say, by doc/spool-format.md and with no code of ours: the
records of its segments, and of which messages nothing says that they have an outcome."""

import functools
import re
import struct
from pathlib import Path

RECORD = 40  # bytes of a record's header, doc/spool-format.md
IDENT = re.compile(r"([0-9A-F]{8})/([0-9A-F]{8})-")
MESSAGE, JOURNAL, CHECKPOINT, COMMIT, COPY = 1, 2, 3, 6, 8
PENDING, DELIVERED = 0, 1


def idents(text):
    """(segment, offset) of each id."""
    return [(int(segment, 16), int(offset, 16)) for segment, offset in IDENT.findall(text)]


@functools.cache
def crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


def crc32c(data):
    table, value = crc32c_table(), 0xFFFFFFFF
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def records(data):
    """(type, offset, metadata, body) of each record in some bytes; what is none is skipped. The last one may be torn."""
    at = 0
    while at + RECORD <= len(data):
        if data[at:at + 4] != b"IMPR":
            at += 8
            continue
        meta, body, checksum = struct.unpack_from("<III", data, at + 20)
        start = at + RECORD
        end = (start + meta + body + 7) // 8 * 8
        if start + meta + body > len(data):
            return  # torn; or the zeros in front of the next one stand where the rest of it was to stand:
        if data[end:end + 4] != b"IMPR" and crc32c(data[start:start + meta]) != checksum:
            return
        yield data[at + 5], at, bytes(data[start:start + meta]), bytes(data[start + meta:start + meta + body])
        at = end


def outcomes(meta):
    """((segment, offset), recipient, state) of each entry of a journal record."""
    at = 0
    while at < len(meta):
        segment, offset, recipient, state, _, text, _, _ = struct.unpack_from("<IIIBBHIq", meta, at)
        at += 28 + text
        yield (segment, offset), recipient, state


def unfinished(spool):
    """{(segment, offset): record} of the messages in a spool's folder, one recipient each, of which nothing in it says
    that they have an outcome; also what is not synced, as a process that was killed leaves it."""
    messages, places, finished = {}, {}, set()
    for path in sorted(Path(spool).glob("*.seg")):
        segment = int(path.stem, 16)
        for kind, offset, meta, body in records(path.read_bytes()):
            if kind == MESSAGE:
                messages[segment, offset] = meta + body
                places[segment, offset] = segment, offset
            elif kind == COPY:
                *ident, count = struct.unpack_from("<III", meta)
                messages[tuple(ident)] = meta + body
                places[tuple(ident)] = segment, offset
                if any(state != PENDING for state, _ in states(meta, 12, count)):
                    finished.add(tuple(ident))
            elif kind == JOURNAL:
                finished.update(ident for ident, _, state in outcomes(meta) if state != PENDING)
            elif kind == CHECKPOINT:
                of, count = struct.unpack_from("<II", meta)
                at, live = 8, set()
                for _ in range(count):
                    found, number = struct.unpack_from("<II", meta, at)
                    live.add((of, found))
                    at += 8
                    for _, at in states(meta, at, number):
                        pass
                finished.update(ident for ident, place in places.items() if place[0] == of and place not in live)
    return {ident: record for ident, record in messages.items() if ident not in finished}


def states(meta, at, count):
    """(state, where the next one begins) of each: state, 0, length of a text, attempts, time, the text."""
    for _ in range(count):
        state, _, text = struct.unpack_from("<BBH", meta, at)
        at += 16 + text
        yield state, at
