"""What doc/listeners.md says of listeners, where no other test shows it: how
they are written, what they inherit, what their sockets are set to. The numbers
are those of that page, and it is held to be complete."""

import ctypes
import os
import re
import smtplib
import socket
import ssl
import stat
import struct
import subprocess
import unittest
from pathlib import Path

from client import Smtp
from harness import BASE_CONFIG, SCALE, TOP, Daemon, TestCase, free_port, make_certificate, needs, wait_for
from pki import Authority

LISTEN = 'Listen "127.0.0.1:@smtp@" { }'
MESSAGE = b"Subject: hello\r\n\r\nhello\r\n"
PAGE = TOP / "doc/listeners.md"


def ipv6_works():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


class Case(TestCase):
    def with_listens(self, listens, listener="", more="", **values):
        """A running daemon whose ESMTP_Listener holds that."""
        return self.daemon(BASE_CONFIG.replace(LISTEN, listener + "\n  " + listens), more=more, **values)

    def checked(self, listens, place=LISTEN):
        """What `impulsed --check` says of such a file: (status, text)."""
        daemon = Daemon(self, BASE_CONFIG.replace(place, listens))
        done = daemon.check("--check", "-c", daemon.config_file)
        return done.returncode, done.stdout + done.stderr

    def takes_mail(self, port, host="127.0.0.1", user="bob", source=None, lmtp=False):
        with Smtp(port, host=host, source=source) as smtp:
            smtp.expect(250, "LHLO client.example") if lmtp else smtp.ehlo()
            smtp.message(MESSAGE, recipients=[f"{user}@local.example"])
            smtp.quit()


class HowManyAndWhere(Case):
    def test_V1_V2_V13_V22_V23_S1_S2_S5_S6_M1_M3_M24_M27_many_of_all_kinds_serve_one_namespace(self):
        ports = {f"port{number}": free_port() for number in range(12)}
        listens = "\n".join(f'Listen "127.0.0.1:@{name}@" {{ }}' for name in ports)
        six = ipv6_works()
        if six:
            listens += '\nListen "[::1]:@smtp@" { }'
        daemon = self.with_listens(listens + '\nListen "@dir@/smtp.sock" { }', lmtp=free_port(), more="""
LMTP_Listener { Listen "127.0.0.1:@lmtp@" { } }""", **ports)
        for port in ports.values():
            self.takes_mail(port)
        self.takes_mail(daemon.values["lmtp"], lmtp=True)
        if six:
            self.takes_mail(daemon.smtp_port, host="::1")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(daemon.dir / "smtp.sock"))
            self.assertTrue(client.recv(1000).startswith(b"220 "))
        self.assertEqual(len(ports) + 1 + six, len(daemon.wait_mail("bob", len(ports) + 1 + six)))

    def test_V3_V4_V5_V9_V10_V11_S3_S28_S37_M13_defaults_above_exceptions_below(self):
        daemon = self.with_listens("""
          Listen "127.0.0.1:@smtp@" { }
          Listen "127.0.0.1:@two@" { Max_Message_Size = 3000 }
          Listen "127.0.0.1:@three@" { Peer "127.3.0.0/16" { Max_Message_Size = 4000 } }""",
                                   listener="Max_Message_Size = 2000", two=free_port(), three=free_port(),
                                   lmtp=free_port(), more="""
Max_Message_Size = 1000
LMTP_Listener { Listen "127.0.0.1:@lmtp@" { } }""")
        for port, source, size in ((daemon.smtp_port, None, 2000), (daemon.values["two"], None, 3000),
                                   (daemon.values["three"], None, 2000), (daemon.values["three"], "127.3.0.1", 4000)):
            with Smtp(port, source=source) as smtp:
                self.assertIn(f"SIZE {size}", smtp.ehlo())
        with Smtp(daemon.values["lmtp"]) as smtp:
            self.assertIn("SIZE 1000", smtp.expect(250, "LHLO x").split("\n"))

    def test_V18_greetings_by_listen(self):
        daemon = self.with_listens("""
          Listen "127.0.0.1:@smtp@" { }
          Listen "127.0.0.1:@old@" { SMTP_Protocols = ( HELO ) }
          Listen "127.0.0.1:@new@" { SMTP_Protocols = ( EHLO ) }""", old=free_port(), new=free_port())
        for port, taken in ((daemon.smtp_port, ("HELO", "EHLO")), (daemon.values["old"], ("HELO",)),
                            (daemon.values["new"], ("EHLO",))):
            with Smtp(port) as smtp:
                for greeting in ("HELO", "EHLO"):
                    code = smtp.command(f"{greeting} client.example")[0]
                    self.assertEqual(greeting in taken, code == 250, (taken, greeting, code))

    def test_V32_who_says_nothing_is_sent_away(self):
        daemon = self.with_listens('Listen "127.0.0.1:@smtp@" { Greeting_Timeout = 1 }')
        with Smtp(daemon.smtp_port) as smtp:
            code, text = smtp.reply()
            self.assertEqual((421, "4.4.2"), (code, text[:5]))
            self.assertRaises(ConnectionError, smtp.reply)

    def test_S4_S9_a_port_has_no_role_of_its_own(self):
        daemon = self.daemon()
        self.takes_mail(daemon.smtp_port)
        config = BASE_CONFIG.replace(LISTEN, 'Listen "127.0.0.1:@other@" { }') + """
LMTP_Listener { Listen "127.0.0.1:@smtp@" { } }"""
        daemon.configure(config, other=free_port())
        daemon.console("config", "reload")
        self.takes_mail(daemon.smtp_port, lmtp=True)
        with Smtp(daemon.smtp_port) as smtp:
            self.assertEqual(500, smtp.command("EHLO x")[0])
        self.takes_mail(daemon.values["other"])

    def test_S8_M2_M23_M26_every_ipv4_address(self):
        for name in ("*:@smtp@", ":@smtp@", "0.0.0.0:@smtp@"):
            daemon = self.with_listens(f'Listen "{name}" {{ }}')
            for host in ("127.0.0.1", "127.200.1.9"):
                self.takes_mail(daemon.smtp_port, host=host)
            daemon.stop()

    @unittest.skipUnless(ipv6_works(), "no IPv6 here")
    def test_M25_M33_every_ipv6_address(self):
        for name in ("[*]", "[::]", "[0:0:0:0:0:0:0:0]"):
            daemon = self.with_listens(f'Listen "{name}:@smtp@" {{ }}')
            self.takes_mail(daemon.smtp_port, host="::1")
            with self.assertRaises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", daemon.smtp_port))
            daemon.stop()


class HowTheyAreWritten(Case):
    SPELLINGS = ("2001:db8:0:0:1:0:0:1", "2001:0db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", "2001:db8::0:1:0:0:1",
                 "2001:0db8::1:0:0:1", "2001:db8:0:0:1::1", "2001:db8:0000:0:1::1", "2001:DB8:0:0:1::1",
                 "2001:0db8:0000:0000:0001:0000:0000:0001")

    def test_M12_M30_nine_spellings_of_one_address(self):
        daemon = self.with_listens("".join(f'Listen "[{one}]:25" {{ Enable = false Max_Message_Size = {number} }}\n'
                                           f'Peer "{one}" {{ Max_Errors = {number} }}\n'
                                           for number, one in enumerate(self.SPELLINGS, 1)) + LISTEN)
        for one in self.SPELLINGS:
            for words, value in ((("listen", f"[{one}]:25", "max_message_size"), "Max_Message_Size = 9\n"),
                                 (("peer", one, "max_errors"), "Max_Errors = 9\n")):
                self.assertEqual(value, daemon.console("config", "get", "esmtp_listener", *words).stdout)

    def test_S7_M31_M32_M34_addresses_of_listens(self):
        off = "{ Enable = false }"
        for name in ("[fd82:7796:815b:af9d:230:48ff:fef2:aa4a]:587", "[::]:25", "[2001:db8::1]:25", "[::1]:25"):
            status, said = self.checked(f'Listen "{name}" {off} {LISTEN}')
            self.assertEqual(0, status, said)
        for name, what in (("2001:db8::1:25", "an IPv6 address needs brackets before a port: [2001:db8::1]:25"),
                           ("[2001::db8::1]:25", "not an IP address: '2001::db8::1'"), ("::1", "written [::1]:25"),
                           ("a:3f::2", "written [a:3f::2]:25"), ("[a:3f::2]", "written [a:3f::2]:25"),
                           ("[::1]:70000", "bad port"),
                           ("192.0.2.1", "expected an address"), ("mx.example:25", "not an IP address")):
            status, said = self.checked(f'Listen "{name}" {off} {LISTEN}')
            self.assertEqual(1, status, name)
            self.assertIn("[config-bad-instance]", said)
            self.assertIn(what, said)

    def test_M35_brackets_only_where_a_port_can_follow(self):
        for text in ('Peer "2001:db8::/32" { Relay_Hosts = ( 2001:db8::1 ) }', 'Peer "2001:db8::1" { Deny = true }'):
            status, said = self.checked(f"{text} {LISTEN}")
            self.assertEqual(0, status, said)
        for text in ("[2001:db8::1]:25", "[2001:db8::1]", "2001:db8::1"):
            status, said = self.checked(f'Gateway = "{text}"\nESMTP_Listener {{', "ESMTP_Listener {")
            self.assertEqual(0, status, said)
        status, said = self.checked('Gateway = "2001:db8::1:25"\nESMTP_Listener {', "ESMTP_Listener {")
        self.assertEqual(1, status, said)
        self.assertIn("Write [2001:db8::1:25] for the address, [2001:db8::1]:25 for the port", said)

    def test_M19_it_is_enable(self):
        status, said = self.checked(f'Listen "*:587" {{ Enabled = false }} {LISTEN}')
        self.assertEqual(1, status)
        self.assertIn("did you mean 'Enable'?", said)


class Switched(Case):
    def test_M17_M18_M20_M21_M22_off_without_being_removed(self):
        daemon = self.with_listens('Listen "*:@smtp@" { }\nListen "*:@off@" { Enable = false }', off=free_port())
        self.takes_mail(daemon.smtp_port)
        with self.assertRaises(ConnectionRefusedError):
            Smtp(daemon.values["off"])
        self.assertIn("disabled", daemon.console("listener", "show").stdout)
        # ":25" names "*:25".
        for port, value in ((daemon.values["off"], "true"), (daemon.smtp_port, "false")):
            listen = ("esmtp_listener", "listen", f":{port}", "enable")
            daemon.console("config", "set", *listen, value)
            for question in ("get", "eval"):
                self.assertEqual(f"Enable = {value}\n", daemon.console("config", question, *listen).stdout)
        self.takes_mail(daemon.values["off"])
        with self.assertRaises(ConnectionRefusedError):
            Smtp(daemon.smtp_port)

    def test_M28_mode_of_a_unix_socket(self):
        daemon = self.with_listens('Listen "@dir@/one" { File_Mode = 0666 }\nListen "@dir@/two" { }')
        for name, mode in (("one", 0o666), ("two", 0o660)):
            self.assertEqual(mode, stat.S_IMODE((daemon.dir / name).stat().st_mode))


def sockets_of(pid):
    """The TCP sockets of a process, as duplicates: (local, peer or None, socket)."""
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    found = []
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                if not os.readlink(entry).startswith("socket:"):
                    continue
            except FileNotFoundError:
                continue
            number = libc.syscall(438, process, int(entry.name), 0)  # pidfd_getfd
            if number < 0:
                raise unittest.SkipTest("sockets of other processes cannot be looked at here: " +
                                        os.strerror(ctypes.get_errno()))
            one = socket.socket(fileno=number)
            if one.family not in (socket.AF_INET, socket.AF_INET6) or one.type != socket.SOCK_STREAM:
                one.close()
                continue
            try:
                peer = one.getpeername()
            except OSError:
                peer = None
            found.append((one.getsockname(), peer, one))
    finally:
        os.close(process)
    return found


class Sockets(Case):
    def accepted(self, daemon, port):
        """The daemon's end of a connection to `port`."""
        smtp = Smtp(port)
        self.addCleanup(smtp.close)
        mine = smtp.socket.getsockname()
        found = sockets_of(daemon.process.pid)
        for _, _, one in found:
            self.addCleanup(one.close)
        return next(one for _, peer, one in found if peer == mine)

    def listening(self, daemon, port):
        found = sockets_of(daemon.process.pid)
        for _, _, one in found:
            self.addCleanup(one.close)
        return [one for local, peer, one in found if peer is None and local[1] == port]

    def test_S32_S33_S34_S35_S36_options_of_connections(self):
        daemon = self.with_listens("""
          Listen "127.0.0.1:@smtp@" { }
          Listen "127.0.0.1:@own@" {
            IP_TTL = 44 IP_TOS = 40 Linger = 0 Disable_Nagle_Algorithm = false
            TCP_Send_Buffer_Size = 128k TCP_Recv_Buffer_Size = 96k
          }""", listener="""
          IP_TTL = 33 IP_TOS = 16 Linger = 5 TCP_Send_Buffer_Size = 64k TCP_Recv_Buffer_Size = 32k""", own=free_port())

        def values(one):
            return {"ttl": one.getsockopt(socket.IPPROTO_IP, socket.IP_TTL),
                    "tos": one.getsockopt(socket.IPPROTO_IP, socket.IP_TOS),
                    "linger": struct.unpack("ii", one.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)),
                    "nodelay": bool(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)),
                    # The kernel doubles what it is asked for.
                    "send": one.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // 2,
                    "receive": one.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2}

        # A time to wait is kept by impulsed itself: close() with SO_LINGER would hold a loop.
        self.assertEqual({"ttl": 33, "tos": 16, "linger": (0, 0), "nodelay": True, "send": 65536, "receive": 32768},
                         values(self.accepted(daemon, daemon.smtp_port)))
        self.assertEqual({"ttl": 44, "tos": 40, "linger": (1, 0), "nodelay": False, "send": 131072, "receive": 98304},
                         values(self.accepted(daemon, daemon.values["own"])))

    def test_V7_S29_S30_addresses_used_again_and_a_socket_for_each_loop(self):
        daemon = self.with_listens("""
          Listen "127.0.0.1:@smtp@" { }
          Listen "127.0.0.1:@own@" { Reuse_Port = true Reuse_Address = false Concurrency = 3 }""", own=free_port(),
                                   more='EventLoop "default" { Concurrency = 3 }')
        one = self.listening(daemon, daemon.smtp_port)
        own = self.listening(daemon, daemon.values["own"])
        self.assertEqual((1, 3), (len(one), len(own)))
        self.assertEqual([(True, False)] + 3 * [(False, True)], [
            tuple(bool(each.getsockopt(socket.SOL_SOCKET, option))
                  for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT)) for each in one + own])
        for _ in range(20):
            self.takes_mail(daemon.values["own"])

    @needs("ss")
    def test_S31_S39_M29_backlog(self):
        daemon = self.with_listens("""
          Listen "127.0.0.1:@smtp@" { Listen_Backlog = 77 }
          Listen "127.0.0.1:@two@" { }""", listener="Listen_Backlog = 55", two=free_port())

        def backlog(port):
            said = subprocess.run(["ss", "-ltnH", "sport", "=", f":{port}"], capture_output=True, text=True, timeout=60)
            return int(said.stdout.split()[2])

        self.assertEqual((77, 55), (backlog(daemon.smtp_port), backlog(daemon.values["two"])))
        daemon.console("config", "set", "esmtp_listener", "listen_backlog", "66")
        wait_for(lambda: (backlog(daemon.smtp_port), backlog(daemon.values["two"])) == (77, 66), "the new backlog")


@needs("openssl")
class WhoTheyAre(Case):
    """Encryption, and who one is, are two things."""

    def test_V44_V46_V47_V49_identity_of_a_certificate_as_user(self):
        daemon = Daemon(self, BASE_CONFIG.replace(LISTEN, """
          TLS_Certificate = "@dir@/mx.crt"
          TLS_Key = "@dir@/mx.key"
          TLS_Client_CA = "@ca@"
          Relay_Hosts = ( )
          SMTP_Extensions = ( PIPELINING "AUTH PLAIN" )
          AuthPlainParameters = [ uri = "file://@dir@/clear" ]
          Listen "127.0.0.1:@smtp@" { }
          Listen "127.0.0.1:@user@" { TLS_Verify_Mode = require TLS_Identity_As_User = cn Enable_Authentication = true }
          Listen "127.0.0.1:@both@" { TLS_Verify_Mode = require Enable_Authentication = true }
          Listen "127.0.0.1:@open@" { TLS_Verify_Mode = require Always_Allow = true }"""),
                        user=free_port(), both=free_port(), open=free_port())
        make_certificate(daemon.dir)
        authority = Authority(daemon.dir)
        alice = authority.issue("alice")
        (daemon.dir / "clear").write_text("bob:secret\n")
        daemon.configure((daemon.config_file).read_text(), ca=authority.certificate)
        daemon.start()
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.load_cert_chain(alice.certificate, alice.key)

        def relays(port, login=None):
            """The code of a recipient elsewhere, or of MAIL when that was refused."""
            with smtplib.SMTP("127.0.0.1", port, timeout=30 * SCALE) as smtp:
                smtp.starttls(context=context)
                smtp.ehlo("client.example")
                if login:
                    smtp.login(*login)
                code = smtp.mail("alice@client.example")[0]
                return code if code != 250 else smtp.rcpt("x@elsewhere.example")[0]

        self.assertEqual(550, relays(daemon.smtp_port))  # a certificate alone is no right
        self.assertEqual(250, relays(daemon.smtp_port, ("bob", "secret")))
        self.assertEqual(250, relays(daemon.values["user"]))
        self.assertEqual(530, relays(daemon.values["both"]))
        self.assertEqual(250, relays(daemon.values["both"], ("bob", "secret")))
        self.assertEqual(250, relays(daemon.values["open"]))
        with smtplib.SMTP("127.0.0.1", daemon.values["user"], timeout=30 * SCALE) as smtp:
            smtp.starttls(context=context)
            smtp.sendmail("alice@client.example", ["bob@local.example"], MESSAGE)
        self.assertEqual("esmtpsa", daemon.wait_mainlog("R", 1)[0]["protocol"])


class Page(unittest.TestCase):
    """doc/listeners.md has a row for every statement, and every test it names is there."""

    ROW = re.compile(r"^\| ([VSM]\d+(?:, [VSM]\d+)*) \| (.+) \| (.+) \| (.+) \|$", re.M)

    def test_every_number_has_one_row(self):
        numbers = [number for row in self.ROW.findall(PAGE.read_text()) for number in row[0].split(", ")]
        every = [f"{letter}{number}" for letter, count in (("V", 50), ("S", 41), ("M", 35))
                 for number in range(1, count + 1)]
        self.assertEqual(every, numbers)

    def test_every_test_that_is_named_is_there_and_every_row_names_one_or_says_why_not(self):
        tests = {}
        for path in (TOP / "t").rglob("test_*.py"):
            tests[path.stem] = set(re.findall(r"def (test_\w+)", path.read_text()))
        for numbers, _, _, shown in self.ROW.findall(PAGE.read_text()):
            named = re.findall(r"`(test_\w+)(?:\.(test_\w+))?`", shown)
            for module, test in named:
                self.assertIn(module, tests, numbers)
                if test:
                    self.assertIn(test, tests[module], f"{numbers}: {module}")
            for path in re.findall(r"`((?:doc|src)/[^`]+)`", shown):
                self.assertTrue((TOP / path).exists(), f"{numbers}: {path}")
            self.assertTrue(named or "later" in shown or "`doc/" in shown or "this page" in shown, numbers)


if __name__ == "__main__":
    unittest.main()
