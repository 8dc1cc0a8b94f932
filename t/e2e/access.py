"""A control listener over TCP with TLS, its users, and who talks to it: what tests
of access have in common."""

import base64
import socket
import ssl

from harness import BASE_CONFIG, Daemon, Ectl, Reply, SCALE, TestCase, free_port, make_certificate, wait_for
from passwords import Scram, b64, scram_line

PASSWORD = "open sesame"
ACCESS = """
Acctlog = "@dir@/acctlog"
Certificate "mx" { Cert = "@certificate@" Private_Key = "@key@" }
Authorization {
  Role "admin" { Allow = ( ".*" ) }
  Role "ops" { Allow = ( "^summary$" "^config (get|show)( |$)" ) }
}
Control_Listener {
  AuthScramParameters = [ uri = "scram://@dir@/scram" ]
  AuthLoginParameters = [ uri = "file://@dir@/clear" ]
  AuthorizationParameters = [ uri = "groups://@dir@/groups" ]
  Listen "127.0.0.1:@port@" {
    Use_SSL = true
    TLS_Certificate = "mx"
    Enable_Authentication = true
    Enable_Authorization = true
    @listen@
  }
}
"""


class Console(Ectl):
    """ECTL/1 over TCP, with TLS, from a chosen address."""

    def __init__(self, port, source="127.0.0.1", tls=True, greet=True):
        if tls:  # made before there is a connection, whose time it would take
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60 * SCALE, source_address=(source, 0))
        if tls:
            self.socket = context.wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")
        self.greeting = self.line() if greet else None

    def answer(self, line):
        """A line; then a challenge (text) or the reply."""
        self.send(line + "\n")
        lines = []
        while True:
            got = self.line()
            if got.startswith("?"):
                return base64.b64decode(got[1:], validate=True).decode()
            lines.append(got)
            if got.startswith("="):
                return Reply(lines[:-1], got)

    def login(self, user, password):
        assert self.answer("authenticate LOGIN") == "User Name"
        assert self.answer(b64(user)) == "Password"
        return self.answer(b64(password))

    def scram(self, user, password, mechanism="SCRAM-SHA-256"):
        client = Scram(user, password, mechanism)
        first = self.answer(f"@s authenticate {mechanism.lower()} {b64(client.first())}")
        if not isinstance(first, str):
            return first
        last = self.answer(b64(client.final(first)))
        if not isinstance(last, str):
            return last
        client.check(last)
        return self.answer("")


class AccessCase(TestCase):
    def access(self, listen="", config=BASE_CONFIG, more=ACCESS):
        self.port = free_port()
        daemon = Daemon(self, config, more=more, port=self.port, listen=listen)
        certificate, key = make_certificate(daemon.dir)
        daemon.configure(config, certificate=certificate, key=key)
        (daemon.dir / "scram").write_text(scram_line("alice", PASSWORD) + scram_line("bob", "bobs"))
        (daemon.dir / "clear").write_text(f"# in clear\nalice:{PASSWORD}\ncarol:carols\n")
        (daemon.dir / "groups").write_text("admin:alice\nops:x:bob,carol\n")
        for name in ("scram", "clear", "groups"):
            (daemon.dir / name).chmod(0o600)
        return daemon.start()

    def console(self, **values):
        console = Console(self.port, **values)
        self.addCleanup(console.close)
        return console

    def acctlog(self, daemon, count):
        """Records without their time, as lists of fields."""
        def records():
            lines = (daemon.dir / "acctlog").read_text().splitlines()
            return len(lines) >= count and [line.split("@")[1:] for line in lines]
        return wait_for(records, lambda: f"{count} records in the accounting log:\n" +
                        (daemon.dir / "acctlog").read_text())
