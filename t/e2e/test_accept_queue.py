"""Accept_Queue_Backlog and Pool_Name: who waits for an event loop, and which
loops serve a Listen."""

import json
import unittest

from client import Smtp
from harness import BASE_CONFIG, Daemon, TestCase, Threads

MESSAGE = b"Subject: hello\r\n\r\nhi\r\n"
LISTEN = 'Listen "127.0.0.1:@smtp@" { }'


class AcceptQueue(TestCase):
    def send(self, daemon, user):
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE, recipients=[f"{user}@local.example"])
            smtp.quit()

    def waiting(self, daemon):
        shown = [json.loads(line) for line in daemon.console("--json", "listener", "show").stdout.splitlines()
                 if line.startswith("{")]
        return {row["listen"]: row["waiting"] for row in shown}

    def test_a_queue_of_one_serves_all_who_come_at_once(self):
        daemon = Daemon(self, BASE_CONFIG.replace(LISTEN, LISTEN.replace("{ }", "{ Accept_Queue_Backlog = 1 }"))).start()
        for backlog in (1, 2, 0):
            daemon.console("config", "set", "esmtp_listener", "listen", f"127.0.0.1:{daemon.smtp_port}",
                           "accept_queue_backlog", str(backlog))
            senders = Threads()
            for number in range(20):
                senders.start(self.send, daemon, f"u{number}-{backlog}")
            senders.join()
            for number in range(20):
                daemon.wait_mail(f"u{number}-{backlog}")
        self.assertEqual({f"127.0.0.1:{daemon.smtp_port}": 0, str(daemon.control): 0}, self.waiting(daemon))

    def test_consoles_too(self):
        control = 'Control_Listener {'
        daemon = Daemon(self, BASE_CONFIG.replace(control, control + " Accept_Queue_Backlog = 1")).start()
        for _ in range(3):
            self.assertEqual(0, self.waiting(daemon)[str(daemon.control)])

    def test_what_it_may_be(self):
        daemon = self.daemon()
        for value in ("-1", "many", "1048577"):
            said = daemon.console("config", "set", "esmtp_listener", "accept_queue_backlog", value, status=1)
            self.assertIn("Accept_Queue_Backlog", said.stderr)
        self.assertIn("live", daemon.console("config", "set", "esmtp_listener", "accept_queue_backlog", "5").stdout)


class PoolName(TestCase):
    POOLS = "EventLoop accepters { Concurrency = 1 }\nThreadPool old { Concurrency = 4 }\n"

    def sessions_of(self, daemon):
        shown = [json.loads(line) for line in daemon.console("--json", "threads").stdout.splitlines()
                 if line.startswith("{")]
        return {row["name"]: row["sessions"] for row in shown if row.get("sessions")}

    def test_it_names_an_event_loop(self):
        self.in_a_pool_and_out("Pool_Name = accepters")

    def test_with_a_socket_a_loop(self):
        self.in_a_pool_and_out("Pool_Name = accepters Reuse_Port = true")

    def in_a_pool_and_out(self, options):
        daemon = Daemon(self, self.POOLS + BASE_CONFIG.replace(LISTEN, LISTEN.replace("{ }", "{ " + options + " }")))
        daemon.start()
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            self.assertEqual({"accepters-0": 1}, self.sessions_of(daemon))
            # Live, like Event_Loop: the session stays where it is.
            where = ("esmtp_listener", "listen", f"127.0.0.1:{daemon.smtp_port}")
            daemon.console("config", "set", *where, "pool_name", "default")
            with Smtp(daemon.smtp_port) as other:
                other.ehlo()
                self.assertEqual(2, len(self.sessions_of(daemon)))
            self.assertIn('no EventLoop or ThreadPool "nobody"',
                          daemon.console("config", "set", *where, "pool_name", "nobody", status=1).stderr)
            self.assertIn("served by one EventLoop",
                          daemon.console("config", "set", *where, "event_loop", "accepters", status=1).stderr)
            smtp.expect(250, "NOOP")

    def test_a_thread_pool_leaves_it_to_event_loop(self):
        daemon = Daemon(self, self.POOLS + BASE_CONFIG.replace(
            LISTEN, "Event_Loop = accepters Pool_Name = old Accept_Queue_Backlog = 200 Concurrency = 4 " + LISTEN)).start()
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            self.assertEqual({"accepters-0": 1}, self.sessions_of(daemon))
        checked = daemon.check("--check", "-c", daemon.config_file)
        self.assertEqual(0, checked.returncode)
        self.assertIn('ThreadPool "old" has no effect here, Event_Loop says who serves', checked.stderr + checked.stdout)


if __name__ == "__main__":
    unittest.main()
