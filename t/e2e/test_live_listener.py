"""Listeners that come, go and move while mail flows: nothing established is
dropped, nothing on endpoints that stay is refused."""

import os
import re
import signal
import socket
import stat
import subprocess
import time
import unittest

import test_privileges
from client import Smtp
from harness import BASE_CONFIG, TestCase, find_program, free_port, needs, timeout, wait_for
from load import Knockers, Senders, check_numbered, ipv6_works, is_refused

MESSAGE = b"Subject: hello\r\n\r\nhi\r\n"
LISTEN = 'Listen "127.0.0.1:@smtp@" { }'


class Enable(TestCase):
    def ten_in_mid_transaction(self, daemon):
        clients = []
        for number in range(10):
            smtp = Smtp(daemon.smtp_port)
            smtp.ehlo()
            smtp.begin(recipients=[f"u{number}@local.example"])
            if number % 2:  # half of them within their message
                smtp.expect(354, "DATA")
                smtp.send(b"Subject: hello\r\n\r\n")
            clients.append(smtp)
        return clients

    def finish(self, daemon, clients):
        for number, smtp in enumerate(clients):
            if number % 2:
                smtp.send(b"hi\r\n.\r\n")
                self.assertEqual(250, smtp.reply()[0])
            else:
                smtp.data(MESSAGE)
            self.assertIn(smtp.command("QUIT")[0], (221, 421))
            smtp.close()
        for number in range(len(clients)):
            self.assertEqual(1, len(daemon.wait_mail(f"u{number}")))

    def test_disabled_in_mid_transaction_by_ec_console(self):
        daemon = self.daemon()
        clients = self.ten_in_mid_transaction(daemon)
        done = daemon.console("config", "set", "esmtp_listener", "listen", f"127.0.0.1:{daemon.smtp_port}", "enable",
                              "false")
        self.assertIn("Enable", done.stdout)
        self.assertTrue(is_refused(daemon.smtp_port))  # at once: the answer is given after the fact
        self.finish(daemon, clients)
        self.assertTrue(is_refused(daemon.smtp_port))
        daemon.console("config", "set", "esmtp_listener", "listen", f"127.0.0.1:{daemon.smtp_port}", "enable", "true")
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE, recipients=["back@local.example"])
        daemon.wait_mail("back")

    @needs("nc")
    def test_disabled_in_mid_transaction_by_nc(self):
        daemon = self.daemon(BASE_CONFIG.replace("127.0.0.1:@smtp@", "*:@smtp@"))
        clients = self.ten_in_mid_transaction(daemon)

        def nc(command):
            done = subprocess.run([find_program("nc"), "-N", "-U", str(daemon.control)], input=command + "\n", text=True,
                                  capture_output=True, timeout=60)
            self.assertRegex(done.stdout, r"(?m)^=0 ok")

        # ":port" names "*:port".
        nc(f"config set esmtp_listener listen :{daemon.smtp_port} enable false")
        self.assertTrue(is_refused(daemon.smtp_port))
        self.finish(daemon, clients)
        nc(f"config set esmtp_listener listen :{daemon.smtp_port} enable true")
        self.assertFalse(is_refused(daemon.smtp_port))

    def test_the_whole_listener(self):
        daemon = self.daemon()
        daemon.console("config", "set", "esmtp_listener", "enable", "false")
        self.assertTrue(is_refused(daemon.smtp_port))
        daemon.console("config", "unset", "esmtp_listener", "enable")
        self.assertFalse(is_refused(daemon.smtp_port))

    def test_a_hundred_times(self):
        daemon = self.daemon(more='EventLoop "default" { Concurrency = 2 }\n')  # a loop has descriptors of its own
        with daemon.ectl() as ectl:
            for _ in range(100):
                for value in ("false", "true"):
                    reply = ectl.command(f"config set esmtp_listener listen 127.0.0.1:{daemon.smtp_port} enable {value}")
                    self.assertEqual(0, reply.code, str(reply))
                    self.assertEqual(value == "false", is_refused(daemon.smtp_port))
        descriptors = len(os.listdir(f"/proc/{daemon.process.pid}/fd"))
        self.assertLess(descriptors, 100)

    def test_connections_that_waited_to_be_accepted_are_served(self):
        """Closing drains the queue: who got through the handshake gets a banner."""
        daemon = self.daemon()
        for _ in range(20):
            waiting = [socket.create_connection(("127.0.0.1", daemon.smtp_port), timeout=30) for _ in range(20)]
            daemon.console("config", "set", "esmtp_listener", "enable", "false")
            for connection in waiting:
                self.assertRegex(connection.recv(4096), rb"^(220|421) ")
                connection.close()
            daemon.console("config", "set", "esmtp_listener", "enable", "true")


class Reload(TestCase):
    def test_a_new_listen_serves_and_a_removed_one_is_gone(self):
        other = free_port()
        daemon = self.daemon(other=other)
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.begin()
            daemon.configure(BASE_CONFIG.replace(LISTEN, LISTEN + ' Listen "127.0.0.1:@other@" { }'))
            self.assertTrue(is_refused(other))
            self.assertIn(str(other), daemon.console("config", "reload").stdout)
            self.assertFalse(is_refused(other))
            daemon.configure(BASE_CONFIG.replace(LISTEN, 'Listen "127.0.0.1:@other@" { }'))
            daemon.console("config", "reload")
            self.assertTrue(is_refused(daemon.smtp_port))
            smtp.data(MESSAGE)  # the session that came by the old one ends its transaction
            self.assertEqual(421, smtp.command("MAIL FROM:<again@client.example>")[0])
        with Smtp(other) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE)
        self.assertEqual(2, len(daemon.wait_mail("bob", 2)))
        self.assertEqual("unchanged", self.reload_word(daemon))

    def reload_word(self, daemon):
        with daemon.ectl() as ectl:
            reply = ectl.command("config reload")
            self.assertEqual(0, reply.code, str(reply))
            return reply.word

    def test_by_sighup(self):
        other = free_port()
        daemon = self.daemon(other=other)
        daemon.configure(BASE_CONFIG.replace(LISTEN, 'Listen "127.0.0.1:@other@" { }'))
        daemon.signal(signal.SIGHUP)
        wait_for(lambda: not is_refused(other), "the new Listen")
        wait_for(lambda: is_refused(daemon.smtp_port), "the end of the old Listen")

    def test_sighup_reopens_the_logs(self):
        daemon = self.daemon()
        self.message(daemon)
        daemon.wait_mainlog("D", 1)
        (daemon.dir / "mainlog").rename(daemon.dir / "mainlog.1")
        (daemon.dir / "log").rename(daemon.dir / "log.1")
        daemon.signal(signal.SIGHUP)
        wait_for(lambda: (daemon.dir / "mainlog").exists() and (daemon.dir / "log").exists(), "new logs")
        self.message(daemon)
        self.assertEqual(1, len(daemon.wait_mainlog("R", 1)))
        self.assertEqual(1, (daemon.dir / "mainlog.1").read_text().count("@R@"))

    def message(self, daemon):
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE)

    def test_a_mistake_changes_nothing_and_is_named(self):
        other = free_port()
        daemon = self.daemon(other=other)
        good = daemon.console("config", "showrecurse").stdout
        mistakes = {
            # text of the Listen line: where the mistake is, what is said
            'Listen "127.0.0.1:@other@" { Enabel = true }': ("Enabel", "did you mean 'Enable'"),
            'Listen "127.0.0.1:@other@" { Enable = maybe }': ("maybe", "expected"),
            'Listen "127.0.0.1:@other@" { Spoolbase = /tmp/x }': ("Spoolbase", "may not stand in"),
            'Listen "127.0.0.1:@other@" { Listen_Backlog = 5k5 }': ("5k5", "expected"),
            'Listen "127.0.0.1:@other@" { Enable = }': ("=", "expected a value"),
            'Listen "127.0.0.1:@other@" { Enable = true': (None, None),
            'Listen "127.0.0.1" { }': ('"127.0.0.1"', "port"),
            'Listen "300.0.0.1:25" { }': ('"300.0.0.1:25"', ""),
        }
        for mistake, (where, said) in mistakes.items():
            with self.subTest(mistake=mistake):
                daemon.configure(BASE_CONFIG.replace(LISTEN, LISTEN + "\n  " + mistake))
                done = daemon.console("config", "reload", status=1)
                match = re.search(rf"{re.escape(str(daemon.config_file))}:(\d+):(\d+): (.*)", done.stderr)
                self.assertTrue(match, done.stderr)
                if where:
                    lines = daemon.config_file.read_text().splitlines()
                    self.assertEqual(where, lines[int(match[1]) - 1][int(match[2]) - 1:][:len(where)], match[0])
                    self.assertIn(said, match[3])
                self.assertTrue(is_refused(other))
                self.assertFalse(is_refused(daemon.smtp_port))
                self.assertEqual(good, daemon.console("config", "showrecurse").stdout)
        daemon.configure(BASE_CONFIG)
        self.assertEqual("unchanged", self.reload_word(daemon))
        self.assertEqual(["1"], re.findall(r"gen=(\d+)", daemon.ectl().greeting))

    def test_every_mistake_at_once(self):
        daemon = self.daemon()
        daemon.configure(BASE_CONFIG.replace(LISTEN, LISTEN + "\n  Frobnicate = 1\n  Enable = perhaps\n  Idle_Tme = 3\n"))
        done = daemon.console("config", "reload", status=1)
        for word in ("Frobnicate", "perhaps", "Idle_Time"):
            self.assertIn(word, done.stderr)

    def test_an_address_in_use_undoes_the_rest(self):
        other, taken = free_port(), free_port()
        daemon = self.daemon(other=other, taken=taken)
        with socket.create_server(("127.0.0.1", taken)):
            daemon.configure(BASE_CONFIG.replace(
                LISTEN, 'Listen "127.0.0.1:@other@" { }\n Listen "127.0.0.1:@taken@" { }').replace(
                    "mx.test.example", "other.example"))
            done = daemon.console("config", "reload", status=None)
            self.assertNotEqual(0, done.returncode)
            self.assertIn(str(taken), done.stderr)
            self.assertTrue(is_refused(other))
            with Smtp(daemon.smtp_port) as smtp:
                self.assertIn("mx.test.example", smtp.banner[1])
        daemon.console("config", "reload")  # now it can
        with Smtp(taken) as smtp:
            self.assertIn("other.example", smtp.banner[1])

    def test_check_only(self):
        other = free_port()
        daemon = self.daemon(other=other)
        daemon.configure(BASE_CONFIG.replace(LISTEN, 'Listen "127.0.0.1:@other@" { }'))
        self.assertIn(str(other), daemon.console("config", "reload", "--check").stdout)
        self.assertTrue(is_refused(other))
        self.assertFalse(is_refused(daemon.smtp_port))


class Move(TestCase):
    """127.0.0.1:P becomes *:P and back, in one reload each, under load."""

    def move_under_load(self, specific, wildcard, host):
        config = BASE_CONFIG.replace('"127.0.0.1:@smtp@"', '"@listen@"')
        daemon = self.daemon(config, listen=specific)
        knockers = Knockers(daemon.smtp_port, 6, host)
        senders = Senders(daemon.smtp_port, 6) if host == "127.0.0.1" else None
        try:
            for _ in range(10):
                for listen in (wildcard, specific):
                    daemon.configure(config, listen=listen)
                    before = knockers.served
                    done = daemon.console("config", "reload")
                    self.assertIn(daemon.fill(listen), done.stdout)
                    wait_for(lambda: knockers.served > before + 12 or knockers.threads.errors, "connections after a reload")
            if senders:
                wait_for(lambda: len(senders.promised) > 50 or senders.threads.errors, "mail under load", 60)
        finally:
            knockers.stop()
            if senders:
                senders.stop()
        self.assertGreater(knockers.served, 200)
        if not senders:
            return
        self.assertGreater(len(senders.promised), 50)
        arrived = [name for number in range(6) for name in map(
            check_numbered, wait_for(lambda: self.all_of(daemon, number, senders.promised), f"all mail of client {number}"))]
        self.assertEqual(sorted(senders.promised), sorted(arrived))

    def all_of(self, daemon, number, promised):
        expected = sum(name.startswith(f"{number}-") for name in promised)
        arrived = daemon.maildir(f"u{number}")
        return arrived if len(arrived) >= expected else None

    @timeout(240)
    def test_ipv4(self):
        self.move_under_load("127.0.0.1:@smtp@", "*:@smtp@", "127.0.0.1")

    @timeout(240)
    @unittest.skipUnless(ipv6_works(), "no IPv6 here")
    def test_ipv6(self):
        self.move_under_load("[::1]:@smtp@", "[*]:@smtp@", "::1")

    def test_both_families_on_one_port(self):
        if not ipv6_works():
            self.skipTest("no IPv6 here")
        daemon = self.daemon(BASE_CONFIG.replace(LISTEN, 'Listen "*:@smtp@" { } Listen "[*]:@smtp@" { }'))
        for host in ("127.0.0.1", "::1"):
            Smtp(daemon.smtp_port, host=host).quit()


@unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
class MoveWithoutRoot(TestCase):
    """The sockets belong to who the daemon became, so they can still take over from each other."""

    def move(self, specific, wildcard, host):
        config = test_privileges.CONFIG.replace('"127.0.0.1:@smtp@"', '"@listen@"')
        daemon = test_privileges.Root.make(self, config=config.replace("@listen@", specific)).start()
        knockers = Knockers(daemon.smtp_port, 4, host)
        try:
            for listen in (wildcard, specific) * 3:
                daemon.configure(config, listen=listen)
                before = knockers.served
                self.assertIn(daemon.fill(listen), daemon.console("config", "reload").stdout)
                wait_for(lambda: knockers.served > before + 12 or knockers.threads.errors, "connections after a reload")
            daemon.console("listener", "restart", "esmtp_listener", status=None)  # busy, or done: nobody is refused
        finally:
            knockers.stop()

    def test_ipv4(self):
        self.move("127.0.0.1:@smtp@", "*:@smtp@", "127.0.0.1")

    @unittest.skipUnless(ipv6_works(), "no IPv6 here")
    def test_ipv6(self):
        self.move("[::1]:@smtp@", "[*]:@smtp@", "::1")


class Sessions(TestCase):
    """What a session sees of a change (Reconfig_Policy = changed)."""

    def test_a_change_that_is_not_for_it_goes_unnoticed(self):
        daemon = self.daemon()
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE)
            daemon.console("config", "set", "domain", "other.example", "retry_interval", "5")
            daemon.console("config", "set", "esmtp_listener", "peer", "192.0.2.1", "max_message_size", "1000")
            smtp.message(MESSAGE)
            smtp.quit()
        self.assertEqual(2, len(daemon.wait_mail("bob", 2)))

    def test_a_change_that_is_for_it_ends_it_in_order(self):
        daemon = self.daemon()
        with Smtp(daemon.smtp_port) as busy, Smtp(daemon.smtp_port) as between:
            for smtp in (busy, between):
                smtp.ehlo()
            busy.begin()
            daemon.console("config", "set", "esmtp_listener", "max_message_size", "1000")
            busy.data(MESSAGE)
            for smtp in (busy, between):
                code, text = smtp.command("MAIL FROM:<alice@client.example>")
                self.assertEqual((421, "4.3.2 Reconfiguration in progress"), (code, text))
                self.assertRaises(ConnectionError, smtp.reply)
        with Smtp(daemon.smtp_port) as smtp:
            self.assertIn("SIZE 1000", smtp.ehlo())

    def test_the_message_can_be_chosen(self):
        daemon = self.daemon()
        daemon.console("config", "set", "esmtp_listener", "reconfig_message", "4.3.2 Back soon")
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            daemon.console("config", "set", "esmtp_listener", "max_message_size", "1000")
            self.assertEqual((421, "4.3.2 Back soon"), smtp.command("MAIL FROM:<alice@client.example>"))

    def test_termination_lets_transactions_end(self):
        daemon = self.daemon()
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.begin()
            daemon.signal(signal.SIGTERM)
            wait_for(lambda: is_refused(daemon.smtp_port), "the listener's end")
            smtp.data(MESSAGE)
            self.assertEqual(421, smtp.reply()[0])
        self.assertEqual(0, daemon.wait())
        daemon.start()
        daemon.wait_mail("bob")


class UnixSockets(TestCase):
    def test_smtp_over_a_unix_socket(self):
        daemon = self.daemon(BASE_CONFIG.replace(LISTEN, 'Listen "@dir@/smtp.sock" { File_Mode = 0600 }'))
        path = daemon.dir / "smtp.sock"
        self.assertEqual(0o600, stat.S_IMODE(path.stat().st_mode))
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            file = client.makefile("rb")
            self.assertTrue(file.readline().startswith(b"220 "))
            client.sendall(b"HELO x\r\nMAIL FROM:<a@client.example>\r\nRCPT TO:<bob@local.example>\r\nDATA\r\n")
            self.assertEqual([b"250", b"250", b"250", b"354"], [file.readline()[:3] for _ in range(4)])
            client.sendall(b"Subject: x\r\n\r\n.\r\nQUIT\r\n")
            self.assertEqual([b"250", b"221"], [file.readline()[:3] for _ in range(2)])
        daemon.wait_mail("bob")
        daemon.console("config", "set", "esmtp_listener", "listen", str(path), "file_mode", "0666")
        self.assertEqual(0o666, stat.S_IMODE(path.stat().st_mode))
        daemon.stop()
        self.assertFalse(path.exists())

    def test_a_stale_socket_does_not_hinder_the_start(self):
        daemon = self.daemon()
        daemon.kill9()
        self.assertTrue(daemon.control.exists())
        daemon.start()

    def test_idle_sessions_cost_no_time(self):
        """A daemon at rest rests: no busy loop behind a reload."""
        daemon = self.daemon()
        daemon.console("config", "set", "esmtp_listener", "enable", "false")
        daemon.console("config", "set", "esmtp_listener", "enable", "true")

        def ticks():
            fields = open(f"/proc/{daemon.process.pid}/stat").read().rsplit(")", 1)[1].split()
            return int(fields[11]) + int(fields[12])

        before = ticks()
        time.sleep(1)  # the one thing that can only be seen by waiting
        self.assertLess(ticks() - before, 50)


if __name__ == "__main__":
    unittest.main()
