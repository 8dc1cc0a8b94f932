"""What is known about a connection: the Context of its scopes, what a trusted
gateway sets by XSETCONTEXT, and what XDUMPCONTEXT shows of it."""

from client import Smtp
from harness import BASE_CONFIG, TestCase

CONFIG = BASE_CONFIG.replace('''  Listen "127.0.0.1:@smtp@" { }
''', '''  SMTP_Extensions = ( PIPELINING XCLIENT XREMOTEIP XSETCONTEXT XDUMPCONTEXT )
  XCLIENT_Hosts = ( 127.0.0.0/8 )
  Context = [ pool = shared customer = nobody ]
  Listen "127.0.0.1:@smtp@" {
    Peer "192.0.2.0/24" { Context = [ customer = example pool = "fast lane" ] }
  }
''')


class ContextTest(TestCase):
    def dump(self, client):
        lines = client.expect(250, "XDUMPCONTEXT").split("\n")
        self.assertEqual("XDUMPCONTEXT complete", lines[-1])
        return dict(line.removeprefix("[connection] ").split(" ", 1) for line in lines[:-1])

    def test_of_the_scope_that_wins(self):
        daemon = self.daemon(CONFIG)
        client = Smtp(daemon.smtp_port)
        client.ehlo("gw.example")
        dump = self.dump(client)
        self.assertEqual(("shared", "nobody"), (dump["pool"], dump["customer"]))
        self.assertEqual("gw.example", dump["ehlo_domain"])
        self.assertEqual(250, client.command("XREMOTEIP 192.0.2.9")[0])
        dump = self.dump(client)
        self.assertEqual(("fast lane", "example", "192.0.2.9"), (dump["pool"], dump["customer"], dump["remote_addr"]))
        daemon.console("config", "set", "esmtp_listener", "Context", "[ pool = slow ]")
        client.command("RSET")  # a safe point; the Peer has its own
        self.assertEqual("fast lane", self.dump(client)["pool"])

    def test_a_gateway_sets_it(self):
        daemon = self.daemon(CONFIG)
        client = Smtp(daemon.smtp_port)
        client.ehlo("gw.example")
        self.assertEqual(250, client.command("XSETCONTEXT pool=mine campaign=a+2Bb")[0])
        dump = self.dump(client)
        self.assertEqual(("mine", "a+b", "nobody"), (dump["pool"], dump["campaign"], dump["customer"]))
        for wrong in ("XSETCONTEXT", "XSETCONTEXT pool", "XSETCONTEXT =x", "XSETCONTEXT a=+ZZ"):
            self.assertEqual(501, client.command(wrong)[0], wrong)
        client.command("XCLIENT ADDR=192.0.2.10")  # nothing of what was said before counts any more
        self.assertNotIn("campaign", self.dump(client))

    def test_not_from_anywhere(self):
        daemon = self.daemon(CONFIG.replace("127.0.0.0/8", "192.0.2.1"))
        client = Smtp(daemon.smtp_port)
        self.assertNotIn("XCLIENT", " ".join(client.ehlo()))
        for command in ("XDUMPCONTEXT", "XSETCONTEXT a=b", "XREMOTEIP 192.0.2.1", "XCLIENT ADDR=192.0.2.1"):
            self.assertEqual(550, client.command(command)[0], command)
