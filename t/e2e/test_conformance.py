"""The conformance suite: tables of what is sent and which whole replies come
back (t/e2e/conformance/), spoken over plain sockets to daemons with a dozen
listeners that have different options."""

import base64
import collections
import hashlib
import hmac
import re
import signal
import unittest

from conformance import authentication, core, data, extensions, lmtp, secured
from client import Smtp
from harness import Daemon, TestCase, free_port, make_certificate

# Groups of the list that are nobody's business here, and where they are tested.
ELSEWHERE = {
    25: "the client's time-outs: t/unit/smtp_client, test_delivery",
    57: "the next hop without SMTPUTF8: delivery",
    59: "DSN parameters towards the next hop: delivery",
    60: "which reports are written: delivery",
    70: "PROXY in front of implicit TLS: test_proxy",
    72: "the form of reports: delivery",
}
ALL = ('SMTP_Extensions = ( PIPELINING SIZE 8BITMIME BINARYMIME SMTPUTF8 ENHANCEDSTATUSCODES CHUNKING DSN DELIVERBY '
       '"FUTURERELEASE 86400" MT-PRIORITY REQUIRETLS LIMITS )')
SHORT = "Greeting_Timeout = 5 Command_Timeout = 5 Idle_Time = 5 Data_Timeout = 5"
CERTIFICATE = 'TLS_Certificate = "@dir@/mx.crt" TLS_Key = "@dir@/mx.key"'
GATEWAY = "SMTP_Extensions = ( PIPELINING ENHANCEDSTATUSCODES XCLIENT XREMOTEIP XSETCONTEXT XDUMPCONTEXT )"

AUTH = ('AuthPlainParameters = [ uri = "file://@dir@/clear" ] AuthLoginParameters = [ uri = "file://@dir@/clear" ] '
        'AuthCramMD5Parameters = [ uri = "file://@dir@/clear" ] AuthScramParameters = [ uri = "scram://@dir@/scram" ] '
        'Auth_Failure_Limit = 0 Auth_Failure_Rate = "1000/600"')
AUTH_OFFER = 'SMTP_Extensions = ( PIPELINING ENHANCEDSTATUSCODES CHUNKING AUTH XCLIENT )'

# Listens of the ESMTP_Listener by name; each has a port of its own.
LISTENS = {
    "main": f"{ALL} Max_Message_Size = 300000 Max_Recipients_Per_Message = 200",
    "bare": "SMTP_Extensions = ( )",
    # BINARYMIME without CHUNKING and SMTPUTF8 without 8BITMIME are not offered, whatever is configured.
    "codes": "SMTP_Extensions = ( ENHANCEDSTATUSCODES PIPELINING BINARYMIME SMTPUTF8 SIZE )",
    "strict": "Require_EHLO = true Allow_IP_Literal = false Allow_Null_Envelope_Sender = false Max_Recipients_Per_Message = 2 "
              "Max_Command_Length = 512 Max_Message_Size = 1000",
    "lax": "Allow_Trailing_Whitespace_In_Commands = true Domain_For_Unqualified_Recipient_Addresses = local.example "
           "Domain_For_Unqualified_Sender_Address = client.example",
    "spaced": "Pathway = relaxed",
    "short-lines": "Pathway = short",
    "deny": "Deny = true",
    "stranger": "Relay_Hosts = ( 192.0.2.1 ) Relay_Domains = ( local.example )",
    "limits": "Max_Errors = 3 Max_Receptions_Per_Connection = 1 Max_Recipients_Per_Connection = 2",
    "hasty": SHORT,
    "tls": f"{CERTIFICATE} {ALL}",
    "tls-greet": f"{CERTIFICATE} Require_EHLO = true",
    "tls-only": f"{CERTIFICATE} TLS_Required = true",
    "tls-hasty": f"{CERTIFICATE} TLS_Handshake_Timeout = 1",
    "implicit": f"{CERTIFICATE} Use_SSL = true",
    "auth": f"{AUTH} {AUTH_OFFER} {CERTIFICATE}",
    "auth-only": f"{AUTH} {AUTH_OFFER} Enable_Authentication = true",
    "auth-gateway": f"{AUTH} {AUTH_OFFER} XCLIENT_Hosts = ( 127.0.0.1 )",
    "gateway": f"{GATEWAY} XCLIENT_Hosts = ( 127.0.0.1 ) Relay_Hosts = ( 192.0.2.7 ) Require_EHLO = true",
    "no-gateway": f"{GATEWAY} XCLIENT_Hosts = ( 192.0.2.1 )",
}
CONFIG = """\
Hostname = mx.test.example
Nodename = node1
Spoolbase = "@dir@/spool"
Spool_Min_Free = @free@
Mainlog = "@dir@/mainlog"
Diagnostic_Log = "@dir@/log"
RFC2822_Date_Header = never
RFC2822_MessageID_Header = never
RFC2822_Missing_Headers = accept
Pathway relaxed { RFC2821_Pedantic_Address_Rules = false RFC2821_Allow_Whitespace_In_Envelope = true }
Pathway short { RFC2822_Max_Line_Length_Policy = reject }
ESMTP_Listener {
  Max_Errors = 0
@listens@
}
LMTP_Listener {
  Require_EHLO = true
  Listen "127.0.0.1:@lmtp@" { }
  Listen "@dir@/lmtp.sock" { }
}
Control_Listener { Listen "@dir@/control.sock" { } }
Domain "local.example" {
  Delivery_Method = maildir
  Maildir_Path = "@dir@/mail/%{domain}/%{localpart}"
}
"""
# Trace fields of ours; an empty line keeps them apart from a message without a header section.
FRONT = re.compile(rb"Return-Path:[^\n]*\n(Received:[^\n]*\n(?:[ \t][^\n]*\n)*)\n?", re.I)


def scram_line(user, password):
    salt = b"0123456789abcdef"
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 4096)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt, stored, server = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"{user}:SCRAM-SHA-256$4096:{salt}${stored}:{server}\n"


class Client(Smtp):
    """Judges each reply."""

    def __init__(self, port):
        super().__init__(port, banner=False)

    def reply(self):
        """Its lines, judged as every reply has to be: (code, enhanced code or "", text of the lines)."""
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                raise AssertionError(f"the server closed instead of a reply; before: {lines}")
            if not line.endswith(b"\r\n") or len(line) > 512 or not re.match(rb"[2-5]\d\d[- ][ -~]*\r\n$", line):
                raise AssertionError(f"no reply line: {line!r}")
            lines.append(line[:-2].decode("ascii"))
            if line[3:4] == b" ":
                break
        parts = [re.match(r"(\d{3})[- ](?:([245]\.\d{1,3}\.\d{1,3})(?: |$))?", text) for text in lines]
        codes = {part[1] for part in parts}
        enhanced = {part[2] or "" for part in parts}
        if len(codes) != 1 or len(enhanced) != 1:  # RFC 5321 §4.2.1, RFC 2034 §4
            raise AssertionError(f"codes that differ within one reply: {lines}")
        code, status = codes.pop(), enhanced.pop()
        if status and status[0] != code[0]:
            raise AssertionError(f"an enhanced code of another class: {lines}")
        return int(code), status, lines


class Conformance(TestCase):
    def setUp(self):
        self.ports = {name: free_port() for name in [*LISTENS, "lmtp", "full"]}
        self.connections = {}
        self.addCleanup(lambda: [client.close() for client in self.connections.values()])

    def serve(self, free=0):
        daemon = Daemon(self)
        make_certificate(daemon.dir)
        for name, text in (("clear", "alice:sesame\n"), ("scram", scram_line("alice", "sesame"))):
            (daemon.dir / name).write_text(text)
            (daemon.dir / name).chmod(0o600)
        listens = "\n".join(f'  Listen "127.0.0.1:{self.ports[name]}" {{ {options} }}' for name, options in LISTENS.items())
        daemon.configure(CONFIG, listens=listens, lmtp=self.ports["lmtp"], free=free)
        return daemon.start()

    def address(self, name):
        return str(self.served.dir / "lmtp.sock") if name == "lmtp-unix" else self.ports[name]

    def shared(self, name):
        """The connection of all cases of a Listen that do not want one of their own."""
        if name not in self.connections:
            client = self.connections[name] = Client(self.address(name))
            self.assertEqual(220, client.reply()[0])
            client.socket.sendall(b"EHLO client.example\r\n")
            self.assertEqual(250, client.reply()[0])
        return self.connections[name]

    def play(self, case):
        client = Client(self.address(case.on)) if case.alone else self.shared(case.on)
        good = False
        try:
            heard = []
            stretches = list(zip(case.parts(), case.replies(), strict=True))
            for number, (sent, expected) in enumerate(stretches):
                if number:
                    client.secure()
                client.socket.sendall(sent)
                for wanted in expected:
                    code, status, lines = client.reply()
                    heard += lines
                    self.assertEqual(wanted, (code, status, len(lines) > 1), f"behind {sent[:300]!r} came {heard}")
            if case.match:
                self.assertRegex("\n".join(heard), case.match)
            if case.closes:
                self.assertEqual(b"", client.file.read(), "something behind the last reply")
            elif not case.alone:  # exactly these replies, then the one to RSET
                client.socket.sendall(b"RSET\r\n")
                self.assertEqual((250, "" if case.on == "bare" else "2.0.0"), client.reply()[:2], "a reply too many")
            good = True
        finally:
            if case.alone:
                client.close()
            elif not good:
                self.connections.pop(case.on).close()

    def look(self, case):
        """What the case's user has got."""
        if case.stored:
            arrived = self.served.wait_mail(case.user, len(case.stored))
        elif case.received:
            arrived = self.served.wait_mail(case.user)
        else:
            arrived = self.served.maildir(case.user)
        fronts = [FRONT.match(message) for message in arrived]
        self.assertTrue(all(fronts), f"not our trace fields: {arrived}")
        if case.stored is not None:
            wanted = [message.replace(b"{u}", case.user.encode()) for message in case.stored]
            self.assertEqual(wanted, [message[front.end():] for message, front in zip(arrived, fronts)])
        if case.received:
            field = re.sub(r"\s+", " ", fronts[0][1].decode().removeprefix("Received: "))
            self.assertRegex(field, case.received.replace("{u}", case.user))

    def run_table(self, rows):
        self.served = self.serve()
        for number, case in enumerate(rows):
            case.user = f"g{case.group:02}c{number:05}"
            with self.subTest(str(case)):
                self.play(case)
        # The last of all: when it is there everything before it is.
        witness = Client(self.address("main"))
        witness.socket.sendall(b"MAIL FROM:<>\r\nRCPT TO:<witness@local.example>\r\nDATA\r\n.\r\nQUIT\r\n")
        self.assertEqual([220, 250, 250, 354, 250, 221], [witness.reply()[0] for _ in range(6)])
        witness.close()
        self.served.wait_mail("witness")
        self.served.wait_empty()
        for case in rows:
            if case.stored is not None or case.received:
                with self.subTest(f"{case}: what is stored"):
                    self.look(case)

    def test_commands_and_addresses(self):
        self.run_table(core.CASES)

    def test_messages_and_ends(self):
        self.run_table(data.CASES)

    def test_extensions(self):
        self.run_table([case for case in extensions.CASES if case.on != "full"])

    def test_full_disk(self):  # 30
        self.served = self.serve(free="1000000G")
        for case in extensions.CASES:
            if case.on == "full":
                case.on = "main"
                with self.subTest(str(case)):
                    self.play(case)

    def test_one_write_for_a_batch(self):  # 31
        self.served = self.serve()
        client = self.shared("main")
        client.socket.sendall(b"MAIL FROM:<a@client.example>\r\n" + b"RCPT TO:<bob@local.example>\r\n" * 20 + b"DATA\r\n")
        said = client.socket.recv(65536)
        self.assertEqual(22, said.count(b"\r\n"), said)
        self.assertTrue(said.startswith(b"250 2.1.0 ") and b"\r\n354 " in said, said)
        client.socket.sendall(b".\r\n")
        self.assertEqual(250, client.reply()[0])

    def test_shutting_down(self):  # 24
        self.served = self.serve()
        idle, sending = Client(self.address("main")), Client(self.address("main"))
        for client in (idle, sending):
            self.addCleanup(client.close)
            self.assertEqual(220, client.reply()[0])
        sending.socket.sendall(b"MAIL FROM:<a@client.example>\r\nRCPT TO:<bob@local.example>\r\nDATA\r\nSubject: x\r\n")
        self.assertEqual([250, 250, 354], [sending.reply()[0] for _ in range(3)])
        self.served.signal(signal.SIGTERM)
        self.assertEqual((421, "4.3.2"), idle.reply()[:2])
        self.assertEqual(b"", idle.file.read())
        # Not inside of DATA: the message is taken, then it is said.
        sending.socket.sendall(b"\r\nx\r\n.\r\n")
        self.assertEqual((250, "2.0.0"), sending.reply()[:2])
        self.assertEqual((421, "4.3.2"), sending.reply()[:2])
        self.assertEqual(b"", sending.file.read())
        self.assertEqual(0, self.served.wait(), self.served.complaints())
        self.served.start()
        self.served.wait_mail("bob")

    def test_security(self):
        self.run_table(secured.CASES)

    def test_authentication(self):
        self.run_table(authentication.CASES)

    def test_lmtp(self):
        self.run_table(lmtp.CASES)


class Tables(unittest.TestCase):
    def test_every_group_has_its_cases(self):
        every = [*core.CASES, *data.CASES, *extensions.CASES, *secured.CASES, *authentication.CASES,
                 *lmtp.CASES]
        self.assertGreaterEqual(len(every), 500)
        names = collections.Counter(str(case) for case in every)
        self.assertEqual({}, {name: count for name, count in names.items() if count > 1})
        self.assertEqual(set(range(1, 76)), {case.group for case in every} | set(ELSEWHERE))


if __name__ == "__main__":
    unittest.main()
