"""Next hosts that are slow, lie, talk without end, out of turn or not at all, and go when
they like: what each costs is bounded, each recipient has the outcome it should
have, nothing comes twice that need not, and other mail does not wait for it."""

import itertools
import threading

from acceptor import Acceptor
from client import Smtp
from harness import TestCase, free_port, is_sanitized, wait_for
from mail_compare import assert_below_trace
from sink import Drop, SmtpSink

MESSAGE = b"From: a@client.example\r\nSubject: hello\r\n\r\nbody\r\n"
CONFIG = """
Domain "good.example" { Gateway = "127.0.0.1:@good@" }
Domain "bad.example" {
  Gateway = "127.0.0.1:@bad@"
  Max_Outbound_Connections = 2
  Connect_Timeout = @patience@
  EHLO_Timeout = @patience@
  Mailfrom_Timeout = @patience@
  Rcptto_Timeout = @patience@
  Body_Timeout = @patience@
  Rset_Timeout = @patience@
  @options@
}
"""


class Host(Acceptor):
    """A server that is a function of a connection; `ended` are the connections that the other side has closed."""

    def __init__(self, test, talk):
        self.talk = talk
        self.came = self.ended = self.now = self.most = 0
        super().__init__(test, free_port())

    def accepted(self, connection):
        self.came += 1
        self.now += 1
        self.most = max(self.most, self.now)
        return ()

    def serve(self, connection):
        gone = True
        with connection:
            try:
                self.talk(connection, connection.makefile("rb"))
                while connection.recv(65536):  # said all it has to say: never closes first
                    pass
            except TimeoutError:
                gone = False
            except OSError:
                pass
        with self.lock:
            self.now -= 1
            self.ended += gone


def dialogue(connection, lines, *replies):
    """A reply for each command; the first one for none."""
    connection.sendall(replies[0])
    for reply in replies[1:]:
        if not lines.readline():
            raise ConnectionError
        connection.sendall(reply)


HELLO = b"220 bad.example\r\n", b"250 bad.example\r\n"


class Hostile(TestCase):
    def begin(self, talk, options="", patience=60):
        self.bad = talk if isinstance(talk, SmtpSink) else Host(self, talk)
        self.good = SmtpSink(self)
        self.daemon_ = self.daemon(more=CONFIG, good=self.good.port, bad=self.bad.port, options=options,
                                   patience=patience)
        return self.daemon_

    def send(self, *recipients, message=MESSAGE, mail="", rcpt=""):
        with Smtp(self.daemon_.smtp_port) as smtp:
            smtp.ehlo()
            smtp.expect(250, f"MAIL FROM:<alice@local.example>{mail}")
            for recipient in recipients or ("bob@bad.example",):
                smtp.expect(250, f"RCPT TO:<{recipient}>{rcpt}")
            smtp.data(message)

    def assert_gives_up(self, talk, times=2, message=MESSAGE):
        """It fails for now, again and again; connections are ended, and other mail goes its way."""
        daemon = self.begin(talk, patience=2)
        before = daemon.resident()
        for number in range(4):
            self.send(f"u{number}@bad.example", message=message)
        daemon.wait_mainlog("T", times)
        wait_for(lambda: self.bad.ended >= times, lambda: f"{times} connections that are given up: {self.bad.ended}")
        self.send("carol@good.example")
        self.good.wait()
        self.assertEqual([], [record for record in daemon.mainlog("D") if record["domain"] == "bad.example"])
        self.assertEqual([], daemon.mainlog("P"))
        self.assertEqual(4, daemon.counters()["Total Queue Size"])
        self.assertLessEqual(self.bad.most, 4)  # two, and those that it has ended and we have not seen
        if not is_sanitized():
            self.assertLess(daemon.resident() - before, 30 << 10)
        return daemon

    # --- without end

    def test_a_reply_without_end(self):
        def talk(connection, lines):
            connection.sendall(HELLO[0])
            lines.readline()
            while True:
                connection.sendall(b"250-and so on\r\n" * 1000)

        self.assert_gives_up(talk)

    def test_a_line_without_end(self):
        def talk(connection, lines):
            connection.sendall(b"220 ")
            while True:
                connection.sendall(b"x" * 65536)

        self.assert_gives_up(talk)

    def test_a_line_without_end_behind_the_message(self):
        def talk(connection, lines):
            dialogue(connection, lines, *HELLO, b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n")
            while True:
                connection.sendall(b"y" * 65536)

        self.assert_gives_up(talk)

    # --- slow, or silent

    def test_silence(self):
        self.assert_gives_up(lambda connection, lines: None)

    def test_silence_at_each_step(self):
        steps = itertools.count(1)
        replies = [*HELLO, b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"]
        self.assert_gives_up(lambda connection, lines: dialogue(connection, lines, *replies[:next(steps)]), times=5)

    def test_a_byte_now_and_then(self):
        """The time is that of a reply, not of a byte."""
        end = threading.Event()
        self.addCleanup(end.set)

        def talk(connection, lines):
            connection.sendall(b"220-")
            while not end.wait(0.2):
                connection.sendall(b"x")

        self.assert_gives_up(talk)

    def test_a_line_now_and_then(self):
        end = threading.Event()
        self.addCleanup(end.set)

        def talk(connection, lines):
            dialogue(connection, lines, HELLO[0])
            while not end.wait(0.02):
                connection.sendall(b"250-x\r\n")

        daemon = self.assert_gives_up(talk)
        # The time is for a reply, not for each of its lines (RFC 5321 §4.5.3.2).
        self.assertIn("timed out waiting for", daemon.mainlog("T")[0]["response"])

    def test_a_message_that_nobody_reads(self):
        given_up = threading.Event()
        self.addCleanup(given_up.set)

        def talk(connection, lines):
            dialogue(connection, lines, *HELLO, b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n")
            given_up.wait()

        daemon = self.begin(talk, patience=2)
        self.send(message=MESSAGE + (b"z" * 70 + b"\r\n") * 200000)
        daemon.wait_mainlog("T", 1)
        given_up.set()
        wait_for(lambda: self.bad.ended, "the end of the connection")
        self.assertEqual([], daemon.mainlog("D"))

    def test_it_never_closes(self):
        """Neither behind QUIT nor behind 421."""
        def talk(connection, lines):
            connection.sendall(HELLO[0])
            for line in lines:
                verb = line[:4].upper()
                connection.sendall(b"354 go\r\n" if verb == b"DATA" else b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                if verb == b"DATA":
                    while lines.readline() not in (b".\r\n", b""):
                        pass
                    connection.sendall(b"250 taken\r\n")
                if verb == b"QUIT":
                    return

        daemon = self.begin(talk, "Idle_Timeout = 1")
        self.send()
        daemon.wait_mainlog("D", 1)
        wait_for(lambda: self.bad.ended == 1, "the end of the connection")
        self.bad.talk = lambda connection, lines: connection.sendall(b"421 4.3.2 not now\r\n")
        self.send()
        daemon.wait_mainlog("T", 2)
        wait_for(lambda: self.bad.ended >= 3, "the end of those connections")

    # --- out of turn, and nonsense

    def test_all_replies_at_once(self):
        """What was said before it was asked is no answer."""
        answers = b"220 x\r\n250 x\r\n250 ok\r\n250 ok\r\n354 go\r\n250 2.0.0 taken\r\n221 bye\r\n"
        self.assert_gives_up(lambda connection, lines: connection.sendall(answers))

    def test_taken_before_it_was_there(self):
        """The reply to the message comes with the 354."""
        def talk(connection, lines):
            dialogue(connection, lines, *HELLO, b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n250 2.0.0 taken\r\n")

        self.assert_gives_up(talk)

    def test_nonsense(self):
        nonsense = itertools.cycle([bytes(range(256)), b"\0" * 1000 + b"\r\n", b"2\r\n", b"25x ok\r\n", b"\r\n\r\n", b"-220 x\r\n",
                                    b"99999999999999999999 x\r\n", b"220\n", b"220 \xff\xfe\r\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])

        def talk(connection, lines):
            connection.sendall(next(nonsense) + b"\r\n")
            lines.readline()
            connection.sendall(next(nonsense) + b"\r\n")

        self.assert_gives_up(talk, times=6)

    def test_codes_that_change_within_a_reply(self):
        def talk(connection, lines):
            dialogue(connection, lines, *HELLO, b"250-ok\r\n550 no\r\n")

        self.assert_gives_up(talk)

    # --- lies about extensions

    def test_offers_that_are_refused(self):
        """Each recipient fails for good, as the host says; the sender learns it."""
        def script(session, verb, line):
            if verb == "MAIL" and len(line.split()) > 2 and "@" not in line.split()[-1]:
                return "555 5.5.4 what is that"
            return None

        sink = SmtpSink(self, script=script, extensions=("PIPELINING", "SIZE 1000000", "DSN", "8BITMIME"))
        daemon = self.begin(sink)
        self.send("bob@bad.example", "dave@bad.example", mail=" RET=HDRS ENVID=x", rcpt=" NOTIFY=SUCCESS,FAILURE")
        self.assertEqual({"bob", "dave"}, {record["to_local"] for record in daemon.wait_mainlog("P", 2)})
        self.assertIn(b"5.5.4", daemon.wait_mail("alice")[0])
        self.assertEqual([], sink.messages)
        daemon.wait_empty()

    def test_pipelining_that_is_none(self):
        """It forgets what came along with a command."""
        def talk(connection, lines):
            connection.sendall(HELLO[0])
            for reply in (b"250-bad.example\r\n250 PIPELINING\r\n", b"250 ok\r\n"):
                if not connection.recv(65536):
                    raise ConnectionError
                connection.sendall(reply)

        self.assert_gives_up(talk)

    def test_a_size_that_was_not_meant(self):
        """552 behind the message, although SIZE allowed it."""
        sink = SmtpSink(self, extensions=("PIPELINING", "SIZE 0"),
                        script=lambda session, verb, line: "552 5.3.4 too big" if verb == "END" else None)
        daemon = self.begin(sink)
        self.send()
        self.assertIn("5.3.4", daemon.wait_mainlog("P", 1)[0]["response"])
        daemon.wait_mail("alice")

    # --- each recipient for itself

    def test_an_outcome_for_each_recipient(self):
        tries = []

        def script(session, verb, line):
            if verb == "RCPT":
                tries.append(line[len("RCPT TO:<"):line.index("@")])
                if "never" in line:
                    return "550 5.1.1 no such user"
                if "later" in line and tries.count(tries[-1]) < 3:
                    return "450 4.2.1 later"
            return None

        for extensions in (("PIPELINING",), ()):
            with self.subTest(extensions=extensions):
                tries.clear()
                sink = SmtpSink(self, script=script, extensions=extensions)
                daemon = self.begin(sink)
                self.send(*(f"{name}@bad.example" for name in ("a", "never1", "later1", "b", "never2", "later2")))
                # Those two go together or apart.
                daemon.wait_empty()
                taken = sorted(address.split("@")[0] for message in sink.messages for address in message.recipients)
                self.assertEqual(["a", "b", "later1", "later2"], taken)
                for name in ("a", "b", "never1", "never2"):
                    self.assertEqual(1, tries.count(name), name)
                self.assertEqual({"never1", "never2"}, {record["to_local"] for record in daemon.wait_mainlog("P", 2)})
                self.assertEqual(4, len([record for record in daemon.wait_mainlog("T", 4)]))
                bounces = b"".join(daemon.wait_mail("alice"))
                for name, told in ((b"never1", True), (b"never2", True), (b"later1", False), (b"a@", False)):
                    self.assertEqual(told, b"Final-Recipient: rfc822; " + name in bounces, name)

    def test_none_of_them_and_still_354(self):
        """A pipelined DATA is taken although no recipient was; an empty message must not be one."""
        def script(session, verb, line):
            return "550 5.1.1 no" if verb == "RCPT" else "354 go on" if verb == "DATA" else None

        sink = SmtpSink(self, script=script, extensions=("PIPELINING",))
        daemon = self.begin(sink)
        self.send("x@bad.example", "y@bad.example")
        daemon.wait_mainlog("P", 2)
        daemon.wait_mail("alice")
        for message in sink.messages:  # to nobody
            self.assertEqual([], message.recipients)
        self.assertEqual([], daemon.mainlog("T"))

    # --- who goes, and when

    def test_gone_behind_its_answer(self):
        """250, and the connection is cut: delivered, once each."""
        taken = set()

        def script(session, verb, line):
            if session.number in taken:
                raise Drop
            if verb == "END":
                taken.add(session.number)
            return None

        sink = SmtpSink(self, script=script)
        daemon = self.begin(sink)
        for number in range(10):
            self.send(f"u{number}@bad.example")
        daemon.wait_mainlog("D", 10)
        daemon.wait_empty()
        self.assertEqual({f"u{number}@bad.example" for number in range(10)},
                         {message.recipients[0] for message in sink.messages})
        self.assertEqual(10, len(sink.messages))

    def test_gone_in_front_of_its_answer(self):
        """It has the message, and says nothing: it comes once more (RFC 1047), and no more than that."""
        kept = []

        def script(session, verb, line):
            if verb == "END" and line not in kept:
                kept.append(line)
                raise Drop
            return None

        sink = SmtpSink(self, script=script)
        daemon = self.begin(sink)
        for number in range(5):
            self.send(f"u{number}@bad.example", message=MESSAGE + b"%d\r\n" % number)
        self.assertEqual(5, len(sink.wait(5)))
        daemon.wait_empty()
        self.assertEqual(5, len(kept))
        self.assertEqual(5, len(sink.messages))
        for message in sink.messages:
            number = message.recipients[0][1:2].encode()
            assert_below_trace(self, MESSAGE + number + b"\r\n", message.data)
