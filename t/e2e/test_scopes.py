"""Pathways, Bindings and Domains by pattern: which scope rules whom, live, and
what the console says of it."""

import smtplib
import unittest

from client import Smtp
from harness import BASE_CONFIG, SCALE, TestCase

LISTEN = 'Listen "127.0.0.1:@smtp@" { }'
PATHWAYS = BASE_CONFIG.replace(LISTEN, """
  Banner_Hostname = "listener.example"
  Listen "*:@smtp@" {
    Pathway = trusted
    Peer "127.1.0.0/16" { Pathway = partner }
  }""") + """
Pathway_Group inbound {
  Max_Message_Size = 7000
  Pathway trusted { Banner_Hostname = "trusted.example" }
}
Pathway partner { Banner_Hostname = "partner.example" }
"""
MAILDIRS = BASE_CONFIG.replace("""Domain "local.example" {
  Delivery_Method = maildir
  Maildir_Path = "@dir@/mail/%{domain}/%{localpart}"
}
""", """Delivery_Method = maildir
Maildir_Path = "@dir@/global/%{domain}/%{localpart}"
Domain "exact.local.example" { Maildir_Path = "@dir@/exact/%{domain}/%{localpart}" }
Domain /[.]local[.]example$/ { Maildir_Path = "@dir@/pattern/%{domain}/%{localpart}" }
Binding_Group out {
  Binding second { Maildir_Path = "@dir@/second/%{domain}/%{localpart}" }
}
""")


def banner_and_size(daemon, source):
    with Smtp(daemon.smtp_port, source=source) as smtp:
        name = smtp.banner[1].split()[0]
        return name, next(word for word in smtp.ehlo() if word.startswith("SIZE"))


class Pathways(TestCase):
    def test_rank_and_change(self):
        daemon = self.daemon(PATHWAYS)
        self.assertEqual(("trusted.example", "SIZE 7000"), banner_and_size(daemon, "127.0.0.1"))
        self.assertEqual(("partner.example", "SIZE 7000"), banner_and_size(daemon, "127.1.0.1"))
        daemon.console("config", "set", "pathway", "partner", "max_message_size", "9000")
        self.assertEqual(("partner.example", "SIZE 9000"), banner_and_size(daemon, "127.1.0.1"))
        self.assertEqual(("trusted.example", "SIZE 7000"), banner_and_size(daemon, "127.0.0.1"))
        # A Peer that names another one, from the console: Pathway is an option and a scope.
        daemon.console("config", "set", "esmtp_listener", "listen", f":{daemon.smtp_port}", "peer", "127.1.0.0/16",
                       "pathway", "trusted")
        self.assertEqual(("trusted.example", "SIZE 7000"), banner_and_size(daemon, "127.1.0.1"))

    def test_explain_names_pathways_and_lines(self):
        daemon = self.daemon(PATHWAYS)
        lines = daemon.config_file.read_text().splitlines()
        line = next(i for i, text in enumerate(lines) if "Max_Message_Size" in text) + 1
        explained = daemon.console("config", "explain", "esmtp_listener", "listen", f":{daemon.smtp_port}", "peer",
                                   "127.1.0.1", "max_message_size").stdout
        self.assertIn('Pathway "partner": not set', explained)
        won = next(text for text in explained.splitlines() if 'Pathway_Group "inbound" = 7000' in text)
        self.assertIn(f"{daemon.config_file}:{line}:", won)

    def test_what_is_refused(self):
        daemon = self.daemon(PATHWAYS)
        size = ("esmtp_listener", "listen", f":{daemon.smtp_port}")
        for words, said in (
                ((*size, "pathway", "partnr"), "there is no Pathway \"partnr\""),
                (("pathway", "trusted", "enable_authorization", "true"),
                 "Enable_Authorization is not available in ESMTP_Listener in this version"),
                (("default_binding", "nobody"), "there is no Binding \"nobody\""),
                (("domain", "/a(b/", "retry_interval", "1"), "wrong at 4"),
        ):
            with self.subTest(words=words):
                done = daemon.console("config", "set", *words, status=1)
                self.assertIn(said, done.stdout + done.stderr)
        self.assertEqual(("trusted.example", "SIZE 7000"), banner_and_size(daemon, "127.0.0.1"))


class Bindings(TestCase):
    def send(self, daemon, *domains):
        with smtplib.SMTP("127.0.0.1", daemon.smtp_port, timeout=60 * SCALE) as smtp:
            smtp.sendmail("a@client.example", [f"u@{domain}" for domain in domains], b"Subject: x\r\n\r\nhello\r\n")

    def arrived(self, daemon, where, domain):
        return len(list((daemon.dir / where / domain / "u" / "new").glob("*")))

    def test_domains_by_name_and_pattern_and_a_binding(self):
        daemon = self.daemon(MAILDIRS)
        self.send(daemon, "exact.local.example", "Other.LOCAL.example", "third.example")
        daemon.wait_mainlog("D", 3)
        self.assertEqual(1, self.arrived(daemon, "exact", "exact.local.example"))
        self.assertEqual(1, self.arrived(daemon, "pattern", "other.local.example"))
        self.assertEqual(1, self.arrived(daemon, "global", "third.example"))
        daemon.console("config", "set", "default_binding", "second")
        self.send(daemon, "exact.local.example")
        daemon.wait_mainlog("D", 4)
        self.assertEqual(1, self.arrived(daemon, "second", "exact.local.example"))
        explained = daemon.console("config", "explain", "binding", "second", "domain", "exact.local.example",
                                   "maildir_path").stdout
        self.assertIn("Binding_Group out Binding second = ", explained)
        # A Domain in the Binding stands before all of them.
        daemon.console("config", "set", "binding_group", "out", "binding", "second", "domain", "/exact/",
                       "maildir_path", str(daemon.dir / "inner" / "%{domain}" / "%{localpart}"))
        self.send(daemon, "exact.local.example")
        daemon.wait_mainlog("D", 5)
        self.assertEqual(1, self.arrived(daemon, "inner", "exact.local.example"))

    def test_a_bad_route_in_a_binding_is_placed(self):
        daemon = self.daemon(MAILDIRS)
        text = MAILDIRS + 'Binding third {\n  Delivery_Method = esmtp\n  Gateway = "mx.example:25"\n  TLS_CA = /no/such\n}\n'
        daemon.configure(text)
        done = daemon.check("--check", "-c", daemon.config_file)
        self.assertEqual(1, done.returncode, done.stderr)
        number = next(i for i, line in enumerate(daemon.config_file.read_text().splitlines()) if "Binding third" in line)
        self.assertIn(f"{daemon.config_file}:{number + 4}:3: error: TLS_CA: ", done.stderr)


if __name__ == "__main__":
    unittest.main()
