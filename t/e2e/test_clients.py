"""Clients that the world has: swaks, curl, Nodemailer, openssl, nmap; and
Postfix, Exim and OpenSMTPD in front, relaying what they are given. Whatever
they sent lies in a Maildir afterwards, byte by byte, below the trace fields.
(HAProxy: test_proxy.py; testssl.sh: test_tls.py.)"""

import base64
import json
import re
import subprocess
import unittest
from urllib.parse import quote

import mtas
from harness import (BASE_CONFIG, SCALE, Daemon, TestCase, find_program, free_port, make_certificate, needs, read,
                     timeout, wait_for)
from mail_compare import assert_below_trace

CONFIG = BASE_CONFIG.replace('Listen "127.0.0.1:@smtp@" { }', """
  TLS_Certificate = "@dir@/mx.crt"
  TLS_Key = "@dir@/mx.key"
  Relay_Domains = ( local.example )
  Listen "127.0.0.1:@smtp@" { @listen@ }
  Listen "127.0.0.1:@implicit@" { Use_SSL = true }""") + """
LMTP_Listener {
  TLS_Certificate = "@dir@/mx.crt"
  TLS_Key = "@dir@/mx.key"
  Listen "127.0.0.1:@lmtp@" { }
}
"""
QUEUE_ID = re.compile(r"\b[0-9A-F]{8}/[0-9A-F]{8}-node1\b")
FIELDS = (b"From: alice@client.example\r\nTo: bob@local.example\r\nSubject: %s\r\n"
          b"Date: Sat, 21 Nov 2026 06:53:35 +0000\r\nMessage-ID: <%s@client.example>\r\n")


def message(name, body, fields=b""):
    return FIELDS % (name, name) + fields + b"\r\n" + body


TEXT = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
# What goes wrong on the way when somebody is careless.
MESSAGES = {
    "plain": message(b"plain", b"First.\r\nLast.\r\n"),
    "dots": message(b"dots", b".\r\n..\r\n.dot\r\n..dots\r\nin. the. middle.\r\n.\r\n"),
    "empty": message(b"empty", b""),
    "blank": message(b"blank", b"\r\n\r\n \r\n\t\r\n\r\n"),
    "8bit": message(b"8bit", "Grüße aus Köln, žluťoučký kůň, 漢字\r\n".encode() * 40, TEXT),
    "bytes": message(b"bytes", bytes(b for b in range(1, 256) if b not in (10, 13)) + b"\r\n", TEXT),
    "line998": message(b"line998", b"x" * 998 + b"\r\nshort\r\n" + b"." * 998 + b"\r\n"),
    "longline": message(b"longline", b"y" * 5000 + b"\r\nshort\r\n"),
    "folded": message(b"folded", b"body\r\n", b"X-Folded: one\r\n two\r\n\tthree\r\nX-Empty:\r\nx-odd-CASE: kept\r\n"),
    "big": message(b"big", b"".join(b"%08d " % n + b"z" * 60 + b"\r\n" for n in range(45000))),  # 3 MB
}


def run(words, **more):
    return subprocess.run([str(word) for word in words], capture_output=True, timeout=100 * SCALE, **more)


class ClientCase(TestCase):
    def ours(self, listen="", config=CONFIG, **values):
        daemon = Daemon(self, config, listen=listen, implicit=free_port(), lmtp=free_port(), **values)
        make_certificate(daemon.dir)
        return daemon.start()

    def check_arrived(self, daemon, messages, of=None):
        """Each of `messages` (user → bytes) is in the user's Maildir, once."""
        for user, sent in messages.items():
            arrived = daemon.wait_mail(quote(user), seconds=60)  # so are folders of such users named
            self.assertEqual(1, len(arrived), user)
            assert_below_trace(self, sent, arrived[0], user)
            if of:
                self.assertIn(of, arrived[0][:2000])

    def trace(self, daemon):
        """A file with what all clients say from now on."""
        file = daemon.dir / "trace"
        daemon.console("trace", "smtp", "add", "inbound", "*", str(file))
        return file


# --- tools -------------------------------------------------------------------


@needs("swaks")
class Swaks(ClientCase):
    def swaks(self, port, *words, status=0, body=b"hello\r\n", to="bob@local.example"):
        done = run(["swaks", "--server", f"127.0.0.1:{port}", "--from", "alice@client.example", "--to", to, "--ehlo",
                    "client.example", "--data", "-", *words], input=message(b"swaks", body)[:-2])  # swaks ends what has an end
        self.assertEqual(status, done.returncode, done.stdout + done.stderr)
        return done.stdout.decode(errors="replace")

    def test_bytes_in_all_ways(self):
        daemon = self.ours()
        body = ".dot\r\n..\r\nGrüße\r\n".encode() + b"x" * 998 + b"\r\n"
        ways = {"plain": [], "pipelined": ["--pipeline"], "starttls": ["--tls"], "both": ["--tls", "--pipeline"],
                "helo": ["--protocol", "SMTP"]}
        for user, words in ways.items():
            self.assertRegex(self.swaks(daemon.smtp_port, *words, body=body, to=f"{user}@local.example"), QUEUE_ID)
        self.swaks(daemon.values["implicit"], "--tls-on-connect", body=body, to="implicit@local.example")
        self.check_arrived(daemon, {user: message(b"swaks", body) for user in [*ways, "implicit"]})
        protocols = {record["to_local"]: record["protocol"] for record in daemon.wait_mainlog("R", 6)}
        self.assertEqual({"plain": "esmtp", "pipelined": "esmtp", "starttls": "esmtps", "both": "esmtps",
                          "helo": "smtp", "implicit": "esmtps"}, protocols)

    def test_S10_lmtp_with_a_reply_for_each(self):
        daemon = self.ours()
        for number, words in enumerate(([], ["--tls"], ["--pipeline"])):
            said = self.swaks(daemon.values["lmtp"], "--protocol", "LMTP", *words,
                              to="bob@local.example,carol@local.example")
            self.assertIn("LHLO client.example", said)
            self.assertEqual(2, len(re.findall(r"250 2\.0\.0 .*-node1", said)), said)
            for user in ("bob", "carol"):
                daemon.wait_mail(user, number + 1)
        self.assertEqual({"lmtp", "lmtps"}, {record["protocol"] for record in daemon.wait_mainlog("R", 6)})

    def test_xclient(self):
        daemon = self.ours('XCLIENT_Hosts = ( 127.0.0.1 ) SMTP_Extensions = ( PIPELINING 8BITMIME XCLIENT ) '
                           'Peer "192.0.2.66" { Deny = true }')
        for words in ([], ["--tls"], ["--pipeline"]):
            said = self.swaks(daemon.smtp_port, *words, "--xclient-addr", "192.0.2.7", "--xclient-name",
                              "gateway.named.example", "--xclient-helo", "other.example")
            self.assertIn("XCLIENT ", said)
        arrived = daemon.wait_mail("bob", 3)
        for mail in arrived:
            self.assertRegex(mail, rb"Received: from \S+ \(gateway\.named\.example \[192\.0\.2\.7\]\)")
        self.assertEqual({"192.0.2.7"}, {record["peer"] for record in daemon.wait_mainlog("R", 3)})
        # The client that is named is the peer for every rule.
        said = self.swaks(daemon.smtp_port, "--xclient-addr", "192.0.2.66", status=33)
        self.assertIn("554 Access denied", said)

    def test_xclient_of_somebody(self):
        daemon = self.ours("SMTP_Extensions = ( PIPELINING XCLIENT )")
        said = self.swaks(daemon.smtp_port, "--xclient-addr", "192.0.2.7", status=33)
        self.assertNotIn("XCLIENT", said)  # not offered to those who may not
        self.assertEqual([], daemon.maildir("bob"))

    def test_proxy(self):
        daemon = self.ours("Proxy_Protocol = on Proxy_Trusted_Hosts = ( 127.0.0.1 )")
        for version, family in (("1", "TCP4"), ("2", "AF_INET")):
            for words in ([], ["--tls"], ["--pipeline"]):
                self.swaks(daemon.smtp_port, *words, "--proxy-version", version, "--proxy-family", family,
                           "--proxy-source", "192.0.2.1", "--proxy-source-port", "1234", "--proxy-dest",
                           "198.51.100.7", "--proxy-dest-port", "25")
        self.assertEqual({"192.0.2.1"}, {record["peer"] for record in daemon.wait_mainlog("R", 6)})
        daemon.wait_mail("bob", 6)


@needs("curl")
class Curl(ClientCase):
    def curl(self, daemon, path, *words, scheme="smtp", port=None, to="bob@local.example"):
        return run(["curl", "--silent", "--show-error", "--cacert", daemon.dir / "mx.crt", "--resolve",
                    f"mx.test.example:{port or daemon.smtp_port}:127.0.0.1",
                    f"{scheme}://mx.test.example:{port or daemon.smtp_port}/client.example", "--mail-from",
                    "alice@client.example", "--mail-rcpt", to, "--upload-file", path, *words])

    def test_in_all_ways(self):
        daemon = self.ours()
        sent = {}
        for name in ("dots", "8bit", "line998", "longline", "big"):
            path = daemon.dir / name
            path.write_bytes(MESSAGES[name])
            done = self.curl(daemon, path, to=f"{name}@local.example")
            self.assertEqual(0, done.returncode, done.stderr)
            sent[name] = MESSAGES[name]
        path = daemon.dir / "dots"
        for user, words in {"starttls": dict(words=["--ssl-reqd"]),
                            "implicit": dict(scheme="smtps", port=daemon.values["implicit"])}.items():
            done = self.curl(daemon, path, *words.pop("words", []), to=f"{user}@local.example", **words)
            self.assertEqual(0, done.returncode, done.stderr)
            sent[user] = MESSAGES["dots"]
        self.check_arrived(daemon, sent)

    def test_refusals_are_errors(self):
        daemon = self.ours("Max_Message_Size = 1000 Relay_Hosts = ( )")
        path = daemon.dir / "m"
        path.write_bytes(MESSAGES["8bit"])
        for words, what in ((dict(), "552"), (dict(to="x@elsewhere.example"), "5")):
            done = self.curl(daemon, path, "--verbose", **words)
            self.assertNotEqual(0, done.returncode)
            self.assertRegex(done.stderr.decode(errors="replace"), rf"< {what}")
        wait_for(lambda: daemon.inbound_sessions() == 0, "the sessions to end")
        self.assertEqual(0, daemon.counters()["Received Messages"])


@needs("node")
class Nodemailer(ClientCase):
    def send(self, daemon, messages, **transport):
        module = mtas.cached("nodemailer-10.6.0") / "node_modules/nodemailer"
        told = {"transport": {"host": "127.0.0.1", "port": daemon.smtp_port, "name": "client.example",
                              "tls": {"ca": read(daemon.dir / "mx.crt"), "servername": "mx.test.example"}, **transport},
                "messages": messages}
        done = run(["node", mtas.Path(__file__).with_name("nodemailer.js"), module], input=json.dumps(told).encode())
        self.assertEqual(0, done.returncode, done.stderr)
        return [json.loads(line) for line in done.stdout.decode().splitlines()]

    def raw(self, name, user=None, **envelope):
        return {"envelope": {"from": "alice@client.example", "to": [f"{user or name}@local.example"], **envelope},
                "raw": base64.b64encode(MESSAGES[name]).decode()}

    def sent(self, answers):
        for answer in answers:
            self.assertRegex(answer.get("response", ""), QUEUE_ID, answer)

    def test_bytes_by_starttls_in_a_pool(self):
        daemon = self.ours()
        self.sent(self.send(daemon, [self.raw(name) for name in MESSAGES], pool=True, maxConnections=3,
                            requireTLS=True))
        self.check_arrived(daemon, MESSAGES)
        self.assertEqual({"esmtps"}, {record["protocol"] for record in daemon.wait_mainlog("R", len(MESSAGES))})

    def test_bytes_in_plain_text_and_by_implicit_tls(self):
        daemon = self.ours()
        self.sent(self.send(daemon, [self.raw("dots")], ignoreTLS=True))
        self.sent(self.send(daemon, [self.raw("8bit")], secure=True, port=daemon.values["implicit"]))
        self.check_arrived(daemon, {name: MESSAGES[name] for name in ("dots", "8bit")})
        self.assertEqual({"esmtp", "esmtps"}, {record["protocol"] for record in daemon.wait_mainlog("R", 2)})

    def test_lmtp(self):
        daemon = self.ours()
        self.sent(self.send(daemon, [self.raw("dots")], lmtp=True, port=daemon.values["lmtp"]))
        self.check_arrived(daemon, {"dots": MESSAGES["dots"]})

    def test_what_it_composes(self):
        daemon = self.ours()
        self.sent(self.send(daemon, [{
            "from": "Älice <alice@client.example>", "to": "bob@local.example", "cc": "carol@local.example",
            "subject": "Ünïcode", "text": "Grüße\n.\n..\n", "html": "<p>Grüße</p>",
            "attachments": [{"filename": "a.bin", "content": "x" * 100000}]}]))
        for user in ("bob", "carol"):
            self.assertIn(b"multipart/mixed", daemon.wait_mail(user)[0])

    def test_utf8_addresses_and_dsn(self):
        daemon = self.ours()
        file = self.trace(daemon)
        self.sent(self.send(daemon, [
            {"envelope": {"from": "jürgen@client.example", "to": ["пользователь@local.example"]},
             "raw": base64.b64encode(MESSAGES["8bit"]).decode()},
            {**self.raw("plain", dsn={"id": "env+1", "return": "headers", "notify": ["failure", "delay"],
                                      "recipient": "other@client.example"}),
             "dsn": {"id": "env+1", "return": "headers", "notify": ["failure", "delay"],
                     "recipient": "other@client.example"}}], ignoreTLS=True))
        self.check_arrived(daemon, {"пользователь": MESSAGES["8bit"], "plain": MESSAGES["plain"]})
        text = wait_for(lambda: read(file).count(" OK: queued as ") == 2 and read(file), "the trace")
        self.assertRegex(text, r"MAIL FROM:<jürgen@client\.example>.* SMTPUTF8")
        self.assertRegex(text, r"RET=HDRS ENVID=env\+2B1|RET=HDRS ENVID=env\+1")
        self.assertRegex(text, r"RCPT TO:<plain@local\.example> NOTIFY=FAILURE,DELAY ORCPT=rfc822;other@client")

    def test_refusals_are_its_errors(self):
        daemon = self.ours("Relay_Hosts = ( ) Max_Message_Size = 100000")
        answers = self.send(daemon, [
            {"envelope": {"from": "a@client.example", "to": ["x@elsewhere.example"]}, "raw": "eA=="},
            self.raw("big")])
        self.assertEqual([550, 552], [answer.get("code") for answer in answers], answers)


@needs("openssl")
class Openssl(ClientCase):
    """STARTTLS in SMTP by openssl: test_smtp_basic."""

    def test_starttls_in_lmtp(self):
        daemon = self.ours()
        script = ("LHLO client.example\r\nMAIL FROM:<alice@client.example>\r\nrcpt TO:<bob@local.example>\r\n"
                  "rcpt TO:<carol@local.example>\r\nDATA\r\nSubject: s_client\r\n\r\nhi\r\n.\r\nquit\r\n")
        done = run(["openssl", "s_client", "-starttls", "lmtp", "-quiet", "-verify_return_error", "-CAfile",
                    daemon.dir / "mx.crt", "-verify_hostname", "mx.test.example", "-connect",
                    f"127.0.0.1:{daemon.values['lmtp']}"], input=script.encode())
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(2, len(re.findall(rb"250 2\.0\.0 .*-node1", done.stdout)), done.stdout)
        for user in ("bob", "carol"):
            daemon.wait_mail(user)


@needs("nmap")
class Nmap(ClientCase):
    def nmap(self, daemon, *words):
        done = run([find_program("nmap"), "-Pn", "-n", "-sT", "-p", daemon.smtp_port, *words, "127.0.0.1"])
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout.decode()

    def test_smtp_open_relay_finds_nothing(self):
        # Loopback may relay by default; what the script sees has to be a stranger's view.
        daemon = self.ours("Relay_Hosts = ( )")
        words = ("--script", "+smtp-open-relay", "--script-args",
                 "smtp-open-relay.domain=local.example,smtp-open-relay.to=nmap@elsewhere.example,"
                 "smtp-open-relay.ip=127.0.0.1")
        said = self.nmap(daemon, *words)
        self.assertIn("Server doesn't seem to be an open relay, all tests failed", said)
        self.assertEqual(0, daemon.counters()["Received Messages"])
        # The script can find one:
        daemon.console("config", "set", "esmtp_listener", "open_relay", "true")
        self.assertRegex(self.nmap(daemon, *words), r"Server is an open relay \(\d+/16 tests\)")

    def test_smtp_commands(self):
        said = self.nmap(self.ours(), "--script", "+smtp-commands")
        for extension in ("PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN", "STARTTLS"):
            self.assertIn(extension, said)


class Authenticating(ClientCase):
    """Who has a password may relay, whoever the client is. (Every mechanism by hand: test_auth.py.)"""

    CONFIG = CONFIG.replace("Relay_Domains = ( local.example )", """
  Relay_Hosts = ( )
  SMTP_Extensions = ( PIPELINING 8BITMIME ENHANCEDSTATUSCODES "AUTH PLAIN LOGIN CRAM-MD5" )
  AuthPlainParameters = [ uri = "file://@dir@/clear" ]
  AuthLoginParameters = [ uri = "file://@dir@/clear" ]
  AuthCramMD5Parameters = [ uri = "file://@dir@/clear" ]""")
    PASSWORD = "open:sesame 7"

    def asking(self):
        daemon = Daemon(self, self.CONFIG, listen="", implicit=free_port(), lmtp=free_port())
        make_certificate(daemon.dir)
        (daemon.dir / "clear").write_text(f"alice:{self.PASSWORD}\n")
        return daemon.start()

    def check(self, daemon, number, protocols):
        self.assertEqual(protocols, {record["protocol"] for record in daemon.wait_mainlog("R", number)})
        daemon.wait_mail("bob", number)

    @needs("swaks")
    def test_swaks(self):
        daemon = self.asking()
        mechanisms = ("PLAIN", "LOGIN", "CRAM-MD5")
        for password, status in ((self.PASSWORD, 0), ("wrong", 28)):
            for mechanism in mechanisms:
                done = run(["swaks", "--server", f"127.0.0.1:{daemon.smtp_port}", "--tls", "--pipeline", "--from",
                            "alice@client.example", "--to", "bob@local.example", "--auth", mechanism, "--auth-user",
                            "alice", "--auth-password", password])
                self.assertEqual(status, done.returncode, done.stdout)
        self.check(daemon, 3, {"esmtpsa"})

    @needs("curl")
    def test_curl(self):
        daemon = self.asking()
        path = daemon.dir / "m"
        path.write_bytes(MESSAGES["dots"])
        for number, mechanism in enumerate(("PLAIN", "LOGIN", "CRAM-MD5")):
            words = ["curl", "--silent", "--show-error", "--ssl-reqd", "--insecure",
                     f"smtp://127.0.0.1:{daemon.smtp_port}/client.example", "--mail-from", "alice@client.example",
                     "--mail-rcpt", "bob@local.example", "--upload-file", path, "--login-options", f"AUTH={mechanism}"]
            done = run([*words, "--user", f"alice:{self.PASSWORD}"])
            self.assertEqual(0, done.returncode, done.stderr)
            self.assertEqual(67, run([*words, "--user", "alice:wrong"]).returncode)  # "login denied"
            self.check(daemon, number + 1, {"esmtpsa"})

    @needs("node")
    def test_nodemailer(self):
        daemon = self.asking()
        one = {"envelope": {"from": "alice@client.example", "to": ["bob@local.example"]},
               "raw": base64.b64encode(MESSAGES["dots"]).decode()}
        for number, mechanism in enumerate(("PLAIN", "LOGIN", "CRAM-MD5")):
            auth = {"user": "alice", "pass": self.PASSWORD}
            said = Nodemailer.send(self, daemon, [one], requireTLS=True, authMethod=mechanism, auth=auth)
            self.assertRegex(said[0].get("response", ""), QUEUE_ID, said)
            said = Nodemailer.send(self, daemon, [one], requireTLS=True, authMethod=mechanism,
                                   auth={**auth, "pass": "wrong"})
            self.assertEqual(535, said[0].get("code"), said)
            self.check(daemon, number + 1, {"esmtpsa"})


# --- mail servers ------------------------------------------------------------


class Relaying:
    """The same for each of them; `mta` is the class."""

    mta = None

    def relayed(self, tls=False, listen="Max_Message_Size = 60M"):
        daemon = self.ours(listen)
        mta = self.mta(self, daemon.smtp_port, tls)
        return daemon, mta

    @timeout(240)
    def test_bytes(self):
        daemon, mta = self.relayed()
        for name, data in MESSAGES.items():
            mta.send(data, "alice@client.example", [f"{name}@local.example"])
        self.check_arrived(daemon, MESSAGES, f"{mta.name.lower()}.client.example".encode())
        self.assertEqual({"esmtp"}, {record["protocol"] for record in daemon.wait_mainlog("R", len(MESSAGES))})
        self.after_bytes(daemon, mta)

    def after_bytes(self, daemon, mta):
        """What more one wants to see of it."""

    def test_tls_and_many_recipients(self):
        daemon, mta = self.relayed(tls=True)
        users = [f"user{number}" for number in range(30)]
        mta.send(MESSAGES["8bit"], "alice@client.example", [f"{user}@local.example" for user in users])
        self.check_arrived(daemon, {user: MESSAGES["8bit"] for user in users})
        self.assertEqual({"esmtps"}, {record["protocol"] for record in daemon.wait_mainlog("R", len(users))})

    def test_utf8_addresses(self):
        daemon, mta = self.relayed()
        data = message(b"utf8", "Grüße\r\n".encode(), "X-Name: Jürgen Ä <jürgen@client.example>\r\n".encode() + TEXT)
        mta.send(data, "jürgen@client.example", ["δοκιμή@local.example"])
        self.check_arrived(daemon, {"δοκιμή": data})
        self.assertEqual("utf8smtp", daemon.wait_mainlog("R", 1)[0]["protocol"])
        self.assertTrue(daemon.maildir(quote("δοκιμή"))[0].startswith("Return-Path: <jürgen@client.example>".encode()))

    def test_dsn_parameters(self):
        daemon, mta = self.relayed()
        file = self.trace(daemon)
        mta.send(MESSAGES["plain"], "alice@client.example", ["bob@local.example"], ["RET=HDRS", "ENVID=abc+2B1"],
                 ["NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;orig@client.example"])
        self.check_arrived(daemon, {"bob": MESSAGES["plain"]})
        text = wait_for(lambda: " OK: queued as " in read(file) and read(file), "the trace")
        self.assertRegex(text, r"MAIL FROM:<alice@client\.example>.* RET=HDRS")
        self.assertRegex(text, r"MAIL FROM:<alice@client\.example>.* ENVID=abc\+2B1")
        self.assertRegex(text, r"(?i)RCPT TO:<bob@local\.example>.* NOTIFY=(FAILURE,DELAY|DELAY,FAILURE)")
        self.assertRegex(text, r"(?i)RCPT TO:<bob@local\.example>.* ORCPT=rfc822;orig@client\.example")

    def test_it_comes_again(self):
        """A 452 is not the end: the message comes when there is room."""
        daemon, mta = self.relayed(listen="Max_Recipients_Per_Message = 2")
        users = [f"user{number}" for number in range(5)]
        mta.send(MESSAGES["plain"], "alice@client.example", [f"{user}@local.example" for user in users])
        self.check_arrived(daemon, {user: MESSAGES["plain"] for user in users})


class PostfixInFront(Relaying, ClientCase):
    mta = mtas.Postfix


class EximInFront(Relaying, ClientCase):
    mta = mtas.Exim

    def after_bytes(self, daemon, mta):
        # K: it used BDAT.
        wait_for(lambda: re.search(r"(?m)=> big@local\.example .* K ", mta.log()), mta.log)


class OpenSmtpdInFront(Relaying, ClientCase):
    mta = mtas.OpenSmtpd
    test_utf8_addresses = None  # it does not know SMTPUTF8
    test_it_comes_again = None  # how soon it tries again cannot be set


if __name__ == "__main__":
    unittest.main()
