"""Who is let in on the control listener: SASL over TCP and TLS."""

from access import ACCESS, AccessCase, Console, PASSWORD
from harness import needs, wait_for
from passwords import b64, scram_line


@needs("openssl")
class Authentication(AccessCase):
    def test_nothing_before_it(self):
        daemon = self.access()
        console = self.console()
        self.assertIn(" auth=SCRAM-SHA-256,LOGIN", console.greeting)
        for line in ("summary", "config show", "shutdown", "nonsense", '"quit"', "authz id", "complete c"):
            reply = console.command(line)
            self.assertEqual((6, "denied"), (reply.code, reply.word), line)
            self.assertIn("!error control-unauthenticated", reply.lines[0])
        self.assertEqual(0, console.command("help").code)
        self.assertEqual(["SCRAM-SHA-256", "LOGIN"], console.command("authenticate").payload)
        self.assertEqual(0, console.command("quit").code)
        self.assertTrue(daemon.running)

    def test_the_right_password(self):
        self.access()
        for method in (Console.scram, Console.login):
            console = self.console()
            reply = method(console, "alice", PASSWORD)
            self.assertEqual(("0", "alice"), (str(reply.code), reply.values["user"]), reply.lines)
            identity = console.command("authz id").payload
            self.assertRegex(identity[0], r"^user alice \((SCRAM-SHA-256|LOGIN)\)$")
            self.assertIn("roles: admin", identity)
            self.assertEqual(0, console.command("summary").code)
            again = console.command("authenticate LOGIN")
            self.assertEqual(1, again.code)
            self.assertIn("auth-already", again.lines[0])

    def test_wrong_ones(self):
        daemon = self.access(listen="Auth_Failure_Limit = 4")
        console = self.console()
        unknown = console.scram("mallory", PASSWORD)
        wrong = console.scram("alice", "wrong")
        self.assertEqual((6, "denied"), (wrong.code, wrong.word))
        self.assertEqual(wrong.lines, unknown.lines)
        self.assertTrue(wrong.status.endswith(" @s"), wrong.status)
        self.assertEqual(6, console.command("summary").code)
        self.assertEqual(6, console.login("alice", "bobs").code)
        self.assertEqual(6, console.login("bob", "bobs").code)  # has no password in that file
        with self.assertRaises(ConnectionError):  # the fourth was one too many
            console.line()
        text = daemon.log() + (daemon.dir / "acctlog").read_text()
        self.assertNotIn("wrong", text)
        self.assertNotIn("bobs", text)

    def test_odd_exchanges(self):
        self.access(listen="Auth_Failure_Limit = 100 Auth_Failure_Rate = 0")
        console = self.console()
        self.assertEqual("User Name", console.answer("@c authenticate LOGIN"))
        cancelled = console.answer("*")
        self.assertEqual((1, True), (cancelled.code, cancelled.status.endswith("@c")))
        for line, code, what in (("authenticate NTLM", 2, "auth-no-mechanism"),
                                 ("authenticate PLAIN AGEAYg==", 2, "auth-no-mechanism"),
                                 ("authenticate CRAM-MD5", 2, "auth-no-mechanism"),
                                 ("authenticate LOGIN YWxpY2U=", 2, "control-usage"),
                                 ("authenticate SCRAM-SHA-256 a b", 2, "control-usage"),
                                 ("authenticate SCRAM-SHA-256 %%%", 2, "auth-bad-base64"),
                                 ("authenticate SCRAM-SHA-256 AAAA", 6, "auth-failed")):
            reply = console.answer(line)
            self.assertEqual(code, reply.code, line)
            self.assertIn("!error " + what, reply.lines[0])
        self.assertEqual("", console.answer("authenticate SCRAM-SHA-256"))  # no initial response
        reply = console.answer("x" * 70000)
        self.assertIn("auth-bad-base64", reply.lines[0])
        self.assertEqual(0, console.login("alice", PASSWORD).code)

    def test_pipelined_behind_it(self):
        """What comes behind `authenticate` is an answer to it, never a command."""
        daemon = self.access()
        console = self.console()
        console.send("authenticate LOGIN\nshutdown\nshutdown\n")
        self.assertEqual("?" + b64("User Name"), console.line())
        # "shutdown" is good base64 for six bytes that are nobody's name.
        self.assertEqual("?" + b64("Password"), console.line())
        self.assertEqual(6, console.reply().code)
        self.assertEqual(6, console.command("summary").code)
        self.assertTrue(daemon.running)

    def test_too_many_from_one_address(self):
        self.access(listen='Auth_Failure_Rate = 2/600')
        console = self.console(source="127.0.0.9")
        self.assertEqual(6, console.login("mallory", "x").code)
        self.assertEqual(6, console.login("trudy", "x").code)
        locked = console.command("authenticate LOGIN")
        self.assertIn("auth-locked-out", locked.lines[0])
        refused = self.console(source="127.0.0.9", greet=False)
        self.assertIn("!error control-denied", refused.line())
        self.assertEqual(0, self.console(source="127.0.0.10").login("alice", PASSWORD).code)

    def test_too_many_to_be_one_user(self):
        self.access(listen='Auth_Failure_Rate = 2/600')
        self.assertEqual(0, self.console(source="127.0.0.11").login("alice", PASSWORD).code)
        for source in ("127.0.0.12", "127.0.0.13"):
            self.assertEqual(6, self.console(source=source).login("alice", "x").code)
        refused = self.console(source="127.0.0.14").login("alice", PASSWORD)
        self.assertIn("auth-failed", refused.lines[0])
        self.assertEqual(0, self.console(source="127.0.0.14").scram("bob", "bobs").code)
        # Where alice came in before, she still does.
        self.assertEqual(0, self.console(source="127.0.0.11").login("alice", PASSWORD).code)

    def test_a_session_loses_what_its_user_loses(self):
        daemon = self.access()
        console = self.console()
        self.assertEqual(0, console.scram("alice", PASSWORD).code)
        self.assertEqual(0, console.command("summary").code)
        (daemon.dir / "groups").write_text("ops:alice\n")
        self.assertEqual(0, console.command("summary").code)
        self.assertEqual(6, console.command("mailq").code)
        (daemon.dir / "scram").write_text(scram_line("alice", "another one"))
        reply = console.command("summary")
        self.assertIn("control-unauthenticated", reply.lines[0])
        self.assertEqual(0, console.scram("alice", "another one").code)
        self.assertEqual(0, console.command("summary").code)
        # And by the configuration, from another console.
        scope = f"control_listener listen 127.0.0.1:{self.port}"
        daemon.console("config", "set", *scope.split(), "always_deny", "true")
        self.assertIn("control-denied", console.command("summary").lines[0])
        daemon.console("config", "unset", *scope.split(), "always_deny")
        daemon.console("config", "set", "authorization", "role", "ops", "allow", "( ^mailq$ )")
        self.assertEqual(6, console.command("summary").code)
        self.assertEqual(0, console.command("mailq").code)


@needs("openssl")
class Strangers(AccessCase):
    def test_many_of_them(self):
        """Whoever only connects takes neither all descriptors nor the operator's way in."""
        daemon = self.access(more=ACCESS.replace("Use_SSL", "# Use_SSL"))
        crowd = []
        self.addCleanup(lambda: [console.close() for console in crowd])
        while len(crowd) < 500:
            crowd.append(self.console(tls=False))
        with self.assertRaises(ConnectionError):
            self.console(tls=False)
        self.assertEqual(0, daemon.console("version").returncode)
        wait_for(lambda: "500 consoles are open already" in daemon.log(), "a line in the log")
        crowd.pop().close()

        def one_more():
            try:
                return self.console(tls=False)
            except ConnectionError:
                return None
        wait_for(one_more, "a place for one more")
