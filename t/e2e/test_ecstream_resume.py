"""ECStream with resumption: the daemon is killed, connections are cut, clients
end and come again; every message is there exactly once."""

import random
import threading

from ecstream_kit import Case, Cutter, body, ecstream, start_c_client
from harness import SCALE, Threads, timeout, wait_for

# Nothing is delivered meanwhile: a delivery that a crash has forgotten is repeated, and would look like a double.
QUIET = "Suspend_Delivery = true\nSpool_Segment_Size = 1M\n"


class Resume(Case):
    def deliver(self, *users):
        """Everything that is in the spool, to its end."""
        self.daemon.console("config", "set", "suspend_delivery", "false")
        self.daemon.wait_empty()
        return [self.numbers(user) for user in users]

    def python_client(self, endpoint, stream, last, seen, size=0):
        """One run to the end; `seen` follows what is acknowledged."""
        client = ecstream.Client(endpoint, stream, acknowledged=0, timeout=60 * SCALE)
        for number in range(1, last + 1):
            client.send("a@client.example", ["bob@local.example"], body(number, size if number % 50 == 0 else 0))
            seen[0] = client.done
        client.drain()
        seen[0] = client.done
        client.close()
        self.assertEqual([], client.refused)

    @timeout(600)
    def test_the_daemon_is_killed(self):
        self.begin(more=QUIET)
        chance, seen, threads, last = random.Random(5), [0], Threads(), 1000
        threads.start(self.python_client, self.endpoint, "py", last, seen, 300_000)
        # The library is so fast that it has to be held in the middle of its 30 MB for the first kill to find it there.
        door = Cutter(self, self.daemon.values["ecs"], 10_000_000, 10_000_000, seed=1)
        door.hold = threading.Event()
        self.addCleanup(door.hold.set)
        library = start_c_client(door.endpoint, "c", 2 * last, size=15_000)
        said = []
        reader = threading.Thread(target=lambda: said.extend(library.stdout), daemon=True)
        reader.start()
        wait_for(lambda: len(said) > 1 or library.poll() is not None, "the first acknowledgement")
        for kill in range(3):
            if kill > 0:  # the first one at once, while both are in the middle
                goal = seen[0] + chance.randint(1, last // 10)
                wait_for(lambda: seen[0] >= min(goal, last) or threads.errors, f"message {goal}", 60)
            self.daemon.kill9()
            door.calm = True
            door.hold.set()
            self.daemon.start()
        threads.join(60 * SCALE)
        self.assertEqual(0, library.wait(60 * SCALE), library.stderr.read())
        reader.join()
        library.stdout.close(), library.stderr.close()
        self.assertEqual("done\n", said[-1])
        self.assertGreater(sum(line.startswith("opened") for line in said), 1)
        self.assertEqual([list(range(1, last + 1)), list(range(1, 2 * last + 1))], self.deliver("bob", "carol"))

    @timeout(600)
    def test_connections_are_cut(self):
        self.begin(more=QUIET)
        cutter = Cutter(self, self.daemon.values["ecs"], 500, 400_000, seed=7)
        seen, threads, last = [0], Threads(), 1000
        threads.start(self.python_client, cutter.endpoint, "py", last, seen, 100_000)
        library = start_c_client(cutter.endpoint, "c", last, size=1000)
        out, err = library.communicate(timeout=100 * SCALE)
        self.assertEqual((0, "done"), (library.returncode, out.split("\n")[-2]), err)
        threads.join(100 * SCALE)
        self.assertGreater(cutter.cuts, 5)
        expected = list(range(1, last + 1))
        self.assertEqual([expected, expected], self.deliver("bob", "carol"))

    @timeout(600)
    def test_the_client_is_killed_and_knows_what_was_acknowledged(self):
        self.begin(more=QUIET)
        chance, last, acknowledged = random.Random(3), 2000, 0
        for _ in range(5):
            library = start_c_client(self.endpoint, "c", last, acknowledged=acknowledged, size=500)
            goal = acknowledged + chance.randint(1, last // 6)
            for line in library.stdout:
                if line.startswith("ack "):
                    acknowledged = int(line.split()[1])
                    if acknowledged >= goal:
                        break
            library.kill()
            library.communicate()
        library = start_c_client(self.endpoint, "c", last, acknowledged=acknowledged)
        out, err = library.communicate(timeout=60 * SCALE)
        self.assertEqual((0, "done"), (library.returncode, out.split("\n")[-2]), err)
        self.assertEqual([list(range(1, last + 1))], self.deliver("carol"))

    def test_refusals_come_again_behind_a_crash(self):
        self.begin(listen="Relay_Hosts = ( ) Relay_Domains = ( local.example )", more=QUIET)
        raw = self.raw()
        raw.open(b"s")
        raw.message(1)
        raw.message(2, recipients=["x@elsewhere.example"])
        raw.message(3)
        while raw.until("ACK")[2] != 3:
            pass
        self.daemon.kill9()
        self.daemon.start()
        client = self.client("s", acknowledged=1)
        client.send("a@client.example", ["x@elsewhere.example"], body(2))
        self.assertEqual([(2, 550, "5.7.1")],
                         [(each.sequence, each.code, each.enhanced) for each in client.refused])
        self.send_some(client, 3, 4)
        client.drain()
        self.assertEqual([[1, 3, 4]], self.deliver("bob"))

    @timeout(600)
    def test_the_last_come_has_the_stream(self):
        """Two that fight for a stream: what the first had under way is done before the second hears how far it came."""
        self.begin(more=QUIET)
        last = 0
        for turn in range(20):
            first = self.raw()
            self.assertEqual(last, first.open(b"s")[2])
            for number in range(last + 1, last + 31):
                first.message(number)
            second = self.raw()
            name, _, done, _ = second.open(b"s")
            self.assertEqual("OPENED", name)
            self.assertEqual(24, first.goaway())
            self.assertLessEqual(done, last + 30)
            second.message(done + 1)
            while second.until("ACK")[2] != done + 1:
                pass
            last = done + 1
            second.close()
        self.assertEqual([list(range(1, last + 1))], self.deliver("bob"))

    def test_many_come_at_once_for_one_stream(self):
        self.begin(more=QUIET)
        with self.client("s") as client:
            self.send_some(client, 1, 1)
        crowd = [self.raw() for _ in range(20)]
        for raw in crowd:
            raw.send(4, 0, 0, b"s")
        ends = [raw.next() for raw in crowd]
        winners = []
        for raw, frame in zip(crowd, ends):
            if frame[0] == "OPENED":
                try:
                    raw.send(0x20, 0, 0, b"mine?")
                    last = raw.next()
                except ConnectionError:
                    continue
                if last is not None and last[0] == "PONG":
                    winners.append(raw)
        self.assertEqual(1, len(winners))
        winners[0].message(2)
        self.assertEqual(2, winners[0].until("ACK")[2])

    def test_termination_answers_what_came_whole(self):
        self.begin(more=QUIET)
        raw = self.raw()
        raw.open(b"s")
        for number in range(1, 201):
            raw.message(number)
        raw.send(0x20, 0, 0, b"all read?")
        raw.until("PONG")
        self.daemon.signal(15)
        acknowledged, code, promised = 0, None, None
        while (frame := raw.next()) is not None:
            if frame[0] == "ACK":
                acknowledged = frame[2]
            elif frame[0] == "GOAWAY":
                code, promised = int.from_bytes(frame[3][:2], "big"), frame[2]
        self.assertEqual((1, 200, 200), (code, promised, acknowledged))
        self.assertEqual(0, self.daemon.wait())
        self.daemon.start()
        self.assertEqual([list(range(1, 201))], self.deliver("bob"))


if __name__ == "__main__":
    import unittest
    unittest.main()
