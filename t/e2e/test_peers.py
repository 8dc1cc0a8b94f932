"""Peer scopes: the longest match, option by option, as the manual's example
has it. All of 127.0.0.0/8 is ours to come from."""

import socket
import unittest

from client import Smtp
from harness import BASE_CONFIG, TestCase

LISTEN = 'Listen "127.0.0.1:@smtp@" { }'
EXAMPLE = BASE_CONFIG.replace(LISTEN, """
  Max_Message_Size = 5000
  Peer "127.1.0.0/16" {
    Banner_Hostname = "sixteen.example"
    Max_Message_Size = 10000
    SMTP_Extensions = ( PIPELINING SIZE )
  }
  Listen "*:@smtp@" {
    Peer "127.1.0.1" {
      SMTP_Extensions = ( "ENHANCEDSTATUSCODES" "SIZE" )
    }
  }""")


class Example(TestCase):
    def greeting(self, daemon, source):
        with Smtp(daemon.smtp_port, source=source) as smtp:
            name = smtp.banner[1].split()[0]
            return name, sorted(smtp.ehlo())

    def test_what_clients_see(self):
        daemon = self.daemon(EXAMPLE)
        # The /32's extensions; all else from the /16, option by option.
        self.assertEqual(("sixteen.example", ["ENHANCEDSTATUSCODES", "SIZE 10000"]), self.greeting(daemon, "127.1.0.1"))
        self.assertEqual(("sixteen.example", ["PIPELINING", "SIZE 10000"]), self.greeting(daemon, "127.1.0.2"))
        self.assertEqual(("sixteen.example", ["PIPELINING", "SIZE 10000"]), self.greeting(daemon, "127.1.255.255"))
        name, extensions = self.greeting(daemon, "127.2.0.1")
        self.assertEqual("mx.test.example", name)
        self.assertIn("SIZE 5000", extensions)
        self.assertIn("8BITMIME", extensions)

    def test_eval_and_explain(self):
        daemon = self.daemon(EXAMPLE)
        scope = ["esmtp_listener", "listen", f":{daemon.smtp_port}", "peer"]

        def line(text):
            number = next(i for i, line in enumerate(daemon.config_file.read_text().splitlines()) if text in line)
            return f"{daemon.config_file}:{number + 1}:"

        evaluated = daemon.console("config", "eval", *scope, "127.1.0.1", "smtp_extensions").stdout
        self.assertEqual("SMTP_Extensions = ( ENHANCEDSTATUSCODES SIZE )\n", evaluated)
        self.assertEqual("Max_Message_Size = 10000\n",
                         daemon.console("config", "eval", *scope, "127.1.0.1", "max_message_size").stdout)
        explained = daemon.console("config", "explain", *scope, "127.1.0.1", "max_message_size").stdout.splitlines()
        self.assertEqual("Max_Message_Size = 10000", explained[0])
        ladder = explained[1:]
        for rung, text in zip(ladder, [f"ESMTP_Listener Listen *:{daemon.smtp_port} Peer 127.1.0.1: not set",
                                       f"ESMTP_Listener Listen *:{daemon.smtp_port}: not set",
                                       "ESMTP_Listener Peer 127.1.0.0/16 = 10000", "ESMTP_Listener = 5000",
                                       "global: not set", "default = "], strict=True):
            self.assertIn(text, rung)
        self.assertEqual([False, False, True, False, False, False], [rung.startswith("->") for rung in ladder])
        self.assertIn(line("Max_Message_Size = 10000"), ladder[2])
        self.assertIn(line("Max_Message_Size = 5000"), ladder[3])

    def test_a_limit_is_enforced_for_its_peer(self):
        daemon = self.daemon(EXAMPLE)
        for source, limit in (("127.1.0.1", 10000), ("127.2.0.1", 5000)):
            with Smtp(daemon.smtp_port, source=source) as smtp:
                smtp.ehlo()
                smtp.expect(552, f"MAIL FROM:<a@client.example> SIZE={limit + 1}")
                smtp.expect(250, f"MAIL FROM:<a@client.example> SIZE={limit}")


class Ranks(TestCase):
    def test_listen_before_listener_whatever_the_length(self):
        daemon = self.daemon(BASE_CONFIG.replace(LISTEN, """
          Peer "127.1.2.3" { Banner_Hostname = "long.example" Received_Hostname = "long.example" }
          Peer "127.1.0.0/16" { Banner_Hostname = "mid.example" Max_Message_Size = 1000 }
          Listen "*:@smtp@" {
            Banner_Hostname = "listen.example"
            Peer "127.0.0.0/8" { Max_Message_Size = 2000 }
          }"""))
        with Smtp(daemon.smtp_port, source="127.1.2.3") as smtp:
            self.assertTrue(smtp.banner[1].startswith("listen.example"), smtp.banner)
            self.assertIn("SIZE 2000", smtp.ehlo())
        self.assertEqual("Received_Hostname = long.example\n", daemon.console(
            "config", "eval", "esmtp_listener", "listen", f":{daemon.smtp_port}", "peer", "127.1.2.3",
            "received_hostname").stdout)

    def test_deny_and_live_changes(self):
        daemon = self.daemon(BASE_CONFIG.replace(LISTEN, 'Listen "*:@smtp@" { }'))
        self.assertEqual(220, Smtp(daemon.smtp_port, source="127.9.0.1").banner[0])
        daemon.console("config", "set", "esmtp_listener", "peer", "127.9.0.0/16", "deny", "true")
        daemon.console("config", "set", "esmtp_listener", "peer", "127.9.1.0/24", "deny", "false")
        for source, code in (("127.9.0.1", 554), ("127.9.1.1", 220), ("127.8.0.1", 220)):
            self.assertEqual(code, Smtp(daemon.smtp_port, source=source).banner[0], source)
        daemon.console("config", "unset", "esmtp_listener", "peer", "127.9.0.0/16")
        self.assertEqual(220, Smtp(daemon.smtp_port, source="127.9.0.1").banner[0])

    def test_a_network_has_one_name(self):
        daemon = self.daemon()
        daemon.console("config", "set", "esmtp_listener", "peer", "10.1.2.3/8", "deny", "true")
        self.assertEqual("Deny = true\n", daemon.console("config", "get", "esmtp_listener", "peer", "10.0.0.0/8",
                                                         "deny").stdout)
        daemon.console("config", "set", "esmtp_listener", "peer", "2001:DB8:0:0:1:0:0:1", "deny", "true")
        self.assertEqual("Deny = true\n", daemon.console("config", "get", "esmtp_listener", "peer", "2001:db8::1:0:0:1",
                                                         "deny").stdout)

    def test_a_unix_socket_counts_as_loopback(self):
        daemon = self.daemon(BASE_CONFIG.replace(LISTEN, """
          Peer "127.0.0.0/8" { Banner_Hostname = "loopback.example" }
          Listen "@dir@/smtp.sock" { }"""))
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(daemon.dir / "smtp.sock"))
            self.assertTrue(client.recv(1000).startswith(b"220 loopback.example"))

    def test_tens_of_thousands_of_peers(self):
        peers = "\n".join(f'Peer "10.{n >> 8 & 255}.{n & 255}.0/24" {{ Max_Message_Size = {1000 + n} }}'
                          for n in range(30000))
        daemon = self.daemon(BASE_CONFIG.replace(LISTEN, peers + ' Peer "127.1.0.0/16" { Max_Message_Size = 7 }'
                                                                 ' Listen "*:@smtp@" { }'))
        with Smtp(daemon.smtp_port, source="127.1.0.1") as smtp:
            self.assertIn("SIZE 7", smtp.ehlo())
        self.assertEqual("Max_Message_Size = 30999\n", daemon.console(
            "config", "eval", "esmtp_listener", "listen", f":{daemon.smtp_port}", "peer", "10.117.47.1",
            "max_message_size").stdout)


if __name__ == "__main__":
    unittest.main()
