"""Mail on its way out: byte-identical into Maildirs and to a gateway, by every
client; and what happens when the other side refuses, vanishes or lies."""

import email
import os
import re
import smtplib
import subprocess
import tempfile

import corpus
from client import Smtp, stuffed
from harness import BASE_CONFIG, SCALE, TestCase, find_program, free_port, make_certificate, needs, timeout, wait_for
from mail_compare import assert_below_trace, with_crlf, with_lf
from sink import Drop, SmtpSink

MESSAGE = b"From: a@client.example\r\nSubject: hello\r\n\r\n.one\r\n..two\r\nlast\r\n"
GATEWAY = 'Gateway = "127.0.0.1:@sink@"'


def by_smtplib(port, messages, domain):
    with smtplib.SMTP("127.0.0.1", port, timeout=60 * SCALE) as smtp:
        for number, (_, data) in enumerate(messages):
            smtp.sendmail("alice@client.example", [f"u{number}@{domain}"], with_crlf(data), mail_options=["BODY=8BITMIME"])


def by_swaks(port, messages, domain, folder):
    path = folder / "swaks.txt"
    for number, (name, data) in enumerate(messages):
        # No fix-ups: the file is what goes over the wire, up to the final CRLF.
        path.write_bytes(stuffed(with_crlf(data))[:-2])
        done = subprocess.run(["swaks", "--silent", "2", "--server", f"127.0.0.1:{port}", "--from", "alice@client.example",
                               "--to", f"u{number}@{domain}", "--no-data-fixup", "--data", f"@{path}"],
                              capture_output=True, text=True, timeout=60 * SCALE)
        if done.returncode:
            raise AssertionError(f"swaks, {name}: {done.stdout}{done.stderr}")


def by_smtp_source(port, messages, domain, folder):
    path = folder / "source.txt"
    for number, (name, data) in enumerate(messages):
        path.write_bytes(with_lf(with_crlf(data)))
        done = subprocess.run([find_program("smtp-source"), "-f", "alice@client.example", "-t", f"u{number}@{domain}", "-F",
                               str(path), f"127.0.0.1:{port}"], capture_output=True, text=True, timeout=60 * SCALE)
        if done.returncode:
            raise AssertionError(f"smtp-source, {name}: {done.stdout}{done.stderr}")


# Nothing is mended that is not as RFC 5322 wants it.
AS_IT_CAME = "RFC2822_Date_Header = never RFC2822_MessageID_Header = never RFC2822_Missing_Headers = accept\n"


class Unchanged(TestCase):
    """Each message of the corpus, by each client, to a Maildir and to a gateway."""

    def to_maildir(self, send, added=b""):
        messages = corpus.messages()
        daemon = self.daemon(AS_IT_CAME + BASE_CONFIG)
        send(daemon, messages, "local.example")
        for number, (name, data) in enumerate(messages):
            arrived = daemon.wait_mail(f"u{number}")
            self.assertEqual(1, len(arrived), name)
            assert_below_trace(self, with_crlf(data) + added, arrived[0], name)
        self.assertEqual(len(messages), len(daemon.wait_mainlog("D", len(messages))))

    def to_sink(self, send, added=b""):
        messages = corpus.messages()
        sink = SmtpSink(self)
        daemon = self.daemon(AS_IT_CAME + BASE_CONFIG, more=GATEWAY, sink=sink.port)
        send(daemon, messages, "remote.example")
        self.compare({message.recipients[0]: message.data for message in sink.wait(len(messages))}, messages, added)
        self.assertEqual(len(messages), len(sink.messages))
        self.assertEqual([], sink.errors)

    def compare(self, arrived, messages, added=b""):
        for number, (name, data) in enumerate(messages):
            assert_below_trace(self, with_crlf(data) + added, arrived[f"u{number}@remote.example"], name)

    def test_smtplib_to_maildir(self):
        self.to_maildir(lambda daemon, messages, domain: by_smtplib(daemon.smtp_port, messages, domain))

    def test_smtplib_to_sink(self):
        self.to_sink(lambda daemon, messages, domain: by_smtplib(daemon.smtp_port, messages, domain))

    @needs("swaks")
    @timeout(240)
    def test_swaks_to_maildir(self):
        self.to_maildir(lambda daemon, messages, domain: by_swaks(daemon.smtp_port, messages, domain, daemon.dir))

    @needs("swaks")
    @timeout(240)
    def test_swaks_to_sink(self):
        self.to_sink(lambda daemon, messages, domain: by_swaks(daemon.smtp_port, messages, domain, daemon.dir))

    # smtp-source ends what it reads from a file with an empty line of its own.
    @needs("smtp-source")
    def test_smtp_source_to_maildir(self):
        self.to_maildir(lambda daemon, messages, domain: by_smtp_source(daemon.smtp_port, messages, domain, daemon.dir),
                        b"\r\n")

    @needs("smtp-source")
    def test_smtp_source_to_sink(self):
        self.to_sink(lambda daemon, messages, domain: by_smtp_source(daemon.smtp_port, messages, domain, daemon.dir),
                     b"\r\n")

    @needs("smtp-sink")
    def test_to_smtp_sink(self):
        messages = corpus.messages()
        port = free_port()
        daemon = self.daemon(AS_IT_CAME + BASE_CONFIG, more=GATEWAY, sink=port)
        dump = daemon.dir / "dump"
        dump.mkdir(mode=0o777)
        dump.chmod(0o777)
        for folder in [dump, *dump.parents]:
            if folder.parent != folder and not folder.stat().st_mode & 0o001:
                folder.chmod(folder.stat().st_mode | 0o011)  # for the sink's user
        user = ["-u", "nobody"] if os.getuid() == 0 else []
        sink = subprocess.Popen([find_program("smtp-sink"), *user, "-d", f"{dump}/m.", f"127.0.0.1:{port}", "100"],
                                stdin=subprocess.DEVNULL, stderr=open(daemon.dir / "sink.err", "wb"))
        self.addCleanup(lambda: (sink.kill(), sink.wait()))
        by_smtplib(daemon.smtp_port, messages, "remote.example")
        delivered = daemon.wait_mainlog("D", len(messages))
        self.assertEqual(len(messages), len(delivered))
        arrived = {}
        for path in dump.iterdir():
            # X-… fields and a Received of the sink, the message, and one more line end.
            head, _, rest = path.read_bytes().partition(b"\nReceived: ")
            recipient = re.search(rb"(?m)^X-Rcpt-Args: <([^>]*)>", head)[1].decode()
            arrived[recipient] = re.sub(rb"\A[^\n]*\n(?:[ \t][^\n]*\n)*", b"", rest)[:-1]
        self.compare(arrived, messages)


class Gateway(TestCase):
    """A scripted server at the other end."""

    def pair(self, script=None, more="", **options):
        sink = SmtpSink(self, script=script, **options)
        return self.daemon(more=GATEWAY + "\n" + more, sink=sink.port), sink

    def send(self, daemon, recipients=("bob@remote.example",), message=MESSAGE, sender="alice@client.example", **options):
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(message, sender, recipients, **options)
            smtp.quit()

    def test_envelope_and_log(self):
        daemon, sink = self.pair()
        self.send(daemon, ["bob@remote.example", "carol@remote.example"])
        message = sink.wait()[0]
        self.assertEqual("alice@client.example", message.sender)
        self.assertEqual({"bob@remote.example", "carol@remote.example"}, set(message.recipients))
        self.assertEqual("mx.test.example", message.helo)
        self.assertIn(f"SIZE={len(message.data)}", message.mail_parameters)
        assert_below_trace(self, MESSAGE, message.data)
        records = daemon.wait_mainlog("D", 2)
        self.assertEqual({"bob", "carol"}, {record["to_local"] for record in records})
        for record in records:
            self.assertEqual("remote.example", record["domain"])
            self.assertEqual(("127.0.0.1", str(sink.port)), (record["peer"], record["port"]))
            self.assertEqual("esmtp", record["protocol"])
            self.assertIn("2.0.0 taken", record["response"])
        daemon.wait_empty()

    def test_without_pipelining(self):
        daemon, sink = self.pair(extensions=())
        self.send(daemon, ["bob@remote.example", "carol@remote.example"])
        self.assertEqual(2, len(sink.wait()[0].recipients))
        self.assertEqual("", sink.messages[0].mail_parameters)

    def test_helo_only(self):
        daemon, sink = self.pair(lambda session, verb, line: "502 5.5.1 no" if verb == "EHLO" else None)
        self.send(daemon)
        self.assertEqual("mx.test.example", sink.wait()[0].helo)

    def test_some_recipients_refused(self):
        def script(session, verb, line):
            if verb == "RCPT" and "carol" in line:
                return "550 5.1.1 no carol here"
            return None

        daemon, sink = self.pair(script)
        self.send(daemon, ["bob@remote.example", "carol@remote.example"], sender="alice@local.example")
        self.assertEqual(["bob@remote.example"], sink.wait()[0].recipients)
        failed = daemon.wait_mainlog("P", 1)[0]
        self.assertEqual("carol", failed["to_local"])
        self.assertIn("5.1.1 no carol here", failed["response"])
        # The sender learns of carol only.
        bounce = daemon.wait_mail("alice")[0]
        self.assertIn(b"Return-Path: <>", bounce)
        parsed = email.message_from_bytes(bounce)
        self.assertEqual("multipart/report", parsed.get_content_type())
        self.assertIn(b"carol@remote.example", bounce)
        self.assertIn(b"5.1.1", bounce)
        self.assertNotIn(b"Final-Recipient: rfc822; bob", bounce)

    def test_null_sender_gets_no_bounce(self):
        daemon, sink = self.pair(lambda session, verb, line: "550 5.7.1 no" if verb == "RCPT" else None)
        self.send(daemon, sender="")
        daemon.wait_mainlog("P", 1)
        daemon.wait_empty()
        self.assertEqual(["R"], [record["kind"] for record in daemon.mainlog() if record["kind"] in "RD"])

    def test_a_temporary_failure_is_tried_again(self):
        tries = []

        def script(session, verb, line):
            if verb == "MAIL":
                tries.append(line)
                return "451 4.3.2 later" if len(tries) < 3 else None
            return None

        daemon, sink = self.pair(script)
        self.send(daemon)
        sink.wait()
        self.assertEqual(3, len(tries))
        self.assertEqual(["0", "1"], [record["attempts"] for record in daemon.wait_mainlog("T", 2)])
        self.assertEqual("2", daemon.wait_mainlog("D", 1)[0]["attempts"])
        self.assertIn("4.3.2 later", daemon.mainlog("T")[0]["response"])

    def test_it_waits_for_a_gateway_that_is_down(self):
        port = free_port()
        daemon = self.daemon(more=GATEWAY, sink=port)
        self.send(daemon)
        daemon.wait_mainlog("T", 1)
        self.assertEqual(1, daemon.counters()["Total Queue Size"])
        self.assertIn("remote.example", daemon.console("mailq").stdout)
        sink = SmtpSink(self, port=port)
        assert_below_trace(self, MESSAGE, sink.wait()[0].data)

    def test_connections_that_break_at_any_point(self):
        broken = set()

        def script(session, verb, line):
            if verb not in broken and verb in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END"):
                broken.add(verb)
                raise Drop
            return None

        daemon, sink = self.pair(script)
        self.send(daemon)
        sink.wait(seconds=60)
        self.assertEqual(6, len(broken))
        self.assertEqual(1, len(sink.messages))
        self.assertEqual(6, len(daemon.wait_mainlog("T", 6)))

    def test_expiry_bounces(self):
        daemon, sink = self.pair(lambda session, verb, line: "451 4.3.2 never" if verb == "MAIL" else None,
                                 "Message_Expiration = 2")
        self.send(daemon, sender="alice@local.example")
        bounce = daemon.wait_mail("alice")[0]
        self.assertIn(b"bob@remote.example", bounce)
        self.assertIn(b"Subject: hello", bounce)  # its header comes back
        daemon.wait_mainlog("P", 1)
        daemon.wait_empty()

    def test_8bitmime(self):
        message = "Subject: Grüße\r\n\r\näöü\r\n".encode()
        daemon, sink = self.pair()
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.expect(250, "MAIL FROM:<alice@client.example> BODY=8BITMIME")
            smtp.expect(250, "RCPT TO:<bob@remote.example>")
            smtp.data(message)
        self.assertIn("BODY=8BITMIME", sink.wait()[0].mail_parameters)
        assert_below_trace(self, message, sink.messages[0].data)

    def test_8bitmime_to_who_cannot(self):
        daemon, sink = self.pair(extensions=("PIPELINING",))
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.expect(250, "MAIL FROM:<alice@local.example> BODY=8BITMIME")
            smtp.expect(250, "RCPT TO:<bob@remote.example>")
            smtp.data("Subject: x\r\n\r\nä\r\n".encode())
        self.assertIn("5.6.3", daemon.wait_mainlog("P", 1)[0]["response"])
        daemon.wait_mail("alice")

    @needs("openssl")
    def test_starttls_when_offered(self):
        folder = self.certificate_folder()
        daemon, sink = self.pair(certificate=make_certificate(folder))
        self.send(daemon)
        self.assertTrue(sink.wait()[0].tls)
        self.assertEqual("esmtps", daemon.wait_mainlog("D", 1)[0]["protocol"])

    @needs("openssl")
    def test_starttls_refused_goes_on_in_the_clear(self):
        folder = self.certificate_folder()
        daemon, sink = self.pair(lambda session, verb, line: "454 4.7.0 no" if verb == "STARTTLS" else None,
                                 certificate=make_certificate(folder))
        self.send(daemon)
        self.assertFalse(sink.wait()[0].tls)

    def test_tls_required_and_not_offered(self):
        daemon, sink = self.pair(more="TLS = required")
        self.send(daemon)
        self.assertIn("TLS", daemon.wait_mainlog("T", 1)[0]["response"])
        self.assertEqual([], sink.messages)

    def certificate_folder(self):
        folder = tempfile.TemporaryDirectory(prefix="impulse-e2e-cert-")
        self.addCleanup(folder.cleanup)
        return folder.name

    def test_hostile_replies_harm_nobody(self):
        """Each kind of nonsense once; then the message is taken."""
        nonsense = iter([
            ("CONNECT", "220 sink\r\n220 twice"), ("CONNECT", "HTTP/1.1 400 Bad"), ("EHLO", "250 " + "x" * 100000),
            ("EHLO", ["250 x"] * 1000), ("MAIL", "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken"),
            ("RCPT", "999 what"), ("DATA", "250 not 354"), ("END", "354 more"),
        ])
        state = {"next": next(nonsense)}

        def script(session, verb, line):
            if state["next"] and verb == state["next"][0]:
                reply = state["next"][1]
                state["next"] = next(nonsense, None)
                return reply
            return None

        daemon, sink = self.pair(script, extensions=())
        self.send(daemon)
        self.assertEqual(1, len(sink.wait(seconds=90)))
        self.assertIsNone(state["next"])
        assert_below_trace(self, MESSAGE, sink.messages[0].data)
        self.assertTrue(daemon.running)
        self.assertEqual([], daemon.mainlog("P"))

    def test_suspended_delivery(self):
        daemon, sink = self.pair()
        daemon.console("config", "set", "suspend_delivery", "true")
        self.send(daemon)
        self.assertEqual(1, daemon.counters()["Total Queue Size"])
        daemon.console("config", "set", "suspend_delivery", "false")
        sink.wait()

    def test_connections_are_reused(self):
        daemon, sink = self.pair(more="Max_Outbound_Connections = 2")
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            for number in range(100):
                smtp.message(MESSAGE, recipients=[f"u{number}@remote.example"])
        sink.wait(100)
        self.assertLess(len(sink.sessions), 50)

    def test_what_waits_survives_a_restart(self):
        port = free_port()
        daemon = self.daemon(more=GATEWAY, sink=port)
        for number in range(20):
            self.send(daemon, [f"u{number}@remote.example"])
        daemon.stop()
        self.assertEqual(20, len(daemon.mainlog("R")))
        sink = SmtpSink(self, port=port)
        daemon.start()
        self.assertEqual({f"u{number}@remote.example" for number in range(20)},
                         {message.recipients[0] for message in sink.wait(20)})
        self.assertEqual(20, len(sink.messages))


class Maildir(TestCase):
    def test_names_that_would_leave_the_folder(self):
        daemon = self.daemon()
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            for local in ("../../escape", "..", '"a/b"', ".hidden", '"../x"', "a%00b"):
                code, _ = smtp.command("MAIL FROM:<alice@client.example>")
                self.assertEqual(250, code)
                code, _ = smtp.command(f"RCPT TO:<{local}@local.example>")
                if code == 250:
                    smtp.data(MESSAGE)
                else:
                    smtp.expect(250, "RSET")
            smtp.message(MESSAGE, recipients=["bob@local.example"])
        daemon.wait_mail("bob")
        wait_for(lambda: daemon.counters()["Active Queue Size"] == 0 and daemon.counters()["In Delivery"] == 0,
                 "nothing in delivery")
        base = daemon.dir / "mail" / "local.example"
        for path in daemon.dir.rglob("new"):
            self.assertEqual(base, path.parent.parent, path)

    def test_a_maildir_that_cannot_be_written_is_tried_again(self):
        daemon = self.daemon()
        (daemon.dir / "mail").write_text("a file where a folder should be")
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE)
        daemon.wait_mainlog("T", 1)
        (daemon.dir / "mail").unlink()
        assert_below_trace(self, MESSAGE, daemon.wait_mail("bob")[0])

    def test_the_base_config_delivers_nowhere_else(self):
        """Without a Gateway, a foreign domain waits; it is not lost and not invented."""
        daemon = self.daemon(BASE_CONFIG, more='Domain "remote.example" { Gateway = "127.0.0.1:@dead@" }', dead=free_port())
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE, recipients=["bob@remote.example", "bob@local.example"])
        daemon.wait_mail("bob")
        daemon.wait_mainlog("D", 1)
        daemon.wait_mainlog("T", 1)
        self.assertEqual(1, daemon.counters()["Total Queue Size"])
