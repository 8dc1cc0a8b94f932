"""Transactions: sessions that race, commits that go back by themselves,
certificates that are exchanged whole, all under a live listener."""

import socket
import ssl
import subprocess
import unittest

from client import Smtp
from harness import BASE_CONFIG, BINDIR, SCALE, Daemon, TestCase, free_port, make_certificate, needs, wait_for
from load import is_refused


def lines(reply, sign):
    return [line for line in reply.lines if line.startswith(sign)]


class Race(TestCase):
    def test_the_first_committer_wins_and_is_named(self):
        daemon = self.daemon()
        with daemon.ectl() as winner, daemon.ectl() as loser:
            for session, seconds in ((winner, 11), (loser, 22)):
                self.assertEqual(0, session.command("config begin").code)
                self.assertEqual("staged", session.command(f"config set esmtp_listener idle_time {seconds}").word)
            loser.command("config set hostname loser.example")
            loser.command("config set domain loser.example suspend_delivery true")
            self.assertEqual({"gen": "2", "changes": "1"}, winner.command("config commit").values)
            for _ in range(2):
                refused = loser.command("config commit")
                self.assertEqual((4, "conflict"), (refused.code, refused.word))
                self.assertRegex(refused.remarks[0], r"^error config-conflict generation 2 \(console: \S+, "
                                                     r"20\d\d-\S+Z\) changed the same: esmtp_listener$")
            # Nothing is half applied, and nothing is lost.
            self.assertEqual([" Hostname = mx.test.example"], winner.command("config get hostname").lines)
            self.assertEqual(3, winner.command("config show domain loser.example").code)
            self.assertEqual(["config set esmtp_listener Idle_Time = 22", "config set Hostname = loser.example",
                              "config set domain loser.example Suspend_Delivery = true"],
                             loser.command("config replay").payload)
            rebased = loser.command("config rebase")
            self.assertEqual(0, rebased.code, str(rebased))
            self.assertIn("esmtp_listener: Idle_Time 11s -> 22s (next-message)", rebased.payload)
            self.assertEqual("3", loser.command("config commit").values["gen"])
            self.assertEqual(["Idle_Time = 22s"], winner.command("config get esmtp_listener idle_time").payload)

    def test_disjoint_changes_both_succeed(self):
        daemon = self.daemon()
        with daemon.ectl() as one, daemon.ectl() as two:
            one.command("config begin")
            two.command("config begin")
            one.command("config set domain one.example suspend_delivery true")
            two.command("config set domain two.example suspend_delivery true")
            self.assertEqual((0, 0), (one.command("config commit").code, two.command("config commit").code))
            for name in ("one", "two"):
                self.assertEqual(0, one.command(f"config get domain {name}.example suspend_delivery").code)

    def test_a_commit_that_cannot_listen_changes_nothing(self):
        daemon = self.daemon()
        port = free_port()
        other = free_port()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", port))
            taken.listen()
            with daemon.ectl() as ectl:
                ectl.command("config begin")
                ectl.command(f"config set esmtp_listener listen 127.0.0.1:{other} enable true")
                ectl.command(f"config set esmtp_listener listen 127.0.0.1:{port} enable true")
                ectl.command("config set hostname half.example")
                refused = ectl.command("config commit")
                self.assertEqual(1, refused.code, str(refused))
                self.assertIn(str(port), str(refused))
                self.assertTrue(is_refused(other))
                self.assertEqual(1, int(ectl.command("config history").values["gen"]))
                # It stays open, and goes through once the reason is gone.
                taken.close()
                self.assertEqual(0, ectl.command("config commit").code)
        for number in (port, other):
            with Smtp(number) as smtp:
                self.assertIn("half.example", smtp.banner[1])

    def test_edits_of_many_sessions_come_in_force_at_once(self):
        daemon = self.daemon()
        ports = [free_port() for _ in range(3)]
        with daemon.ectl() as one, daemon.ectl() as two:
            one.command("config begin name=deploy ttl=1h")
            self.assertEqual(0, two.command("config attach deploy").code)
            for session, port in zip((one, two, one), ports):
                self.assertEqual("staged", session.command(
                    f"config set esmtp_listener listen 127.0.0.1:{port} enable true").word)
            self.assertTrue(all(map(is_refused, ports)))
            one.command("config detach")
            self.assertEqual(0, two.command("config commit").code)
        for port in ports:
            with Smtp(port) as smtp:
                smtp.ehlo()

    def test_a_named_one_that_ended_takes_no_edit_live(self):
        daemon = self.daemon()
        with daemon.ectl() as one, daemon.ectl() as two:
            one.command("config begin name=deploy")
            two.command("config attach deploy")
            two.command("config rollback")
            refused = one.command("config set hostname live.example")
            self.assertEqual(3, refused.code)
            self.assertTrue(lines(refused, "!error config-transaction-ended "))
            self.assertEqual(["Hostname = mx.test.example"], two.command("config get hostname").payload)

    def test_a_named_one_ends_by_itself(self):
        daemon = self.daemon()
        with daemon.ectl() as ectl:
            self.assertEqual(0, ectl.command("config begin name=short ttl=1").code)
            daemon.wait_log("transaction short")
            self.assertEqual(3, ectl.command("config set hostname late.example").code)

    def test_a_script_over_several_connections(self):
        daemon = self.daemon()
        daemon.console("config", "begin", "name=deploy", "ttl=600")
        for words in (["config", "set", "hostname", "t.example"], ["config", "commit"]):
            self.assertEqual("Hostname = mx.test.example\n", daemon.console("config", "get", "hostname").stdout)
            done = subprocess.run([str(BINDIR / "ec_console"), "-t", "deploy", str(daemon.control), *words], text=True,
                                  stdin=subprocess.DEVNULL, capture_output=True, timeout=60 * SCALE)
            self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.assertEqual("Hostname = t.example\n", daemon.console("config", "get", "hostname").stdout)


class Confirm(TestCase):
    def test_goes_back_by_itself(self):
        daemon = self.daemon()
        where = f"127.0.0.1:{daemon.smtp_port}"
        with daemon.ectl() as ectl:
            ectl.command("config begin")
            ectl.command(f"config set esmtp_listener listen {where} enable false")
            committed = ectl.command("config commit confirm 1")
            self.assertEqual((0, "1"), (committed.code, committed.values.get("confirm")), str(committed))
            self.assertTrue(lines(committed, "!warning config-confirm-within "))
            daemon.wait_log("was not confirmed in time: reverted to 1, as generation 3")
            wait_for(lambda: not is_refused(daemon.smtp_port), "the listener to come back")
            history = ectl.command("config history")
            self.assertTrue(history.payload[-1].startswith("->     3  "), str(history))
            self.assertIn("revert to 1", history.payload[-1])
            self.assertEqual(3, ectl.command("config confirm").code)
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(b"Subject: x\r\n\r\nhi\r\n")
        daemon.wait_mail("bob")

    def test_confirmed_by_another_session(self):
        daemon = self.daemon()
        with daemon.ectl() as ectl:
            ectl.command("config begin")
            ectl.command("config set hostname kept.example")
            ectl.command("config commit confirm 1h")
            self.assertIn("unconfirmed", ectl.command("config history").values)
            self.assertEqual(7, ectl.command("config set hostname other.example").code)
        daemon.console("config", "confirm")
        daemon.console("config", "set", "esmtp_listener", "idle_time", "9")
        self.assertEqual("Hostname = kept.example\n", daemon.console("config", "get", "hostname").stdout)


@needs("openssl")
class Certificates(TestCase):
    CONFIG = BASE_CONFIG.replace('Listen "127.0.0.1:@smtp@" { }',
                                 'Listen "127.0.0.1:@smtp@" { TLS_Certificate = web\n Use_SSL = true }') + """
Certificate "web" { Cert = "@dir@/old.crt" Private_Key = "@dir@/old.key" }
"""

    def served(self, port):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", port), timeout=30) as raw, context.wrap_socket(raw) as wrapped:
            return ssl.DER_cert_to_PEM_cert(wrapped.getpeercert(True)).split()

    def daemon(self):
        daemon = Daemon(self, self.CONFIG)
        for name in ("old", "new"):
            make_certificate(daemon.dir, name)
        return daemon.start()

    def pem(self, daemon, name):
        return (daemon.dir / f"{name}.crt").read_text().split()

    def test_a_pair_is_exchanged_as_one(self):
        daemon = self.daemon()
        self.assertEqual(self.pem(daemon, "old"), self.served(daemon.smtp_port))
        with daemon.ectl() as ectl:
            # Alone, the new certificate has another key: refused, and the way is named.
            refused = ectl.command(f"config set certificate web cert {daemon.dir}/new.crt")
            self.assertEqual(1, refused.code, str(refused))
            self.assertTrue(lines(refused, "!notice config-use-transaction "), str(refused))
            ectl.command("config begin")
            for option, file in (("cert", "new.crt"), ("private_key", "new.key")):
                edit = ectl.command(f"config set certificate web {option} {daemon.dir}/{file}")
                self.assertEqual("staged", edit.word, str(edit))
            self.assertEqual(self.pem(daemon, "old"), self.served(daemon.smtp_port))
            committed = ectl.command("config commit")
            self.assertEqual(0, committed.code, str(committed))
        self.assertEqual(self.pem(daemon, "new"), self.served(daemon.smtp_port))

    def test_a_certificate_is_made_and_used_as_one(self):
        daemon = self.daemon()
        port = free_port()
        with daemon.ectl() as ectl:
            ectl.command("config begin")
            for line in (f"certificate other cert {daemon.dir}/new.crt",
                         f"certificate other private_key {daemon.dir}/new.key",
                         f"esmtp_listener listen 127.0.0.1:{port} tls_certificate other",
                         f"esmtp_listener listen 127.0.0.1:{port} use_ssl true"):
                self.assertEqual("staged", ectl.command("config set " + line).word)
            committed = ectl.command("config commit")
            self.assertEqual(0, committed.code, str(committed))
        self.assertEqual(self.pem(daemon, "new"), self.served(port))
        self.assertEqual(self.pem(daemon, "old"), self.served(daemon.smtp_port))

    def test_half_a_pair_is_not_committed(self):
        daemon = self.daemon()
        with daemon.ectl() as ectl:
            ectl.command("config begin")
            ectl.command(f"config set certificate web cert {daemon.dir}/new.crt")
            refused = ectl.command("config commit")
            self.assertEqual(1, refused.code, str(refused))
            self.assertTrue(lines(refused, "!notice config-transaction-open "), str(refused))
            self.assertEqual(self.pem(daemon, "old"), self.served(daemon.smtp_port))


if __name__ == "__main__":
    unittest.main()
