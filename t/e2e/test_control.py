"""The console: ec_console, nc, socat and bare sockets; ECTL/1; exit codes."""

import json
import signal
import socket
import stat
import subprocess
import time
import unittest

from client import Smtp
from harness import BASE_CONFIG, BINDIR, SCALE, Ectl, TestCase, find_program, free_port, needs, wait_for
from terminal import Terminal

MESSAGE = b"From: alice@client.example\r\nSubject: in the queue\r\n\r\nhi\r\n"


class Commands(TestCase):
    def test_exit_codes(self):
        daemon = self.daemon()
        for status, words in (
                (0, ["version"]),
                (0, ["config", "get", "hostname"]),
                (1, ["config", "set", "hostname"[:-1], "x"]),
                (1, ["config", "set", "esmtp_listener", "deny", "perhaps"]),
                (2, ["frobnicate"]),
                (2, ["config", "set"]),
                (3, ["config", "get", "gateway"]),
                (3, ["message", "details", "FFFFFFFF/00000000"]),
        ):
            with self.subTest(words=words):
                done = daemon.console(*words, status=status)
                self.assertEqual(status != 0, bool(done.stderr.strip()), done)
        daemon.stop()
        self.assertIn("control.sock", daemon.console("version", status=69).stderr)

    def test_a_daemon_that_does_not_answer(self):
        path = self.daemon().dir / "mute.sock"
        with socket.socket(socket.AF_UNIX) as mute:
            mute.bind(str(path))
            mute.listen()
            done = subprocess.run([str(BINDIR / "ec_console"), "--timeout", "1", str(path), "version"], capture_output=True,
                                  text=True, timeout=60 * SCALE)
        self.assertEqual(75, done.returncode, done.stderr)

    def test_version_pid_help(self):
        daemon = self.daemon()
        self.assertEqual(f"{daemon.process.pid}\n", daemon.console("pid").stdout)
        self.assertRegex(daemon.console("version").stdout, r"\d+\.\d+\.\d+")
        overview = daemon.console("help").stdout
        for command in ("config set", "config explain", "summary", "mailq", "show inbound", "message details", "shutdown"):
            self.assertIn(command, overview)
        self.assertIn("Max_Message_Size", daemon.console("help", "max_message_size").stdout)
        self.assertIn("config set", daemon.console("help", "config", "set").stdout)

    def test_show_inbound(self):
        daemon = self.daemon()
        self.assertEqual("", daemon.console("show", "inbound").stdout)
        with Smtp(daemon.smtp_port, source="127.0.0.7") as smtp:
            smtp.ehlo("somebody.example")
            smtp.begin()
            shown = daemon.console("show", "inbound").stdout
            self.assertEqual(1, len(shown.strip().splitlines()))
            for part in ("127.0.0.7", "somebody.example", "rcpt", f"127.0.0.1:{daemon.smtp_port}"):
                self.assertIn(part, shown)
        wait_for(lambda: not daemon.console("show", "inbound").stdout, "the session to leave the list")

    def test_mailq_and_message_details(self):
        daemon = self.daemon(more='Domain "remote.example" { Suspend_Delivery = true }')
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo("somebody.example")
            smtp.message(MESSAGE, recipients=["bob@remote.example", "carol@remote.example"])
        queue_id = daemon.wait_mainlog("R", 2)[0]["id"]
        self.assertRegex(daemon.console("mailq").stdout, r"remote\.example\D+\b2\b")
        detailed = daemon.console("mailq", "remote.example").stdout
        for part in (queue_id, "bob@remote.example", "carol@remote.example", "alice@client.example"):
            self.assertIn(part, detailed)
        one = daemon.console("message", "details", queue_id).stdout
        for part in ("bob@remote.example", "carol@remote.example", "alice@client.example", "Subject: in the queue",
                     "somebody.example", "127.0.0.1"):
            self.assertIn(part, one)
        self.assertIn("remote.example", json.dumps(json.loads(self.json_line(daemon, "mailq"))))
        self.assertEqual(2, daemon.counters()["Total Queue Size"])

    def json_line(self, daemon, command):
        with daemon.ectl() as ectl:
            reply = ectl.command("--json " + command)
            self.assertEqual(0, reply.code, str(reply))
            return reply.payload[0]

    def test_summary_counts(self):
        daemon = self.daemon()
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            for _ in range(3):
                smtp.message(MESSAGE)
            self.assertEqual(1, daemon.inbound_sessions())
        daemon.wait_mail("bob", 3)
        wait_for(lambda: daemon.counters()["Successfully Delivered Messages"] == 3, "three deliveries counted")
        counters = daemon.counters()
        self.assertEqual((3, 0, 0), (counters["Received Messages"], counters["Total Queue Size"], counters["Failed Messages"]))

    def test_set_get_unset_eval(self):
        daemon = self.daemon()
        daemon.console("config", "set", "hostname", "other.example")
        self.assertEqual("Hostname = other.example\n", daemon.console("config", "get", "HOSTNAME").stdout)
        daemon.console("config", "set", "esmtp_listener", "relay_hosts", "(", "10.0.0.0/8", "192.0.2.1", ")")
        daemon.console("config", "set", "esmtp_listener", "reconfig_message", "=", "two words")
        self.assertIn("two words", daemon.console("config", "eval", "esmtp_listener", "listen",
                                                   f"127.0.0.1:{daemon.smtp_port}", "reconfig_message").stdout)
        daemon.console("config", "unset", "esmtp_listener", "reconfig_message")
        daemon.console("config", "get", "esmtp_listener", "reconfig_message", status=3)
        shown = daemon.console("config", "showrecurse").stdout
        self.assertRegex(shown, r"Relay_Hosts = \( 10\.0\.0\.0/8 192\.0\.2\.1 \)")
        # What is shown is a configuration: it means the same again.
        (daemon.dir / "shown.conf").write_text(shown)
        self.assertEqual(0, daemon.check("--check", "-c", daemon.dir / "shown.conf").returncode)

    def test_a_reload_drops_edits_and_says_so(self):
        daemon = self.daemon()
        daemon.console("config", "set", "hostname", "other.example")
        done = daemon.console("config", "reload")
        self.assertIn("Hostname", done.stdout + done.stderr)
        self.assertEqual("Hostname = mx.test.example\n", daemon.console("config", "get", "hostname").stdout)

    def test_what_waits_for_a_restart(self):
        daemon = self.daemon()
        done = daemon.console("config", "set", "nodename", "node2")
        self.assertIn("restart", done.stdout + done.stderr)
        evaluated = daemon.console("config", "eval", "nodename").stdout
        self.assertIn("node1", evaluated)
        self.assertIn("node2", evaluated)

    def test_shutdown(self):
        daemon = self.daemon()
        daemon.console("shutdown")
        self.assertEqual(0, daemon.wait())
        self.assertFalse(daemon.control.exists())

    def test_the_answer_comes_before_its_own_listener_goes(self):
        daemon = self.daemon()
        with daemon.ectl() as ectl:
            reply = ectl.command("config set control_listener enable false")
            self.assertEqual(0, reply.code, str(reply))
            daemon.console("version", status=69)
            self.assertEqual(0, ectl.command("config set control_listener enable true").code)  # the session lives on
        self.assertEqual(0, daemon.console("version").returncode)


class Interactive(TestCase):
    def test_an_interrupted_search_of_the_history_runs_nothing(self):
        daemon = self.daemon()
        (daemon.dir / ".ec_console_history").write_text("config set hostname searched.example\n")
        with Terminal(daemon.dir, daemon.control) as terminal:
            terminal.type("\x12s")
            terminal.expect("searched.example")
            terminal.console.send_signal(signal.SIGINT)
            terminal.expect("^C")
            terminal.expect("> ")
            terminal.type("config get hostname\r")
            terminal.expect("Hostname = mx.test.example")
            terminal.expect("> ")
            # A line half typed, and a key's prefix, are given up too.
            terminal.type("config set hostname half.example\x1b")
            terminal.expect("half.example")
            terminal.console.send_signal(signal.SIGINT)
            terminal.expect("> ")
            terminal.type("config get hostname\r")
            terminal.expect("Hostname = mx.test.example")
            terminal.expect("> ")
            terminal.type("quit\r")
            self.assertEqual(0, terminal.console.wait(60 * SCALE))

    def test_quit_without_a_daemon(self):
        daemon = self.daemon()
        with Terminal(daemon.dir, daemon.control) as terminal:
            daemon.stop()
            terminal.type("version\r")
            terminal.expect("control.sock")
            terminal.expect("> ")
            terminal.type("quit\r")
            self.assertEqual(0, terminal.console.wait(60 * SCALE))


class Scripts(TestCase):
    def test_piped_script(self):
        daemon = self.daemon()
        script = "# a script\nconfig set hostname one.example\n\nconfig get hostname\npid\n"
        done = daemon.console(stdin=script)
        self.assertIn("Hostname = one.example\n", done.stdout)
        self.assertTrue(done.stdout.endswith(f"{daemon.process.pid}\n"), done.stdout)
        done = daemon.console(stdin="config set hostnme x\nconfig set hostname two.example\n", status=1)
        self.assertEqual("Hostname = one.example\n", daemon.console("config", "get", "hostname").stdout)  # it stopped

    @needs("nc")
    def test_nc(self):
        daemon = self.daemon()
        done = subprocess.run([find_program("nc"), "-N", "-U", str(daemon.control)], text=True, capture_output=True,
                              input="@a pid\nconfig get hostname\nfrobnicate\n", timeout=60 * SCALE)
        lines = done.stdout.splitlines()
        self.assertRegex(lines[0], rf"^\* ECTL/1 impulse/\S+ node=node1 pid={daemon.process.pid} gen=1$")
        self.assertEqual([f" {daemon.process.pid}", "=0 ok @a", " Hostname = mx.test.example"], lines[1:4])
        self.assertTrue(lines[4].startswith("=0 ok"), lines)
        self.assertTrue(lines[5].startswith("!error control-unknown-command "), lines)
        self.assertTrue(lines[-1].startswith("=2 "), lines)

    @needs("socat")
    def test_socat(self):
        daemon = self.daemon()
        done = subprocess.run(["socat", "-t", "10", "-", f"UNIX-CONNECT:{daemon.control}"], text=True, capture_output=True,
                              input="version\r\nquit\r\n", timeout=60 * SCALE)  # CRLF is taken too
        self.assertRegex(done.stdout, r"(?m)^=0 ok$")
        self.assertRegex(done.stdout, r"(?m)^=0 bye$")


class Protocol(TestCase):
    def test_pipelined_requests_keep_their_order(self):
        daemon = self.daemon()
        with daemon.ectl() as ectl:
            ectl.send("".join(f"@t{n} pid\n" for n in range(500)))
            for n in range(500):
                reply = ectl.reply()
                self.assertEqual([str(daemon.process.pid)], reply.payload)
                self.assertTrue(reply.status.endswith(f" @t{n}"), reply.status)

    def test_payload(self):
        daemon = self.daemon()
        with daemon.ectl() as ectl:
            ectl.send("config set smtp_extensions <<END\n( PIPELINING\n SIZE )\nEND\n")
            self.assertNotEqual(0, ectl.reply().code)  # not in the global scope
            ectl.send("config set esmtp_listener smtp_extensions <<END\n( PIPELINING\n SIZE )\nEND\n")
            self.assertEqual(0, ectl.reply().code)
        with Smtp(daemon.smtp_port) as smtp:
            self.assertEqual(["PIPELINING", "SIZE 52428800"], sorted(smtp.ehlo()))

    def test_json(self):
        daemon = self.daemon()
        with daemon.ectl() as ectl:
            self.assertEqual({"pid": daemon.process.pid}, json.loads(ectl.command("--json pid").payload[0]))
            for command in ("summary", "config showrecurse", "listener show", "version", "help",
                            "config explain esmtp_listener max_message_size"):
                reply = ectl.command("--json " + command)
                self.assertEqual(0, reply.code, str(reply))
                self.assertTrue(reply.payload)
                for line in reply.payload:
                    json.loads(line)

    def test_hostile_input(self):
        daemon = self.daemon()
        for text in ("\n" * 1000, "x" * 200000 + "\n", "\0\1\2\n", "config set hostname \"unclosed\n", "(" * 10000 + "\n",
                     "@" + "t" * 5000 + " pid\n", "config set hostname <<END\n", "\xff\xfe\n", "--json --json pid\n"):
            with daemon.ectl() as ectl:
                ectl.socket.sendall(text.encode("latin-1"))
                ectl.socket.shutdown(socket.SHUT_WR)
                rest = ectl.file.read()
                self.assertNotIn(b"\0", rest)
        self.assertEqual(f"{daemon.process.pid}\n", daemon.console("pid").stdout)

    def test_a_slow_reader_costs_nobody_else(self):
        daemon = self.daemon()
        with daemon.ectl() as slow:
            slow.socket.setblocking(False)
            sent = 0
            deadline = time.monotonic() + 5
            try:
                while sent < 20_000_000 and time.monotonic() < deadline:
                    sent += slow.socket.send(b"help\n" * 1000)  # and never reads
            except BlockingIOError:
                pass
            for _ in range(20):
                self.assertEqual(f"{daemon.process.pid}\n", daemon.console("pid").stdout)
            with open(f"/proc/{daemon.process.pid}/status") as status:
                resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
            self.assertLess(resident, 1 << 20)  # KiB; sanitizers need some

    def test_many_at_once(self):
        daemon = self.daemon()
        sessions = [daemon.ectl() for _ in range(50)]
        for session in sessions:
            session.send("config showrecurse\n")
        for session in sessions:
            self.assertEqual(0, session.reply().code)
            session.close()

    def test_concurrent_edits_are_all_there(self):
        daemon = self.daemon()
        sessions = [daemon.ectl() for _ in range(8)]
        for number in range(50):
            for index, session in enumerate(sessions):
                session.send(f"config set esmtp_listener peer 10.{index}.{number}.0/24 deny true\n")
        for session in sessions:
            for _ in range(50):
                self.assertEqual(0, session.reply().code)
            session.close()
        self.assertEqual(400, daemon.console("config", "showrecurse", "esmtp_listener").stdout.count("Deny = true"))

    def test_idle_sessions_are_closed(self):
        daemon = self.daemon(BASE_CONFIG.replace("Control_Listener {", "Control_Listener { Timeout = 1"))
        with daemon.ectl() as ectl:
            self.assertRaises(ConnectionError, lambda: [ectl.line() for _ in range(5)])


class Listeners(TestCase):
    def test_tcp(self):
        port = free_port()
        daemon = self.daemon(BASE_CONFIG.replace("Control_Listener {", 'Control_Listener { Listen "127.0.0.1:@tcp@" { }'),
                             tcp=port)
        with Ectl(("127.0.0.1", port)) as ectl:
            self.assertEqual([str(daemon.process.pid)], ectl.command("pid").payload)
        done = subprocess.run([str(BINDIR / "ec_console"), f"127.0.0.1:{port}", "pid"], capture_output=True, text=True,
                              timeout=60 * SCALE)
        self.assertEqual(f"{daemon.process.pid}\n", done.stdout)

    def test_the_socket_is_not_for_everybody(self):
        daemon = self.daemon()
        self.assertEqual(0o660, stat.S_IMODE(daemon.control.stat().st_mode))

    def test_listener_show(self):
        daemon = self.daemon()
        shown = daemon.console("listener", "show").stdout
        self.assertIn(f"127.0.0.1:{daemon.smtp_port}", shown)
        self.assertIn(str(daemon.control), shown)


if __name__ == "__main__":
    unittest.main()
