"""Reading the queue and acting on it from the console."""

import json
import os
import pwd
import socket
import struct
import threading

from client import Smtp
from disk_kit import ShimDaemon
from harness import BASE_CONFIG, Ectl, TestCase, free_port, settled, wait_for
from sink import SmtpSink

MESSAGE = b"From: alice@client.example\r\nSubject: hi there\r\n\r\nbody line\r\n=0 ok\r\n"
# Nothing comes back by itself while a test looks.
SLOW = BASE_CONFIG.replace("Retry_Interval = 1\nMax_Retry_Interval = 2", "Retry_Interval = 3600\nMax_Retry_Interval = 7200")
GATEWAY = 'Gateway = "127.0.0.1:@sink@"\nTLS = no\n'


class Queue(TestCase):
    def start(self, refuse=True, config=SLOW, more="", **values):
        """A gateway that says 451 as long as self.refusing."""
        self.refusing = refuse
        self.sink = SmtpSink(self, script=lambda session, verb, line:
                             "451 4.2.0 not now" if verb == "RCPT" and self.refusing else None)
        self.own = self.daemon(config, more=GATEWAY + more, sink=self.sink.port, **values)

    def send(self, *recipients, sender="alice@local.example"):
        with Smtp(self.own.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE, sender=sender, recipients=recipients)

    def say(self, *words, status=0):
        return self.own.console(*words, status=status)

    def documents(self, *words, status=0):
        return [json.loads(line) for line in self.say("--json", *words, status=status).stdout.splitlines()]

    def rows(self, domain):
        return self.documents("mailq", domain, status=None)

    def row(self, domain, **wanted):
        """That domain's line, once it is so."""
        def look():
            found = [row for row in self.documents("mailq", "--domain", domain)
                     if all(row[name] == value for name, value in wanted.items())]
            return found and found[0]
        return wait_for(look, lambda: f"{domain} with {wanted}: {self.documents('mailq', '--domain', domain)}")

    def delay(self, *recipients, **more):
        """Mail that waits: the rows of the first one's domain."""
        self.send(*recipients, **more)
        for domain in {each.split("@")[1] for each in recipients}:
            wait_for(lambda: self.rows(domain) and all(row["state"] == "delayed" and row["attempts"] for row in self.rows(domain)),
                     lambda: f"mail for {domain} to be delayed: {self.rows(domain)}")
        return self.rows(recipients[0].split("@")[1])

    # reading

    def test_what_there_is_to_read(self):
        self.start(more="Idle_Timeout = 3600\n")  # its connection rests until it is looked at
        rows = self.delay("r1@far.example", "r2@far.example")
        identity = rows[0]["id"]
        shown = self.say("showqueue", "far.example").stdout
        self.assertRegex(shown, r"\[delayed/default\] " + identity + r" Created: \d+\n  From: <alice@local.example> To: <r[12]@far")
        self.assertEqual(1, self.say("showqueue", "far.example", "10,1").stdout.count("To:"))
        self.assertRegex(self.say("delayed", "1").stdout, r"far\.example +C: +\d+ +A: +0 +D: +2 +S: +0\n")
        self.assertNotIn("far.example", self.say("delayed", "2").stdout)
        self.assertNotIn("far.example", self.say("active").stdout)
        for words in (("domain", "all"), ("domains",)):
            self.assertIn("far.example", self.say(*words).stdout)
        one = self.say("domain", "far.example").stdout
        self.assertRegex(one, r"Delayed: +2, next 20")
        self.assertIn(f"\n  [0 127.0.0.1:{self.sink.port}]\n        [127.0.0.1] IPv4\n", one)
        # Nothing waits there, and the way is known.
        near = self.documents("domain", "near.example")[0]
        self.assertEqual((0, "127.0.0.1"), (near["active"], near["route"]["hosts"][0]["host"]))
        self.say("config", "set", "domain", "far.off.example", "routes", '( "__mx__" )')
        self.say("domain", "far.off.example", status=3)
        self.assertRegex(self.say("binding", "summary").stdout, r"Total Queue Size: +2\n")
        connection = wait_for(lambda: self.documents("show", "outbound"), "a connection that rests")[0]
        self.assertEqual((f"127.0.0.1:{self.sink.port}", "default"), (connection["peer"], connection["binding"]))
        self.assertIn(connection["state"], ("resting", "fetching", "sending"))
        body = self.say("message", "body", identity).stdout
        self.assertIn("Received: ", body)
        self.assertTrue(body.endswith("\n\nbody line\n=0 ok\n"), body)
        full = self.say("message", "details", "full", identity).stdout
        self.assertIn("Recipient: <r1@far.example> pending", full)
        self.assertTrue(full.endswith("\nbody line\n=0 ok\n"), full)

    def test_a_large_body(self):
        self.start(config=SLOW + "Max_Message_Size = 64M\n")
        lines = b"".join(b"%07d %s\r\n" % (number, b"x" * 100) for number in range(200000))
        with Smtp(self.own.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(b"Subject: large\r\n\r\n" + lines, recipients=["r@far.example"])
        identity = wait_for(lambda: self.rows("far.example"), "the message")[0]["id"]
        body = self.say("message", "body", identity).stdout
        self.assertEqual(lines.decode().replace("\r\n", "\n"), body[body.index("0000000 "):])

    # one message

    def test_message_retry(self):
        self.start()
        identity = self.delay("r@far.example")[0]["id"]
        self.refusing = False
        self.assertIn("1 recipient tried now", self.say("message", "retry", identity).stdout)
        self.assertEqual(["r@far.example"], self.sink.wait(1)[0].recipients)

    def test_message_fail(self):
        self.start()
        identity = self.delay("r1@far.example", "r2@far.example")[0]["id"]
        self.say("message", "fail", identity, "R2@far.example")
        report = self.own.wait_mail("alice")[0]
        self.assertIn(b"r2@far.example", report)
        self.assertIn(b"manually failed", report)
        record = self.own.wait_mainlog("P", 1)[0]
        self.assertIn("554 5.0.0 manually failed", str(record))
        self.assertEqual(["r1@far.example"], [row["recipient"] for row in self.rows("far.example")])
        self.say("message", "fail", "quiet", identity)
        self.own.wait_mainlog("P", 2)
        self.say("message", "details", identity, status=3)
        self.say("message", "fail", identity, status=3)
        self.assertEqual(1, len(self.own.wait_mail("alice")))

    def test_hold_outlives_a_crash(self):
        self.start()
        identity = self.delay("r1@far.example", "r2@far.example")[0]["id"]
        self.say("message", "hold", identity, "r1@far.example")
        self.row("far.example", held=1, delayed=2)
        self.say("message", "hold", identity, "r1@far.example", status=1)
        self.say("message", "retry", identity, "r1@far.example", status=1)
        # What is journalled goes with the next commit, and this is one.
        self.send("other@near.example")
        self.own.kill9()
        self.refusing = False  # before anything is tried: what is under way is not flushed
        self.own.start()
        self.row("far.example", held=1)
        self.assertIn("r1@far.example> held", self.say("message", "details", identity).stdout)
        self.say("flush", "domain", "all")
        self.sink.wait(2)
        held = [row["recipient"] for row in self.rows("far.example") if row["state"] == "held"]
        self.assertEqual(["r1@far.example"], held)
        self.say("message", "release", identity)
        wait_for(lambda: any("r1@far.example" in message.recipients for message in self.sink.messages), "the held one")
        wait_for(lambda: not self.documents("mailq"), "an empty queue")

    def test_what_is_in_delivery_is_left_alone(self):
        self.start(refuse=False)
        go = threading.Event()
        self.addCleanup(go.set)
        self.sink.script = lambda session, verb, line: go.wait(60) and None if verb == "END" else None
        self.send("r@far.example")
        identity = wait_for(lambda: [row for row in self.rows("far.example") if row["in_flight"]], "a delivery")[0]["id"]
        wait_for(lambda: [row for row in self.documents("show", "outbound") if row["domain"] == "far.example"
                          and row["state"] == "sending"], "its connection")
        for act in ("fail", "hold", "retry"):
            done = self.say("message", act, identity, status=1)
            self.assertIn("message-in-flight", done.stderr)
        self.assertEqual(1, self.documents("fail", "domain", "far.example")[-1]["in_flight"])
        go.set()
        self.own.wait_mainlog("D", 1)

    # queues

    def test_flush_domain(self):
        self.start()
        self.delay("r1@far.example", "r2@far.example")
        self.delay("r3@near.example")
        self.refusing = False
        self.assertEqual("far.example flushed, 2 recipients requeued.\n", self.say("flush", "domain", "far.example").stdout)
        self.own.wait_mainlog("D", 2)
        self.assertEqual(["near.example"], [row["domain"] for row in self.documents("mailq")])
        self.say("flush", "domain", "far.example", status=3)

    def test_a_flush_tries_each_once(self):
        """Also where mail comes back at once, as nobody knows where its domain is."""
        self.start(more='Domain "lost.example" { Routes = ( "__mx__" ) }\n')
        count = 1000
        for start in range(0, count, 100):
            self.send(*(f"r{number}@lost.example" for number in range(start, start + 100)))

        def attempts():
            rows = self.documents("mailq", "lost.example", "--limit", str(count), status=None)
            return len(rows) == count and all(row["state"] == "delayed" for row in rows) and {row["attempts"] for row in rows}

        wait_for(lambda: attempts() == {1}, "mail that is delayed")
        for words in (("lost.example",), ("all",)):
            before = max(attempts())
            self.assertIn(f"{count} recipients requeued", self.say("flush", "domain", *words).stdout)
            wait_for(attempts, "all of it to be delayed again")
            self.assertEqual({before + 1}, attempts())

    def test_a_flush_tells_what_senders_hold(self):
        self.start()
        self.say("config", "set", "esmtp_listener", "smtp_extensions", "( PIPELINING FUTURERELEASE )")
        with Smtp(self.own.smtp_port) as smtp:
            smtp.ehlo()
            smtp.expect(250, "MAIL FROM:<alice@local.example> HOLDFOR=3600")
            smtp.expect(250, "RCPT TO:<r1@far.example>")
            smtp.expect(354, "DATA")
            smtp.expect(250, MESSAGE.decode() + ".")
        self.send("r2@far.example")
        self.row("far.example", delayed=2)
        for words in (("--dry-run",), ()):
            done = self.say("flush", "domain", *words, "far.example")
            self.assertIn("1 recipient held by their senders (RFC 4865) [queue-left]", done.stderr)
            self.assertIn("1 recipient ", done.stdout)

    def test_fail_domain(self):
        self.start()
        self.delay("r1@far.example", "r2@far.example", sender="news@local.example")
        self.delay("r3@far.example")
        dry = self.say("fail", "domain", "--dry-run", "--sender", "^news@", "far.example")
        self.assertIn("to=<r1@far.example>", dry.stdout)
        self.assertIn("[dry-run] far.example: 2 recipients would be failed.\n", dry.stdout)
        self.row("far.example", delayed=3)
        self.say("fail", "domain", "--sender", "^news@", "far.example", "closed", "for", "good")
        report = self.own.wait_mail("news")[0]
        self.assertIn(b"closed for good", report)
        self.assertIn(b"r1@far.example", report)
        self.row("far.example", delayed=1)
        self.say("fail", "domain", "quiet", "far.example")
        self.own.wait_mainlog("P", 3)
        wait_for(lambda: not self.rows("far.example"), "an empty queue")
        self.assertEqual([], self.own.maildir("alice"))
        self.own.wait_log("fail domain quiet far.example =0")

    def test_a_long_queue(self):
        self.start()
        self.say("suspend", "far.example")
        with Smtp(self.own.smtp_port) as smtp:
            smtp.ehlo()
            for number in range(50):
                smtp.message(MESSAGE, recipients=[f"r{number}-{each}@far.example" for each in range(40)])
        self.row("far.example", active=2000)
        self.assertEqual(4000, self.say("showqueue", "far.example", "5000,0").stdout.count("\n"))
        self.assertEqual(1500, len(self.documents("mailq", "far.example", "--limit", "1500")))
        held = self.documents("hold", "domain", "--recipient", "-7@", "far.example")[-1]
        self.assertEqual((50, True), (held["recipients"], held["ended"]))
        self.row("far.example", held=50, active=1950)
        self.assertEqual(1950, self.documents("fail", "domain", "quiet", "--recipient", "-[^7]", "far.example")[-1]["recipients"])
        self.row("far.example", active=0, delayed=50)
        self.assertEqual(50, self.documents("release", "domain", "far.example")[-1]["recipients"])
        self.refusing = False
        self.say("resume", "far.example")
        self.own.wait_mainlog("D", 50)
        wait_for(lambda: not self.documents("mailq"), "an empty queue")

    def test_an_order_ends_with_its_console(self):
        """At once, and not when it would have had something to say: a mistaken 'fail domain all' can be stopped."""
        self.own = ShimDaemon(self, SLOW, tcp=free_port(), more="""
Suspend_Delivery = true  Max_Resident_Messages = 0
Control_Listener { Listen "127.0.0.1:@tcp@" { } }
""").start()
        shim = self.own.shim
        self.addCleanup(shim.hold, "")
        # Messages are read for it, and a read that waits stops it behind the first page, before it tells of progress.
        count, order = 300, 'hold domain --header Subject "hi there" slow.example\n'
        with Smtp(self.own.smtp_port) as smtp:
            smtp.ehlo()
            for number in range(count):
                smtp.message(MESSAGE, recipients=[f"r{number}@slow.example"])
        self.row("slow.example", active=count)

        def descriptors():
            return len(os.listdir(f"/proc/{self.own.process.pid}/fd"))

        for address in (self.own.control, ("127.0.0.1", self.own.values["tcp"])):
            before = settled(descriptors, "the same number of files to be open")
            with Ectl(address) as console:
                shim.hold("delivery-io", after=192)
                console.send(order)
                wait_for(lambda: shim.held_reads == 1, "a read that waits")
                self.assertGreater(self.row("slow.example")["held"], 0)
                if isinstance(address, tuple):  # as ec_console does
                    console.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            wait_for(lambda: descriptors() == before, "that the daemon sees the end of it")
            shim.hold("")
            held = settled(lambda: self.row("slow.example")["held"], "no more that are held")
            self.assertLess(held, count)
            self.say("release", "domain", "slow.example")
            self.row("slow.example", held=0)
        # Who only has nothing more to say waits for the answer.
        with Ectl(self.own.control) as console:
            console.send(order)
            console.socket.shutdown(socket.SHUT_WR)
            self.assertIn(f"{count} recipients held", str(console.reply()))

    def send_by_context(self, **counts):
        """So many messages of each campaign, to far.example, which is suspended: the first half of each has X-Pick: alpha."""
        self.start(refuse=False, more='Domain "far.example" { Suspend_Delivery = true }\n', config=SLOW.replace(
            '  Listen "127.0.0.1:@smtp@" { }\n', '''  SMTP_Extensions = ( PIPELINING XSETCONTEXT )
  XCLIENT_Hosts = ( 127.0.0.0/8 )
  Listen "127.0.0.1:@smtp@" { }
'''))
        for campaign, count in counts.items():
            with Smtp(self.own.smtp_port) as smtp:
                smtp.ehlo()
                smtp.expect(250, f"XSETCONTEXT campaign={campaign}")
                for number in range(count):
                    pick = b"alpha" if number < count // 2 else b"beta"
                    smtp.message(b"X-Pick: " + pick + b"\r\n" + MESSAGE, recipients=[f"{campaign}{number}@far.example"])
        self.row("far.example", active=sum(counts.values()))

    def test_what_only_messages_say(self):
        self.send_by_context(summer=60, winter=140)

        def both(*words):
            """As many are done as a dry run says."""
            dry = self.documents(*words, "--dry-run")
            done = self.documents(*words)[-1]
            self.assertEqual((dry[-1]["recipients"], 0), (done["recipients"], done["unreadable"]))
            self.assertEqual(min(25, dry[-1]["recipients"]), len(dry) - 1)
            return done["recipients"]

        self.assertEqual(60, both("hold", "domain", "--meta", "campaign", "summer", "far.example"))
        self.assertEqual(30, both("release", "domain", "--meta", "campaign=summer", "--header", "x-pick", "beta", "far.example"))
        self.row("far.example", held=30, active=170)
        self.assertEqual(70, both("reroute", "queue", "--header", "X-Pick=^ALPHA$", "--meta", "campaign", "winter",
                                  "far.example", "near.example"))
        self.assertEqual(0, both("binding", "flush", "domain", "--meta", "campaign", "summer", "default", "all"))
        done = self.say("fail", "all", "quiet", "--meta", "campaign", "summer", "554", "over")
        self.assertEqual("all purged, 60 recipients failed.\n", done.stdout)
        self.assertIn("554 over", str(self.own.wait_mainlog("P", 60)[0]))
        done = self.say("binding", "fail", "domain", "quiet", "--header", "X-Pick", "beta", "default", "far.example")
        self.assertEqual("far.example purged, 70 recipients failed.\n", done.stdout)
        self.own.wait_mainlog("P", 130)
        self.own.wait_mainlog("D", 70)
        self.assertEqual({b"X-Pick: alpha"}, {line for message in self.sink.messages for line in message.data.split(b"\r\n")
                                              if line.startswith(b"X-Pick: ")})
        wait_for(lambda: not self.documents("mailq"), "an empty queue")

    def test_ended_while_messages_are_read(self):
        self.send_by_context(summer=300, winter=20)
        with Ectl(self.own.control) as console:
            console.send("fail domain quiet --meta campaign summer far.example\n")
            self.own.stop()
        failed = len(self.own.mainlog("P"))
        self.own.start()
        self.row("far.example", active=320 - failed)
        self.assertEqual(300 - failed, self.documents("fail", "domain", "quiet", "--meta", "campaign", "summer",
                                                      "far.example")[-1]["recipients"])
        self.own.wait_mainlog("P", 300)
        self.say("config", "set", "domain", "far.example", "suspend_delivery", "false")
        self.own.wait_mainlog("D", 20)
        wait_for(lambda: not self.documents("mailq"), "an empty queue")

    def test_delay(self):
        self.send_by_context(summer=2, winter=3)
        self.say("delay", "3600", status=2)
        self.assertEqual("Delayed 2 recipients.\n", self.say("delay", "3600", "--meta", "campaign", "summer").stdout)
        self.row("far.example", active=3, delayed=2)
        self.say("delay", "3600", "--domain", "near.example", status=3)
        self.own.kill9()
        self.own.start()
        self.row("far.example", active=3, delayed=2)
        self.say("flush", "domain", "far.example")
        self.row("far.example", active=5)
        self.say("config", "set", "domain", "far.example", "suspend_delivery", "false")
        self.own.wait_mainlog("D", 5)

    def test_suspend_and_resume(self):
        self.start(refuse=False)
        self.say("suspend", "domain", "far.example")
        self.send("r1@far.example")
        self.send("r2@near.example")
        self.assertEqual(["r2@near.example"], self.sink.wait(1)[0].recipients)
        self.row("far.example", active=1)
        self.assertEqual("far.example\n", self.say("suspend").stdout)
        told = self.say("domain", "far.example").stdout
        self.assertRegex(told, r"^Domain 'far.example' is suspended\n")
        self.say("config", "set", "domain", "far.example", "suspend_delivery", "true")
        self.assertIn("is suspended, and by Suspend_Delivery, too", self.say("domain", "far.example").stdout)
        self.say("resume", "far.example")
        self.assertIn("is suspended by Suspend_Delivery", self.say("domain", "far.example").stdout)
        one = self.documents("domain", "far.example")[0]
        self.assertEqual((False, True), (one["suspended"], one["suspend_delivery"]))
        self.assertEqual(1, one["active"])
        self.say("config", "unset", "domain", "far.example", "suspend_delivery")
        self.sink.wait(2)
        self.say("resume", "far.example", status=3)

    def test_reroute_queue(self):
        more = 'Domain "old.example" { Gateway = "127.0.0.1:1" }\n'
        self.start(refuse=False, more=more)
        self.delay("r1@old.example", "r2@old.example")
        self.say("reroute", "queue", "old.example", "new.example")
        self.say("message", "retry", self.rows("new.example")[0]["id"])
        received = self.sink.wait(1)
        self.assertEqual(["r1@old.example", "r2@old.example"], sorted(received[0].recipients))
        wait_for(lambda: not self.documents("mailq"), "an empty queue")

    def test_roles(self):
        """Who may look may not act."""
        who = pwd.getpwuid(os.getuid()).pw_name
        self.start(more='Authorization {\n  Role "' + who + '" { Allow = ( "^(mailq|showqueue|domain |active|fail domain .*--dry-run)" ) }\n}\n')
        self.delay("r@far.example")
        self.own.console("config", "set", "control_listener", "enable_authorization", "true")
        for words in (("mailq",), ("showqueue", "far.example"), ("domain", "far.example"), ("active", "1"),
                      ("fail", "domain", "far.example", "--dry-run")):
            self.say(*words)
        for words in (("fail", "domain", "far.example"), ("flush", "domain", "all"), ("suspend", "far.example"),
                      ("reroute", "queue", "far.example", "near.example"), ("message", "body", "00000001/00000001")):
            self.say(*words, status=6)
