"""ecstream.py against a server that does what a test says."""

import select
import socket
import struct
import threading
import unittest

from ecstream_kit import Raw, ecstream
from harness import TestCase

HELLO = b"ECSTREAM" + struct.pack(">HHI", 1, 1, 0)


class Peer(Raw):
    """The server's end of one connection."""

    def __init__(self, connection):
        self.socket, self.file = connection, connection.makefile("rb")

    def next(self):
        header = self.file.read(16)
        if len(header) < 16:
            return None
        length, kind, flags, _, sequence = struct.unpack(">IBBHQ", header)
        return kind, flags, sequence, self.file.read(length)

    def greet(self, window, opened, known=False):
        """Up to OPENED; what OPEN said."""
        assert self.next()[0] == ecstream.HELLO
        self.send(ecstream.HELLO, payload=HELLO + ecstream.field(4, struct.pack(">I", window)))
        frame = self.next()
        assert frame[0] == ecstream.OPEN
        self.send(ecstream.OPENED, int(known), opened)
        return frame

    def answer_all(self):
        """An ACK for each message, until the client leaves."""
        while (frame := self.next()) is not None:
            if frame[0] in (ecstream.MESSAGE, ecstream.SKIP):
                self.send(ecstream.ACK, 0, frame[2])


class Client(TestCase):
    def serve(self, *connections):
        """Where a server is, which treats one connection after the other so."""
        door = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(door.close)

        def run():
            for treat in connections:
                with Peer(door.accept()[0]) as peer:
                    treat(peer)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 20)
        return f"127.0.0.1:{door.getsockname()[1]}"

    def client(self, endpoint, stream="s", **more):
        client = ecstream.Client(endpoint, stream, **{"timeout": 20, **more})
        self.addCleanup(client.close)
        return client

    def send(self, client, count=1, size=100):
        for _ in range(count):
            client.send("a@client.example", ["b@local.example"], b"x" * size)

    def test_sending_goes_on_while_messages_are_handed_in(self):
        full = threading.Event()

        def treat(peer):
            peer.greet(10, 0)
            for _ in range(10):
                peer.next()
            full.wait(20)
            peer.send(ecstream.ACK, 0, 10)
            peer.answer_all()

        client = self.client(self.serve(treat))
        self.send(client, 10)
        full.set()
        self.assertTrue(select.select([client.socket], [], [], 20)[0])
        self.send(client, 1)  # takes what has come
        self.assertLessEqual(10, client.done)
        self.assertEqual(11, client.sent)
        client.drain()

    def test_what_is_kept_is_bounded(self):
        def treat(peer):
            peer.greet(10, 0)
            peer.answer_all()

        client = self.client(self.serve(treat), max_bytes=20000)
        most = 0
        for _ in range(1000):
            self.send(client, size=1000)
            most = max(most, len(client.waiting))
        self.assertLess(most, 21)
        self.assertGreater(client.done, 979)
        client.drain()
        self.assertEqual(0, client.kept)

    def test_one_message_may_be_larger_than_the_bound(self):
        def treat(peer):
            peer.greet(10, 0)
            peer.answer_all()

        client = self.client(self.serve(treat), max_bytes=10)
        self.send(client, 3, size=16000)
        client.drain()
        self.assertEqual(3, client.done)

    def test_a_server_that_has_forgotten_is_noticed(self):
        def first(peer):
            peer.greet(10, 0)
            peer.next()
            peer.send(ecstream.ACK, 0, 1)
            peer.next()  # its answer is lost

        def second(peer):
            self.assertEqual(1, peer.greet(10, 1)[2])
            peer.answer_all()

        client = self.client(self.serve(first, second))
        self.send(client)
        client.drain()
        self.assertFalse(client.forgotten)
        self.send(client)
        client.drain()
        self.assertTrue(client.forgotten)

    def test_a_stream_that_another_has_written_to_is_an_error(self):
        def first(peer):
            peer.greet(10, 5, known=True)  # of an earlier program: that is as it should be
            peer.next()

        def second(peer):
            self.assertEqual(5, peer.greet(10, 9, known=True)[2])
            peer.next()

        client = self.client(self.serve(first, second))
        with self.assertRaisesRegex(ecstream.Error, "never sent"):
            self.send(client)
            client.drain()
        self.assertEqual([6], list(client.waiting))


if __name__ == "__main__":
    unittest.main()
