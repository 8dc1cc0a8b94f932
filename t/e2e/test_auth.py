"""Authentication of mail sessions from outside: each mechanism with right and
wrong passwords, where passwords may be said, channel binding, files that change,
limits by address and by user, what is written down."""

import base64
import hashlib
import hmac
import smtplib
import ssl
import subprocess
import unittest

from client import Smtp
from harness import BASE_CONFIG, SCALE, Daemon, TestCase, make_certificate, needs, wait_for
from passwords import Scram, b64, scram_line

PASSWORD = "open sesame"
AUTH = """
Acctlog = "@dir@/acctlog"
Certificate "mx" { Cert = "@certificate@" Private_Key = "@key@" }
ESMTP_Listener {
  TLS_Certificate = "mx"
  SMTP_Extensions = ( PIPELINING 8BITMIME ENHANCEDSTATUSCODES AUTH )
  AuthPlainParameters = [ uri = "file://@dir@/clear" ]
  AuthLoginParameters = [ uri = "file://@dir@/clear" ]
  AuthCramMD5Parameters = [ uri = "file://@dir@/clear" ]
  AuthDigestMD5Parameters = [ uri = "digest://@dir@/digest" realm = "mx.test.example" ]
  AuthScramParameters = [ uri = "scram://@dir@/scram" ]
  Relay_Hosts = ( )
  @listener@
}
"""


def digest_line(user, realm, password):
    return f"{user}:{realm}:{hashlib.md5(f'{user}:{realm}:{password}'.encode()).hexdigest()}\n"


class Client(Smtp):
    """One session behind EHLO."""

    def __init__(self, port, source=None, tls=False, version=None):
        super().__init__(port, source=source, timeout=60)
        self.ehlo()
        if tls:
            self.starttls(version)
            self.ehlo()

    def reply(self):
        try:
            return super().reply()
        except ConnectionError:
            return (0, "")

    @property
    def mechanisms(self):
        found = [line.split()[1:] for line in self.extensions if line.split()[0] == "AUTH"]
        return found[0] if found else []

    def plain(self, user, password, authzid=""):
        return self.command("AUTH PLAIN " + b64(f"{authzid}\0{user}\0{password}"))

    def login(self, user, password):
        assert self.command("AUTH LOGIN") == (334, "VXNlcm5hbWU6")
        assert self.command(b64(user)) == (334, "UGFzc3dvcmQ6")
        return self.command(b64(password))

    def cram(self, user, password):
        code, text = self.command("AUTH CRAM-MD5")
        assert code == 334
        digest = hmac.new(password.encode(), base64.b64decode(text), "md5").hexdigest()
        return self.command(b64(f"{user} {digest}"))

    def scram(self, user, password, mechanism="SCRAM-SHA-256", flag="n", binding=b""):
        client = Scram(user, password, mechanism, flag, binding)
        code, text = self.command(f"AUTH {mechanism} {b64(client.first())}")
        if code != 334:
            return code, text
        code, text = self.command(b64(client.final(base64.b64decode(text).decode())))
        if code != 334:
            return code, text
        client.check(base64.b64decode(text).decode())
        return self.command("")


class AuthCase(TestCase):
    def serve(self, listener=""):
        daemon = Daemon(self, BASE_CONFIG, more=AUTH, listener=listener)
        certificate, key = make_certificate(daemon.dir)
        daemon.configure(BASE_CONFIG, certificate=certificate, key=key)
        self.write(daemon, "clear", f"# in clear\nalice:{PASSWORD}\ncarol@local.example:carols\n")
        self.write(daemon, "digest", digest_line("alice", "mx.test.example", PASSWORD))
        self.write(daemon, "scram", scram_line("alice", PASSWORD) + scram_line("alice", PASSWORD, "SCRAM-SHA-1"))
        self.daemon = daemon.start()
        return self.daemon

    @staticmethod
    def write(daemon, name, text):
        fresh = daemon.dir / (name + ".new")
        fresh.write_text(text)
        fresh.chmod(0o600)
        fresh.rename(daemon.dir / name)

    def client(self, **values):
        client = Client(self.daemon.smtp_port, **values)
        self.addCleanup(client.close)
        return client

    def acctlog(self, count):
        """Records of mail sessions without their time, as lists of fields."""
        path = self.daemon.dir / "acctlog"

        def records():
            lines = [line.split("@")[1:] for line in path.read_text().splitlines()]
            found = [fields for fields in lines if fields[1] == f"127.0.0.1:{self.daemon.smtp_port}"]
            return len(found) >= count and found
        return wait_for(records, lambda: f"{count} records in the accounting log:\n" + path.read_text())

    def counter(self, name):
        lines = self.daemon.console("counter", "show", name).stdout.splitlines()
        return next(int(line.split()[0]) for line in lines if name in line.split())


@needs("openssl")
class Mechanisms(AuthCase):
    def test_offered_and_taken(self):
        self.serve()
        client = self.client()
        self.assertEqual(["SCRAM-SHA-256", "SCRAM-SHA-1", "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN"],
                         client.mechanisms)
        attempts = (Client.plain, Client.login, Client.cram, Client.scram,
                    lambda c, u, p: c.scram(u, p, "SCRAM-SHA-1"))
        for attempt in attempts:
            client = self.client()
            self.assertEqual((535, "5.7.8 Authentication failed"), attempt(client, "alice", PASSWORD + "x"))
            self.assertEqual((235, "2.7.0 Authentication successful"), attempt(client, "alice", PASSWORD))
            self.assertEqual(503, client.command("AUTH PLAIN =")[0])
        client = self.client()
        for attempt in (Client.scram, Client.cram):
            self.assertEqual((535, "5.7.8 Authentication failed"), attempt(client, "nobody", PASSWORD))
        self.assertEqual(len(attempts), self.counter("auth_successes"))
        self.assertEqual(len(attempts) + 2, self.counter("auth_failures"))

    def test_as_somebody_else(self):
        self.serve()
        client = self.client()
        self.assertEqual(535, client.plain("alice", PASSWORD, "carol@local.example")[0])
        self.assertEqual(235, client.plain("alice", PASSWORD, "alice")[0])
        self.assertIn(" helo client.example user alice ", self.daemon.console("show", "inbound").stdout)

    def test_smtplib(self):
        self.serve("Enable_Authentication = true")
        for mechanism in ("cram_md5", "plain", "login"):
            with smtplib.SMTP("127.0.0.1", self.daemon.smtp_port, timeout=60 * SCALE) as smtp:
                smtp.ehlo()
                self.assertEqual(530, smtp.mail("alice@local.example")[0])
                smtp.user, smtp.password = "alice", PASSWORD
                smtp.auth(mechanism.upper().replace("_", "-"), getattr(smtp, "auth_" + mechanism))
                smtp.sendmail("alice@local.example", ["u@local.example"], b"Subject: x\r\n\r\nhello\r\n")
        self.daemon.wait_mainlog("D", 3)
        mails = list((self.daemon.dir / "mail/local.example/u/new").glob("*"))
        self.assertEqual(3, len(mails))
        for mail in mails:
            self.assertIn("with ESMTPA id", " ".join(mail.read_text().split()))

    @needs("swaks")
    def test_swaks(self):
        self.serve("Enable_Authentication = true")
        tried = 0
        for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"):
            for tls in ([], ["--tls"]):
                for password, good in ((PASSWORD, True), ("wrong", False)):
                    done = subprocess.run(
                        ["swaks", "--server", f"127.0.0.1:{self.daemon.smtp_port}", "--from", "alice@local.example",
                         "--to", "u@local.example", "--auth", mechanism, "--auth-user", "alice", "--auth-password",
                         password, "--helo", "client.example", *tls],
                        capture_output=True, text=True, timeout=60 * SCALE, stdin=subprocess.DEVNULL)
                    if done.returncode in (10, 11):  # a Perl module that is not there
                        continue
                    tried += 1
                    self.assertEqual(0 if good else 28, done.returncode, mechanism + done.stdout + done.stderr)
        self.assertGreaterEqual(tried, 8)

    def test_keys_of_one_hash_function(self):
        self.serve()
        self.write(self.daemon, "scram", scram_line("alice", PASSWORD))
        client = self.client(tls=True)
        self.assertIn("SCRAM-SHA-256-PLUS", client.mechanisms)
        self.assertIn("SCRAM-SHA-256", client.mechanisms)
        self.assertFalse([name for name in client.mechanisms if name.startswith("SCRAM-SHA-1")])

    def test_offered_by_name(self):
        self.serve('SMTP_Extensions = ( "AUTH LOGIN" )')
        client = self.client()
        self.assertEqual(["LOGIN"], client.mechanisms)
        self.assertEqual((504, "Mechanism not available"), client.plain("alice", PASSWORD))
        self.assertEqual(235, client.login("alice", PASSWORD)[0])


@needs("openssl")
class Bound(AuthCase):
    def test_scram_plus(self):
        self.serve()
        self.assertFalse([name for name in self.client().mechanisms if "PLUS" in name])
        for mechanism in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"):
            client = self.client(tls=True, version=ssl.TLSVersion.TLSv1_2)
            self.assertEqual(["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"], client.mechanisms[:2])
            binding = client.socket.get_channel_binding("tls-unique")
            other = self.client(tls=True, version=ssl.TLSVersion.TLSv1_2).socket.get_channel_binding("tls-unique")
            self.assertNotEqual(binding, other)
            self.assertEqual(535, client.scram("alice", PASSWORD, mechanism, "p=tls-unique", other)[0])
            self.assertEqual(535, client.scram("alice", "wrong", mechanism, "p=tls-unique", binding)[0])
            self.assertEqual(235, client.scram("alice", PASSWORD, mechanism, "p=tls-unique", binding)[0])

    def test_taken_away_by_somebody_in_between(self):
        self.serve()
        client = self.client(tls=True)
        self.assertEqual(535, client.scram("alice", PASSWORD, flag="y")[0])
        self.assertEqual(235, client.scram("alice", PASSWORD, flag="n")[0])
        # Without PLUS on offer there is nothing to take away.
        self.assertEqual(235, self.client().scram("alice", PASSWORD, flag="y")[0])

    def test_tls_begins_anew(self):
        self.serve()
        client = self.client()
        self.assertEqual(235, client.plain("alice", PASSWORD)[0])
        again = self.client(tls=True)
        self.assertEqual(235, again.plain("alice", PASSWORD)[0])


@needs("openssl")
class Limits(AuthCase):
    def test_of_a_session(self):
        self.serve("Auth_Failure_Limit = 2")
        client = self.client()
        self.assertEqual(535, client.plain("alice", "x")[0])
        self.assertEqual(535, client.plain("alice", "x")[0])
        self.assertEqual((421, "4.7.0 Too many failures to authenticate"), client.reply())
        self.assertEqual(0, client.reply()[0])

    def test_of_an_address(self):
        self.serve("Auth_Failure_Rate = 3/600\n Auth_Failure_Limit = 0")
        client = self.client(source="127.0.0.2")
        for user in ("a", "b", "c"):
            self.assertEqual(535, client.plain(user, "x")[0])
        self.assertEqual((421, "4.7.0 Too many failures to authenticate, try again later"),
                         client.plain("alice", PASSWORD))
        self.assertEqual(421, self.client(source="127.0.0.2").plain("alice", PASSWORD)[0])
        self.assertEqual(235, self.client(source="127.0.0.3").plain("alice", PASSWORD)[0])
        # An operator's console has a count of its own, and mail without AUTH goes on.
        self.assertEqual(0, self.daemon.console("summary").returncode)
        self.assertEqual(250, self.client(source="127.0.0.2").command("MAIL FROM:<a@local.example>")[0])
        self.daemon.wait_log("auth-locked-out")

    def test_of_a_user(self):
        self.serve("Auth_Failure_Rate = 3/600\n Auth_Failure_Limit = 0")
        self.assertEqual(235, self.client(source="127.0.1.1").plain("alice", PASSWORD)[0])
        for last in range(3):
            self.assertEqual(535, self.client(source=f"127.0.2.{last + 1}").scram("alice", "guess")[0])
        # From elsewhere not even the right password, and nobody can tell why.
        self.assertEqual((535, "5.7.8 Authentication failed"),
                         self.client(source="127.0.3.1").plain("alice", PASSWORD))
        # Who came in from there before still does; other users are not touched.
        self.assertEqual(235, self.client(source="127.0.1.1").plain("alice", PASSWORD)[0])
        self.assertEqual(235, self.client(source="127.0.3.1").plain("carol@local.example", "carols")[0])


@needs("openssl")
class Files(AuthCase):
    def test_changes_are_seen_at_once(self):
        self.serve()
        self.assertEqual(535, self.client().plain("dave", "daves")[0])
        self.write(self.daemon, "clear", "dave:daves\n")
        self.assertEqual(235, self.client().plain("dave", "daves")[0])
        self.assertEqual(535, self.client().plain("alice", PASSWORD)[0])

    def test_a_file_that_is_gone_is_our_trouble(self):
        self.serve()
        (self.daemon.dir / "clear").unlink()
        self.assertEqual((454, "4.7.0 Cannot authenticate anybody now, try again later"),
                         self.client().plain("alice", PASSWORD))
        self.assertEqual(235, self.client().scram("alice", PASSWORD)[0])
        self.write(self.daemon, "clear", f"alice:{PASSWORD}\n")
        self.assertEqual(235, self.client().plain("alice", PASSWORD)[0])

    def test_the_accounting_log_has_no_secrets(self):
        daemon = self.serve()
        client = self.client()
        client.plain("alice", "gEhEiM")
        client.login("ma@ry\x01", "gEhEiM")
        client.plain("alice", PASSWORD)
        port = client.socket.getsockname()[1]
        listen, peer = f"127.0.0.1:{daemon.smtp_port}", f"127.0.0.1:{port}"
        records = self.acctlog(3)
        self.assertEqual([["N", listen, peer, "alice", "0"], ["N", listen, peer, "ma\\", "ry\\x01", "0"],
                          ["N", listen, peer, "alice", "1"]], records)
        daemon.stop()
        for name in ("acctlog", "log", "mainlog"):
            text = (daemon.dir / name).read_text()
            for secret in ("gEhEiM", PASSWORD, b64("gEhEiM"), b64(f"\0alice\0{PASSWORD}")):
                self.assertNotIn(secret, text, name)

    def test_not_logged_where_it_is_not_wanted(self):
        daemon = self.serve('AuthPlainParameters = [ uri = "file://@dir@/clear" log_authentication = false ]')
        client = self.client()
        client.plain("alice", "wrong")
        client.login("alice", PASSWORD)
        self.assertEqual(["alice", "1"], self.acctlog(1)[0][3:])
        daemon.stop()
        self.assertEqual(1, len(self.acctlog(1)))


@needs("openssl")
class Rules(AuthCase):
    def test_always_allow_and_always_deny(self):
        self.serve("Always_Allow = true\n Enable_Authentication = true\n Peer 127.0.0.2 { Always_Deny = true }")
        client = self.client()
        self.assertEqual(235, client.plain("alice", "wrong")[0])
        self.assertEqual(250, client.command("MAIL FROM:<a@local.example>")[0])
        denied = self.client(source="127.0.0.2")
        self.assertEqual(535, denied.plain("alice", PASSWORD)[0])
        self.assertEqual(530, denied.command("MAIL FROM:<a@local.example>")[0])

    def test_senders_have_to_match(self):
        self.serve("Sender_Must_Match_User = address")
        client = self.client()
        self.assertEqual(235, client.plain("carol@local.example", "carols")[0])
        self.assertEqual(553, client.command("MAIL FROM:<mallory@local.example>")[0])
        self.assertEqual(250, client.command("MAIL FROM:<carol@local.example>")[0])

    def test_what_a_commit_says(self):
        daemon = self.serve()

        def said(listener):
            daemon.configure(BASE_CONFIG, listener=listener)
            return daemon.console("config", "reload", "--check", status=None).stderr
        self.assertIn("config-auth-not-offered", said("SMTP_Extensions = ( SIZE )"))
        self.assertIn("config-no-mechanism", said("SMTP_Extensions = ( SIZE )\n Enable_Authentication = true"))
        self.assertIn("EXTERNAL", said('SMTP_Extensions = ( "AUTH PLAIN EXTERNAL" )'))
        self.assertIn("config-auth-file", said('AuthPlainParameters = [ uri = "file://@dir@/missing" ]'))
        self.write(daemon, "bad", "alice\n")
        self.assertIn("bad:1:", said('AuthPlainParameters = [ uri = "file://@dir@/bad" ]'))
        self.assertIn("config-auth-parameters", said('AuthPlainParameters = [ uri = "scram://@dir@/scram" ]'))
        self.assertNotIn("config-auth", said(""))
        self.assertEqual(235, self.client().plain("alice", PASSWORD)[0])


if __name__ == "__main__":
    unittest.main()
