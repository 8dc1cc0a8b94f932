"""Faults of the machine while the configuration changes: no descriptor, no
thread, no room, a port or a name that is taken, a certificate that is gone, a
folder that is not to be written. A change is refused and says why, and then
nothing has changed, or it is done wholly."""

import fcntl
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import ssl
import unittest
from pathlib import Path

from client import Smtp
from harness import BASE_CONFIG, Daemon, TestCase, free_port, is_sanitized, make_certificate, settled, wait_for
from test_privileges import USER, open_the_way

FIRST = """\
Hostname = first.example
EventLoop "default" { Concurrency = 1 }
Certificate "old" { Cert = "@dir@/a.crt" Private_Key = "@dir@/a.key" }
include "parts"
ESMTP_Listener {
  TLS_Certificate = old
  Listen "127.0.0.1:@smtp@" { }
  Listen "127.0.0.1:@gone@" { }
  Listen "127.0.0.1:@wide@" { }
  Listen "@dir@/mail.sock" { }
}
Control_Listener { Listen "@dir@/control.sock" { } }
"""
# What stays under other values, what goes, what is new, what overlaps with what goes.
SECOND = """\
Hostname = second.example
Debug_Flags { Debug = ( ALL ) }
EventLoop "default" { Concurrency = 2 }
EventLoop "other" { Concurrency = 1 }
Certificate "new" { Cert = "@dir@/b.crt" Private_Key = "@dir@/b.key" }
include "parts"
ESMTP_Listener {
  TLS_Certificate = new
  Listen "127.0.0.1:@smtp@" { Listen_Backlog = 100 Event_Loop = other }
  Listen "127.0.0.1:@fresh@" { Reuse_Port = true }
  Listen "*:@wide@" { }
  Listen "@dir@/mail2.sock" { }
}
Control_Listener { Listen "@dir@/control.sock" { File_Mode = 0600 } Listen "@dir@/control2.sock" { } }
"""
COMMON = BASE_CONFIG[BASE_CONFIG.index("Nodename"):BASE_CONFIG.index("ESMTP_Listener")]
DOMAIN = BASE_CONFIG[BASE_CONFIG.index("Domain"):BASE_CONFIG.index("@more@")]


# UBSan opens a pipe to look at a virtual table: without descriptors it takes sound objects for broken ones.
without_descriptors = unittest.skipIf(is_sanitized(), "UBSan needs descriptors of its own")


class Limit:
    """A resource limit of a running process, for the time of a `with`."""

    LINES = {resource.RLIMIT_NOFILE: "Max open files", resource.RLIMIT_FSIZE: "Max file size",
             resource.RLIMIT_NPROC: "Max processes"}

    def __init__(self, pid, what, value):
        self.pid, self.what, self.value = pid, what, value

    def __enter__(self):
        limits = Path(f"/proc/{self.pid}/limits").read_text()
        found = re.search(self.LINES[self.what] + r"\s+(\w+)\s+(\w+)", limits)
        self.before = tuple(resource.RLIM_INFINITY if word == "unlimited" else int(word) for word in found.groups())
        self.set((self.value, self.before[1]))

    def __exit__(self, *_):
        self.set(self.before)

    def set(self, limits):
        """As the user of the process: root may not everywhere."""
        if os.geteuid() != 0:
            resource.prlimit(self.pid, self.what, limits)
            return
        status = os.stat(f"/proc/{self.pid}")
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setgid(status.st_gid)
                os.setuid(status.st_uid)
                resource.prlimit(self.pid, self.what, limits)
                os._exit(0)
            finally:
                os._exit(1)
        if os.waitpid(child, 0)[1] != 0:
            raise AssertionError("the limit cannot be set")


class Faults(TestCase):
    def setUp(self):
        ports = {name: free_port() for name in ("gone", "wide", "fresh")}
        self.daemon_ = Daemon(self, COMMON + FIRST + "@security@", security="", **ports)
        self.dir = self.daemon_.dir
        for name in "ab":
            make_certificate(self.dir, name)
        (self.dir / "parts").mkdir()
        (self.dir / "parts" / "domains").write_text(self.daemon_.fill(DOMAIN))
        if os.geteuid() == 0:  # nothing is forbidden to root
            self.daemon_.configure(COMMON + FIRST + "@security@", security="Security { User = %s }" % USER)
            owner = pwd.getpwnam(USER)
            for path in (self.dir, *self.dir.rglob("*")):
                os.chown(path, owner.pw_uid, owner.pw_gid)
            open_the_way(self.dir)
        self.second = self.dir / "second.conf"
        self.second.write_text(self.daemon_.fill(COMMON + SECOND + "@security@"))
        self.daemon_.start()
        self.pid = self.daemon_.process.pid
        self.console = self.daemon_.ectl()
        self.addCleanup(self.console.close)
        self.assert_serves("smtp gone wide")
        self.before = self.resting()

    # --- what must not change

    def descriptors(self):
        found = {}
        for name in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                found[int(name)] = os.readlink(f"/proc/{self.pid}/fd/{name}")
            except FileNotFoundError:  # closed meanwhile
                pass
        return found

    def state(self):
        threads = []
        for task in os.listdir(f"/proc/{self.pid}/task"):
            try:
                threads.append(Path(f"/proc/{self.pid}/task/{task}/comm").read_text())
            except (FileNotFoundError, ProcessLookupError):
                pass
        files = {}
        for path in self.dir.rglob("*"):
            status = path.lstat()
            content = path.read_text() if path.suffix == ".conf" or path.parent.name == "parts" else None
            files[str(path)] = (status.st_ino, status.st_mode, content)
        said = [self.console.command(command).payload
                for command in ("config show", "config history", "listener show")]
        return {"descriptors": self.descriptors(), "threads": sorted(threads), "files": files, "said": said}

    def resting(self):
        """The state, when it has been the same for some looks."""
        return settled(self.state, "nothing changes any more")

    def assert_unchanged(self, what):
        """At once, or as soon as the sessions of this test have ended."""
        try:
            wait_for(lambda: self.state() == self.before, "")
        except AssertionError:
            self.assertEqual(self.before, self.state(), what)

    def assert_serves(self, ports, gone=""):
        for name in ports.split():
            with Smtp(self.daemon_.values[name]) as smtp:
                smtp.ehlo()
        for name in gone.split():
            with self.assertRaises(ConnectionRefusedError, msg=name):
                socket.create_connection(("127.0.0.1", self.daemon_.values[name]), timeout=30)

    def refused(self, reply, why):
        self.assertNotEqual(0, reply.code, str(reply))
        self.assertRegex(str(reply), why)
        self.assert_unchanged(str(reply))

    def reload(self):
        return self.console.command(f"config reload {self.second}")

    @staticmethod
    def first_free(used):
        return next(number for number in range(len(used) + 1) if number not in used)

    def sweep(self, act, why="Too many open files"):
        """One descriptor more each time, until it is done; how often it was not."""
        refusals = 0
        first = self.first_free(self.descriptors())
        for limit in range(first, first + 100):
            with Limit(self.pid, resource.RLIMIT_NOFILE, limit):
                reply = act()
            if reply.code == 0:
                return refusals
            refusals += 1
            self.refused(reply, why)
        self.fail("it needs more than 100 descriptors")

    # --- descriptors

    @without_descriptors
    def test_each_descriptor_of_a_reload(self):
        sockets = {name for name in self.descriptors().values() if name.startswith("socket:")}
        refusals = self.sweep(self.reload)
        # Sockets, locks, and the loops of two threads.
        self.assertGreaterEqual(refusals, 10)
        self.assert_serves("smtp wide fresh", gone="gone")
        self.assertFalse((self.dir / "mail.sock").exists())
        self.assertTrue((self.dir / "mail2.sock").is_socket())
        # And all the way back, when what was replaced has had its time: of the
        # old ones stay a port, the console's name, and our connection.
        wait_for(lambda: len(sockets & set(self.descriptors().values())) == 3, "the end of what was replaced")
        self.before = self.resting()
        self.assertGreaterEqual(self.sweep(lambda: self.console.command("config revert 1")), 3)
        self.assert_serves("smtp wide gone", gone="fresh")
        self.assertTrue((self.dir / "mail.sock").is_socket())
        self.assertFalse((self.dir / "mail2.sock").exists())

    @without_descriptors
    def test_each_descriptor_of_a_transaction(self):
        for line in ("config begin", "config set hostname third.example",
                     'config set certificate new cert "@dir@/b.crt"',
                     'config set certificate new private_key "@dir@/b.key"',
                     "config set esmtp_listener tls_certificate new",
                     "config set esmtp_listener listen 127.0.0.1:@fresh@ enable true",
                     "config set esmtp_listener listen 127.0.0.1:@gone@ enable false",
                     'config set control_listener listen "@dir@/control2.sock" enable true',
                     "config set eventloop default concurrency 2"):
            reply = self.console.command(self.daemon_.fill(line))
            self.assertEqual(0, reply.code, f"{line}: {reply}")
        self.before = self.resting()
        self.assertGreaterEqual(self.sweep(lambda: self.console.command("config commit")), 6)
        self.assert_serves("smtp wide fresh", gone="gone")

    @without_descriptors
    def test_each_descriptor_of_a_signal(self):
        """SIGHUP opens the logs anew too, under other numbers: they go on."""
        descriptors = self.descriptors
        self.descriptors = lambda: dict(enumerate(sorted(descriptors().values())))
        self.daemon_.config_file.write_text(self.second.read_text())
        self.before = self.resting()
        first = self.first_free(descriptors())
        for limit in range(first, first + 100):
            told = self.daemon_.log().count(" config-re")
            with Limit(self.pid, resource.RLIMIT_NOFILE, limit):
                self.daemon_.signal(signal.SIGHUP)
                wait_for(lambda: self.daemon_.log().count(" config-re") > told, "the end of a reload")
            said = re.findall(r" config-re(\w+)", self.daemon_.log())[-1]
            if said == "loaded":
                break
            self.assertEqual("fused", said)
            self.assert_unchanged(limit)
        self.assert_serves("smtp wide fresh", gone="gone")
        self.assertIn("Too many open files", self.daemon_.log())

    def listener_commands(self, place):
        place = self.daemon_.fill(place)
        self.assertEqual(0, self.console.command("listener stop " + place).code)
        self.before = self.resting()
        self.assertGreaterEqual(self.sweep(lambda: self.console.command("listener start " + place)), 1)
        self.before = self.resting()
        self.assertGreaterEqual(self.sweep(lambda: self.console.command("listener restart " + place)), 1)

    @without_descriptors
    def test_each_descriptor_of_a_port(self):
        self.listener_commands("esmtp_listener listen 127.0.0.1:@gone@")
        self.assert_serves("gone")

    @without_descriptors
    def test_each_descriptor_of_a_path(self):
        self.listener_commands('esmtp_listener listen "@dir@/mail.sock"')
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str(self.dir / "mail.sock"))
            self.assertEqual(b"220", client.recv(3))

    @without_descriptors
    def test_each_descriptor_of_a_writeback(self):
        self.edit_two_files()
        self.assertGreaterEqual(self.sweep(lambda: self.console.command("config writeback")), 2)
        self.assert_written()

    def edit_two_files(self):
        for line in ("hostname edited.example", "domain local.example max_retries 3"):
            reply = self.console.command("config set " + line)
            self.assertEqual(0, reply.code, str(reply))
        self.before = self.resting()

    def assert_written(self):
        self.assertIn("edited.example", self.daemon_.config_file.read_text())
        self.assertIn("Max_Retries = 3", (self.dir / "parts" / "domains").read_text())
        self.assertEqual("unchanged", self.console.command("config drift").word)

    # --- room and threads

    def test_a_writeback_without_room(self):
        self.edit_two_files()
        with Limit(self.pid, resource.RLIMIT_FSIZE, 100):
            self.refused(self.console.command("config writeback"), "File too large")
            self.refused(self.console.command(f"config writeback {self.dir}/all.conf"), "File too large")
        self.assertEqual(0, self.console.command("config writeback").code)
        self.assert_written()
        # What else wants to write has had its trouble, and goes on.
        with Smtp(self.daemon_.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(b"Subject: hi\r\n\r\nhi\r\n")
        self.daemon_.wait_mail("bob")

    def test_no_thread(self):
        with Limit(self.pid, resource.RLIMIT_NPROC, 1):
            self.refused(self.reload(), "EventLoop default: no thread 2 of 2: Resource temporarily unavailable")
        self.assertEqual(0, self.reload().code)

    # --- what is taken, or gone

    def test_what_others_have(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", self.daemon_.values["fresh"]))
            taken.listen()
            self.refused(self.reload(), "Address already in use")
        path = self.dir / "mail2.sock"
        with socket.socket(socket.AF_UNIX) as living:
            living.bind(str(path))
            living.listen()
            os.chmod(path, 0o777)
            self.before = self.resting()
            self.refused(self.reload(), "another process listens there")
            living.settimeout(30)
            living.accept()[0].close()  # whoever looked has come here
        path.unlink()
        with open(str(path) + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.chmod(lock.name, 0o666)
            self.before = self.resting()
            self.refused(self.reload(), "locked by another process")
        os.unlink(str(path) + ".lock")
        path.mkdir()
        self.before = self.resting()
        self.refused(self.reload(), "is no socket")
        path.rmdir()
        self.assertEqual(0, self.reload().code)

    def test_folders(self):
        def with_path(path):
            self.second.write_text(self.daemon_.fill(COMMON + SECOND + "@security@").replace(
                str(self.dir / "mail2.sock"), path))
            self.before = self.resting()

        with_path(str(self.dir / "missing" / "mail.sock"))
        self.refused(self.reload(), "No such file or directory")
        with_path(str(self.dir / "impulse.conf" / "mail.sock"))
        self.refused(self.reload(), "Not a directory")
        closed = self.dir / "closed"
        closed.mkdir()
        closed.chmod(0o555)
        with_path(str(closed / "mail.sock"))
        self.refused(self.reload(), "Permission denied")
        with_path(str(self.dir / ("x" * 120)))
        self.refused(self.reload(), "socket path is")
        with_path(str(self.dir / "mail2.sock"))
        self.assertEqual(0, self.reload().code)

    def test_folders_that_may_not_be_written(self):
        self.edit_two_files()
        modes = {folder: folder.stat().st_mode & 0o777 for folder in (self.dir, self.dir / "parts")}
        for folder in modes:
            folder.chmod(0o555)
        self.before = self.resting()
        self.refused(self.console.command("config writeback"), "Hostname: no file that may be written")
        self.refused(self.console.command(f"config writeback {self.dir}/all.conf"), "Permission denied")
        for folder, mode in modes.items():
            folder.chmod(mode)
        self.assertEqual(0, self.console.command("config writeback").code)
        self.assert_written()

    def test_certificates(self):
        def presented():
            context = ssl._create_unverified_context()
            with socket.create_connection(("127.0.0.1", self.daemon_.smtp_port), timeout=30) as client:
                file = client.makefile("rb")
                file.readline()
                client.sendall(b"STARTTLS\r\n")
                self.assertTrue(file.readline().startswith(b"220"))
                with context.wrap_socket(client) as tls:
                    return tls.getpeercert(True)

        before = presented()
        self.assert_unchanged("a handshake")

        def refused(why):
            self.before = self.resting()
            for command in ("config reload", f"config reload {self.second}", "tls reload"):
                self.refused(self.console.command(command), why)
            self.assertEqual(before, presented())

        # Both configurations want what is broken here.
        self.second.write_text(self.second.read_text().replace("b.crt", "a.crt").replace("b.key", "a.key"))
        certificate, key = self.dir / "a.crt", self.dir / "a.key"
        aside = self.dir / "aside"
        certificate.rename(aside)
        refused("a.crt.*No such file")
        aside.rename(certificate)
        good = certificate.read_text()
        certificate.write_text("no certificate\n")
        refused("a.crt")
        certificate.write_text(good)
        shutil.copyfile(self.dir / "b.key", key)
        refused("a.key|a.crt")
        # A pair again: taken at once.
        shutil.copyfile(self.dir / "b.crt", certificate)
        self.assertEqual(0, self.console.command("config reload").code)
        self.assertNotEqual(before, presented())
