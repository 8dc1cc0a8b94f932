"""Wrong input gets a clear error with file, line and column, and leaves
things as they were: at --check, at start, at reload and in the console."""

import os
import pwd
import re
import socket
import unittest
from pathlib import Path

from client import Smtp
from harness import BASE_CONFIG, BINDIR, TOP, Daemon, TestCase, free_port, make_certificate, needs

LISTEN = 'Listen "127.0.0.1:@smtp@" { }'

# What is put in place of the Listen, the word the caret stands under, what is said.
MISTAKES = {
    "unknown option": (LISTEN + "\n  Max_Mesage_Size = 1000", "Max_Mesage_Size", r"did you mean 'Max_Message_Size'"),
    "unknown option, far from any": (LISTEN + "\n  Zyzzyva = 1000", "Zyzzyva", r"unknown option 'Zyzzyva'(?!.*did you mean)"),
    "unknown scope": (LISTEN + '\n  Piers "10.0.0.0/8" { }', "Piers", r"did you mean 'Peer'"),
    "wrong scope": (LISTEN + "\n  Spoolbase = /tmp/x", "Spoolbase", r"(?s)may not stand in ESMTP_Listener.*global"),
    "bad boolean": (LISTEN + "\n  Deny = perhaps", "perhaps", r"expected true or false, got 'perhaps'"),
    "bad size": (LISTEN + "\n  Max_Message_Size = 10Q", "10Q", r"expected .*10Q"),
    "bad duration": (LISTEN + "\n  Idle_Time = soon", "soon", r"expected .*soon"),
    "bad network": (LISTEN + "\n  Relay_Hosts = ( 10.0.0.0/8 10.0.0.0/33 )", None, r"10\.0\.0\.0/33"),
    "a spool that the daemon may not write": (LISTEN + "\n } Spool_Mode = 0440\n ESMTP_Listener {", "0440",
                                              r"expected an octal number from 0600 to 0777, got '0440'"),
    "bad octal mode": (LISTEN + "\n  File_Mode = 0999", "0999", r"0999"),
    "bad enumeration": (LISTEN + "\n  Reconfig_Policy = sometimes", "sometimes", r"expected .*changed.*always"),
    "an array where one value goes": (LISTEN + "\n  Max_Message_Size = ( 1 2 )", "(", r"expected"),
    "bad address": ('Listen "127.0.0.256:25" { }', '"127.0.0.256:25"', r"127\.0\.0\.256"),
    "IPv6 twice abbreviated": ('Listen "[1::2::3]:25" { }', '"[1::2::3]:25"', r"1::2::3"),
    "no port": ('Listen "127.0.0.1" { }', '"127.0.0.1"', r"port"),
    "bad peer": (LISTEN + '\n  Peer "somewhere" { }', '"somewhere"', r"somewhere"),
    "one endpoint twice": (LISTEN + '\n } ESMTP_Listener { } Control_Listener { Listen "127.0.0.1:@smtp@" { }', None, "@smtp@"),
    "not built yet": (LISTEN + "\n } TimestampFormat = short\n ESMTP_Listener {", "TimestampFormat",
                      r"not available in this version"),
    "no such pool": (LISTEN + "\n  Pool_Name = accepters", "Pool_Name",
                     r'Pool_Name: there is no EventLoop or ThreadPool "accepters"'),
    "two pools": (LISTEN + '\n  Event_Loop = default\n  Pool_Name = other\n }\n EventLoop other { }\n ESMTP_Listener {',
                  "Pool_Name", r"served by one EventLoop: Pool_Name = other, but Event_Loop = default"),
    "missing value": (LISTEN + "\n  Deny =\n", "=", r"expected a value"),
    "unclosed string": (LISTEN + '\n  Static_Banner = "hello', None, r"string|quote"),
    "unclosed scope": (LISTEN + " Peer 10.0.0.0/8 {", None, r"\{"),
    "stray brace": (LISTEN + "\n } }", "}", r"\}"),
}


class Configuration(TestCase):
    def prepared(self, listen, **values):
        return Daemon(self, BASE_CONFIG.replace(LISTEN, listen), **values)

    def assert_named(self, daemon, said, where, pattern):
        """`said` holds FILE:LINE:COLUMN: at that place stands `where`; and what was expected."""
        place = re.search(rf"(?m){re.escape(str(daemon.config_file))}:(\d+):(\d+): (.*)$", said)
        self.assertTrue(place, said)
        if where:
            line = daemon.config_file.read_text().splitlines()[int(place[1]) - 1]
            self.assertEqual(where, line[int(place[2]) - 1:][:len(where)], place[0])
            self.assertRegex(said, r"(?m)^.*\^")  # the caret under it
        self.assertRegex(said[place.start():], daemon.fill(pattern))

    def test_check_names_each_mistake(self):
        for name, (listen, where, pattern) in MISTAKES.items():
            with self.subTest(name):
                daemon = self.prepared(listen)
                done = daemon.check("--check", "-c", daemon.config_file)
                self.assertEqual(1, done.returncode, done.stderr)
                self.assert_named(daemon, done.stderr, where, pattern)
                self.assertFalse((daemon.dir / "spool").exists())  # it changes nothing
                self.assertFalse((daemon.dir / "mainlog").exists())

    def test_start_names_it_and_leaves_nothing(self):
        daemon = self.prepared(LISTEN + "\n  Max_Mesage_Size = 1000")
        said = daemon.start_fails()
        self.assert_named(daemon, said, "Max_Mesage_Size", "did you mean 'Max_Message_Size'")
        self.assertFalse((daemon.dir / "spool").exists())
        self.assertFalse(daemon.control.exists())

    def test_a_good_file_is_well(self):
        daemon = self.prepared(LISTEN)
        done = daemon.check("--check", "-c", daemon.config_file)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertFalse((daemon.dir / "spool").exists())
        for name in ("impulse.conf", "quickstart.conf"):
            done = daemon.check("--check-syntax", TOP / "conf" / name)
            self.assertEqual(0, done.returncode, done.stderr)

    def test_check_syntax_takes_any_name(self):
        daemon = self.prepared(LISTEN)
        daemon.config_file.write_text('Whatever "x" { Some_Option = ( 1 2 "three" ) other [ a = b ] }\n')
        self.assertEqual(0, daemon.check("--check-syntax", daemon.config_file).returncode)
        daemon.config_file.write_text("Whatever {\n  x = \n}\n")
        done = daemon.check("--check-syntax", daemon.config_file)
        self.assertEqual(1, done.returncode)
        self.assertRegex(done.stderr, rf"{re.escape(str(daemon.config_file))}:2:\d+: ")

    def test_include_errors(self):
        daemon = Daemon(self, 'include "missing.conf"\n' + BASE_CONFIG)
        done = daemon.check("--check", "-c", daemon.config_file)
        self.assertEqual(1, done.returncode)
        self.assert_named(daemon, done.stderr, None, "missing.conf")
        (daemon.dir / "a.conf").write_text('include "b.conf"\n')
        (daemon.dir / "b.conf").write_text('include "a.conf"\n')
        daemon.configure('include "a.conf"\n' + BASE_CONFIG)
        done = daemon.check("--check", "-c", daemon.config_file)
        self.assertEqual(1, done.returncode)
        self.assertRegex(done.stderr, r"b\.conf:1:\d+: ")
        (daemon.dir / "b.conf").write_text("Hostnam = x\n")  # a mistake in an included file
        done = daemon.check("--check", "-c", daemon.config_file)
        self.assertRegex(done.stderr, r"(?s)b\.conf:1:1: .*Hostname")

    def test_files_that_cannot_be_read(self):
        daemon = self.prepared(LISTEN)
        done = daemon.check("--check", "-c", daemon.dir / "nowhere.conf")
        self.assertEqual(1, done.returncode)
        self.assertIn("nowhere.conf", done.stderr)
        done = daemon.check("--check", "-c", daemon.dir)  # a folder
        self.assertEqual(1, done.returncode)
        daemon.config_file.write_bytes(b"Hostname = \xff\xfe\n")
        done = daemon.check("--check", "-c", daemon.config_file)
        self.assertEqual(1, done.returncode)
        self.assertIn(f"{daemon.config_file}:1:", done.stderr)

    def test_usage(self):
        daemon = self.prepared(LISTEN)
        for arguments in (["--frobnicate"], ["-c"], ["--check-syntax"], ["stray"]):
            done = daemon.check(*arguments)
            self.assertEqual(2, done.returncode, arguments)
            self.assertIn("usage", done.stderr)
        done = daemon.check("--version")
        self.assertEqual(0, done.returncode)
        self.assertRegex(done.stdout, r"^impulsed \d+\.\d+\.\d+\n$")

    def test_the_console_refuses_and_nothing_changes(self):
        daemon = self.daemon()
        before = daemon.console("config", "showrecurse").stdout
        for words, said in (
                (["max_mesage_size", "1000"], "did you mean 'Max_Message_Size'"),
                (["esmtp_listener", "spoolbase", "/tmp/x"], "may not stand in ESMTP_Listener"),
                (["esmtp_listener", "deny", "perhaps"], "expected true or false"),
                (["esmtp_listener", "listen", "nowhere", "enable", "true"], "nowhere"),
                (["esmtp_listener", "tls_certificate", "/no/such.pem"], "/no/such.pem"),
        ):
            with self.subTest(words=words):
                done = daemon.console("config", "set", *words, status=None)
                self.assertIn(done.returncode, (1, 2))
                self.assertIn(said, done.stderr)
                self.assertEqual(before, daemon.console("config", "showrecurse").stdout)


class Certificates(TestCase):
    CONFIG = BASE_CONFIG.replace(LISTEN, """
  TLS_Certificate = "@dir@/@cert@"
  TLS_Key = "@dir@/@key@"
  """ + LISTEN)

    def refused(self, daemon, said):
        done = daemon.check("--check", "-c", daemon.config_file)
        self.assertEqual(1, done.returncode, done.stdout)
        self.assertRegex(done.stderr, rf"{re.escape(str(daemon.config_file))}:\d+:\d+: ")
        self.assertRegex(done.stderr, said)
        self.assertRegex(daemon.start_fails(), said)

    def test_missing(self):
        self.refused(Daemon(self, self.CONFIG, cert="mx.crt", key="mx.key"), r"mx\.crt.*(No such file|not there)")

    @needs("openssl")
    def test_key_of_another(self):
        daemon = Daemon(self, self.CONFIG, cert="mx.crt", key="other.key")
        make_certificate(daemon.dir, "mx")
        make_certificate(daemon.dir, "other")
        self.refused(daemon, r"(?i)key.*(match|belong|fit)")

    @needs("openssl")
    def test_not_a_certificate(self):
        daemon = Daemon(self, self.CONFIG, cert="mx.crt", key="mx.key")
        make_certificate(daemon.dir)
        (daemon.dir / "mx.crt").write_text("no certificate\n")
        self.refused(daemon, r"mx\.crt")

    @needs("openssl")
    def test_reload_keeps_the_one_in_use(self):
        daemon = Daemon(self, self.CONFIG, cert="mx.crt", key="mx.key")
        make_certificate(daemon.dir)
        make_certificate(daemon.dir, "other")
        daemon.start()
        daemon.configure(self.CONFIG, key="other.key")
        self.assertRegex(daemon.console("config", "reload", status=1).stderr, r"(?i)key")
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.starttls()
            smtp.ehlo()

    def test_a_dangling_name(self):
        daemon = Daemon(self, BASE_CONFIG.replace(LISTEN, 'TLS_Certificate = nobody\n  ' + LISTEN))
        done = daemon.check("--check", "-c", daemon.config_file)
        self.assertEqual(1, done.returncode)
        self.assertIn("nobody", done.stderr)


class Environment(TestCase):
    def test_address_in_use(self):
        port = free_port()
        with socket.create_server(("127.0.0.1", port)):
            daemon = Daemon(self)
            daemon.configure(BASE_CONFIG, smtp=port)
            said = daemon.start_fails()
            self.assertIn(str(port), said)
            self.assertRegex(said, r"(?i)address.*in use")
        self.assertFalse(daemon.control.exists())
        daemon.start()  # and now it can

    def test_a_spool_that_another_daemon_holds(self):
        one = self.daemon()
        other = Daemon(self, BASE_CONFIG.replace("@dir@/spool", "@one@/spool"), one=one.dir)
        said = other.start_fails()
        self.assertIn(str(one.dir / "spool"), said)
        self.assertRegex(said, r"(?i)(held|used|locked|in use|another)")
        with Smtp(one.smtp_port) as smtp:  # the holder did not notice
            smtp.ehlo()
            smtp.message(b"Subject: x\r\n\r\n")
        one.wait_mail("bob")
        one.stop()
        other.start()

    def test_a_control_socket_that_another_daemon_serves(self):
        one = self.daemon()
        other = Daemon(self, BASE_CONFIG.replace("@dir@/control.sock", "@one@/control.sock"), one=one.dir)
        self.assertIn("control.sock", other.start_fails())
        self.assertEqual(str(one.process.pid), one.console("pid").stdout.strip())

    def unprivileged(self):
        if os.getuid() != 0:
            return None
        user = pwd.getpwnam("nobody")
        for path in [Path(BINDIR), *Path(BINDIR).resolve().parents]:
            if not path.stat().st_mode & 0o001:
                raise unittest.SkipTest("nobody cannot read the binaries here")
        return user.pw_name

    def open_folders(self, daemon):
        """The scratch folders, for the unprivileged user too."""
        for folder in [daemon.dir, *daemon.dir.parents]:
            if folder.parent != folder and folder.owner() == pwd.getpwuid(os.getuid()).pw_name:
                folder.chmod(folder.stat().st_mode | 0o055)
        daemon.dir.chmod(0o777)
        for name in ("stderr", "stdout"):
            (daemon.dir / name).touch()

    def test_a_spool_that_cannot_be_written(self):
        user = self.unprivileged()
        daemon = Daemon(self, BASE_CONFIG.replace("@dir@/spool", "@dir@/closed/spool"))
        self.open_folders(daemon)
        (daemon.dir / "closed").mkdir(mode=0o555)
        said = daemon.start_fails(user=user)
        self.assertIn("closed/spool", said)
        self.assertRegex(said, r"(?i)permission denied|not allowed")
        self.assertFalse(daemon.control.exists())

    def test_a_configuration_that_may_not_be_read(self):
        user = self.unprivileged()
        daemon = Daemon(self)
        self.open_folders(daemon)
        daemon.config_file.chmod(0)
        said = daemon.start_fails(user=user)
        self.assertIn("impulse.conf", said)
        self.assertRegex(said, r"(?i)permission denied|not allowed")

    def test_a_log_that_cannot_be_opened(self):
        daemon = Daemon(self, BASE_CONFIG.replace("@dir@/mainlog", "@dir@/nowhere/mainlog"))
        self.assertIn("nowhere/mainlog", daemon.start_fails())

    def test_a_spool_that_is_no_folder(self):
        daemon = Daemon(self)
        (daemon.dir / "spool").write_text("a file")
        self.assertIn("spool", daemon.start_fails())


if __name__ == "__main__":
    unittest.main()
