"""ec_console itself: editing, completion, history, interruption, reconnection, passwords, TLS, scripts."""

import base64
import os
import ssl
import stat
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from harness import BINDIR, SCALE, TestCase, is_sanitized, make_certificate, wait_for
from terminal import FakeDaemon, Terminal


class ConsoleCase(TestCase):
    def folder(self):
        """An empty one, short enough for the names of sockets."""
        folder = tempfile.TemporaryDirectory(prefix="c", dir=os.environ.get("IMPULSE_E2E_DIR"))
        self.addCleanup(folder.cleanup)
        return Path(folder.name)

    def batch(self, *arguments, stdin="", status=0, **environment):
        variables = {**os.environ, "HOME": "/nonexistent", **environment}
        done = subprocess.run([str(BINDIR / "ec_console"), *map(str, arguments)], input=stdin, text=True,
                              capture_output=True, timeout=100 * SCALE, env=variables, start_new_session=True)
        self.assertEqual(status, done.returncode, f"{arguments}: {done.stdout}{done.stderr}")
        return done


def plain(connection, request):
    """Most requests of these tests."""
    command = request.removeprefix("--json ")
    if command.startswith("complete "):
        connection.say("=0 ok candidates=0")
    elif command == "quit":
        connection.say("=0 bye")
        return False
    else:
        connection.say(f" {request} on {connection.number}", "=0 ok")
    return True


class Typing(ConsoleCase):
    def test_tab_completes_and_lists_with_help(self):
        daemon = self.daemon()
        with Terminal(daemon.dir, daemon.control) as terminal:
            terminal.type("vers\t")
            terminal.expect("version ")
            terminal.type("\r")
            terminal.expect("impulse ")
            terminal.expect("> ")
            terminal.type("config show\t")
            listed = terminal.expect("> config show")
            self.assertRegex(listed, r"show +what is set in a scope\r?\n")
            self.assertRegex(listed, r"showrecurse +what is set in a scope and below it")
            terminal.type("r\tesmtp\t\r")
            terminal.expect("ESMTP_Listener")
            terminal.expect("Listen ")
            terminal.expect("> ")
            terminal.type("config set esmtp_listener listen 127\tenab\t f\t\r")  # an instance, an option, a value
            terminal.expect("Enable (unset) -> false")
            terminal.expect("> ")
            terminal.type("config set esmtp_listener listen [::1]:9 enable false\r")
            terminal.expect("[::1]:9")
            terminal.expect("> ")
            terminal.type("config showrecurse esmtp_listener listen [:\t\r")
            terminal.expect('"[::1]:9"')  # quoted where it must be
            terminal.expect("> ")
            terminal.type("\\js\t\r")
            terminal.expect("[JSON is on]")

    def test_completion_never_hangs_the_prompt(self):
        asked = []

        def answer(connection, request):
            if "complete" in request:
                asked.append(request)  # and nothing is said, ever
                return True
            return plain(connection, request)

        folder = self.folder()
        fake = FakeDaemon(self, folder, answer)
        with Terminal(folder, fake.endpoint) as terminal:
            terminal.type("ver\tsion\t\t\r")
            terminal.expect("version on ")  # on another connection, since the first one owes an answer
            terminal.expect("> ")
            self.assertEqual(["--json complete ver"], asked)

    def test_errors_have_a_caret(self):
        daemon = self.daemon()
        with Terminal(daemon.dir, daemon.control) as terminal:
            for switch in ("", "\\json"):
                if switch:
                    terminal.run(switch)
                said = terminal.run("config set esmtp_listener enabel false")
                self.assertIn("  config set esmtp_listener enabel false\r\n" + " " * 28 + "^", said)

    def test_colour(self):
        folder = self.folder()
        fake = FakeDaemon(self, folder, lambda connection, _: connection.say("!error some-id bad", "=1 failed"))
        for environment, coloured in (({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False),
                                      ({"TERM": "xterm", "NO_COLOR": "1"}, False)):
            with self.subTest(environment), Terminal(folder, fake.endpoint, **environment) as terminal:
                terminal.type("x\r")
                before = terminal.expect("error: bad [some-id]")
                self.assertEqual(coloured, "\x1b[31m" in before, before)
        self.assertNotIn("\x1b", self.batch(fake.endpoint, "x", status=1, TERM="xterm").stderr)

    def test_own_commands(self):
        folder = self.folder()
        fake = FakeDaemon(self, folder, plain)
        with Terminal(folder, fake.endpoint) as terminal:
            self.assertIn("\\timing", terminal.run("\\help"))
            self.assertIn("[JSON is on]", terminal.run("\\json"))
            self.assertIn("--json version on 1", terminal.run("version"))
            self.assertIn("[JSON is off]", terminal.run("\\JSON off"))
            self.assertNotIn("--json", terminal.run("version"))
            terminal.run("\\timing on")
            self.assertRegex(terminal.run("version"), r"\[\d+\.\d ms\]")
            self.assertIn("on or off", terminal.run("\\timing perhaps"))
            self.assertIn("no command '\\nonsense'", terminal.run("\\nonsense"))
            terminal.type("\\quit\r")
            self.assertEqual(0, terminal.end())

    def test_pager(self):
        folder = self.folder()

        def answer(connection, request):
            if request == "long":
                connection.say(*(f" line {number}" for number in range(100000)))
                connection.say("=0 ok")
                return True
            return plain(connection, request)

        fake = FakeDaemon(self, folder, answer)
        with Terminal(folder, fake.endpoint, PAGER="sed s/^/paged:/") as terminal:
            terminal.run("\\pager on")
            self.assertIn("paged:version on 1", terminal.run("version"))
            terminal.run("\\pager head -n 2")
            self.assertIn("line 0\r\nline 1\r\n", terminal.run("long"))  # one that has seen enough
            terminal.run("\\pager off")
            self.assertIn("\nversion on ", "\n" + terminal.run("version"))

    def test_notices_come_while_nothing_is_asked(self):
        folder = self.folder()
        go = []

        def answer(connection, request):
            go.append(connection)
            return plain(connection, request)

        fake = FakeDaemon(self, folder, answer)
        with Terminal(folder, fake.endpoint) as terminal:
            terminal.run("watch on")
            terminal.type("half a li")
            terminal.expect("half a li")
            go[0].say("*something \x1b[2J happened")
            terminal.expect("something \\x1B[2J happened")
            terminal.expect("half a li")  # shown again
            terminal.type("ne\r")
            terminal.expect("half a line on 1")


class Histories(ConsoleCase):
    def test_across_sessions(self):
        folder = self.folder()
        fake = FakeDaemon(self, folder, plain)
        with Terminal(folder, fake.endpoint) as terminal:
            terminal.run("config get hostname")
            terminal.run("config set tls_key_password sesame")
            terminal.run(" config get gateway")
            terminal.run("\\json on")
        # That console was killed.
        kept = folder / ".ec_console_history"
        self.assertEqual("config get hostname\n\\json on\n", kept.read_text())
        self.assertEqual(0o600, stat.S_IMODE(kept.stat().st_mode))
        with Terminal(folder, fake.endpoint, TERM="xterm") as terminal:
            terminal.type("\x1b[A\x1b[A\r")
            terminal.expect("config get hostname on 2")


class Interrupting(ConsoleCase):
    def test_in_the_middle_of_an_answer(self):
        folder = self.folder()

        def answer(connection, request):
            if request != "endless":
                return plain(connection, request)
            number = 0
            while True:  # until the console has gone
                connection.say(*(f" line {number + more}" for more in range(100)))
                number += 100

        fake = FakeDaemon(self, folder, answer)
        with Terminal(folder, fake.endpoint) as terminal:
            terminal.type("endless\r")
            terminal.expect("line 1000\r\n")
            terminal.type("\x03")
            terminal.expect("[interrupted]")
            terminal.expect("> ")
            self.assertIn("version on 2", terminal.run("version"))
            terminal.type("\x04")
            self.assertEqual(0, terminal.end())

    def test_while_waiting(self):
        folder = self.folder()
        seen = []

        def answer(connection, request):
            if request != "mute":
                return plain(connection, request)
            seen.append(request)
            return True

        fake = FakeDaemon(self, folder, answer)
        with Terminal(folder, fake.endpoint) as terminal:
            terminal.type("mute\r")
            terminal.expect("mute")
            wait_for(lambda: seen == ["mute"], "the request")
            terminal.type("\x03")
            terminal.expect("[interrupted]")
            terminal.expect("> ")
            self.assertIn("version on 2", terminal.run("version"))

    def test_a_transaction_outlives_it(self):
        folder = self.folder()

        def answer(connection, request):
            if request == "long":
                # More than a terminal shows before the key that interrupts it.
                connection.say(*(f" line {number}" for number in range(200000)))
                interrupted.wait(60 * SCALE)
                connection.say("=0 ok")
                return True
            return plain(connection, request)

        interrupted = threading.Event()
        fake = FakeDaemon(self, folder, answer)
        with Terminal(folder, fake.endpoint) as terminal:
            terminal.run("config begin")
            terminal.type("long\r")
            terminal.expect("line 10\r\n")
            terminal.type("\x03")
            terminal.expect("^C")
            interrupted.set()
            terminal.expect("[interrupted]")
            terminal.expect("[transaction]> ")
            terminal.type("config commit\r")
            terminal.expect("config commit on 1")

    def test_a_line_that_is_typed(self):
        folder = self.folder()
        fake = FakeDaemon(self, folder, plain)
        with Terminal(folder, fake.endpoint) as terminal:
            terminal.type("shutdo\x03")
            terminal.expect("^C")
            terminal.expect("> ")
            self.assertIn("\nversion on 1", "\n" + terminal.run("version"))


class Reconnecting(ConsoleCase):
    def test_after_a_crash(self):
        daemon = self.daemon()
        with Terminal(daemon.dir, daemon.control) as terminal:
            self.assertIn(str(daemon.process.pid), terminal.run("pid"))
            daemon.kill9()
            self.assertIn("cannot connect", terminal.run("pid"))
            daemon.start()
            said = terminal.run("pid")
            self.assertIn(f"the daemon was restarted; process {daemon.process.pid}", said)
            self.assertIn(f"\n{daemon.process.pid}\r", said)
            self.assertNotIn("restarted", terminal.run("pid"))

    def test_a_transaction_is_lost(self):
        folder = self.folder()
        fake = FakeDaemon(self, folder, lambda connection, request: request != "die" and plain(connection, request))
        with Terminal(folder, fake.endpoint) as terminal:
            self.assertNotIn("transaction]", terminal.run("config begin") and terminal.said)
            terminal.type("die\r")
            terminal.expect("the transaction that was open: none of its edits is in force")
            terminal.expect("> ")
            said = terminal.run("version")
            self.assertIn("restarted; process 2", said)
            self.assertIn("version on 2", said)

    def test_a_lost_transaction_is_told_at_the_prompt(self):
        folder = self.folder()
        connections = []

        def answer(connection, request):
            connections.append(connection)
            return plain(connection, request)

        fake = FakeDaemon(self, folder, answer)
        with Terminal(folder, fake.endpoint) as terminal:
            terminal.run("config begin")
            connections[0].stream.shutdown(2)
            terminal.expect("none of its edits is in force")

    def test_a_named_transaction_is_joined_again(self):
        folder = self.folder()
        seen = []

        def answer(connection, request):
            seen.append(request)
            return request != "die" and plain(connection, request)

        fake = FakeDaemon(self, folder, answer)
        with Terminal(folder, "-t", "deploy", fake.endpoint, prompt="[deploy]> ") as terminal:
            terminal.type("die\r")
            terminal.expect("[deploy]> ")
            terminal.type("version\r")
            terminal.expect("version on 2")
        self.assertEqual(["config attach deploy", "die", "config attach deploy", "version"], seen)


def login(passwords):
    """Answers `authenticate LOGIN`; then everything, to those who are known."""
    known = set()

    def answer(connection, request):
        if request != "authenticate LOGIN":
            if connection.number in known:
                return plain(connection, request)
            connection.say("!error control-unauthenticated authenticate first", "=6 denied")
            return True
        given = []
        for question in ("User Name", "Password"):
            connection.say("?" + base64.b64encode(question.encode()).decode())
            given.append(base64.b64decode(connection.hear()).decode())
        if passwords.get(given[0]) == given[1]:
            known.add(connection.number)
            connection.say(f"=0 ok user={given[0]} mechanism=LOGIN")
        else:
            connection.say("!error auth-failed that is wrong", "=6 denied")
        return True

    return answer


class Passwords(ConsoleCase):
    def fake(self, **options):
        return FakeDaemon(self, self.folder(), login({"alice": "se same"}), tcp=True, auth="LOGIN", **options)

    def test_typed(self):
        fake = self.fake()
        with Terminal(self.folder(), f"alice@{fake.endpoint}", prompt="password: ") as terminal:
            terminal.type("wrong\r")
            self.assertNotIn("wrong\r", terminal.expect("that is wrong [auth-failed]"))
            terminal.expect("password: ")
            terminal.type("se same\r")
            self.assertNotIn("se same", terminal.expect("> "))
            self.assertIn("version on 1", terminal.run("version"))  # and the terminal shows what is typed again

    def test_interrupted(self):
        fake = self.fake()
        with Terminal(self.folder(), f"alice@{fake.endpoint}", "version", prompt="password: ") as terminal:
            terminal.type("se sa\x03")
            self.assertEqual(130, terminal.end())

    def test_of_scripts(self):
        fake = self.fake()
        file = self.folder() / "password"
        file.write_text("se same\n")
        file.chmod(0o600)
        alice = f"alice@{fake.endpoint}"
        self.assertIn("version on", self.batch("--password-file", file, alice, "version").stdout)
        self.assertIn("version on", self.batch(alice, "version", EC_CONSOLE_PASSWORD="se same").stdout)
        self.assertIn("that is wrong", self.batch(alice, "version", status=6, EC_CONSOLE_PASSWORD="x").stderr)
        self.assertIn("--password-file", self.batch(alice, "version", status=6).stderr)
        file.chmod(0o644)
        self.assertIn("chmod 600", self.batch("--password-file", file, alice, "version", status=2).stderr)

    def test_nobody_is_asked(self):
        folder = self.folder()
        fake = FakeDaemon(self, folder, lambda connection, _: connection.say("=0 ok"))
        self.assertIn("authenticates nobody", self.batch(f"alice@{fake.endpoint}", "version", status=2).stderr)


class Tls(ConsoleCase):
    def fake(self, folder):
        certificate, key = make_certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        fake = FakeDaemon(self, folder, plain, tcp=True, wrap=lambda stream: context.wrap_socket(stream, server_side=True))
        return fake.endpoint, certificate

    def test_verified(self):
        folder = self.folder()
        endpoint, certificate = self.fake(folder)
        self.assertIn("version on", self.batch("--tls-ca", certificate, endpoint, "version").stdout)
        self.assertIn("version on", self.batch("--tls-ca", certificate, "--tls-name", "mx.test.example", endpoint,
                                               "version").stdout)
        self.assertIn("version on", self.batch("--tls-no-verify", endpoint, "version").stdout)
        for arguments in (["--tls"], ["--tls-ca", certificate, "--tls-name", "other.example"]):
            with self.subTest(arguments):
                self.assertIn("not trusted", self.batch(*arguments, endpoint, "version", status=69).stderr)
        self.assertIn("nothing.pem", self.batch("--tls-ca", folder / "nothing.pem", endpoint, "version", status=2).stderr)
        self.assertIn("TLS is for host:port", self.batch("--tls", folder / "x", "version", status=2).stderr)

    def test_not_tls(self):
        fake = FakeDaemon(self, self.folder(), plain, tcp=True)
        self.assertIn("TLS", self.batch("--tls", fake.endpoint, "version", status=69).stderr)


class Scripting(ConsoleCase):
    def script(self, text):
        file = self.folder() / "script"
        file.write_text(text)
        return file

    def test_places(self):
        daemon = self.daemon()
        file = self.script("# all of it\nconfig get hostname\n\nconfig set enabel x\npid\n")
        done = self.batch("-f", file, daemon.control, status=1)
        self.assertEqual("Hostname = mx.test.example\n", done.stdout)
        self.assertIn(f"error: {file}:4:12: ", done.stderr)
        done = self.batch("-k", "-f", file, daemon.control, status=1)
        self.assertTrue(done.stdout.endswith(f"\n{daemon.process.pid}\n"), done.stdout)
        done = self.batch(daemon.control, stdin="pid\nfrobnicate\n", status=2)
        self.assertIn("error: stdin:2:1: ", done.stderr)

    def test_payloads(self):
        daemon = self.daemon()
        file = self.script("config set esmtp_listener relay_hosts <<END\n( 10.0.0.0/8\n  192.0.2.1 )\nEND\nnonsense\n")
        done = self.batch("-f", file, daemon.control, status=2)
        self.assertIn("( 10.0.0.0/8 192.0.2.1 )", done.stdout)
        self.assertIn(f"{file}:5:1: ", done.stderr)

    def test_without_an_error_line(self):
        fake = FakeDaemon(self, self.folder(), lambda connection, _: connection.say("=7 busy"))
        self.assertEqual("ec_console: busy (7)\n", self.batch(fake.endpoint, "x", status=7).stderr)

    def test_named_transaction(self):
        seen = []

        def answer(connection, request):
            seen.append(request)
            connection.say("=3 not-found" if request.startswith("config attach") else "=0 ok")

        fake = FakeDaemon(self, self.folder(), answer)
        self.batch("-t", "deploy", fake.endpoint, "config commit")
        self.assertEqual(["config attach deploy", "config begin name=deploy", "config commit"], seen)
        self.assertIn("-t", self.batch("-t", "two words", fake.endpoint, "x", status=2).stderr)

    def test_default_endpoint(self):
        fake = FakeDaemon(self, self.folder(), plain)
        self.assertEqual("version on 1\n", self.batch(stdin="version\n", EC_CONSOLE_ENDPOINT=fake.endpoint).stdout)

    def test_time_out(self):
        fake = FakeDaemon(self, self.folder(), lambda connection, request: True)
        self.assertIn("no answer", self.batch("--timeout", "1", fake.endpoint, "x", status=75).stderr)

    def test_misuse(self):
        for arguments in (["-x"], ["--nonsense"], ["-t"], ["--timeout", "soon", "x"], ["ssh://a/b:1"], ["-f", "x", "y", "z"],
                          ["@host:1"], ["host:0"], ["/x", " "]):
            with self.subTest(arguments):
                self.assertIn("usage:", self.batch(*arguments, status=2).stderr)
        self.assertIn("--password-file", self.batch("--help").stdout)

    def test_long_answers_take_no_memory(self):
        def answer(connection, _):
            block = [" " + "x" * 100] * 1000
            for _ in range(300):
                connection.say(*block)
            connection.say("=0 ok")

        fake = FakeDaemon(self, self.folder(), answer)
        # The answer has 30 MB; the program and its libraries start with less than 20.
        limit = "" if is_sanitized() else "ulimit -v 40000; "
        done = subprocess.run(["/bin/sh", "-c", limit + 'exec "$0" "$@" | wc -l', str(BINDIR / "ec_console"),
                               fake.endpoint, "x"], capture_output=True, text=True, timeout=100 * SCALE)
        self.assertEqual("300000", done.stdout.strip(), done.stderr)


if __name__ == "__main__":
    unittest.main()
