"""Mail that is taken and dropped: what is left of it, and after kill -9 on the way."""

import json
import subprocess

from client import Smtp
from harness import BASE_CONFIG, BINDIR, SCALE, Daemon, TestCase, read, wait_for
from sink import SmtpSink

MESSAGE = b"From: a@client.example\r\nSubject: hello\r\n\r\nbody\r\n"


class Blackhole(TestCase):
    def start(self, more):
        self.own = Daemon(self, BASE_CONFIG, more=more)
        return self.own.start()

    def send(self, *recipients, times=1):
        with Smtp(self.own.smtp_port) as smtp:
            smtp.ehlo()
            for _ in range(times):
                smtp.message(MESSAGE, recipients=list(recipients))

    def test_dropped_and_said_so(self):
        sink = SmtpSink(self)
        self.start(f'Gateway = "127.0.0.1:{sink.port}"\nJsonlog = "@dir@/json"\n'
                   'Domain "hole.example" { Blackhole = true }\n'
                   'Domain "/\\.void$/" { Delivery_Method = blackhole }\n')
        self.send("a@hole.example", "b@real.example", "c@deep.void")
        records = {record["domain"]: record for record in self.own.wait_mainlog("D", 3)}
        for domain in ("hole.example", "deep.void"):
            self.assertEqual(("blackhole", ""), (records[domain]["peer"], records[domain]["port"]))
            self.assertEqual("blackhole", records[domain]["protocol"])
        self.assertEqual([["b@real.example"]], [message.recipients for message in sink.messages])
        wait_for(lambda: (self.own.dir / "json").read_text().count('"Delivery"') == 3, "the lines")
        for line in (self.own.dir / "json").read_text().splitlines():
            record = json.loads(line)
            if record["type"] == "Delivery" and record["queue"] != "real.example":
                self.assertEqual("default->blackhole", record["site"])
                self.assertEqual("BLACKHOLE", record["delivery_protocol"])
                self.assertEqual(250, record["response"]["code"])
                self.assertNotIn("peer_address", record)
        self.assertIn("goes by blackhole", self.own.console("domain", "route", "hole.example").stdout)

    def test_switched_while_mail_waits(self):
        self.start('Suspend_Delivery = true\nGateway = "127.0.0.1:1"\n')
        self.send("a@d.example", "b@e.example", times=20)
        self.own.console("config", "set", "Blackhole", "true")
        self.assertEqual([], self.own.mainlog("D"))
        self.own.console("config", "set", "Suspend_Delivery", "false")
        self.own.wait_mainlog("D", 40)
        self.own.console("config", "set", "Blackhole", "false")
        self.send("a@d.example")
        self.own.wait_mainlog("T", 1)
        self.assertEqual(40, len(self.own.mainlog("D")))

    def pending(self):
        """What is in the spool of a daemon that is down: (message, recipient)."""
        shown = subprocess.run([str(BINDIR / "ec_show"), "-S", str(self.own.dir / "spool"), "--json"], check=True,
                               capture_output=True, text=True, timeout=100 * SCALE, stdin=subprocess.DEVNULL).stdout
        return [(message["id"], recipient["recipient"]) for message in map(json.loads, shown.splitlines())
                for recipient in message["recipients"] if recipient["state"] not in ("delivered", "failed", "expired")]

    def test_kill_while_it_drains(self):
        """Nothing comes back that was dropped durably, and nothing is forgotten."""
        self.start("Suspend_Delivery = true\nBlackhole = true\n")
        count = 200
        self.send(*(f"r{number}@d{number % 5}.example" for number in range(100)), times=count)
        self.own.wait_mainlog("R", count * 100)
        self.own.console("config", "set", "Suspend_Delivery", "false")
        wait_for(lambda: "@D@" in read(self.own.dir / "mainlog"), "the first one dropped")
        self.own.kill9()
        pending = self.pending()
        (self.own.dir / "mainlog").rename(self.own.dir / "mainlog.killed")
        self.own.configure(BASE_CONFIG, more="Blackhole = true\n")
        self.own.start()
        self.own.wait_empty(60)
        self.own.stop()
        self.assertEqual([], self.pending())
        after = [(record["id"], f"{record['to_local']}@{record['domain']}") for record in self.own.mainlog("D")]
        self.assertEqual(sorted(pending), sorted(after))
