"""The Security scope: root gives itself up, and everything goes on."""

import grp
import os
import pwd
import socket
import unittest

from client import Smtp
from harness import BASE_CONFIG, Daemon, TestCase

MESSAGE = b"From: alice@client.example\r\nSubject: hi\r\n\r\nhi\r\n"
USER = "nobody"
CONFIG = BASE_CONFIG + '\nSecurity {\n  User = @user@\n  @security@\n}\n'
CAP_NET_BIND_SERVICE = 1 << 10


def status_field(pid, name, task=None):
    path = f"/proc/{pid}/status" if task is None else f"/proc/{pid}/task/{task}/status"
    with open(path) as file:
        for line in file:
            if line.startswith(name + ":"):
                return line.split(":", 1)[1].split()
    raise AssertionError(name)


def open_the_way(folder):
    """The folders of the tests above it belong to root; others may pass."""
    for parent in folder.parents:
        mode = os.stat(parent).st_mode
        if not mode & 0o001:
            os.chmod(parent, mode | 0o011)


@unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
class Root(TestCase):
    def make(self, security="", user=USER, own=True, config=CONFIG):
        daemon = Daemon(self, config, security=security, user=user)
        if own:
            entry = pwd.getpwnam(USER)
            os.chown(daemon.dir, entry.pw_uid, entry.pw_gid)
        open_the_way(daemon.dir)
        os.chmod(daemon.dir, 0o755)
        return daemon

    def assert_is(self, pid, capabilities):
        entry = pwd.getpwnam(USER)
        for task in os.listdir(f"/proc/{pid}/task"):
            self.assertEqual([str(entry.pw_uid)] * 4, status_field(pid, "Uid", task))
            self.assertEqual([str(entry.pw_gid)] * 4, status_field(pid, "Gid", task))
            kept = int(status_field(pid, "CapPrm", task)[0], 16)
            self.assertEqual(0, kept & ~capabilities, f"thread {task} may do {kept:x}")
        self.assertEqual(capabilities, int(status_field(pid, "CapEff")[0], 16))

    def test_mail_flows_as_somebody_else(self):
        daemon = self.make().start()
        self.assert_is(daemon.process.pid, CAP_NET_BIND_SERVICE)
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE)
        daemon.wait_mail("bob")
        owner = pwd.getpwnam(USER).pw_uid
        for name in ("spool", "mainlog", "log", "control.sock"):
            self.assertEqual(owner, os.stat(daemon.dir / name).st_uid, name)
        info = daemon.console("sysinfo").stdout
        self.assertIn(f"user: {USER}\n", info)
        daemon.stop()
        self.assertFalse((daemon.dir / "control.sock").exists())
        daemon.start()
        daemon.console("config", "set", "max_message_size", "3M")
        daemon.console("config", "reload")

    def test_low_ports_later_on(self):
        daemon = self.make().start()
        for port in range(600, 700):
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            break
        daemon.console("config", "set", "esmtp_listener", "listen", f"127.0.0.1:{port}", "enable", "true")
        with Smtp(port) as smtp:
            smtp.ehlo()
        daemon.console("config", "unset", "esmtp_listener", "listen", f"127.0.0.1:{port}")

    def test_specific_to_wildcard_and_back(self):
        daemon = self.make().start()
        port = daemon.smtp_port
        for there in (f"*:{port}", f"127.0.0.1:{port}"):
            daemon.configure(CONFIG.replace('Listen "127.0.0.1:@smtp@"', f'Listen "{there}"'))
            daemon.console("config", "reload")
            with Smtp(port) as smtp:
                smtp.ehlo()

    def test_capabilities_given_away(self):
        daemon = self.make(security='Capabilities = "="').start()
        if "capabilities" not in daemon.console("sysinfo").stdout.split("features:")[1].split("\n")[0]:
            self.skipTest("built without libcap")
        self.assert_is(daemon.process.pid, 0)

    def test_capabilities_kept(self):
        daemon = self.make(security='Capabilities = "cap_net_bind_service+ep cap_net_raw+ep"').start()
        self.assert_is(daemon.process.pid, CAP_NET_BIND_SERVICE | 1 << 13)

    def test_groups(self):
        groups = [group.gr_name for group in grp.getgrall() if group.gr_name in ("daemon", "mail")]
        daemon = self.make(security=f'Supplemental_Groups = ( {" ".join(groups)} )').start()
        self.assertEqual({grp.getgrnam(name).gr_gid for name in groups},
                         {int(number) for number in status_field(daemon.process.pid, "Groups")})

    def test_pidfile_of_root(self):
        daemon = self.make(config='Pidfile = "@dir@/run/pid"\n' + CONFIG)
        (daemon.dir / "run").mkdir(mode=0o755)
        daemon.start()
        self.assertEqual(daemon.process.pid, int((daemon.dir / "run" / "pid").read_text()))
        daemon.console("config", "set", "max_message_size", "3M")

    def test_what_the_user_may_not_touch_is_told_at_the_start(self):
        daemon = self.make(own=False)
        said = daemon.start_fails()
        self.assertIn("Permission denied", said)
        self.assertIn(f"User {USER}", said)
        self.assertRegex(said, r"impulse\.conf:\d+:\d+")
        done = daemon.check("--check", "-c", daemon.config_file)
        self.assertEqual(1, done.returncode)
        self.assertIn(f"User {USER}", done.stderr)

    def test_names_that_are_not_there(self):
        for security, user, said in (("", "no-such-user", "no such user"),
                                     ("Group = no-such-group", USER, "no such group"),
                                     ("", "4000000001", "needs a Group"),
                                     ('Capabilities = "cap_everything+ep"', USER, "Capabilities"),
                                     ('Chroot = "/tmp"', USER, "not available")):
            with self.subTest(security=security, user=user):
                self.assertIn(said, self.make(security, user).start_fails())

    def test_a_new_user_waits_for_a_restart(self):
        daemon = self.make().start()
        done = daemon.console("config", "set", "security", "user", "daemon")
        self.assertIn("restart", done.stdout)
        self.assert_is(daemon.process.pid, CAP_NET_BIND_SERVICE)
        daemon.console("config", "set", "security", "user", "no-such-user", status=1)


@unittest.skipUnless(os.geteuid() == 0, "starts a daemon as somebody else")
class NotRoot(TestCase):
    def test_only_root_can_become_somebody(self):
        entry = pwd.getpwnam(USER)
        daemon = Daemon(self, CONFIG, security="", user="daemon")
        for name in (daemon.dir, daemon.config_file):
            os.chown(name, entry.pw_uid, entry.pw_gid)
        open_the_way(daemon.dir)
        self.assertIn("only root", daemon.start_fails(user=entry.pw_uid))


if __name__ == "__main__":
    unittest.main()
