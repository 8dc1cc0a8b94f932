"""Injection by ECStream: what is acknowledged is durable, what is refused and
how, the window, large bodies, and bytes that are none of ours."""

import struct
import subprocess
import sys
from pathlib import Path

from ecstream_kit import Case, body, ecstream, nak, start_c_client
from harness import SCALE, wait_for
from sink import SmtpSink

MORE, ABORT = 1, 2


class Inject(Case):
    def test_M7_messages_arrive_with_ids_and_trace(self):
        sink = SmtpSink(self)
        self.begin(more='Domain "sink.example" { Gateway = "127.0.0.1:@sink@" }\n', sink=sink.port)
        with self.client("orders", hostname="app.example") as client:
            client.send("a@client.example", ["one@sink.example", "two@sink.example"], body(1), want_id=True,
                        context={"job": "nightly"})
            self.send_some(client, 2, 50)
        self.assertEqual([1], list(client.ids))
        self.assertEqual([], client.refused)
        self.daemon.wait_mail("bob", 49)
        self.assertEqual(list(range(2, 51)), self.numbers())
        message = sink.wait(1)[0]
        self.assertIn(f"id {client.ids[1]}".encode(), message.data)
        self.assertIn(b"from app.example", message.data)
        self.assertIn(b"with ECSTREAM", message.data)
        lines = self.daemon.wait_mainlog("R", 51)
        self.assertEqual({"ecstream"}, {line["protocol"] for line in lines})
        self.assertEqual(50, self.queued())

    def test_the_c_library(self):
        self.begin()
        done = start_c_client(self.endpoint, "c", 300, size=3000)
        out, err = done.communicate(timeout=60 * SCALE)
        self.assertEqual((0, "done"), (done.returncode, out.split("\n")[-2]), err)
        self.daemon.wait_mail("carol", 300)
        self.assertEqual(list(range(1, 301)), self.numbers("carol"))

    def test_the_python_client_as_a_program_by_a_unix_socket(self):
        self.begin(listens='Listen "@dir@/ecs.sock" { }')
        program = Path(ecstream.__file__)
        done = subprocess.run([sys.executable, str(program), str(self.daemon.dir / "ecs.sock"), "bob@local.example",
                               "--count", "3", "-f", "a@client.example"],
                              input=body(7), capture_output=True, timeout=60 * SCALE)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(3, len(done.stdout.split()))
        self.daemon.wait_mail("bob", 3)
        self.assertIn(b"with ECSTREAM", self.daemon.maildir("bob")[0])

    def test_a_stream_goes_on_behind_what_is_known(self):
        self.begin()
        with self.client("s") as client:
            self.send_some(client, 1, 5)
        again = self.client("s")
        self.assertEqual(5, again.done)
        self.assertEqual([6], self.send_some(again, 6, 6))
        again.drain()
        # Another program's view of the same stream: what the server has is not stored twice.
        third = self.client("s", acknowledged=2)
        self.send_some(third, 3, 8)
        third.drain()
        self.assertEqual(8, third.done)
        with self.assertRaisesRegex(ecstream.Error, "code 23"):
            self.client("s", new=True)
        self.assertEqual(0, self.client("other", new=True).done)
        self.daemon.wait_mail("bob", 8)
        self.assertEqual(list(range(1, 9)), self.numbers())

    def test_a_stream_outlives_the_daemon(self):
        self.begin()
        with self.client("s") as client:
            self.send_some(client, 1, 3)
        self.daemon.stop()
        self.daemon.start()
        self.assertEqual(3, self.client("s").done)

    def test_streams_of_no_name_are_not_remembered(self):
        self.begin()
        for _ in range(2):
            with self.client() as client:
                self.assertEqual(0, client.done)
                self.send_some(client, 1, 3)
        self.daemon.wait_mail("bob", 6)

    def test_large_bodies_in_chunks(self):
        self.begin(options="Max_Message_Size = 6M", more="Large_Message_Threshold = 64k\n")
        with self.client("large") as client:
            client.send("a@client.example", ["bob@local.example"], body(1, 5 << 20))
            self.send_some(client, 2, 3, size=200_000)
            client.send("a@client.example", ["bob@local.example"], body(4, 7 << 20))
            client.send("a@client.example", ["bob@local.example"], body(5))
        self.assertEqual([(4, 552)], [(each.sequence, each.code) for each in client.refused])
        self.daemon.wait_mail("bob", 4)
        self.assertEqual([1, 2, 3, 5], self.numbers())

    def test_chunks_taken_back_and_refused_while_they_come(self):
        self.begin(options="Max_Message_Size = 100k")
        raw = self.raw()
        raw.open(b"s")
        fields = ecstream.envelope("a@client.example", ["bob@local.example"])
        begin = struct.pack(">I", len(fields)) + fields
        raw.send(0x10, MORE, 1, begin + b"Subject: x\r\n\r\n")
        raw.send(0x11, ABORT, 1)  # counts as skipped
        raw.send(0x10, MORE, 2, begin + b"Subject: x\r\n\r\n")
        raw.send(0x11, MORE, 2, b"x" * 15000 + b"\r\n")
        for _ in range(6):
            raw.send(0x11, MORE, 2, b"x" * 15000 + b"\r\n")
        _, _, sequence, payload = raw.until("NAK")
        self.assertEqual((2, 552, "5.3.4"), (sequence, nak(payload)[0], nak(payload)[2]))
        raw.send(0x11, ABORT, 2)
        raw.message(3)
        while raw.until("ACK")[2] != 3:
            pass
        self.daemon.wait_mail("bob", 1)
        self.assertEqual([3], self.numbers())

    def test_refusals_have_smtp_codes(self):
        self.begin(options="Max_Recipients_Per_Message = 2",
                   listen="Relay_Hosts = ( ) Relay_Domains = ( local.example )")
        raw = self.raw()
        raw.open(b"refusals")
        cases = [
            (dict(recipients=["bob@elsewhere.example"]), 550, 0, "5.7.1"),
            (dict(recipients=["bob@local.example", "bob@elsewhere.example"]), 550, 1, "5.7.1"),
            (dict(recipients=["a@local.example", "b@local.example", "c@local.example"]), 552, 2, "5.5.3"),
            (dict(recipients=[]), 554, None, "5.5.1"),
            (dict(recipients=["@@"]), 501, 0, "5.1.3"),
            (dict(sender="no address"), 501, None, "5.1.7"),
            (dict(data=b"Subject: x\r\n\r\nalone\nhere\r\n"), 550, None, "5.6.0"),
            (dict(size=99), 501, None, "5.5.4"),
            (dict(recipients=["b\u00fc@local.example"]), 553, 0, "5.6.7"),
        ]
        for sequence, (message, code, recipient, enhanced) in enumerate(cases, 1):
            raw.message(sequence, **message)
            name, _, at, payload = raw.until("NAK")
            self.assertEqual((sequence, code, recipient, enhanced), (at, *nak(payload)[:3]), message)
        raw.message(len(cases) + 1)
        while raw.until("ACK")[2] != len(cases) + 1:
            pass
        self.daemon.wait_mail("bob", 1)
        self.assertEqual(2, self.refusals("relay"))
        # Who comes again is told once more: the first NAK may have been lost.
        again = self.raw()
        again.send(4, 0, 0, b"refusals")
        repeated = [again.next() for _ in cases]
        self.assertEqual([("NAK", 1, n) for n in range(1, len(cases) + 1)], [frame[:3] for frame in repeated])
        self.assertEqual(("OPENED", 1, len(cases) + 1), again.next()[:3])

    def test_window_and_batches(self):
        self.begin(options="ECStream_Window = 10\n  ECStream_Max_Batch_Size = 3")
        client = self.client("w")
        self.assertEqual(10, client.window)
        self.send_some(client, 1, 200)
        client.drain()
        self.daemon.wait_mail("bob", 200)
        self.assertEqual(list(range(1, 201)), self.numbers())
        raw = self.raw()
        self.assertEqual("OPENED", raw.open(b"too_much")[0])
        raw.octets(b"".join(struct.pack(">IBBHQ", 0, 0x13, 0, 0, n) for n in range(1, 200)))
        self.assertEqual(20, raw.goaway())

    def test_wrong_bytes_end_the_connection_only(self):
        self.begin()
        frame = struct.Struct(">IBBHQ").pack
        firsts = [
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 16),
            (b"EHLO client.example\r\n" * 4, 16),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 64, 16),
            (frame(16, 1, 0, 0, 0) + b"ECSTREAX" + bytes(8), 16),
            (frame(16, 1, 0, 0, 0) + b"ECSTREAM" + struct.pack(">HHI", 9, 9, 0), 21),
            (frame(0, 4, 0, 0, 0), 16),
            (frame(0, 0x77, 0, 0, 0), 16),
            (frame(16, 1, 0, 7, 0), 16),
        ]
        for octets, code in firsts:
            raw = self.raw(hello=False)
            raw.octets(octets)
            got = raw.goaway()
            self.assertEqual(code, got, octets)
        behind = [
            (frame(70000000, 0x10, 0, 0, 1), 17),
            (frame(4, 0x10, 0, 0, 1) + b"\xff\xff\xff\xff", 16),
            (frame(4, 0x10, 0, 0, 5) + bytes(4), 19),
            (frame(0, 0x11, 0, 0, 1), 18),
            (frame(0, 0x18, 0, 0, 1), 18),
            (frame(0, 0x12, 0x40, 0, 0), 16),
        ]
        for octets, code in behind:
            raw = self.raw()
            raw.open(b"x")
            raw.octets(octets)
            self.assertEqual(code, raw.goaway(), octets)
        raw = self.raw()
        raw.open(b"x")
        raw.send(0x20, 0, 0, b"still there?")
        self.assertEqual(("PONG", 0, 0, b"still there?"), raw.next())
        self.assertEqual(0, self.queued())
        self.assertEqual(len(firsts) + len(behind), self.refusals("protocol"))

    def test_a_client_that_does_not_read_hears_no_more(self):
        self.begin()
        raw = self.raw()
        raw.open(b"")
        ping = struct.pack(">IBBHQ", 64, 0x20, 0, 0, 0) + b"p" * 64
        raw.socket.settimeout(1 * SCALE)
        sent = 0
        try:
            while sent < 64 << 20:
                sent += raw.socket.send(ping * 1000)
        except TimeoutError:
            pass
        self.assertLess(sent, 64 << 20)
        self.assertEqual(0, self.client("still", endpoint=self.endpoint).done)

    def test_a_stream_is_taken_over_while_it_is_committed(self):
        self.begin(shim=True)
        first, second = self.raw(), self.raw()
        first.open(b"s")
        self.daemon.shim.sync_delay = 100_000_000
        first.message(1)
        wait_for(lambda: self.inbound() == ["commit", "ready"], "the commit under way")
        second.send(4, 0, 0, b"s")
        wait_for(lambda: self.inbound() == ["closing", "opening"], lambda: str(self.inbound()))
        self.daemon.shim.sync_delay = 0
        self.assertEqual(("OPENED", 1, 1, b""), second.next())
        self.assertEqual(24, struct.unpack_from(">H", first.until("GOAWAY")[3])[0])
        self.assertEqual(1, first.until("ACK")[2])
        self.assertIsNone(first.next())

    def test_idle_time(self):
        self.begin(options="ECStream_Idle_Time = 1")
        raw = self.raw()
        raw.open(b"x")
        self.assertEqual(3, raw.goaway())


if __name__ == "__main__":
    import unittest
    unittest.main()
