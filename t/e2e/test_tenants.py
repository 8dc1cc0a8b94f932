"""Tenants: namespaces that are told apart by the door that a client comes in by:
users, limits, counters and queues of one are nothing to another."""

import base64
import hashlib
import json
import re
import smtplib
import ssl
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor

from client import Smtp
from harness import BASE_CONFIG, SCALE, Daemon, TestCase, free_port, make_certificate, needs, read_lines, wait_for
from passwords import b64, scram_line
from sink import SmtpSink
from test_auth import Client
from test_passwd import passwd
from test_proxy import certificate, v2

LISTEN = 'Listen "127.0.0.1:@smtp@" { }'
DOORS = LISTEN + """
  Listen "127.0.0.1:@blue@" { Tenant = blue }
  Listen "127.0.0.1:@green@" { Tenant = Green }"""
MESSAGE = b"Subject: hello\r\n\r\nhello\r\n"
USERS = """\
alice:shared sesame
blue/alice:blue sesame
green/alice:green sesame
blue/bob:bobs
shared:shareds
red/carol:carols
"""
AUTH = """
ESMTP_Listener {
  SMTP_Extensions = ( PIPELINING ENHANCEDSTATUSCODES STARTTLS AUTH )
  Enable_Authentication = true
  AuthPlainParameters = [ uri = "file://@dir@/users" ]
  AuthLoginParameters = [ uri = "file://@dir@/users" ]
  AuthCramMD5Parameters = [ uri = "file://@dir@/users" ]
  AuthScramParameters = [ uri = "scram://@dir@/scram" ]
}
"""


def digest(client, user, password):
    """DIGEST-MD5 by hand (RFC 2831)."""
    def md5(data):
        return hashlib.md5(data if isinstance(data, bytes) else data.encode())

    code, text = client.command("AUTH DIGEST-MD5")
    assert code == 334, text
    said = dict(re.findall(r'(\w+)="?([^",]*)"?', base64.b64decode(text).decode()))
    nonce, uri = said["nonce"], "smtp/mx.test.example"
    key = md5(md5(f"{user}:{said['realm']}:{password}").digest() + f":{nonce}:mine".encode()).hexdigest()
    proof = md5(f"{key}:{nonce}:00000001:mine:auth:{md5('AUTHENTICATE:' + uri).hexdigest()}").hexdigest()
    code, text = client.command(b64(f'username="{user}",realm="{said["realm"]}",nonce="{nonce}",cnonce="mine",'
                                    f'nc=00000001,qop=auth,digest-uri="{uri}",response={proof}'))
    return (code, text) if code != 334 else client.command("")


class Case(TestCase):
    def begin(self, listens=DOORS, more="", users=USERS, **values):
        """A daemon with a Listen for nobody in particular, one for blue and one for green."""
        daemon = Daemon(self, BASE_CONFIG.replace(LISTEN, listens), more=more,
                        **{"blue": free_port(), "green": free_port(), **values})
        for name, text in (("users", users), ("scram", "".join(
                scram_line(*line.split(":")) for line in users.splitlines()))):
            (daemon.dir / name).write_text(text)
            (daemon.dir / name).chmod(0o600)
        self.daemon = daemon
        return daemon

    def port(self, door):
        return self.daemon.values[door or "smtp"]

    def open(self, door, source=None, code=220):
        smtp = Smtp(self.port(door), source=source)
        self.addCleanup(smtp.close)
        self.assertEqual(code, smtp.banner[0], smtp.banner)
        return smtp

    def send(self, door, recipient="bob@local.example", sender="alice@client.example", login=None):
        with smtplib.SMTP("127.0.0.1", self.port(door), timeout=60 * SCALE) as smtp:
            if login:
                smtp.login(*login)
            smtp.sendmail(sender, [recipient], MESSAGE)

    def logs_in(self, door, user, password, way=Client.plain):
        client = Client(self.port(door))
        self.addCleanup(client.close)
        code, text = way(client, user, password)
        self.assertIn((code, text), ((235, "2.7.0 Authentication successful"), (535, "5.7.8 Authentication failed")))
        return code == 235

    def try_all(self, attempts):
        """Each (expected, door, user, password, way); at once, since a failure is answered late."""
        with ThreadPoolExecutor(len(attempts)) as pool:
            for attempt, came_in in zip(attempts, pool.map(lambda each: self.logs_in(*each[1:]), attempts)):
                self.assertEqual(attempt[0], came_in, attempt)

    def queues(self):
        """Names of the queues, and how many recipients wait in each."""
        rows = map(json.loads, self.daemon.console("--json", "mailq").stdout.splitlines())
        return {row["domain"]: row["active"] + row["delayed"] + row["in_flight"] for row in rows if "domain" in row}

    def wait_users(self, count):
        """Who logged in at a door, and whether that went well, once so many are written down."""
        def users():
            found = [line.split("@")[4:] for line in read_lines(self.daemon.dir / "acctlog") if "@N@127" in line]
            return len(found) >= count and found
        return wait_for(users, lambda: f"{count} users:\n" + "\n".join(read_lines(self.daemon.dir / "acctlog")))

    def counted(self, name):
        """Of a counter: for each tenant."""
        return json.loads(self.daemon.console("--json", "counter", "show", name).stdout.splitlines()[0])["tenants"]


class Namespaces(Case):
    def test_V8_V14_V15_the_port_picks_the_namespace(self):
        daemon = self.begin(more=AUTH).start()
        attempts = []
        for door in ("", "blue", "green"):
            for whose in ("shared", "blue", "green"):
                attempts.append(((door or "shared") == whose, door, "alice", f"{whose} sesame"))
            # Nor by the name that stands in the file.
            for whose in ("blue", "green", "BLUE"):
                attempts.append((False, door, f"{whose}/alice", f"{whose.lower()} sesame"))
        attempts += [(True, "blue", "bob", "bobs"), (False, "green", "bob", "bobs"), (False, "", "bob", "bobs"),
                     (False, "blue", "shared", "shareds"), (True, "", "shared", "shareds"),
                     (True, "", "red/carol", "carols")]  # a name like any other: there is no red
        self.try_all(attempts)
        for door in ("", "blue", "green"):
            self.send(door, login=("alice", f"{door or 'shared'} sesame"))
        self.assertEqual({"", "blue", "green"}, {line["tenant"] for line in daemon.wait_mainlog("R", 3)})
        self.assertEqual({"blue": 1, "green": 1}, self.counted("messages_received"))
        self.assertEqual({"blue": 3, "green": 2}, self.counted("auth_successes"))

    def test_V14_each_mechanism_knows_its_own_users_only(self):
        self.begin(more=AUTH).start()
        self.try_all([(expected, door, user, password, way)
                      for way in (Client.plain, Client.login, Client.cram, Client.scram)
                      for expected, door, user, password in ((True, "blue", "alice", "blue sesame"),
                                                             (False, "green", "alice", "blue sesame"),
                                                             (False, "", "alice", "blue sesame"),
                                                             (False, "", "blue/alice", "blue sesame"),
                                                             (True, "", "alice", "shared sesame"),
                                                             (False, "blue", "alice", "shared sesame"))])

    @needs("swaks")
    def test_V14_swaks_and_a_file_made_by_ec_passwd(self):
        daemon = self.begin(more=AUTH + """
ESMTP_Listener { AuthDigestMD5Parameters = [ uri = "digest://@dir@/digest" realm = home ] }""", users="")
        for tenant in ("blue", "Green"):
            for words in (["-f", "file", daemon.dir / "users"], [daemon.dir / "scram"],
                          ["-f", "digest", "-r", "home", daemon.dir / "digest"]):
                done = passwd("--tenant", tenant, *words, "alice", password=f"{tenant.lower()}s")
                self.assertEqual((0, f"added {tenant.lower()}/alice in {words[-1]}\n"), (done.returncode, done.stderr))
        self.assertEqual(1, passwd("-t", "blue", "--verify", daemon.dir / "scram", "alice",
                                   password="greens").returncode)
        self.assertEqual(0, passwd("--verify", daemon.dir / "scram", "blue/alice", password="blues").returncode)
        self.assertEqual(2, passwd("-t", "b/c", daemon.dir / "scram", "alice", password="x").returncode)
        daemon.start()

        def swaks(door, mechanism, password):
            return subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(self.port(door)),
                                   "--helo", "c.example", "--from", "a@c.example", "--to", "bob@local.example",
                                   "--auth", mechanism,
                                   "--auth-user", "alice", "--auth-password", password],
                                  capture_output=True, text=True, timeout=60 * SCALE).returncode
        for mechanism in ("PLAIN", "CRAM-MD5"):
            for door, password, status in (("blue", "blues", 0), ("green", "greens", 0), ("green", "blues", 28),
                                           ("", "blues", 28)):
                self.assertEqual(status, swaks(door, mechanism, password))
        # Of digests the hash is of the name that the client says.
        for way in (Client.scram, digest):
            self.assertTrue(self.logs_in("blue", "alice", "blues", way))
            self.assertFalse(self.logs_in("green", "alice", "blues", way))

    def test_V16_set_on_the_listener_and_otherwise_on_a_listen(self):
        daemon = self.begin("""Tenant = above
          Listen "127.0.0.1:@smtp@" { Peer "127.3.0.0/16" { Tenant = network } }
          Listen "127.0.0.1:@blue@" { Tenant = below }
          Listen "127.0.0.1:@green@" { Tenant = "" }""").start()
        for door, source in (("smtp", None), ("smtp", "127.3.0.1"), ("blue", None), ("green", None)):
            self.open(door, source).message(MESSAGE)
        self.assertEqual(["above", "network", "below", ""], [line["tenant"] for line in daemon.wait_mainlog("R", 4)])

    @needs("openssl")
    def test_V17_one_for_tls_and_two_for_plain_listens(self):
        daemon = self.begin("""TLS_Certificate = "mx"
          Listen "127.0.0.1:@smtp@" { Use_SSL = true  Tenant = ssl-mountpoint }
          Listen "127.0.0.1:@blue@" { Tenant = tcp-one }
          Listen "127.0.0.1:@green@" { Tenant = tcp-other }""",
                            more='Certificate "mx" { Cert = "@dir@/mx.crt" Private_Key = "@dir@/mx.key" }\n')
        make_certificate(daemon.dir)
        daemon.start()
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with smtplib.SMTP_SSL("127.0.0.1", daemon.smtp_port, context=context, timeout=60 * SCALE) as smtp:
            smtp.sendmail("a@client.example", ["bob@local.example"], MESSAGE)
        for door in ("blue", "green"):
            self.send(door)
        self.assertEqual(["ssl-mountpoint", "tcp-one", "tcp-other"],
                         [line["tenant"] for line in daemon.wait_mainlog("R", 3)])

    def test_V14_a_name_is_letters_digits_and_three_signs(self):
        for bad in ("a/b", "two words", "x" * 65, "a:b", "ä"):
            daemon = Daemon(self, BASE_CONFIG.replace(LISTEN, f'Listen "127.0.0.1:@smtp@" {{\n    Tenant = "{bad}" }}'))
            done = daemon.check("--check", "-c", daemon.config_file)
            self.assertNotEqual(0, done.returncode)
            self.assertRegex(done.stdout + done.stderr,
                             r"conf:\d+:14: error: Tenant: expected a name of at most 64 letters, digits")

    def test_V14_what_is_written_down(self):
        daemon = self.begin(more=AUTH + """
Acctlog = "@dir@/acctlog"
Rejectlog = "@dir@/rejectlog"
Rejectlog_Format = json
""").start()
        self.send("blue", login=("alice", "blue sesame"))
        self.assertFalse(self.logs_in("green", "alice", "blue sesame"))
        self.assertFalse(self.logs_in("", "blue/alice", "blue sesame"))
        users = self.wait_users(3)
        self.assertEqual([["blue/alice", "1"], ["green/alice", "0"], ["blue/alice", "0"]], users)
        rejected = wait_for(lambda: len(lines := read_lines(daemon.dir / "rejectlog")) >= 2 and
                            list(map(json.loads, lines)), "two rejections")
        self.assertEqual(["green", None], [line.get("tenant") for line in rejected])
        self.assertEqual({"green": 1}, self.counted("refused_auth"))
        found = daemon.wait_mainlog("D", 1)[0]
        self.assertEqual(("blue", "local.example"), (found["tenant"], found["domain"]))
        shown = json.loads(daemon.console("--json", "summary").stdout.splitlines()[0])
        self.assertEqual({"blue", "green"}, set(shown["tenants"]))
        self.assertEqual(1, shown["tenants"]["blue"]["deliveries"])
        self.assertNotIn("messages_received", shown["tenants"]["green"])
        self.assertRegex(daemon.console("summary").stdout, r"Tenant blue: .*1 messages_received")
        self.assertIn("Tenant blue", daemon.console("counter", "show", "messages_received").stdout)


class Xclient(Case):
    def test_V14_who_is_named_is_in_the_namespace_of_that_address(self):
        daemon = self.begin("""XCLIENT_Hosts = ( 127.0.0.1 )
          SMTP_Extensions = ( PIPELINING ENHANCEDSTATUSCODES AUTH XCLIENT XREMOTEIP XDUMPCONTEXT )
          Auth_Requires_TLS = false
          AuthPlainParameters = [ uri = "file://@dir@/users" ]
          Listen "127.0.0.1:@smtp@" {
            Peer "10.1.0.0/16" { Tenant = blue } Peer "10.2.0.0/16" { Tenant = green }
          }""").start()
        client = Client(daemon.smtp_port)
        self.addCleanup(client.close)
        self.assertEqual(535, client.plain("alice", "blue sesame")[0])
        self.assertEqual(220, client.command("XCLIENT ADDR=10.1.0.1")[0])
        client.ehlo()
        self.assertEqual(235, client.plain("alice", "blue sesame")[0])
        self.assertIn("[connection] tenant blue", client.command("XDUMPCONTEXT")[1])
        self.assertIn(" helo client.example tenant blue user alice ", daemon.console("show", "inbound").stdout)
        # Whom blue knows is nobody to green, and has to say who it is again.
        self.assertEqual(250, client.command("XREMOTEIP 10.2.0.1")[0])
        dump = client.command("XDUMPCONTEXT")[1]
        self.assertIn("[connection] tenant green", dump)
        self.assertNotIn("auth_user", dump)
        self.assertEqual(235, client.plain("alice", "green sesame")[0])
        self.assertEqual(250, client.command("XREMOTEIP 10.2.3.4")[0])
        self.assertIn("auth_user alice", client.command("XDUMPCONTEXT")[1])


class Identities(Case):
    def test_V14_who_a_proxy_names_is_of_the_doors_tenant(self):
        daemon = self.begin("Proxy_Protocol = on  Proxy_Trusted_Hosts = ( 127.0.0.1 )  Proxy_Identity_As_User = true " +
                            DOORS, more=AUTH + 'Acctlog = "@dir@/acctlog"\n').start()
        for door, name, code in (("", "alice", 250), ("", "blue/alice", 530), ("blue", "alice", 250),
                                 ("blue", "blue/alice", 250), ("", "red/alice", 250)):
            with Smtp(self.port(door), banner=False) as smtp:
                smtp.send(v2(vectors=certificate(name.encode())))
                self.assertEqual(220, smtp.reply()[0])
                smtp.ehlo()
                smtp.expect(code, "MAIL FROM:<a@client.example>")
        daemon.wait_log("blue/alice is the name of a tenant's user, and this is not its door")
        users = self.wait_users(4)
        self.assertEqual([["alice", "1"], ["blue/alice", "1"], ["blue/blue/alice", "1"], ["red/alice", "1"]], users)


class Limits(Case):
    def test_V14_sessions_and_rates_of_one_are_not_anothers(self):
        self.begin("Peer_Sessions = 1 Service_Sessions = 1 Connection_Rate = 2/3600 " + DOORS).start()
        for door in ("", "blue", "green"):
            first = self.open(door)
            self.open(door, code=421)
            first.quit()
        # Whose first session has ended is free to come once more, and no more than that.
        for door in ("", "blue", "green"):
            second = wait_for(lambda: (smtp := Smtp(self.port(door))).banner[0] == 220 and smtp, "a place")
            second.quit()
            second.close()
            wait_for(lambda: self.daemon.inbound_sessions() == 0, "the end of a session")
            with Smtp(self.port(door)) as third:
                self.assertEqual((421, "4.7.0 Too many connections from your address, try again later"), third.banner)
        self.assertEqual({"blue": 2, "green": 2}, self.counted("connections_accepted"))
        self.assertEqual({"blue", "green"}, set(self.counted("connections_refused")))

    def test_V14_a_throttle_of_each(self):
        self.begin("Inbound_Throttle_Messages = 2/3600 " + DOORS).start()
        for door in ("", "blue", "green"):
            smtp = self.open(door)
            for _ in range(2):
                smtp.message(MESSAGE)
            smtp.expect(451, "MAIL FROM:<a@client.example>")
        self.assertEqual({"blue": 1, "green": 1}, self.counted("refused_throttle"))

    def test_V14_failures_at_one_door_close_no_other(self):
        self.begin(more=AUTH + "ESMTP_Listener { Auth_Failure_Rate = 2/3600 }\n").start()
        for _ in range(2):
            self.assertFalse(self.logs_in("blue", "alice", "wrong"))
        client = Client(self.port("blue"))
        self.addCleanup(client.close)
        self.assertEqual(421, client.plain("alice", "blue sesame")[0])
        self.assertTrue(self.logs_in("green", "alice", "green sesame"))
        self.assertTrue(self.logs_in("", "alice", "shared sesame"))


class Queues(Case):
    def far(self, more="Retry_Interval = 3600 Max_Retry_Interval = 3600"):
        """A next host that defers whatever blue sends."""
        sink = SmtpSink(self, script=lambda session, verb, line:
                        "451 4.7.1 not now" if verb == "MAIL" and "<blue@" in line and self.deferred else None)
        self.deferred = True
        self.begin(more='Domain "far.example" { Gateway = "127.0.0.1:@sink@" TLS = no ' + more + " }\n",
                   sink=sink.port)
        return sink

    def test_V8_V14_what_is_deferred_for_one_holds_up_nobody_else(self):
        sink = self.far()
        daemon = self.daemon.start()
        self.send("blue", "x@far.example", "blue@client.example")
        record = daemon.wait_mainlog("T", 1)[0]
        self.assertEqual(("far.example", "blue"), (record["domain"], record["tenant"]))
        for door in ("green", ""):
            self.send(door, "x@far.example", f"{door or 'shared'}@client.example")
        sink.wait(2)
        daemon.wait_mainlog("D", 2)
        self.assertEqual({"blue/far.example": 1}, self.queues())
        self.assertEqual(["blue@client.example"],
                         [row["sender"] for row in map(json.loads, daemon.console(
                             "--json", "mailq", "Blue/far.example").stdout.splitlines()) if "sender" in row])
        daemon.console("mailq", "far.example", status=None)
        self.assertEqual({"blue": 1}, self.counted("queued_recipients"))
        self.assertEqual({"green": 1}, self.counted("deliveries"))
        # A session each.
        self.assertEqual(2, len({message.session for message in sink.messages}))

    def test_V14_after_kill_9_it_is_where_it_was(self):
        sink = self.far()
        daemon = self.daemon.start()
        self.send("blue", "x@far.example", "blue@client.example")
        daemon.wait_mainlog("T", 1)
        daemon.kill9().start()
        wait_for(lambda: self.queues() == {"blue/far.example": 1}, "blue's queue")
        identity = next(json.loads(line)["id"] for line in daemon.console(
            "--json", "mailq", "blue/far.example").stdout.splitlines() if "sender" in line)
        self.assertEqual("blue", json.loads(
            daemon.console("--json", "message", "details", identity).stdout.splitlines()[0])["tenant"])
        self.send("", "x@far.example", "shared@client.example")
        sink.wait(1)
        daemon.wait_mainlog("D", 1)
        self.assertEqual({"blue/far.example": 1}, self.queues())
        self.deferred = False
        # A route that is another one is tried at once.
        daemon.console("config", "set", "domain", "far.example", "gateway", f"localhost:{sink.port}")
        sink.wait(2)
        self.assertEqual("blue", daemon.wait_mainlog("D", 2)[-1]["tenant"])
        self.assertEqual({}, self.queues())

    def test_V14_reports_go_by_the_tenants_queue(self):
        sink = SmtpSink(self, script=lambda session, verb, line:
                        "550 5.1.1 nobody" if verb == "RCPT" and "nobody" in line else None)
        daemon = self.begin(more='Domain "far.example" { Gateway = "127.0.0.1:@sink@" TLS = no }\n',
                            sink=sink.port).start()
        self.send("blue", "nobody@far.example", "blue@far.example")
        sink.wait(1)
        self.assertEqual(["blue", "blue"], [line["tenant"] for line in daemon.wait_mainlog("R", 2)])
        self.assertEqual("blue", daemon.wait_mainlog("D", 1)[0]["tenant"])
        self.assertEqual({"blue": 1}, self.counted("bounces_generated"))


class Live(Case):
    def test_V14_a_change_is_for_the_next_session(self):
        daemon = self.begin(LISTEN).start()
        before = self.open("")
        before.ehlo()
        before.begin()
        daemon.console("config", "set", "esmtp_listener", "tenant", "Later")
        before.data(MESSAGE)  # a transaction keeps its own
        self.open("").message(MESSAGE)
        self.assertEqual(["", "later"], [line["tenant"] for line in daemon.wait_mainlog("R", 2)])
        shown = daemon.console("config", "show", "esmtp_listener", "tenant").stdout
        self.assertIn("later", shown)
        daemon.console("config", "set", "esmtp_listener", "tenant", "no/slash", status=None)
        self.open("").message(MESSAGE)
        self.assertEqual("later", daemon.wait_mainlog("R", 3)[-1]["tenant"])

    def test_V14_a_tenant_that_is_named_while_running_owns_its_users_at_once(self):
        daemon = self.begin(LISTEN, more=AUTH).start()
        self.assertTrue(self.logs_in("", "blue/alice", "blue sesame"))
        daemon.console("config", "set", "esmtp_listener", "listen", f"127.0.0.1:{self.port('blue')}", "tenant", "blue")
        wait_for(lambda: self.logs_in("blue", "alice", "blue sesame"), "blue's door")
        self.assertFalse(self.logs_in("", "blue/alice", "blue sesame"))


if __name__ == "__main__":
    unittest.main()
