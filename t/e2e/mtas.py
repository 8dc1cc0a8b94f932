"""Mail servers of others beside ours: Postfix and Dovecot as they are installed; Exim
and OpenSMTPD, which cannot be installed beside it, each unpacked from its
Debian package and put into a root folder of its own. All take mail by SMTP on
a port of 127.0.0.1 and pass everything on to one host and port; but Dovecot, which
takes it by LMTP, on a port and a Unix socket, into Maildirs.

They want to start as root, and become users of their own; nothing outside of
their folders is touched."""

import os
import shutil
import smtplib
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import SCALE, find_program, free_port, make_certificate, read, wait_for

CACHE = Path(os.environ.get("IMPULSE_CHECK_CACHE") or
             Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "impulse-check")


def cached(name):
    """A folder that .ci/install-packages has fetched; skips the test where there is none."""
    folder = CACHE / name
    if not folder.is_dir():
        raise unittest.SkipTest(f"{folder} is not there: .ci/install-packages build check fetches it")
    return folder


class Mta:
    """One that runs, started by a sub-class. `to`: the port of 127.0.0.1 that gets all mail."""

    name = ""

    def __init__(self, test, to, tls=False):
        if os.geteuid() != 0:
            raise unittest.SkipTest(f"only root can start {self.name}")
        self.port = free_port()
        self.values = {"port": self.port, "to": to}
        # Not in the test's folder: other users than root have to get in.
        self.dir = Path(tempfile.mkdtemp(prefix="mta"))
        self.dir.chmod(0o755)
        test.addCleanup(shutil.rmtree, self.dir, True)
        self.prepare(tls)
        with open(self.dir / "out", "wb") as out:
            # Killed with the test, whatever becomes of it.
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *map(str, self.command())], stdout=out,
                                            stderr=out, stdin=subprocess.DEVNULL)
        test.addCleanup(self.stop)
        wait_for(self.answers, lambda: f"{self.name} does not answer:\n{self.log()}", 60)

    def prepare(self, tls):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def log(self):
        return read(self.dir / "out")

    def fill(self, text):
        for name, value in self.values.items():
            text = text.replace(f"@{name}@", str(value))
        return text

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n{self.log()}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=30 * SCALE) as probe:
                return probe.recv(4) == b"220 "
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=20 * SCALE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        print(f"--- what {self.name} said:\n{self.log()}")  # seen when the test fails

    def send(self, message, sender, recipients, mail=(), rcpt=()):
        """Hands a message over; it goes on to Impulse when the MTA likes."""
        with smtplib.SMTP("127.0.0.1", self.port, "client.example", timeout=60 * SCALE) as smtp:
            smtp.ehlo()
            if not all(word.isascii() for word in [sender, *recipients]):
                smtp.command_encoding = "utf-8"
                mail = ["SMTPUTF8", *mail]
            smtp.sendmail(sender, recipients, message, ["BODY=8BITMIME", *mail], list(rcpt))


class Postfix(Mta):
    """All its intervals are a second, qmgr's wakeup too: a message that qmgr finds still locked by the client
    that deferred it waits in `incoming`, which nobody looks into before that."""

    name = "Postfix"

    MAIN = """\
compatibility_level = 3.6
queue_directory = @dir@/queue
data_directory = @dir@/data
maillog_file = @dir@/maillog
maillog_file_prefixes = @dir@
mail_owner = postfix
setgid_group = postdrop
myhostname = postfix.client.example
mydestination =
alias_maps =
local_recipient_maps =
mynetworks = 127.0.0.0/8
smtpd_authorized_xclient_hosts = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
relayhost = [127.0.0.1]:@to@
smtp_dns_support_level = disabled
smtp_line_length_limit = 0
smtp_tls_security_level = @tls@
message_size_limit = 100000000
smtputf8_enable = yes
local_header_rewrite_clients =
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
"""
    MASTER = """\
127.0.0.1:@port@ inet n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 1 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

    def prepare(self, tls):
        postconf = find_program("postconf")
        if not postconf:
            raise unittest.SkipTest("not installed: postfix")
        self.values.update(dir=self.dir, tls="encrypt" if tls else "none")
        daemons = subprocess.run([postconf, "-h", "-d", "daemon_directory"], capture_output=True, text=True,
                                 timeout=60).stdout.strip()
        self.master = Path(daemons) / "master"
        for name in ("conf", "queue", "data"):
            (self.dir / name).mkdir()
        shutil.chown(self.dir / "data", "postfix")
        for name in "active bounce corrupt defer deferred flush hold incoming private saved trace".split():
            (self.dir / "queue" / name).mkdir(mode=0o700)
            shutil.chown(self.dir / "queue" / name, "postfix")
        (self.dir / "queue/pid").mkdir()
        for name, mode in (("maildrop", 0o730), ("public", 0o710)):
            (self.dir / "queue" / name).mkdir()
            shutil.chown(self.dir / "queue" / name, "postfix", "postdrop")
            (self.dir / "queue" / name).chmod(mode)
        (self.dir / "conf/main.cf").write_text(self.fill(self.MAIN))
        (self.dir / "conf/master.cf").write_text(self.fill(self.MASTER))

    def command(self):
        return [self.master, "-c", self.dir / "conf", "-d"]

    def log(self):
        return super().log() + read(self.dir / "maillog")


class Dovecot(Mta):
    """Every user that one can think of has a Maildir."""

    name = "Dovecot"

    CONFIG = """\
base_dir = @dir@/run
state_dir = @dir@/state
log_path = @dir@/log
protocols = lmtp
listen = 127.0.0.1
ssl = @ssl@
@certificate@
default_login_user = nobody
default_internal_user = dovecot
postmaster_address = postmaster@local.example
lmtp_save_to_detail_mailbox = no
mail_location = maildir:@dir@/mail/%n
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
auth_mechanisms = plain
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=@dir@/mail/%n allow_all_users=yes
}
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
service lmtp {
  unix_listener lmtp {
    mode = 0666
  }
  inet_listener lmtp {
    port = @port@
  }
}
protocol lmtp {
  mail_plugins =
}
"""

    def prepare(self, tls):
        self.program = find_program("dovecot")
        if not self.program:
            raise unittest.SkipTest("not installed: dovecot-lmtpd")
        self.path = self.dir / "run/lmtp"
        self.values.update(dir=self.dir, ssl="yes" if tls else "no", certificate="")
        if tls:
            key, certificate = make_certificate(self.dir, "localhost")[::-1]
            self.values.update(certificate=f"ssl_cert = <{certificate}\nssl_key = <{key}")
        (self.dir / "mail").mkdir()
        shutil.chown(self.dir / "mail", "nobody", "nogroup")
        (self.dir / "dovecot.conf").write_text(self.fill(self.CONFIG))

    def command(self):
        return [self.program, "-F", "-c", self.dir / "dovecot.conf"]

    def log(self):
        return super().log() + read(self.dir / "log")

    def mail(self, user):
        """The messages in a user's Maildir, with LF line ends as they lie there."""
        return [path.read_bytes() for path in sorted((self.dir / "mail" / user / "new").glob("*"))]


class Jail(Mta):
    """Programs of a package in a root folder that has nothing but them, the libraries they want, and users."""

    package = ""
    programs = ()
    users = ()

    def prepare(self, tls):
        source = cached(self.package)
        self.root = self.dir / "root"
        for program in self.programs:
            self.copy(source / program, program)
            for line in subprocess.run(["ldd", str(source / program)], capture_output=True, text=True,
                                       timeout=60).stdout.splitlines():
                words = line.split()
                if "not" in words:
                    raise unittest.SkipTest(f"{program} wants {words[0]}, which is not installed")
                path = next((word for word in words if word.startswith("/")), None)
                if path:
                    self.copy(Path(path), path[1:])
        for name in ("dev", "etc", "tmp", "var/log", "run"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        (self.root / "var/run").symlink_to("../run")
        (self.root / "tmp").chmod(0o1777)
        self.root.chmod(0o755)
        for name, minor in (("null", 3), ("urandom", 9)):
            try:
                os.mknod(self.root / "dev" / name, 0o20666, os.makedev(1, minor))
                (self.root / "dev" / name).chmod(0o666)
            except PermissionError:
                raise unittest.SkipTest("no devices can be made here") from None
        names = ("root", "nobody", *self.users)
        self.ids = {name: number if number < 1 else 64900 + number for number, name in enumerate(names)}
        self.write("etc/passwd", "".join(f"{name}:x:{n}:{n}::/:/bin/false\n" for name, n in self.ids.items()))
        self.write("etc/group", "".join(f"{name}:x:{n}:\n" for name, n in self.ids.items()))
        self.write("etc/hosts", "127.0.0.1 localhost\n")
        self.write("etc/resolv.conf", "nameserver 127.0.0.1\n")
        self.write("etc/mailname", f"{self.name.lower()}.client.example\n")

    def copy(self, source, place):
        target = self.root / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copy(source, target)

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(self.fill(text))

    def folder(self, path, owner="root", mode=0o755):
        folder = self.root / path
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)
        os.chown(folder, self.ids[owner], self.ids[owner])

    def command(self):
        return ["chroot", self.root, *self.run]


class Exim(Jail):
    name = "Exim"
    package = "exim4-daemon-light"
    programs = ("usr/sbin/exim4",)
    users = ("Debian-exim",)
    run = ("/usr/sbin/exim4", "-bdf", "-q1s")

    CONFIG = """\
primary_hostname = exim.client.example
local_interfaces = 127.0.0.1
daemon_smtp_ports = @port@
keep_environment =
acl_smtp_rcpt = take
acl_smtp_data = take
acl_smtp_vrfy = take
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
chunking_advertise_hosts = *
tls_advertise_hosts =
rfc1413_query_timeout = 0s
message_size_limit = 100M
smtp_accept_max = 100
remote_max_parallel = 10
log_selector = +smtp_confirmation +pipelining
begin acl
take:
  accept
begin routers
all:
  driver = manualroute
  route_list = * 127.0.0.1 byname
  self = send
  transport = out
begin transports
out:
  driver = smtp
  port = @to@
  hosts_try_chunking = *
  hosts_require_tls = @tls@
  @avoid@
  tls_try_verify_hosts =
  tls_verify_hosts =
  message_linelength_limit = 100000
begin retry
* * F,2h,1s
"""

    def prepare(self, tls):
        super().prepare(tls)
        self.values.update(tls="*" if tls else "", avoid="" if tls else "hosts_avoid_tls = *")
        self.write("etc/exim4/exim4.conf", self.CONFIG)
        for path in ("var/spool/exim4", "var/log/exim4", "run/exim4"):
            self.folder(path, "Debian-exim", 0o750)

    def log(self):
        return super().log() + "".join(read(path) for path in (self.root / "var/log/exim4").glob("*log"))


class OpenSmtpd(Jail):
    name = "OpenSMTPD"
    package = "opensmtpd"
    programs = ("usr/sbin/smtpd", "usr/sbin/smtpctl")
    users = ("opensmtpd", "opensmtpq")
    run = ("/usr/sbin/smtpd", "-d", "-v")

    CONFIG = """\
smtp max-message-size 100M
listen on 127.0.0.1 port @port@ hostname opensmtpd.client.example
action "on" relay host smtp@how@://127.0.0.1:@to@ @tls@ helo opensmtpd.client.example
match from any for any action "on"
"""

    def prepare(self, tls):
        super().prepare(tls)
        self.values.update(how="" if tls else "+notls", tls="tls no-verify" if tls else "")
        self.write("etc/smtpd.conf", self.CONFIG)
        self.folder("var/lib/opensmtpd/empty", mode=0o711)
        self.folder("var/spool/smtpd", mode=0o711)


ALL = (Postfix, Exim, OpenSmtpd)
