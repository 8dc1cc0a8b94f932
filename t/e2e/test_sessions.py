"""Listeners stopped, started, bound anew and deleted from the console; sessions
shown, counted and ended; what is left of them on older configurations."""

import json
import os
import socket
import time
import unittest

from client import Smtp
from harness import BASE_CONFIG, TestCase, free_port, make_certificate, wait_for
from load import Knockers, ipv6_works, is_refused

MESSAGE = b"Subject: hello\r\n\r\nhi\r\n"
LISTEN = 'Listen "127.0.0.1:@smtp@" { }'


class Stop(TestCase):
    def state(self, daemon, listen):
        for line in daemon.console("--json", "listener", "show").stdout.splitlines():
            row = json.loads(line)
            if row["listen"] == listen:
                return row
        self.fail(f"no {listen}")

    def test_stopped_over_reloads_until_it_is_started(self):
        daemon = self.daemon()
        listen = f"127.0.0.1:{daemon.smtp_port}"
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            self.assertIn("stopped", daemon.console("listener", "stop", "esmtp_listener", listen).stdout)
            self.assertTrue(is_refused(daemon.smtp_port))
            smtp.message(MESSAGE)  # sessions go on
            daemon.configure(BASE_CONFIG.replace("mx.test.example", "other.example"))
            daemon.console("config", "reload")
            daemon.console("config", "set", "retry_interval", "3")
            self.assertTrue(is_refused(daemon.smtp_port))
            row = self.state(daemon, listen)
            self.assertEqual((True, True, False), (row["enabled"], row["stopped"], row["bound"]))
            self.assertIn("unchanged", self.word(daemon, f"listener stop esmtp_listener {listen}"))
        self.assertIn("started", daemon.console("listener", "start", "esmtp_listener").stdout)
        with Smtp(daemon.smtp_port) as smtp:
            self.assertIn("other.example", smtp.banner[1])
        self.assertFalse(self.state(daemon, listen)["stopped"])
        self.assertIn("unchanged", self.word(daemon, "listener start esmtp_listener"))

    def word(self, daemon, command):
        with daemon.ectl() as ectl:
            reply = ectl.command(command)
            self.assertEqual(0, reply.code, str(reply))
            return reply.word

    def test_a_removed_listen_is_forgotten(self):
        other = free_port()
        daemon = self.daemon(BASE_CONFIG.replace(LISTEN, LISTEN + ' Listen "127.0.0.1:@other@" { }'), other=other)
        daemon.console("listener", "stop", "esmtp_listener", f"127.0.0.1:{other}")
        daemon.configure(BASE_CONFIG)
        daemon.console("config", "reload")
        daemon.configure(BASE_CONFIG.replace(LISTEN, LISTEN + ' Listen "127.0.0.1:@other@" { }'))
        daemon.console("config", "reload")
        self.assertFalse(is_refused(other))

    def test_who_had_connected_is_served(self):
        daemon = self.daemon()
        for _ in range(10):
            waiting = [socket.create_connection(("127.0.0.1", daemon.smtp_port), timeout=30) for _ in range(20)]
            daemon.console("listener", "stop", "esmtp_listener")
            for connection in waiting:
                self.assertTrue(connection.recv(4096).startswith(b"220 "))
                connection.close()
            daemon.console("listener", "start", "esmtp_listener")

    def test_start_that_fails_changes_nothing(self):
        daemon = self.daemon()
        listen = f"127.0.0.1:{daemon.smtp_port}"
        daemon.console("listener", "stop", "esmtp_listener", listen)
        with socket.create_server(("127.0.0.1", daemon.smtp_port)):
            done = daemon.console("listener", "start", "esmtp_listener", listen, status=1)
            self.assertIn(str(daemon.smtp_port), done.stderr)
        self.assertTrue(self.state(daemon, listen)["stopped"])
        daemon.console("listener", "start", "esmtp_listener", listen)
        self.assertFalse(is_refused(daemon.smtp_port))

    def test_wrong(self):
        daemon = self.daemon()
        listen = f"127.0.0.1:{daemon.smtp_port}"
        daemon.console("listener", "stop", "esmtp_listener", "127.0.0.1:1", status=3)
        daemon.console("listener", "stop", "nonsense", status=3)
        daemon.console("listener", "stop", status=2)
        daemon.console("listener", "stop", "control_listener", status=1)  # nobody could start it
        daemon.console("listener", "stop", "control_listener", str(daemon.control), status=1)
        daemon.console("config", "set", "esmtp_listener", "listen", listen, "enable", "false")
        daemon.console("listener", "start", "esmtp_listener", listen, status=1)
        daemon.console("listener", "restart", "esmtp_listener", listen, status=1)
        self.assertEqual(f"{daemon.process.pid}\n", daemon.console("pid").stdout)


class Restart(TestCase):
    def restart_under_load(self, daemon, host="127.0.0.1"):
        knockers = Knockers(daemon.smtp_port, 6, host)
        try:
            for _ in range(3):
                before = knockers.served
                with daemon.ectl() as ectl:
                    # Its old socket has some seconds for handshakes under way; then it can be done again.
                    reply = wait_for(lambda: self.unless_busy(ectl.command("listener restart esmtp_listener")), "a restart")
                    self.assertEqual((0, "1"), (reply.code, reply.values["listens"]), str(reply))
                wait_for(lambda: knockers.served > before + 50 or knockers.threads.errors, "connections after it")
        finally:
            knockers.stop()  # raises what went wrong: nobody was refused

    def unless_busy(self, reply):
        return None if reply.code == 7 else reply

    def test_nobody_is_refused(self):
        daemon = self.daemon()
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            self.restart_under_load(daemon)
            smtp.message(MESSAGE)  # of the first socket
            smtp.quit()
        wait_for(lambda: daemon.log().count("listener-restarted") == 3, "the third line in the log")

    def test_with_a_socket_a_loop(self):
        self.restart_under_load(self.daemon(BASE_CONFIG.replace(LISTEN, 'Listen "127.0.0.1:@smtp@" { Reuse_Port = true }')))

    @unittest.skipUnless(ipv6_works(), "no IPv6 here")
    def test_ipv6(self):
        self.restart_under_load(self.daemon(BASE_CONFIG.replace(LISTEN, 'Listen "[::1]:@smtp@" { }')), "::1")

    def test_twice_at_once_is_busy(self):
        daemon = self.daemon()
        with daemon.ectl() as ectl:
            self.assertEqual([0, 7], [ectl.command("listener restart esmtp_listener").code for _ in range(2)])

    def test_a_socket_whose_file_was_removed(self):
        daemon = self.daemon()
        with daemon.ectl() as ectl:
            for _ in range(2):
                os.unlink(daemon.control)
                reply = wait_for(lambda: self.unless_busy(ectl.command("listener restart control_listener")), "a restart")
                self.assertEqual(0, reply.code, str(reply))
                self.assertEqual(f"{daemon.process.pid}\n", daemon.console("pid").stdout)
        # The file that the old socket leaves alone when it goes is the new one's.
        time.sleep(4)  # the old one's time; no event tells its end
        self.assertEqual(f"{daemon.process.pid}\n", daemon.console("pid").stdout)
        daemon.stop()
        self.assertFalse(daemon.control.exists())
        self.assertFalse((daemon.dir / "control.sock.lock").exists())


class Delete(TestCase):
    def test_it_goes_and_its_sessions_are_told(self):
        daemon = self.daemon()
        with Smtp(daemon.smtp_port) as busy, Smtp(daemon.smtp_port) as idle:
            busy.ehlo()
            idle.ehlo()
            busy.begin()
            done = daemon.console("listener", "delete", "esmtp_listener", f"127.0.0.1:{daemon.smtp_port}")
            self.assertIn(str(daemon.smtp_port), done.stdout)
            self.assertTrue(is_refused(daemon.smtp_port))
            self.assertEqual(421, idle.reply()[0])  # without asking
            busy.data(MESSAGE)
            self.assertEqual(421, busy.reply()[0])
        self.assertNotIn(str(daemon.smtp_port), daemon.console("listener", "show").stdout)
        daemon.console("listener", "delete", "esmtp_listener", f"127.0.0.1:{daemon.smtp_port}", status=3)
        daemon.console("config", "reload")  # it is still in the file
        self.assertFalse(is_refused(daemon.smtp_port))
        self.assertEqual(1, len(daemon.wait_mail("bob")))


class Kill(TestCase):
    def id_of(self, daemon, state):
        rows = [json.loads(line) for line in daemon.console("--json", "show", "inbound", f"state={state}").stdout.splitlines()]
        self.assertEqual(1, len(rows), rows)
        return rows[0]["id"]

    def test_in_every_state(self):
        daemon = self.daemon()
        for state, begin in (("connected", lambda smtp: None), ("greeted", lambda smtp: smtp.ehlo()),
                             ("rcpt", self.to_recipient), ("data", self.to_data)):
            with self.subTest(state=state), Smtp(daemon.smtp_port) as smtp:
                begin(smtp)
                number = wait_for(lambda: self.id_of(daemon, state), state)
                daemon.console("session", "kill", number)
                code, text = smtp.reply()
                self.assertEqual((421, "4.3.2 "), (code, text[:6]))
                self.assertRaises(ConnectionError, smtp.reply)
                wait_for(lambda: daemon.console("session", "kill", number, status=None).returncode == 3, "its end")
        self.assertEqual([], daemon.mainlog("R"))

    def to_recipient(self, smtp):
        smtp.ehlo()
        smtp.begin()

    def to_data(self, smtp):
        self.to_recipient(smtp)
        smtp.expect(354, "DATA")
        smtp.send(b"Subject: half a mess")

    def test_wrong(self):
        daemon = self.daemon()
        daemon.console("session", "kill", "4711", status=3)
        daemon.console("session", "kill", "x", status=2)
        daemon.console("session", "kill", status=2)


class Show(TestCase):
    def test_filters_and_counts(self):
        daemon = self.daemon()
        with Smtp(daemon.smtp_port) as one, Smtp(daemon.smtp_port) as two:
            two.ehlo()

            def shown(*filters):
                return len(daemon.console("show", "inbound", *filters).stdout.splitlines())

            self.assertEqual(2, shown())
            self.assertEqual(2, shown(f"listener=127.0.0.1:{daemon.smtp_port}"))
            self.assertEqual(1, shown("state=greeted"))
            self.assertEqual(1, shown("limit=1"))
            self.assertEqual(0, shown("peer=192.0.2.0/24"))
            self.assertEqual(2, shown("peer=127.0.0.0/8", "listener=esmtp_listener"))
            self.assertEqual(0, shown("older=1h"))
            daemon.console("show", "inbound", "older=soon", status=2)
            self.assertEqual("2 sessions\n", daemon.console("count", "SMTP", "127.0.0.1").stdout)
            self.assertRegex(daemon.console("count", "SMTP", "8-32").stdout, r"^ +2 +127\.0\.0\.0/8\n +2 +127\.0\.0\.1/32\n$")
            self.assertEqual("0 sessions\n", daemon.console("count", "outbound", "0.0.0.0/0").stdout)
            daemon.console("count", "nonsense", "32", status=2)
            one.quit()
            two.quit()

    def test_certificates(self):
        daemon = self.daemon(BASE_CONFIG)
        cert, key = make_certificate(daemon.dir)
        daemon.console("config", "set", "esmtp_listener", "tls_key", str(key), status=None)
        daemon.configure(BASE_CONFIG.replace(LISTEN, f'Listen "127.0.0.1:@smtp@" {{ TLS_Certificate = "{cert}" '
                                                     f'TLS_Key = "{key}" }}'))
        daemon.console("config", "reload")
        shown = daemon.console("listener", "show", "--tls").stdout
        self.assertIn("CN=mx.test.example", shown)
        self.assertRegex(shown, r"expires +\d{4}-\d\d-\d\dT\S+Z \(in (29|30) days\)")
        self.assertIn("no TLS", shown)  # the console's own


class OlderGenerations(TestCase):
    """A session stays on its configuration while nothing that matters to it changed."""

    def generation(self, daemon):
        return json.loads(daemon.console("--json", "show", "inbound").stdout)["generation"]

    def test_a_session_moves_over_at_its_safe_point(self):
        daemon = self.daemon()
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            daemon.console("config", "set", "domain", "x.example", "retry_interval", "5")
            self.assertEqual(1, self.generation(daemon))
            smtp.message(MESSAGE)
            self.assertEqual(2, self.generation(daemon))
            smtp.quit()

    def test_always_closes_for_anything_new(self):
        daemon = self.daemon(BASE_CONFIG.replace(LISTEN, LISTEN + " Reconfig_Policy = always"))
        with Smtp(daemon.smtp_port) as idle, Smtp(daemon.smtp_port) as busy:
            idle.ehlo()
            busy.ehlo()
            busy.begin()
            daemon.console("config", "set", "domain", "x.example", "retry_interval", "5")
            self.assertEqual(421, idle.reply()[0])
            busy.data(MESSAGE)
            self.assertEqual(421, busy.reply()[0])

    def test_an_idle_session_hears_that_its_peer_is_denied_or_changed(self):
        for option, value in (("deny", "true"), ("max_message_size", "1000")):
            with self.subTest(option=option):
                daemon = self.daemon()
                with Smtp(daemon.smtp_port) as smtp:
                    smtp.ehlo()
                    daemon.console("config", "set", "esmtp_listener", "peer", "192.0.2.0/24", option, value)
                    self.assertEqual(250, smtp.command("NOOP")[0])
                    daemon.console("config", "set", "esmtp_listener", "peer", "127.0.0.0/8", option, value)
                    self.assertEqual(421, smtp.reply()[0])

    def test_a_peer_that_goes(self):
        peer = 'Peer "127.0.0.1" { Max_Message_Size = 1000 }'
        daemon = self.daemon(BASE_CONFIG.replace(LISTEN, LISTEN + peer))
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            daemon.configure(BASE_CONFIG)
            daemon.console("config", "reload")
            self.assertEqual(421, smtp.reply()[0])


class UnixSockets(TestCase):
    def test_somebody_elses_socket_is_left_alone(self):
        daemon = self.daemon()
        path = daemon.dir / "smtp.sock"
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            other.listen()
            done = daemon.console("config", "set", "esmtp_listener", "listen", str(path), "enable", "true", status=1)
            self.assertIn("another process listens there", done.stderr)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
        # Nobody listens any more: a dead socket's file gives way.
        daemon.console("config", "set", "esmtp_listener", "listen", str(path), "enable", "true")
        self.assertEqual([], [name for name in os.listdir(daemon.dir) if name.endswith("~")])
        # What is put in its place is not ours to remove.
        os.unlink(path)
        path.write_text("mine")
        daemon.console("config", "unset", "esmtp_listener", "listen", str(path))
        self.assertEqual("mine", path.read_text())

    def test_a_file_is_never_overwritten(self):
        daemon = self.daemon()
        path = daemon.dir / "smtp.sock"
        path.write_text("mine")
        done = daemon.console("config", "set", "esmtp_listener", "listen", str(path), "enable", "true", status=1)
        self.assertIn("is no socket", done.stderr)
        self.assertEqual("mine", path.read_text())


if __name__ == "__main__":
    unittest.main()
