"""ec_inject against the daemon: each protocol with each source, who it is, what is
refused, and what it says of all that."""

import fcntl
import json
import os
import pty
import re
import signal
import subprocess
import tempfile
import termios
import threading

from harness import SCALE, make_certificate, wait_for
from inject_kit import MBOX, PROGRAM, Case, environment
from sink import SmtpSink
from test_passwd import passwd


class Protocols(Case):
    def test_generated_by_each_protocol(self):
        self.begin()
        for number, (protocol, *words) in enumerate((
                ("smtp",), ("smtp", "--no-pipelining"), ("smtp", "--bdat"), ("smtp", "--bdat", "--no-pipelining"),
                ("lmtp",), ("lmtp", "--bdat"), ("lmtp", "--no-pipelining"), ("http",),
                ("http", "--api", "transmissions"), ("http", "--api", "inject"), ("ecstream",), ("ecstream", "-b", "7"))):
            with self.subTest(protocol=protocol, words=words):
                user = f"user{number}"
                report = self.inject(protocol, "-n", "40", "-c", "3", "-s", "300-3000", "-t", f"{user}@local.example",
                                     "-f", "sender{message}@client.example", *words)
                self.assertEqual((40, 40), (report["accepted"]["messages"], report["accepted"]["recipients"]))
                self.assertEqual(40, report["latency"]["count"])
                self.assertTrue(report["complete"])
                mails = self.mails(user, 40)
                numbers = {int(re.search(rb"Subject: ec_inject (\d+) of", mail)[1]) for mail in mails}
                self.assertEqual(set(range(1, 41)), numbers)

    def test_stored_messages_by_each_protocol(self):
        self.begin()
        folder = self.dir / "in"
        for part in ("new", "cur", "tmp"):
            (folder / part).mkdir(parents=True)
        (folder / "new" / "1.x").write_text("Subject: three\n\nthree\n")
        (folder / "cur" / "2.x:2,S").write_bytes(b"Subject: four\r\n\r\nfour, no end")
        (self.dir / "mbox").write_text(MBOX)
        one = self.dir / "one.eml"
        one.write_text("Subject: five\n\n.\n..\nfive\n")
        bodies = {b"From here on it is text.\n.\n..dots\n", "Grüße\n".encode(), b"three\n", b"four, no end\n",
                  b".\n..\nfive\n", b"six\n"}
        for number, (protocol, *words) in enumerate((("smtp",), ("smtp", "--bdat"), ("lmtp",), ("http",),
                                                     ("http", "--api", "transmissions"), ("http", "--api", "inject"),
                                                     ("ecstream",))):
            with self.subTest(protocol=protocol, words=words):
                report = self.inject(protocol, *words, "-t", f"user{number}@local.example", "--mbox", self.dir / "mbox",
                                     "--maildir", folder, one, "-", "-c", "2", stdin=b"From: x@client.example\nSubject: six\n\nsix\n")
                self.assertEqual(6, report["accepted"]["messages"])
                mails = self.mails(f"user{number}", 6)
                self.assertEqual(bodies, {mail.split(b"\n\n", 1)[1] for mail in mails})

    def test_bytes_that_are_no_utf8(self):
        self.begin()
        latin = self.dir / "latin.eml"
        latin.write_bytes(b"Subject: x\n\n\xe9\xff\n")
        for protocol in ("smtp", "http", "ecstream"):
            self.inject(protocol, "-t", f"{protocol}@local.example", latin)
            self.assertIn(b"\n\n\xe9\xff\n", self.mails(protocol, 1)[0])
        # … in JSON too, where there are more recipients than a header field takes
        self.inject("http", "--recipients", "500", "-t", "many{recipient}@local.example", latin)
        self.assertIn(b"\n\n\xe9\xff\n", self.mails("many500", 1)[0])
        said = self.fails(66, "-p", "http", "--api", "transmissions", self.server("http"), latin)
        self.assertIn("latin.eml: is not UTF-8", said)

    def test_batches_of_recipients(self):
        self.begin("Suspend_Delivery = true\n")
        for api in ("transmissions", "inject"):
            report = self.inject("http", "--api", api, "-n", "250", "-b", "100", "-t", "u{message}-{recipient}@local.example")
            self.assertEqual((250, 250), (report["accepted"]["messages"], report["accepted"]["recipients"]))
            self.assertEqual(3, report["latency"]["count"])  # requests
        self.assertEqual(500, self.daemon.counters()["Received Messages"])

    def test_the_same_messages_by_a_seed(self):
        self.begin()
        for user in ("one", "two"):
            self.inject("smtp", "-n", "20", "-c", "4", "-s", "lognormal:2k:1", "--seed", "42", "-f", "a@client.example",
                        "-t", f"{user}@local.example")
        by_seed = [sorted(re.sub(rb"(?m)^(?:To|Date): .*\n", b"", mail) for mail in self.mails(user, 20)) for user in ("one", "two")]
        self.assertEqual(*by_seed)

    def test_connections_end_after_so_many_messages(self):
        sink = SmtpSink(self)
        report = self.inject("smtp", "-n", "10", "--per-connection", "3", server=f"127.0.0.1:{sink.port}")
        self.assertEqual((10, 4, 0), (report["accepted"]["messages"], report["connection_attempts"], report["connections_broken"]))
        wait_for(lambda: [session.closed for session in sink.sessions] == ["quit"] * 4, "farewells")

    def test_a_unix_socket_and_the_report_for_people(self):
        self.begin()
        done = self.run_it("-p", "ecstream", self.dir / "ecs.sock", "-n", "5", "-t", "a@local.example", "--json", self.dir / "report")
        self.assertEqual((0, b""), (done.returncode, done.stderr))
        self.assertIn(b"accepted    5 messages, 5 recipients", done.stdout)
        self.assertRegex(done.stdout, rb"latency +p50 .*max")
        self.assertEqual(5, json.loads((self.dir / "report").read_text())["accepted"]["messages"])

    def test_until_the_time_is_over(self):
        self.begin("Suspend_Delivery = true\n")
        report = self.inject("smtp", "-d", "300ms", "-c", "2", "-s", "1k")
        self.assertTrue(report["complete"])
        self.assertEqual(report["accepted"]["messages"], self.daemon.counters()["Received Messages"])


class Access(Case):
    def test_tls(self):
        self.begin()
        certificate, key = make_certificate(self.dir)
        more = (f'TLS_Certificate = "{certificate}"\nTLS_Key = "{key}"\n')
        self.daemon.stop()
        config = self.daemon.config_file.read_text().replace("ESMTP_Listener {", "ESMTP_Listener {\n" + more)
        for listener in ("HTTP_Listener {", "ECStream_Listener {"):
            config = config.replace(listener, listener + "\nUse_SSL = true\n" + more)
        self.daemon.configure(config)
        self.daemon.start()
        self.inject("smtp", "--starttls", "--ca", certificate, "-t", "a@local.example", "-n", "20", "-c", "3", "-s", "100k")
        self.inject("http", "--tls", "--ca", certificate, "-t", "a@local.example", "-n", "20", "-c", "3", "-s", "100k")
        self.inject("http", "--tls", "--no-verify", "-t", "a@local.example")
        self.inject("ecstream", "--tls", "--ca", certificate, "-t", "a@local.example", "-n", "20", "-c", "3", "-s", "100k")
        self.daemon.wait_mail("a", 61)
        self.assertIn("not trusted", self.fails(69, "--starttls", self.server("smtp")))
        self.assertIn("not trusted", self.fails(69, "--starttls", "--ca", certificate, "--tls-name", "other.example",
                                                self.server("smtp")))
        self.assertIn("TLS", self.fails(69, "--tls", "--no-verify", self.server("smtp")))
        self.assertIn("no.pem", self.fails(69, "--tls", "--ca", "no.pem", "-p", "http", self.server("http")))
        self.assertEqual(61, self.daemon.counters()["Received Messages"])

    def test_passwords(self):
        auth = ('ESMTP_Listener {\nSMTP_Extensions = ( PIPELINING AUTH )\nAuthPlainParameters = [ uri = "file://@dir@/users" ]\n'
                'AuthCramMD5Parameters = [ uri = "file://@dir@/users" ]\n}\n')
        self.begin(auth, files={"users": "alice:open sesame\n", "right": "open sesame\n", "wrong": "nonsense\n"})
        to = ("-t", "a@local.example")
        self.inject("smtp", "-u", "alice", *to, EC_INJECT_PASSWORD="open sesame")
        self.inject("smtp", "-u", "alice", "--password-file", self.dir / "right", *to)
        self.inject("smtp", *to, server="alice@" + self.server("smtp"), EC_INJECT_PASSWORD="open sesame")
        self.assertIn("535", self.fails(69, "-u", "alice", "--password-file", self.dir / "wrong", self.server("smtp"), *to))
        (self.dir / "right").chmod(0o644)
        self.assertIn("chmod 600", self.fails(66, "-u", "alice", "--password-file", self.dir / "right", self.server("smtp")))
        self.assertIn("EC_INJECT_PASSWORD", self.fails(77, "-u", "alice", self.server("smtp")))
        self.daemon.wait_mail("a", 3)

    def test_passwords_of_ecstream(self):
        self.begin(ecs='Enable_Authentication = true\nAuthPlainParameters = [ uri = "file://@dir@/users" ]\n',
                   files={"users": "alice:sesame\n"})
        to = ("-n", "5", "-c", "2", "-t", "a@local.example")
        self.inject("ecstream", "-u", "alice", *to, EC_INJECT_PASSWORD="sesame")
        words = ("-p", "ecstream", self.server("ecstream"), *to)
        self.assertIn("5.7.8", self.fails(69, "-u", "alice", *words, EC_INJECT_PASSWORD="wrong"))
        self.assertIn("authentication", self.fails(69, *words))
        self.assertEqual(5, len(self.daemon.wait_mail("a", 5)))

    def test_keys_of_http(self):
        self.begin(http='Enable_Authentication = true\nAPI_Keys = [ uri = "keys://@dir@/keys" ]\n'
                        'AuthPlainParameters = [ uri = "file://@dir@/users" ]\n',
                   files={"keys": "# none yet\n", "users": "alice:sesame\n"})
        done = passwd("key", "add", "--user", "app", "--rights", "inject", self.dir / "keys")
        key = done.stdout.split()[-1]
        (self.dir / "key").write_text(key + "\n")
        (self.dir / "key").chmod(0o600)
        to = ("-t", "a@local.example")

        def accepted():
            return self.run_it("-q", "-p", "http", "--api-key-file", self.dir / "key", self.server("http"), *to).returncode == 0

        wait_for(accepted, "the key to be known")
        self.inject("http", *to, EC_INJECT_API_KEY=key)
        self.inject("http", "-u", "alice", *to, EC_INJECT_PASSWORD="sesame")
        report = self.inject("http", "-n", "3", *to, status=1)
        self.assertEqual(3, report["refused"]["codes"]["401"]["messages"])


class Refusals(Case):
    def test_refusals_are_counted_by_code(self):
        def script(session, verb, line):
            if verb == "RCPT" and "bad" in line:
                return "550 5.1.1 no such user"
            if verb == "MAIL" and "sender3@" in line:
                return "451 4.7.1 later"
            if verb == "END" and b"ec_inject 5 of" in line:
                return "554 5.7.1 no"
            return None

        for extensions in (("PIPELINING",), ("PIPELINING", "CHUNKING"), ()):
            with self.subTest(extensions=extensions):
                sink = SmtpSink(self, script=script, extensions=extensions)
                words = ["--bdat"] if "CHUNKING" in extensions else []
                report = self.inject("smtp", "-n", "8", "-f", "sender{message}@x.example", "--recipients", "2",
                                     "-t", "user{recipient}@x.example", *words, status=1, server=f"127.0.0.1:{sink.port}")
                self.assertEqual((6, 12), (report["accepted"]["messages"], report["accepted"]["recipients"]))
                self.assertEqual({"451": {"messages": 1, "recipients": 2, "text": "4.7.1 later"},
                                  "554": {"messages": 1, "recipients": 2, "text": "5.7.1 no"}}, report["refused"]["codes"])
                report = self.inject("smtp", "-n", "2", "--recipients", "3", "-t", "bad{recipient}@x.example", *words, status=1,
                                     server=f"127.0.0.1:{sink.port}")
                self.assertEqual((0, 2, 6), (report["accepted"]["messages"], report["refused"]["messages"],
                                             report["refused"]["recipients"]))
                self.assertEqual(6, len(sink.messages))
                self.assertEqual([], sink.errors)

    def test_some_recipients_refused(self):
        words = ("-n", "4", "--recipients", "2", "-t", "u{recipient}@local.example")
        sink = SmtpSink(self, script=lambda session, verb, line: "550 no" if verb == "RCPT" and "u2" in line else None)
        report = self.inject("smtp", *words, status=1, server=f"127.0.0.1:{sink.port}")
        self.assertEqual((4, 4, 0, 4), (report["accepted"]["messages"], report["accepted"]["recipients"],
                                        report["refused"]["messages"], report["refused"]["recipients"]))

    def test_refused_by_the_daemon(self):
        self.begin("Max_Message_Size = 2000\n")
        for protocol, code in (("smtp", "552"), ("lmtp", "552"), ("http", "413"), ("ecstream", "552")):
            with self.subTest(protocol=protocol):
                report = self.inject(protocol, "-n", "4", "-s", "1k:1,10k:1", "--seed", "1", "-t", f"{protocol}@local.example",
                                     status=1)
                self.assertEqual([code], list(report["refused"]["codes"]))
                self.assertEqual(4, report["accepted"]["messages"] + report["refused"]["messages"])
                self.assertLess(0, report["accepted"]["messages"])

    def test_what_makes_no_sense_sends_nothing(self):
        sink = SmtpSink(self)
        server = f"127.0.0.1:{sink.port}"
        empty, broken = self.file("empty", ""), self.file("broken", "no mbox\n")
        good = self.file("good", "Subject: x\n\nx\n")
        for status, words in ((64, ["--nonsense"]), (64, ["-n", "0"]), (64, ["-s", "0"]), (64, ["-p", "uucp"]), (64, ["-b", "2"]),
                              (64, ["-d", "soon"]), (66, [good, "/nonexistent"]), (66, [good, empty]), (66, ["/"]),
                              (66, [good, "--mbox", broken]), (66, [good, "--maildir", os.path.dirname(good)]),
                              (73, ["--json", "/nonexistent/report"])):
            self.fails(status, server, *words)
        self.fails(64)
        self.fails(69, "127.0.0.1:1")
        self.assertEqual([], sink.sessions)
        old = self.file("old.json", "{}\n")  # a report of an earlier run is not this one's
        self.assertIn(self.run_it("--json", old, "-q", "nohost.invalid:1").returncode, (68, 75))
        self.assertEqual("", open(old, encoding="utf-8").read())

    def file(self, name, text):
        folder = tempfile.mkdtemp(dir=os.environ.get("IMPULSE_E2E_DIR"))
        path = os.path.join(folder, name)
        with open(path, "w") as out:
            out.write(text)
        return path


class People(Case):
    def start(self, *words, line):
        def take_terminal():
            fcntl.ioctl(line, termios.TIOCSCTTY, 0)

        return subprocess.Popen([PROGRAM, *map(str, words)], stdin=line, stdout=subprocess.PIPE, stderr=line,
                                env=environment(), start_new_session=True, preexec_fn=take_terminal)

    def test_progress_on_a_terminal_and_ctrl_c(self):
        sink = SmtpSink(self)
        control, line = pty.openpty()
        said = bytearray()

        def listen():
            while True:
                try:
                    more = os.read(control, 4096)
                except OSError:
                    return
                said.extend(more)

        process = self.start("-n", "100000", "-r", "200", "--json", "-", f"127.0.0.1:{sink.port}", line=line)
        os.close(line)
        reader = threading.Thread(target=listen, daemon=True)
        reader.start()
        wait_for(lambda: len(sink.messages) > 20 and b"/100000" in said, lambda: bytes(said))
        self.assertRegex(bytes(said), rb"\r\[\.+\] +0% \d+/100000  \d+/s")
        os.write(control, b"\x03")
        out = process.communicate(timeout=60 * SCALE)[0]
        reader.join(60 * SCALE)
        self.assertEqual(130, process.returncode)
        report = json.loads(out)
        self.assertTrue(report["interrupted"])
        self.assertFalse(report["complete"])
        self.assertEqual(len(sink.messages), report["accepted"]["messages"])
        self.assertEqual(100000, report["accepted"]["messages"] + report["not_sent"])
        self.assertRegex(bytes(said), rb"\r\x1b\[Kaccepted ")  # the line is gone, the report stands in its place
        os.close(control)

    def test_no_progress_in_a_pipe(self):
        sink = SmtpSink(self)
        done = self.run_it("-n", "50", "-r", "100", f"127.0.0.1:{sink.port}")
        self.assertEqual((0, b""), (done.returncode, done.stderr))

    def test_the_second_ctrl_c_does_not_wait(self):
        held, here = threading.Event(), threading.Event()
        self.addCleanup(held.set)

        def script(session, verb, line):
            if verb == "END":
                here.set()
                held.wait(100 * SCALE)

        sink = SmtpSink(self, script=script)
        process = subprocess.Popen([PROGRAM, "-q", "--json", "-", f"127.0.0.1:{sink.port}"], stdout=subprocess.PIPE,
                                   env=environment())
        self.assertTrue(here.wait(60 * SCALE))

        def interrupted():
            process.send_signal(signal.SIGINT)
            return process.poll() is not None

        wait_for(interrupted, "the end")
        out = process.communicate(timeout=60 * SCALE)[0]
        self.assertEqual(130, process.returncode)
        self.assertEqual(1, json.loads(out)["unknown"])

    def test_help_and_version(self):
        self.assertIn(b"usage: ec_inject", self.run_it("--help").stdout)
        self.assertRegex(self.run_it("--version").stdout, rb"\Aec_inject \(.*\) \d")
