"""Bindings: source addresses and names of our own for some mail, who is given one, and
what an operator, a commit and a crash make of that."""

import json
import threading
import time

from client import Smtp
from harness import BASE_CONFIG, TestCase, free_port, timeout, wait_for
from http_kit import Client, transmission
from sink import SmtpSink

BINDINGS = """
TLS = no
Generate_Bounces = false
Gateway = "127.0.0.1:@sink@"
Suspend_Delivery = @held@
Binding one { Bind_Address = 127.0.0.2 EHLO_Hostname = one.example }
Binding_Group pool {
  Binding two { Bind_Address = 127.0.0.3 EHLO_Hostname = two.example }
  Binding three { Bind_Address = 127.0.0.4 EHLO_Hostname = three.example }
}
HTTP_Listener {
  HTTP_Modules = ( inject metrics )
  Open_Relay = true
  Listen "127.0.0.1:@http@" { }
}
@extra@
"""
DOORS = """  SMTP_Extensions = ( PIPELINING XSETCONTEXT )
  XCLIENT_Hosts = ( 127.0.0.6 )
  Listen "127.0.0.1:@smtp@" {
    Peer 127.0.0.5 { Context = [ binding = one ] }
    Peer 127.0.0.7 { Context = [ binding = pool ] }
  }
"""
CONFIG = BASE_CONFIG.replace('  Listen "127.0.0.1:@smtp@" { }\n', DOORS)
ONE, TWO, THREE, NONE = (("127.0.0.2", "one.example"), ("127.0.0.3", "two.example"), ("127.0.0.4", "three.example"),
                         ("127.0.0.1", "mx.test.example"))


class Bindings(TestCase):
    def begin(self, held=False, extra="", script=None):
        self.sink = SmtpSink(self, script=script)
        self.running = self.daemon(CONFIG, more=BINDINGS, sink=self.sink.port, http=free_port(),
                                   held=str(held).lower(), extra=extra)
        return self.running

    def send(self, subject, *recipients, source="127.0.0.1", context=None):
        with Smtp(self.running.smtp_port, source=source) as smtp:
            smtp.ehlo()
            if context:
                smtp.expect(250, f"XSETCONTEXT {context}")
            smtp.message(f"Subject: {subject}\r\n\r\nbody\r\n".encode(), recipients=recipients or ["u@d.example"])

    def say(self, *words, status=0):
        return self.running.console(*words, status=status)

    def ask(self, *words):
        return [json.loads(line) for line in self.say("--json", *words).stdout.splitlines()]

    def queues(self):
        return {row["domain"]: row["active"] + row["delayed"] + row["in_flight"] for row in self.ask("mailq")}

    def wait_queues(self, wanted):
        wait_for(lambda: self.queues() == wanted, lambda: f"{wanted}, there is {self.queues()}")

    def came(self, count):
        """Where each message came from, by its subject."""
        found = {}
        for message in self.sink.wait(count):
            subject = next(line for line in message.data.decode().split("\r\n") if line.startswith("Subject: "))[9:]
            found.setdefault(subject, []).append((self.sink.sessions[message.session].peer, message.helo))
        return found


class Assigned(Bindings):
    def test_who_is_given_which(self):
        self.begin()
        self.send("none")
        self.send("peer", source="127.0.0.5")
        self.send("gateway", source="127.0.0.6", context="binding=two")
        client = Client(self.running.values["http"])
        for name in ("two", "one"):
            answer = client.transmit({**transmission("u@d.example", subject=name), "options": {"ip_pool": name}})
            self.assertEqual(200, answer.status, answer)
        self.assertEqual({"none": [NONE], "peer": [ONE], "gateway": [TWO], "two": [TWO], "one": [ONE]}, self.came(5))
        self.running.wait_mainlog("D", 5)
        lines = [line.split("@") for line in (self.running.dir / "mainlog").read_text().splitlines() if "@D@" in line]
        self.assertEqual({("default", "one"), ("pool", "two"), ("default", "default")},
                         {tuple(line[7:9]) for line in lines}, lines)
        shown = {row["binding"]: row for row in self.ask("binding", "summary")}
        for what in ("delivered", "received"):
            self.assertEqual([1, 2, 2, 0], [shown[name][what] for name in ("default", "one", "two", "three")], shown)
        metrics = client.get("/metrics").body.decode()
        self.assertRegex(metrics, r'impulse_binding_deliveries(_total)?\{binding="two"\} 2\n')

    def test_a_group_takes_turns(self):
        self.begin()
        for number in range(4):
            self.send(f"m{number}", source="127.0.0.7")
        found = [place for places in self.came(4).values() for place in places]
        self.assertEqual([2, 2], [found.count(TWO), found.count(THREE)], found)
        self.say("config", "set", "binding_group", "pool", "binding", "two", "Suspend_Delivery", "true")
        for number in range(4, 8):
            self.send(f"m{number}", source="127.0.0.7")
        found = [place for places in self.came(8).values() for place in places]
        self.assertEqual([2, 6], [found.count(TWO), found.count(THREE)], found)

    def test_a_group_takes_its_own_turns(self):
        """Whatever mail comes between."""
        self.begin()
        for _ in range(4):
            self.send("pool", source="127.0.0.7")
            self.send("other")
        found = self.came(8)["pool"]
        self.assertEqual([2, 2], [found.count(TWO), found.count(THREE)], found)

    def test_one_that_there_is_not(self):
        self.begin(extra='Default_Binding = two')
        with Smtp(self.running.smtp_port, source="127.0.0.6") as smtp:
            smtp.ehlo()
            code, text = smtp.command("XSETCONTEXT binding=nobody")
            self.assertEqual((501, True), (code, "No such Binding" in text), text)
            self.assertEqual(250, smtp.command("XSETCONTEXT binding=pool")[0])
        client = Client(self.running.values["http"])
        answer = client.transmit({**transmission("u@d.example"), "options": {"ip_pool": "nobody"}})
        self.assertEqual(422, answer.status, answer)
        self.assertIn("nobody", answer.body.decode())
        for name in ("esmtp_listener", "http_listener"):
            done = self.say("config", "set", name, "Context", "[ binding = nobody ]", status=1)
            self.assertIn('there is no Binding "nobody"', done.stdout + done.stderr)
        done = self.say("config", "unset", "binding", "one", status=1)  # a Peer names it
        self.assertIn('there is no Binding "one"', done.stdout + done.stderr)
        for name in ("b%1", "all", "ONE"):
            self.say("config", "set", "binding", name, "Max_Retries", "1", status=1)
        # What the server says itself is not for a client to change.
        self.say("config", "set", "http_listener", "Context", "[ binding = one ]")
        client = Client(self.running.values["http"])
        answer = client.transmit({**transmission("u@d.example"), "options": {"ip_pool": "two"}})
        self.assertEqual(403, answer.status, answer)
        self.send("by Default_Binding")
        self.assertEqual({"by Default_Binding": [TWO]}, self.came(1))

    def test_names_for_ehlo(self):
        """Momentum's words for names that it finds out are no names to go out."""
        self.begin(extra='Domain "d.example" { EHLO_Hostname = d.example }\n'
                         'Domain "h.example" { EHLO_Hostname = __HostName__ }')
        self.say("config", "set", "EHLO_Hostname", "mail.example")
        self.send("own", "u@d.example")
        self.send("host", "u@h.example")
        self.send("all", "u@other.example")
        names = {subject: [name for _, name in places] for subject, places in self.came(3).items()}
        self.assertEqual({"own": ["d.example"], "host": ["mx.test.example"], "all": ["mail.example"]}, names)
        for words in (["EHLO_Hostname"], ["binding", "one", "EHLO_Hostname"]):
            done = self.say("config", "set", *words, "__message__", status=1)
            self.assertIn("__message__ (the sender's domain) is not available", done.stdout + done.stderr)


class Steered(Bindings):
    def test_commands_about_one(self):
        self.begin(held=True)
        self.send("a", "u@d.example")
        self.send("b", "u@d.example", "v@d.example", source="127.0.0.5")
        self.wait_queues({"d.example": 1, "d.example%one": 2})
        self.assertEqual(["d.example%one"], [row["domain"] for row in self.ask("mailq", "--binding", "one")])
        self.assertEqual(2, self.say("showqueue", "binding", "one", "d.example").stdout.count("[active/one]"))
        self.assertEqual(3, self.say("showqueue", "binding", "all", "d.example").stdout.count("To:"))
        self.assertEqual(2, self.ask("domain", "binding", "one", "d.example")[0]["active"])
        self.assertIn("2 recipients", self.say("hold", "domain", "binding", "one", "d.example").stdout)
        self.assertIn("3 recipients would be rebound",
                      self.say("rebind", "--dry-run", "all", "d.example", "to", "two").stdout)
        self.assertIn("Rebound 2 recipients", self.say("rebind", "one", "to", "two").stdout)
        self.assertEqual({"d.example": 1, "d.example%two": 2}, self.queues())
        self.say("fail", "domain", "quiet", "--recipient", "nobody", "d.example")
        self.say("rebind", "default", "d.example", "to", "three")
        for words, status in ((("domain",), 0), (("mailq",), 3), (("flush", "domain"), 3)):  # its route is known
            done = self.say(*words, "d.example", status=status)
            self.assertIn("nothing waits for d.example; other bindings have mail: d.example%three, d.example%two",
                          done.stderr)
        self.say("rebind", "three", "to", "default")
        self.assertIn("Rebound 2 recipients", self.say("rebind", "two", "d.example").stdout)  # as its Context says
        self.assertEqual({"d.example": 1, "d.example%one": 2}, self.queues())
        self.say("rebind", "nobody", status=3)
        done = self.say("fail", "domain", "quiet", "--recipient", "^v@", "binding", "one", "d.example", "no more")
        self.assertIn("1 recipient", done.stdout)
        self.say("release", "domain", "binding", "all", "d.example")
        self.say("config", "set", "Suspend_Delivery", "false")
        self.assertEqual({"a": [NONE], "b": [ONE]}, self.came(2))

    def test_suspended(self):
        self.begin()
        self.say("suspend", "binding", "one")
        self.assertEqual("binding one\n", self.say("suspend").stdout)
        self.say("config", "set", "binding_group", "pool", "Suspend_Delivery", "true")
        for number, source in enumerate(("127.0.0.5", "127.0.0.7", "127.0.0.1")):
            self.send(f"m{number}", source=source)
        self.assertEqual({"m2": [NONE]}, self.came(1))
        wait_for(lambda: sum(self.queues().values()) == 2, lambda: f"2 that wait, there is {self.queues()}")
        self.say("resume", "binding", "one")
        self.assertEqual({"m2": [NONE], "m0": [ONE]}, self.came(2))
        self.say("config", "unset", "binding_group", "pool", "Suspend_Delivery")
        self.assertEqual(3, len(self.came(3)))

    @timeout(300)
    def test_rebound_under_load(self):
        """Mail comes, goes, fails for now and is moved to and fro: each once."""
        failed = set()
        lock = threading.Lock()

        def script(session, verb, line):
            if verb == "END":
                with lock:
                    if line not in failed and len(failed) < 60:
                        failed.add(line)
                        return "451 4.3.0 not now"
            return None

        self.begin(script=script)
        total = 400
        done = threading.Event()
        threads = [threading.Thread(target=self.inject, args=(first, total, 4)) for first in range(4)]
        for thread in threads:
            thread.start()

        def steer():
            names = ("one", "two", "three", "default")
            turn = 0
            while not done.is_set():
                self.say("rebind", names[turn % 4], "to", names[(turn + 1) % 4])
                self.say("rebind", "all")
                turn += 1

        steerer = threading.Thread(target=steer)
        steerer.start()
        for thread in threads:
            thread.join()
        try:
            self.sink.wait(total, 120)
            wait_for(lambda: self.queues() == {}, lambda: f"an empty queue, there is {self.queues()}", 60)
        finally:
            done.set()
            steerer.join()
        found = self.came(total)
        self.assertEqual(total, len(found))
        self.assertEqual([], [subject for subject, places in found.items() if len(places) != 1])
        self.assertGreater(len({places[0] for places in found.values()}), 2)
        for row in self.ask("binding", "summary"):
            self.assertEqual(0, row["recipients"], row)

    def inject(self, first, total, step):
        with Smtp(self.running.smtp_port, source="127.0.0.5" if first % 2 else "127.0.0.7") as smtp:
            smtp.ehlo()
            for number in range(first, total, step):
                smtp.message(f"Subject: m{number}\r\n\r\nbody\r\n".encode(), recipients=[f"u@d{number % 7}.example"])

    def test_a_crash_keeps_it(self):
        self.begin(held=True)
        for number in range(50):
            self.send(f"m{number}", f"u@d{number % 3}.example", source="127.0.0.5")
        wait_for(lambda: sum(self.queues().values()) == 50, lambda: f"50 that wait, there is {self.queues()}")
        self.assertIn("Rebound 50 recipients", self.say("rebind", "one", "to", "three").stdout)
        self.running.kill9()
        self.running.start()
        wait_for(lambda: sum(self.queues().values()) == 50, lambda: f"50 that wait, there is {self.queues()}")
        self.assertEqual({f"d{number}.example%three" for number in range(3)}, set(self.queues()))
        self.say("config", "set", "Suspend_Delivery", "false")
        found = self.came(50)
        self.assertEqual({(THREE,)}, {tuple(places) for places in found.values()})

    def test_a_commit_while_it_is_busy(self):
        self.begin(script=lambda session, verb, line: time.sleep(0.005) if verb == "END" else None)
        for number in range(100):
            self.send(f"m{number}", source="127.0.0.5")
            if number == 50:
                self.say("config", "set", "binding", "one", "Bind_Address", "127.0.0.9")
        found = self.came(100)
        self.assertEqual((100, {1}), (len(found), {len(places) for places in found.values()}))
        self.assertEqual([("127.0.0.9", "one.example")], found["m99"])
        self.assertEqual([ONE], found["m0"])

    def test_one_that_goes(self):
        self.begin(held=True)
        self.send("left behind", source="127.0.0.6", context="binding=three")
        self.wait_queues({"d.example%three": 1})
        self.say("config", "unset", "binding_group", "pool", "binding", "three")
        self.assertIn("three", [row["binding"] for row in self.ask("binding", "summary")])
        self.say("config", "set", "Suspend_Delivery", "false")
        self.assertEqual({"left behind": [NONE]}, self.came(1))
        self.running.wait_log("binding-gone")
