"""ec_sendmail as programs call it: options, exit codes, mail(1) and cron."""

import os
import re
import socket
import subprocess
import threading
import unittest

from harness import BASE_CONFIG, BINDIR, SCALE, Daemon, is_sanitized, needs

PROGRAM = str(BINDIR / "ec_sendmail")
CONFIG = BASE_CONFIG.replace('  Listen "127.0.0.1:@smtp@" { }\n',
                             '  Listen "127.0.0.1:@smtp@" { }\n  Listen "@dir@/esmtp.sock" { @listen@ }\n')
TRACED = re.compile(rb"\A(?:(?:Return-Path|Received):[^\n]*\n(?:[ \t][^\n]*\n)*)+")


def sendmail(*words, stdin="", server=None, env=None, program=PROGRAM):
    """Runs it; every test names its server, so that none meets one of this machine."""
    known = {**os.environ, "IMPULSE_SENDMAIL_SERVER": str(server or "/nonexistent/esmtp.sock"),
             "IMPULSE_SENDMAIL_DOMAIN": "local.example", "LC_ALL": "C.UTF-8", **(env or {})}
    return subprocess.run([program, *words], input=stdin if isinstance(stdin, bytes) else stdin.encode(),
                          capture_output=True, env=known, timeout=60 * SCALE)


class Sendmail(unittest.TestCase):
    def serve(self, listen="", config=CONFIG):
        self.daemon = Daemon(self, config, listen=listen).start()
        self.socket = self.daemon.dir / "esmtp.sock"

    def send(self, *words, stdin="Subject: s\n\nhello\n", status=0, **more):
        done = sendmail(*words, stdin=stdin, server=self.socket, **more)
        self.assertEqual(status, done.returncode, done.stderr.decode())
        self.assertEqual(b"", done.stdout)
        self.assertEqual(status == 0, done.stderr == b"", done.stderr)
        return done.stderr.decode()

    def mail(self, user, count=1):
        """The newest message of a user, without what a server writes on top."""
        return TRACED.sub(b"", self.daemon.wait_mail(user, count)[-1])

    def received(self):
        """The main log's lines for receptions, all of them: it is written behind, and whole after the end."""
        self.daemon.stop()
        return self.daemon.mainlog("R")

    def senders(self):
        return [f"{record['from_local']}@{record['from_domain']}" for record in self.received()]

    # whom it is for

    def test_recipients_as_arguments(self):
        self.serve()
        self.send("-f", "me@there.example", "joe@local.example", "Jane <jane@local.example>, joe@LOCAL.example", "root")
        for user in ("joe", "jane", "root"):
            self.assertRegex(self.mail(user), rb"(?s)Subject: s\n.*\n\nhello\n\Z")
        self.assertEqual(1, len(self.daemon.maildir("joe")))
        self.assertEqual({"me@there.example"}, set(self.senders()))

    def test_recipients_of_the_header(self):
        self.serve()
        message = ("From: Me <me@there.example>\nTO: \"Doe, J.\" <joe@local.example>,\n\t(a (nested, one) comment)"
                   " jane@local.example\nCc: friends: bob@local.example, Amy\n <amy@local.example>;,\n"
                   " none:;\nBCC: secret@local.example,\n  hidden@local.example\nSubject: s\nX: Bcc: no\n\nBcc: body\n")
        self.send("-t", "-i", stdin=message)
        for user in ("joe", "jane", "bob", "amy", "secret", "hidden"):
            got = self.mail(user)
            self.assertNotIn(b"secret", got)
            self.assertNotIn(b"hidden", got)
            self.assertTrue(got.endswith(b"Subject: s\nX: Bcc: no\n\nBcc: body\n"), got)
        # Arguments are added to those of the header.
        self.send("-t", "more@local.example", stdin="To: joe@local.example\n\n")
        self.mail("more")
        self.mail("joe", 2)

    def test_recipients_of_a_resent_message(self):
        self.serve()
        self.send("-t", stdin="Resent-To: joe@local.example\nResent-Bcc: jane@local.example\nTo: bob@local.example\n\n")
        self.assertNotIn(b"Resent-Bcc", self.mail("joe"))
        self.mail("jane")
        self.assertEqual([], self.daemon.maildir("bob"))

    def test_headers_without_a_meaning_are_refused(self):
        self.serve()
        for field in ("To: joe doe", "To: <joe@local.example", "To: a@b@c@d <>", 'To: "joe', "To: (joe", "Subject: none",
                      "To: joe..@[1", "To: <joe@local.example> jane@local.example"):
            self.send("-t", stdin=field + "\n\nx\n", status=65)
        self.assertEqual([], self.received())

    def test_some_or_all_are_refused(self):
        self.serve("Open_Relay = false Relay_Hosts = ()  Relay_Domains = ( local.example )")
        said = self.send("-f", "me@x.example", "joe@local.example", "far@away.example", status=67)
        self.assertIn("far@away.example: 550 5.7", said)
        self.mail("joe")
        self.send("-f", "me@x.example", "far@away.example", "further@away.example", status=77)
        self.assertEqual(1, len(self.received()))

    def test_more_recipients_than_a_transaction_takes(self):
        self.serve("Max_Recipients_Per_Message = 3")
        users = [f"u{i}" for i in range(8)]
        self.send(*users)
        for user in users:
            self.mail(user)

    # who it is from

    def test_null_sender(self):
        self.serve()
        for words in (("-f", ""), ("-f", "<>"), ("-r", "<>"), ("-f<>",)):
            self.send(*words, "joe")
        self.assertIn(b"MAILER-DAEMON@local.example", self.mail("joe", 4))
        self.assertEqual({"@"}, set(self.senders()))

    def test_from_field(self):
        self.serve()
        self.send("-f", "me", "-F", "Me Myself", "joe")
        self.assertIn(b"\nFrom: Me Myself <me@local.example>\n", b"\n" + self.mail("joe"))
        self.send("-f", "me@x.example", "joe", env={"NAME": 'J. "D" Doe'})
        self.assertIn(b'From: "J. \\"D\\" Doe" <me@x.example>\n', b"".join(self.daemon.wait_mail("joe", 2)))
        self.send("-f", "me@x.example", "-FJürgen", "jane")
        self.assertIn(b"From: =?UTF-8?Q?J=C3=BCrgen?= <me@x.example>\n", self.mail("jane"))
        self.send("-F", "not this", "amy", stdin="from : Other <o@x.example>\n\nx\n")
        self.assertNotIn(b"not this", self.mail("amy"))
        self.assertIn(b"control characters", self.send("-F", "a\nBcc: x@y.example", "amy", status=64).encode())

    def test_what_is_missing_is_added(self):
        self.serve()
        self.send("joe", stdin="just a text: no header\n")
        got = self.mail("joe")
        head, body = got.split(b"\n\n", 1)
        self.assertEqual(b"just a text: no header\n", body)
        for name in (b"From", b"Date", b"Message-ID"):
            self.assertEqual(1, len(re.findall(rb"(?mi)^" + name + b":", head)), got)
        self.assertIn(b"@local.example", head)

    # the message

    def test_dots(self):
        self.serve()
        text = "Subject: s\n\none\n.\ntwo\n..\n.three\n"
        self.send("-i", "joe", stdin=text)
        self.send("-oi", "jane", stdin=text)
        self.send("bob", stdin=text)
        self.send("amy", stdin=text.replace("\n", "\r\n"))
        whole = text.split("\n\n", 1)[1].encode()
        for user, body in (("joe", whole), ("jane", whole), ("bob", b"one\n"), ("amy", b"one\n")):
            self.assertEqual(body, self.mail(user).split(b"\n\n", 1)[1], user)

    def test_line_ends_and_long_lines(self):
        self.serve()
        long = "x" * 5000
        for end in ("\n", "\r\n"):
            self.send("joe", stdin=end.join(("Subject: s", "", long, "..", "last without an end")))
        for got in self.daemon.wait_mail("joe", 2):
            self.assertEqual(f"{long}\n..\nlast without an end\n".encode(), got.split(b"\n\n", 1)[1])
        self.send("jane", stdin="Subject: s\n\n10%\r20%\r30%\n")
        self.assertTrue(self.mail("jane").endswith(b"\n10%\n20%\n30%\n"))

    def test_what_cannot_be_sent(self):
        self.serve("Max_Message_Size = 4096")
        self.send("joe", stdin=b"Subject: s\n\na\0b\n", status=65)
        self.send("joe", stdin=b"Subject: a\rBcc: b\n\n", status=65)
        self.assertIn("552", self.send("joe", stdin="Subject: s\n\n" + "x" * 80 + "\n" * 5000, status=65))
        self.assertEqual([], self.received())

    def test_large_message_in_little_memory(self):
        self.serve()
        line = b"0123456789" * 7 + b"\n"
        message = b"Subject: s\n\n" + line * 400000  # 28 MB
        code = (f"import resource, sys, subprocess; resource.setrlimit(resource.RLIMIT_DATA, (12 << 20, 12 << 20)); "
                f"sys.exit(subprocess.run([{PROGRAM!r}, 'joe']).returncode)")
        if is_sanitized():
            code = code.replace("resource.setrlimit", "(lambda *_: None)")
        done = sendmail("-c", code, stdin=message, server=self.socket, program="python3")
        self.assertEqual((0, b""), (done.returncode, done.stderr))
        self.assertEqual(line * 400000, self.mail("joe").split(b"\n\n", 1)[1])

    def test_eight_bit_and_utf8_addresses(self):
        self.serve()
        done = sendmail("-v", "jürgen@local.example", stdin="Subject: s\n\nGrüße\n", server=self.socket)
        said = done.stderr.decode()
        self.assertEqual(0, done.returncode, said)
        self.assertRegex(said, r">>> MAIL FROM:<\S+@local.example> SIZE=\d+ BODY=8BITMIME SMTPUTF8\n")
        self.assertIn("Grüße\n".encode(), self.mail("j%C3%BCrgen"))  # doc/delivery.md
        self.assertIn("8-bit", self.send("-B", "7BIT", "joe", stdin="Subject: s\n\nGrüße\n", status=65))

    def test_delivery_reports(self):
        self.serve()
        done = sendmail("-v", "-N", "success,delay", "-R", "hdrs", "-V", "id=1 x", "-B8BITMIME", "joe", "amy",
                        stdin="\n", server=self.socket)
        said = done.stderr.decode()
        self.assertEqual(0, done.returncode, said)
        self.assertIn("BODY=8BITMIME RET=HDRS ENVID=id+3D1+20x\n", said)
        self.assertIn(">>> RCPT TO:<amy@local.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;amy@local.example\n", said)
        done = sendmail("-v", "-N", "never", "joe", stdin="\n", server=self.socket)
        self.assertIn(b"NOTIFY=NEVER", done.stderr)

    # the command line

    def test_options_of_habit(self):
        self.serve()
        self.send("-G", "-U", "-n", "-m", "-oem", "-oeq", "-odb", "-odi", "-om", "-o7", "-Am", "-Lcron", "-h5", "-em",
                  "-O", "DeliveryMode=b", "-bm", "--", "joe")
        self.mail("joe")

    def test_command_lines_that_are_refused(self):
        for status, *words in ((64,), (64, "-Z", "joe"), (64, "--what", "joe"), (64, "-f"), (64, "joe", "-t"),
                               (64, "-bx"), (64, "-Nsometimes", "joe"), (64, "-N", "never,success", "joe"),
                               (64, "-Rsome", "joe"), (64, "-V", "ü", "joe"), (64, "-BBINARYMIME", "joe"),
                               (64, "-f", "a@b, c@d", "joe"), (64, "joe doe"), (64, "--", "-joe"), (64, "-bs", "joe"),
                               (64, "--domain", "a b", "joe"), (64, "--server", "", "joe"), (64, "--server=here", "joe"),
                               (64, "--server", "h:0", "joe"), (64, "<>"), (69, "-bp"), (69, "-bi"), (69, "-I"),
                               (69, "-bd"), (69, "-q"), (69, "-q15m"), (69, "-bv", "joe"), (69, "-bt"), (69, "-C/x", "joe"),
                               (69, "-X/x", "joe")):
            done = sendmail(*words)
            said = done.stderr.decode()
            self.assertEqual((status, b""), (done.returncode, done.stdout), f"{words}: {said}")
            self.assertRegex(said, r"\Aec_sendmail: .+\n\Z", words)

    def test_names_of_links(self):
        folder = Daemon(self).dir
        for name, said in (("mailq", b"queue"), ("newaliases", b"alias")):
            (folder / name).symlink_to(PROGRAM)
            done = sendmail(program=str(folder / name))
            self.assertEqual(69, done.returncode)
            self.assertIn(said, done.stderr)

    def test_help_and_version(self):
        self.assertIn(b"usage: ec_sendmail", sendmail("--help").stdout)
        self.assertRegex(sendmail("--version").stdout, rb"\Aec_sendmail [0-9.]+")

    # the server

    def test_other_ways_to_the_server(self):
        self.serve()
        done = sendmail("--server", f"127.0.0.1:{self.daemon.smtp_port}", "joe", stdin="\n")
        self.assertEqual(0, done.returncode, done.stderr)
        done = sendmail("--server", str(self.socket), "--domain", "local.example", "joe", stdin="\n",
                        env={"IMPULSE_SENDMAIL_DOMAIN": "elsewhere.example"})
        self.assertEqual(0, done.returncode, done.stderr)
        self.daemon.wait_mail("joe", 2)

    def test_no_server(self):
        done = sendmail("joe", stdin="\n")
        self.assertEqual(75, done.returncode)
        self.assertIn(b"/nonexistent/esmtp.sock", done.stderr)
        self.assertEqual(64, sendmail("--server", "/" + "x" * 200, "joe", stdin="\n").returncode)

    @unittest.skipIf(os.geteuid() != 0, "only root can be somebody else")
    def test_server_that_is_not_for_us(self):
        self.serve("File_Mode = 0600")
        self.daemon.dir.chmod(0o755)
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", PROGRAM, "--server",
                               str(self.socket), "joe@local.example"], input=b"\n", capture_output=True)
        if done.returncode == 126 or b"failed to execute" in done.stderr:
            self.skipTest("the program is not for others")
        self.assertEqual(77, done.returncode, done.stderr)

    def test_standard_input_that_breaks(self):
        self.serve()
        folder = os.open(self.daemon.dir, os.O_RDONLY)  # reads of it fail
        try:
            done = subprocess.run([PROGRAM, "--server", str(self.socket), "joe@local.example"], stdin=folder,
                                  capture_output=True)
        finally:
            os.close(folder)
        self.assertEqual(74, done.returncode, done.stderr)

    def test_kill_in_the_middle(self):
        self.serve()
        process = subprocess.Popen([PROGRAM, "-v", "--server", str(self.socket), "joe@local.example"],
                                   stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdin.write(b"Subject: s\n\n" + b"x" * 70 + b"\n" * 20_000_000)
        process.stdin.close()
        while not (line := process.stderr.readline()).startswith(b"<<< 354"):
            self.assertNotEqual(b"", line)
        self.daemon.kill9()
        said = process.stderr.read()
        process.stderr.close()
        self.assertEqual(75, process.wait(60 * SCALE), said)
        self.assertIn(b"ec_sendmail: ", said)
        self.daemon.start()
        self.assertEqual([], self.received())

    # what it says when the server is not ours

    def played(self, *replies):
        """A server that gives these replies, one for each command, and hangs up after the last."""
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)

        def play():
            connection, _ = listening.accept()
            with connection, connection.makefile("rb") as lines:
                connection.sendall(replies[0].encode() + b"\r\n")
                for reply in replies[1:]:
                    line = lines.readline()
                    if reply.startswith("end"):  # of the message, and perhaps the reply to it
                        while line not in (b".\r\n", b""):
                            line = lines.readline()
                        reply = reply[4:]
                        if not reply:
                            continue
                    connection.sendall(reply.encode() + b"\r\n")

        player = threading.Thread(target=play, daemon=True)
        player.start()
        done = sendmail("--server", "127.0.0.1:%d" % listening.getsockname()[1], "joe@local.example",
                        "jane@local.example")
        player.join(60 * SCALE)
        return done.returncode, done.stderr.decode()

    def test_statuses(self):
        hello = ("220 x", "250 x")
        for status, *replies in (
                (69, "554 no"), (75, "421 later"), (77, "554 5.7.1 no"), (76, "hello"), (69, "220 x", "502 no"),
                (75, *hello), (75, *hello, "451 x"), (65, *hello, "550 5.1.8 x"), (77, *hello, "550 5.7.1 x"),
                (67, *hello, "250 x", "550 5.1.1 x", "550 5.1.1 x"), (77, *hello, "250 x", "550 5.7.1 x", "550 5.7.1 x"),
                (75, *hello, "250 x", "550 5.1.1 x", "450 x"), (75, *hello, "250 x", "250 x", "421 x"),
                (75, *hello, "250 x", "250 x"), (75, *hello, "250 x", "250 x", "250 x", "451 x"),
                (75, *hello, "250 x", "250 x", "250 x", "354 x"),
                (75, *hello, "250 x", "250 x", "250 x", "354 x", "end"),
                (69, *hello, "250 x", "250 x", "250 x", "554 5.3.0 x")):
            got, said = self.played(*replies)
            self.assertEqual(status, got, f"{replies}: {said}")
            self.assertTrue(said.startswith("ec_sendmail: "), said)

    def test_later_transaction_that_fails(self):
        started = ("220 x", "250 x", "250 x", "250 x", "452 x", "354 x", "end 250 x")
        for replies in ((*started, "451 x"), started, (*started, "250 x", "550 x")):
            status, said = self.played(*replies)
            self.assertEqual(67, status, said)
            self.assertRegex(said, r"\Aec_sendmail: jane@local.example: .+\n\Z")
        status, said = self.played(*started, "250 x", "250 x", "354 x", "end 250 x")
        self.assertEqual((0, ""), (status, said))

    # SMTP, passed through

    def test_smtp_on_standard_input(self):
        self.serve()
        session = ("EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<joe@local.example>\r\nDATA\r\n"
                   "Subject: s\r\n\r\n..\r\n.\r\nQUIT\r\n")
        done = sendmail("-bs", stdin=session, server=self.socket)
        self.assertEqual((0, b""), (done.returncode, done.stderr))
        self.assertEqual(["220", "250", "250", "250", "354", "250", "221"],
                         [line[:3] for line in done.stdout.decode().split("\r\n") if line[3:4] == " "])
        self.assertTrue(self.mail("joe").endswith(b"\n\n.\n"))
        # A client that hangs up, and one that writes on and reads late.
        done = sendmail("-bs", stdin="NOOP\r\n", server=self.socket)
        self.assertEqual((0, 2, b""), (done.returncode, done.stdout.count(b"\r\n"), done.stderr))
        done = sendmail("-bs", stdin="NOOP\r\n" * 200_000 + "QUIT\r\n", server=self.socket)
        self.assertEqual((0, 200_002), (done.returncode, done.stdout.count(b"\r\n")))
        self.assertEqual(75, sendmail("-bs").returncode)

    # those who call it

    def wrapper(self):
        """A program `sendmail` as /usr/sbin/sendmail is, for who passes no environment."""
        path = self.daemon.dir / "sendmail"
        path.write_text(f'#!/bin/sh\nexec {PROGRAM} --server {self.socket} --domain local.example "$@"\n')
        path.chmod(0o755)
        return path

    @needs("bsd-mailx")
    def test_mail_of_bsd_mailx(self):
        self.serve()
        rc = self.daemon.dir / "mailrc"
        rc.write_text(f"set sendmail={self.wrapper()}\n")
        done = subprocess.run(["bsd-mailx", "-s", "Hello there", "-c", "jane@local.example", "-b", "bob@local.example",
                               "joe@local.example"], input=b"line\n.\nafter\n", capture_output=True,
                              env={**os.environ, "MAILRC": str(rc), "HOME": str(self.daemon.dir)}, timeout=60 * SCALE)
        self.assertEqual((0, b""), (done.returncode, done.stderr))
        for user in ("joe", "jane", "bob"):
            got = self.mail(user)
            self.assertIn(b"Subject: Hello there\n", got)
            self.assertNotIn(b"bob@", got)
            self.assertTrue(got.endswith(b"\n\nline\n.\nafter\n"), got)

    def test_cron(self):
        self.serve()
        done = subprocess.run(["/bin/sh", "-c", f"{self.wrapper()} -i -FCronDaemon -B8BITMIME -oem root"],
                              input="From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@h> job\n\nüber\n.\nend\n".encode(),
                              env={"PATH": "/usr/bin:/bin"}, capture_output=True, timeout=60 * SCALE)
        self.assertEqual((0, b""), (done.returncode, done.stderr))
        got = self.mail("root")
        self.assertTrue(got.endswith("\n\nüber\n.\nend\n".encode()), got)
        self.assertIn(b"From: root (Cron Daemon)\n", got)
        done = subprocess.run(["/bin/sh", "-c", f"echo out | {self.wrapper()} -i -FCronDaemon -odi -oem joe"],
                              env={"PATH": "/usr/bin:/bin"}, capture_output=True, timeout=60 * SCALE)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn(b"From: CronDaemon <", self.mail("joe"))


if __name__ == "__main__":
    unittest.main()
