"""Who may do what on the control listener: users of a Unix socket, roles, Peer
scopes, the accounting log, and the console that asks."""

import hashlib
import json
import os
import pwd
import subprocess
import unittest

from access import ACCESS, AccessCase, PASSWORD
from harness import BINDIR, Ectl, SCALE, needs, wait_for
from passwords import b64, scram_line
from terminal import Terminal


@needs("openssl")
class Authorization(AccessCase):
    def test_roles(self):
        daemon = self.access()
        console = self.console()
        self.assertEqual(0, console.scram("bob", "bobs").code)
        for line, code in (("summary", 0), ("SUMMARY", 0), ("config get hostname", 0), ("config  show", 0),
                           ("authz id", 0), ("help", 0), ("version", 6), ("config set hostname x", 6),
                           ("config showrecurse", 6), ("config eval hostname # config get ", 6),
                           ("shutdown # summary", 6), ("authz roles list", 6), ("no such command", 2)):
            reply = console.command(line)
            self.assertEqual(code, reply.code, line)
            if code == 6:
                self.assertEqual(["!error control-not-allowed bob may not run this; role admin may"], reply.lines)
        daemon.console("config", "unset", "authorization", "role", "admin")
        self.assertIn("no role may", console.command("shutdown").lines[0])
        self.assertTrue(daemon.running)

    def test_unix_users_have_roles_too(self):
        daemon = self.access()
        me = pwd.getpwuid(os.getuid()).pw_name
        identity = daemon.console("authz", "id").stdout
        self.assertIn(f"user {me} (SO_PEERCRED)\n", identity)
        self.assertIn("authorization: none", identity)
        daemon.console("config", "set", "control_listener", "listen", daemon.control, "enable_authorization", "true")
        refused = daemon.console("summary", status=6)
        self.assertIn(f"{me} may not run this; role admin or ops may", refused.stderr)
        (daemon.dir / "groups").write_text(f"ops:{me}\n")
        self.assertEqual(0, daemon.console("summary").returncode)
        listed = daemon.console("authz", "roles", "list", status=6)
        self.assertIn("role admin may", listed.stderr)
        (daemon.dir / "groups").write_text(f"admin:{me}\n")
        roles = daemon.console("authz", "roles", "list").stdout
        self.assertIn(f"admin (yours)\n  allow .*\n  users {me}\n", roles)

    def test_json(self):
        daemon = self.access()
        with Ectl(daemon.control) as console:
            identity = json.loads(console.command("--json authz id").payload[0])
            self.assertEqual(("SO_PEERCRED", True, os.getuid(), None),
                             tuple(identity[key] for key in ("mechanism", "authenticated", "uid", "peer")))
            roles = [json.loads(line) for line in console.command("--json authz roles list").payload]
            self.assertEqual([{"role": "admin", "allow": [".*"], "users": ["alice"], "mine": False}], roles[:1])
            self.assertEqual([], console.command("--json authenticate").payload[3:])

    def test_peers(self):
        self.access(listen='''
            Peer "127.0.0.2" { Always_Allow = true Enable_Authorization = false }
            Peer "127.0.0.3" { Always_Deny = true Always_Allow = true }
            Peer "127.0.0.4" { Deny = true }
            Peer "127.0.0.5" { Enable_Authentication = false Enable_Authorization = false }
            Peer "127.0.0.6" { AuthLoginParameters = [ ] }''')
        allowed = self.console(source="127.0.0.2")
        self.assertNotIn("auth=", allowed.greeting)
        self.assertEqual(0, allowed.command("summary").code)
        self.assertIn("user anonymous (Always_Allow)", allowed.command("authz id").payload)
        denied = self.console(source="127.0.0.3")
        self.assertIn("control-denied", denied.command("summary").lines[0])
        self.assertEqual(6, denied.login("alice", PASSWORD).code)
        self.assertEqual(["!error control-denied this client is denied by the configuration"],
                         [self.console(source="127.0.0.4", greet=False).line()])
        free = self.console(source="127.0.0.5")
        self.assertIn("user anonymous (not authenticated)", free.command("authz id").payload)
        self.assertIn("auth=SCRAM-SHA-256 ", self.console(source="127.0.0.6").greeting + " ")
        self.assertIn("auth=SCRAM-SHA-256,LOGIN", self.console(source="127.0.0.7").greeting)


@needs("openssl")
class Accounting(AccessCase):
    def test_every_authentication_and_command(self):
        daemon = self.access()
        me = pwd.getpwuid(os.getuid()).pw_name
        listen = f"127.0.0.1:{self.port}"
        began = ["N", str(daemon.control), "", me, "1"]  # start() looked whether it answers
        console = self.console()
        peer = "{}:{}".format(*console.socket.getsockname())
        console.command("summary")
        console.scram("alice", "wrong")
        console.scram("alice", PASSWORD)
        console.command("@t --json config set tls_key_password=geheim")
        console.command("config get 'a@b\\c'")
        expected = [began,
                    ["Z", listen, peer, "", "0", "summary"],
                    ["N", listen, peer, "alice", "0"],
                    ["N", listen, peer, "alice", "1"],
                    ["Z", listen, peer, "alice", "1", "config set tls_key_password (redacted)", "admin"],
                    ["Z", listen, peer, "alice", "1", "config get 'a\\", "b\\\\c'", "admin"]]
        self.assertEqual(expected, self.acctlog(daemon, 6))
        with Ectl(daemon.control) as local:
            local.command("mailq")
        self.assertEqual([began, ["Z", str(daemon.control), "", me, "1", "mailq"]], self.acctlog(daemon, 8)[6:])
        text = (daemon.dir / "acctlog").read_text() + daemon.log()
        for secret in (PASSWORD, b64(PASSWORD), "geheim", "wrong"):
            self.assertNotIn(secret, text)
        self.assertRegex((daemon.dir / "acctlog").read_text(), r"^\d{10}@N@")
        self.assertEqual(0o640, (daemon.dir / "acctlog").stat().st_mode & 0o777)

    def test_no_secret_of_who_gets_it_wrong(self):
        """Answers to a challenge that never came are lines like any other, and are not to be found in a log."""
        daemon = self.access()
        console = self.console()
        for line in ("authenticate PLAIN " + b64("\0alice\0geheim1"), b64("geheim2"), "authenticat LOGIN geheim3",
                     '"authenticate" LOGIN geheim4', "authenticate LOGIN geheim5 <<X\ngeheim6\nX",
                     "config set tls_key_password'geheim7'", "config set tls_key_password( geheim8 )", "geheim9" * 10000):
            console.send(line + "\n")
            console.reply()
        with Ectl(daemon.control) as local:
            for line in ('"authenticate" LOGIN geheim4', "authenticate LOGIN geheim5 <<X\ngeheim6\nX",
                         "config set tls_key_password'geheim7'", "config set tls_key_password( geheim8 )"):
                local.send(line + "\n")
                local.reply()
            local.command("mailq")
        wait_for(lambda: "mailq" in (daemon.dir / "acctlog").read_text(), "the last record")
        text = (daemon.dir / "acctlog").read_text() + daemon.log()
        for secret in ("geheim", b64("\0alice\0geheim1"), b64("geheim2")):
            self.assertNotIn(secret, text)
        self.assertIn("@0@(redacted)\n", text)

    def test_reopened_with_the_others(self):
        daemon = self.access()
        (daemon.dir / "acctlog").rename(daemon.dir / "acctlog.1")
        daemon.console("reopen", "logs")
        daemon.console("mailq")
        wait_for(lambda: "@mailq" in (daemon.dir / "acctlog").read_text(), "a record in the new file")

    def test_who_does_not_authenticate_in_time(self):
        daemon = self.access(listen="Timeout = 1")
        console = self.console()
        self.assertEqual("User Name", console.answer("authenticate LOGIN"))
        with self.assertRaises(ConnectionError):
            while True:
                console.line()
        wait_for(lambda: f"@T@127.0.0.1:{self.port}@" in (daemon.dir / "acctlog").read_text(), "a record of the time-out")

    def test_not_where_it_is_not_wanted(self):
        more = ACCESS.replace('scram"', 'scram" log_authentication = false').replace(
            'groups"', 'groups" log_authorization = false')
        daemon = self.access(more=more)
        console = self.console()
        console.scram("alice", PASSWORD)
        console.command("mailq")
        other = self.console()
        other.login("carol", "carols")
        records = self.acctlog(daemon, 2)[1:]  # the first one is of start()
        self.assertEqual([("N", "carol")], [(record[0], record[3]) for record in records])


@needs("openssl")
class EcConsole(AccessCase):
    def test_each_mechanism(self):
        """The client that is ours, with each mechanism there is, right and wrong."""
        daemon = self.access(listen="Auth_Failure_Rate = 0")
        realm = hashlib.md5(b"alice:mx.test.example:" + PASSWORD.encode()).hexdigest()
        (daemon.dir / "digest").write_text(f"alice:mx.test.example:{realm}\n")
        (daemon.dir / "digest").chmod(0o600)
        (daemon.dir / "scram1").write_text(scram_line("alice", PASSWORD, "SCRAM-SHA-1"))
        (daemon.dir / "scram1").chmod(0o600)
        everything = {"authscramparameters": f"[ uri = scram://{daemon.dir}/scram ]",
                      "authdigestmd5parameters": f"[ uri = digest://{daemon.dir}/digest ]",
                      "authcrammd5parameters": f"[ uri = file://{daemon.dir}/clear ]",
                      "authloginparameters": f"[ uri = file://{daemon.dir}/clear ]"}
        for mechanism, option, value in (
                ("SCRAM-SHA-256", "authscramparameters", None),
                ("SCRAM-SHA-1", "authscramparameters", f"[ uri = scram://{daemon.dir}/scram1 ]"),
                ("DIGEST-MD5", "authdigestmd5parameters", None),
                ("CRAM-MD5", "authcrammd5parameters", None),
                ("LOGIN", "authloginparameters", None)):
            with self.subTest(mechanism=mechanism):
                for other in everything:
                    daemon.console("config", "set", "control_listener", other,
                                   (value or everything[other]) if other == option else "[ ]")
                done = self.run_console(daemon, "alice", PASSWORD, "authz", "id")
                self.assertEqual((0, f"user alice ({mechanism})"), (done.returncode, done.stdout.split("\n")[0]),
                                 done.stderr)
                done = self.run_console(daemon, "alice", "wrong", "authz", "id")
                self.assertEqual((6, ""), (done.returncode, done.stdout), done.stderr)

    def test_typed_and_stored_passwords(self):
        """SCRAM-SHA-256 over TLS, as people and scripts log in."""
        daemon = self.access(listen="Auth_Failure_Rate = 0")
        ca = daemon.values["certificate"]
        for host, trusted in ((f"alice@127.0.0.1:{self.port}", True), (f"alice@127.0.0.1:{self.port}", False)):
            with self.subTest(trusted=trusted):
                if not trusted:
                    done = subprocess.run([str(BINDIR / "ec_console"), "--tls", host, "version"], capture_output=True,
                                          text=True, stdin=subprocess.DEVNULL, timeout=60 * SCALE)
                    self.assertIn("not trusted", done.stderr)
                    continue
                with Terminal(daemon.dir, "--tls-ca", ca, host, prompt="password: ") as terminal:
                    terminal.type("wrong\r")
                    self.assertNotIn("wrong\r", terminal.expect("[auth-failed]"))
                    terminal.expect("password: ")
                    terminal.type(PASSWORD + "\r")
                    self.assertNotIn(PASSWORD, terminal.expect("> "))
                    self.assertIn("user alice (SCRAM-SHA-256)", terminal.run("authz id"))
        file = daemon.dir / "password"
        for password, status, said in ((PASSWORD, 0, "user alice (SCRAM-SHA-256)"), ("wrong", 6, "auth-failed")):
            file.write_text(password + "\n")
            file.chmod(0o600)
            done = subprocess.run([str(BINDIR / "ec_console"), "--tls-ca", str(ca), "--password-file", str(file),
                                   f"alice@127.0.0.1:{self.port}", "authz", "id"], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=60 * SCALE)
            self.assertEqual(status, done.returncode, done.stderr)
            self.assertIn(said, done.stdout + done.stderr)
        self.assertNotIn(PASSWORD, (daemon.dir / "acctlog").read_text() + daemon.log())

    def run_console(self, daemon, user, password, *words):
        return subprocess.run([str(BINDIR / "ec_console"), "--tls-ca", str(daemon.values["certificate"]),
                               f"{user}@127.0.0.1:{self.port}", *words], env={**os.environ, "EC_CONSOLE_PASSWORD": password},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60 * SCALE)


@needs("openssl")
class Configuration(AccessCase):
    def test_files_are_looked_at_before_they_are_used(self):
        daemon = self.access()
        commit = ("config", "set", "control_listener", "authloginparameters")
        for value, said in ((f"[ uri = file://{daemon.dir}/none ]", "No such file"),
                            ("[ uri = ecauth:// ]", "an absolute path is expected"),
                            (f"[ uri = file://{daemon.dir}/clear realm = x ]", "'realm' is not known here"),
                            (f"[ uri = digest://{daemon.dir}/clear ]", "LOGIN takes file:///path"),
                            (f"[ uri = file://{daemon.dir}/bad ]", "bad:2: a ':' is expected")):
            (daemon.dir / "bad").write_text("dave:geheim\nno colon, geheim\n")
            done = daemon.console(*commit, value, status=1)
            self.assertIn(said, done.stderr)
            self.assertNotIn("geheim", done.stderr)
        (daemon.dir / "clear").chmod(0o644)
        self.assertIn("config-auth-file-open", daemon.console("config", "reload", "--check").stderr)
        self.assertEqual(0, self.console().login("alice", PASSWORD).code)

    def test_doors_that_are_odd(self):
        more = ACCESS.replace("  Auth", "  # Auth").replace("Use_SSL", "# Use_SSL")
        daemon = self.access(more=more)
        self.assertIn("config-no-mechanism", daemon.complaints())
        self.assertNotIn("config-open-console", daemon.complaints())
        self.assertIn(" auth=none", self.console(tls=False).greeting)

    def test_bad_patterns_are_refused(self):
        daemon = self.access()
        done = daemon.console("config", "set", "authorization", "role", "x", "allow", "( '^(' )", status=1)
        self.assertIn("^(", done.stderr)


if __name__ == "__main__":
    unittest.main()
