"""What a next host is told before any mail: who we are (AUTH), and for whom we speak (XCLIENT).
The hosts are scripted ones, another Impulse, and Postfix."""

import base64

import mtas
from client import Smtp
from harness import BASE_CONFIG, Daemon, TestCase, free_port, make_certificate, timeout
from passwords import scram_line
from sink import SmtpSink

MESSAGE = b"From: a@client.example\r\nSubject: hello\r\n\r\nthe body\r\n"
PASSWORD = "open sesame"
CONFIG = """
Domain "remote.example" {
  Gateway = "127.0.0.1:@next@"
  Retry_Interval = 3600
  @options@
}
"""
LOGIN = f'Outbound_SMTP_AUTH_User = alice Outbound_SMTP_AUTH_Pass = "{PASSWORD}"'
# Another Impulse, which takes mail for remote.example into Maildirs.
NEXT = """
Domain "remote.example" {
  Delivery_Method = maildir
  Maildir_Path = "@dir@/mail/%{domain}/%{localpart}"
}
ESMTP_Listener { @listener@ }
"""
AUTH = """
  TLS_Certificate = "@certificate@"
  TLS_Key = "@key@"
  SMTP_Extensions = ( PIPELINING 8BITMIME AUTH )
  Enable_Authentication = true
  Relay_Hosts = ( )
"""
FILES = {
    "PLAIN": 'AuthPlainParameters = [ uri = "file://@dir@/clear" ]',
    "LOGIN": 'AuthLoginParameters = [ uri = "file://@dir@/clear" ]',
    "CRAM-MD5": 'AuthCramMD5Parameters = [ uri = "file://@dir@/clear" ]',
    "SCRAM-SHA-1": 'AuthScramParameters = [ uri = "scram://@dir@/scram" ]',
    "SCRAM-SHA-256": 'AuthScramParameters = [ uri = "scram://@dir@/scram" ]',
}


class LoginOut(TestCase):
    def send(self, daemon, recipient="bob@remote.example", helo="client.example", source=None):
        with Smtp(daemon.smtp_port, source=source) as smtp:
            smtp.expect(250, f"EHLO {helo}")
            smtp.expect(250, "MAIL FROM:<alice@local.example>")
            smtp.expect(250, f"RCPT TO:<{recipient}>")
            smtp.data(MESSAGE)

    # AUTH

    def next_host(self, mechanism):
        daemon = Daemon(self, more=NEXT.replace("@listener@", AUTH + FILES[mechanism]))
        certificate, key = make_certificate(daemon.dir)
        daemon.configure(BASE_CONFIG, certificate=certificate, key=key)
        (daemon.dir / "clear").write_text(f"alice:{PASSWORD}\n")
        (daemon.dir / "scram").write_text(scram_line("alice", PASSWORD, mechanism) if "SCRAM" in mechanism else "")
        for name in ("clear", "scram"):
            (daemon.dir / name).chmod(0o600)
        return daemon.start()

    def test_each_mechanism(self):
        for mechanism in FILES:
            with self.subTest(mechanism):
                there = self.next_host(mechanism)
                here = self.daemon(more=CONFIG, next=there.smtp_port, options=f"{LOGIN} TLS = required")
                self.send(here)
                self.assertIn(b"ESMTPSA", there.wait_mail("bob", domain="remote.example")[0])
                self.assert_silent(here)

    def assert_silent(self, daemon):
        """Nothing that it wrote or says holds the password."""
        shown = daemon.console("config", "show").stdout + daemon.console("config", "eval", "domain", "remote.example",
                                                                        "outbound_smtp_auth_pass", status=None).stdout
        self.assertIn("(redacted)", shown)
        words = [PASSWORD, base64.b64encode(PASSWORD.encode()).decode(),
                 base64.b64encode(f"\0alice\0{PASSWORD}".encode()).decode()]
        for path in daemon.dir.iterdir():
            if path.is_file() and path != daemon.config_file:
                shown += path.read_text(errors="replace")
        for word in words:
            self.assertNotIn(word, shown)

    def test_a_wrong_password_bounces_nothing(self):
        there = self.next_host("PLAIN")
        here = self.daemon(more=CONFIG, next=there.smtp_port,
                           options=f"{LOGIN.replace(PASSWORD, 'wrong one')} TLS = required")
        here.console("trace", "smtp", "add", "outbound", "*", "remote.example", here.dir / "trace")
        self.send(here)
        response = here.wait_mainlog("T", 1)[0]["response"]
        self.assertIn("AUTH PLAIN as alice: 535 ", response)
        self.assertEqual("11", here.mainlog("T")[0]["stage"])
        self.assertEqual([], here.mainlog("P"))
        here.wait_log("AUTH PLAIN as alice")
        here.console("config", "set", "domain", "remote.example", "outbound_smtp_auth_pass", PASSWORD)
        there.wait_mail("bob", domain="remote.example")
        self.assertIn(" > AUTH PLAIN (masked)", (here.dir / "trace").read_text())
        self.assert_silent(here)

    def test_hosts_that_cannot_have_it(self):
        """None, or none of ours; what waits for them does not fail for good."""
        for extensions, why in ((("PIPELINING",), "does not offer AUTH"), (("AUTH GSSAPI",), "GSSAPI")):
            sink = SmtpSink(self, extensions=extensions)
            here = self.daemon(more=CONFIG, next=sink.port, options=LOGIN)
            self.send(here)
            self.assertIn(why, here.wait_mainlog("T", 1)[0]["response"])
            self.assertEqual([], sink.messages + here.mainlog("P"))

    def test_auth_of_mail(self):
        def script(session, verb, line):
            return "235 2.7.0 yes" if verb == "AUTH" else None

        sink = SmtpSink(self, script=script, extensions=("AUTH PLAIN", "PIPELINING"))
        here = self.daemon(more=CONFIG, next=sink.port, options=LOGIN)
        for number in range(2):
            self.send(here, f"u{number}@remote.example")
            self.assertIn("AUTH=<>", sink.wait(number + 1)[-1].mail_parameters)
        # Once a connection.
        self.assertEqual(len(sink.sessions), sum(line.startswith("AUTH ") for session in sink.sessions
                                                 for line in session.commands))

    # XCLIENT

    def test_another_impulse_knows_the_client(self):
        there = self.daemon(more=NEXT, listener="XCLIENT_Hosts = ( 127.0.0.1 ) SMTP_Extensions = ( PIPELINING XCLIENT )")
        here = self.daemon(more=CONFIG, next=there.smtp_port, options="XCLIENT = required Max_Outbound_Connections = 1")
        self.send(here, "one@remote.example", helo="first.example", source="127.0.0.2")
        self.send(here, "two@remote.example", helo="second.example", source="127.0.0.3")
        for user, helo, address in (("one", b"first.example", b"127.0.0.2"), ("two", b"second.example", b"127.0.0.3")):
            mail = there.wait_mail(user, domain="remote.example")[0]
            received = mail.split(b"\nReceived:")[1]
            self.assertIn(b"from " + helo, received)
            self.assertIn(b"[" + address + b"]", received)

    @timeout(240)
    def test_postfix_knows_the_client(self):
        sink = SmtpSink(self, extensions=("PIPELINING", "SIZE 100000000", "8BITMIME"))
        postfix = mtas.Postfix(self, sink.port)
        here = self.daemon(more=CONFIG, next=postfix.port, options="XCLIENT = required")
        self.send(here, helo="first.example", source="127.0.0.2")
        data = sink.wait(1, 60)[0].data
        self.assertRegex(data.decode(), r"(?s)^Received: from first\.example \(\S+ \[127\.0\.0\.2\]\)\s+by postfix\.client")

    def test_a_session_of_each_client(self):
        """One XCLIENT for each client; each is followed by a new EHLO."""
        def script(session, verb, line):
            return "220 sink.example again" if verb == "XCLIENT" else None

        sink = SmtpSink(self, script=script, extensions=("XCLIENT ADDR HELO", "PIPELINING"))
        here = self.daemon(more=CONFIG, next=sink.port,
                           options="XCLIENT = ifavailable Max_Outbound_Connections = 1 Idle_Timeout = 60")
        for number, helo in enumerate(("a.example", "a.example", "b.example")):
            self.send(here, f"u{number}@remote.example", helo=helo)
            sink.wait(number + 1)
        self.assertEqual(1, len(sink.sessions))
        said = [line for line in sink.sessions[0].commands if line.startswith(("XCLIENT", "EHLO", "MAIL"))]
        self.assertEqual(["EHLO", "XCLIENT ADDR=127.0.0.1 HELO=a.example", "EHLO", "MAIL", "MAIL",
                          "XCLIENT ADDR=127.0.0.1 HELO=b.example", "EHLO", "MAIL"],
                         [line if line.startswith("XCLIENT") else line[:4] for line in said])

    def test_a_host_that_offers_it_once(self):
        """Behind XCLIENT it is offered no more: a second client has a connection of its own."""
        def script(session, verb, line):
            if verb == "XCLIENT":
                return "220 sink.example again"
            if verb == "EHLO" and any(line.startswith("XCLIENT") for line in session.commands):
                return ["250-sink.example", "250 PIPELINING"]
            return None

        sink = SmtpSink(self, script=script, extensions=("XCLIENT ADDR HELO", "PIPELINING"))
        here = self.daemon(more=CONFIG, next=sink.port,
                           options="XCLIENT = ifavailable Max_Outbound_Connections = 1 Idle_Timeout = 60")
        for number, helo in enumerate(("a.example", "a.example", "b.example")):
            self.send(here, f"u{number}@remote.example", helo=helo)
            sink.wait(number + 1)
        told = [[line for line in session.commands if line.startswith("XCLIENT")] for session in sink.sessions]
        self.assertEqual([["XCLIENT ADDR=127.0.0.1 HELO=a.example"], ["XCLIENT ADDR=127.0.0.1 HELO=b.example"]], told)
        self.assertEqual([0, 0, 1], [message.session for message in sink.messages])
        self.assertEqual([], here.mainlog("T"))

    def test_a_host_that_offers_less_behind_it(self):
        """Not 8BITMIME any more: what was read for that is read again, and converted; nothing bounces."""
        def script(session, verb, line):
            if verb == "XCLIENT":
                return "220 sink.example again"
            if verb == "EHLO" and any(line.startswith("XCLIENT") for line in session.commands):
                return ["250-sink.example", "250 PIPELINING"]
            return None

        sink = SmtpSink(self, script=script, extensions=("XCLIENT ADDR HELO", "PIPELINING", "8BITMIME"))
        # A connection for each message is no way round for ever.
        here = self.daemon(more=CONFIG, next=sink.port,
                           options="XCLIENT = required Max_Deliveries_Per_Connection = 1")
        with Smtp(here.smtp_port) as smtp:
            smtp.expect(250, "EHLO a.example")
            for number in range(2):
                smtp.expect(250, "MAIL FROM:<alice@local.example> BODY=8BITMIME")
                smtp.expect(250, f"RCPT TO:<u{number}@remote.example>")
                smtp.data(b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                          b"Content-Transfer-Encoding: 8bit\r\n\r\nsch\xc3\xb6n\r\n")
        for message in sink.wait(2):
            self.assertIn(b"sch=C3=B6n", message.data)
        self.assertEqual([], here.mainlog("P") + here.mainlog("T"))
        self.assertLessEqual(len(sink.sessions), 4)

    def test_a_name_that_the_host_does_not_like(self):
        def script(session, verb, line):
            if verb == "XCLIENT":
                return "220 sink.example again"
            return "550 5.7.1 no such name" if verb in ("EHLO", "HELO") and line.endswith("disliked.example") else None

        sink = SmtpSink(self, script=script, extensions=("XCLIENT ADDR HELO", "PIPELINING"))
        here = self.daemon(more=CONFIG, next=sink.port, options="XCLIENT = required")
        self.send(here, helo="disliked.example")
        self.assertNotEqual("disliked.example", sink.wait()[0].helo)
        self.assertEqual([], here.mainlog("P"))

    def test_required_and_not_there(self):
        sink = SmtpSink(self)
        here = self.daemon(more=CONFIG, next=sink.port, options="XCLIENT = required")
        self.send(here)
        self.assertIn("XCLIENT is required", here.wait_mainlog("T", 1)[0]["response"])
        self.assertEqual([], sink.messages + here.mainlog("P"))

    # what cannot be

    def test_wrong_configurations(self):
        for options, why in (("Outbound_SMTP_AUTH_User = alice", "needs an Outbound_SMTP_AUTH_Pass"),
                             (f"{LOGIN} Outbound_SMTP_AUTH_Type = NTLM", "expected SCRAM-SHA-256"),
                             (f"{LOGIN} XCLIENT = required", "exclude each other")):
            daemon = Daemon(self, more=CONFIG, next=free_port(), options=options)
            self.assertIn(why, daemon.start_fails())
            self.assertNotIn(PASSWORD, daemon.stderr())
