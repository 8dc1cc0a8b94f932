"""Mail by SMTP as common clients speak it: smtplib, swaks, openssl s_client,
smtp-source; the commands and refusals of the issue."""

import re
import smtplib
import socket
import ssl
import subprocess
import unittest

from client import Smtp, stuffed
from harness import BASE_CONFIG, SCALE, Daemon, TestCase, find_program, make_certificate, needs, wait_for
from mail_compare import assert_below_trace

MESSAGE = b"From: alice@client.example\r\nTo: bob@local.example\r\nSubject: hello\r\n\r\nFirst.\r\n.dot\r\n..dots\r\nLast.\r\n"
QUEUE_ID = re.compile(r"\b[0-9A-F]{8}/[0-9A-F]{8}-node1\b")


class Reception(TestCase):
    def test_smtplib(self):
        daemon = self.daemon()
        with smtplib.SMTP("127.0.0.1", daemon.smtp_port, timeout=30 * SCALE) as smtp:
            smtp.ehlo("client.example")
            for extension in ("pipelining", "size", "8bitmime", "enhancedstatuscodes"):
                self.assertTrue(smtp.has_extn(extension), extension)
            self.assertFalse(smtp.has_extn("starttls"))  # no certificate, no offer
            self.assertEqual({}, smtp.sendmail("alice@client.example", ["bob@local.example", "carol@local.example"],
                                               MESSAGE))
        for user in ("bob", "carol"):
            arrived = daemon.wait_mail(user)
            self.assertEqual(1, len(arrived))
            assert_below_trace(self, MESSAGE, arrived[0], user)
            self.assertTrue(arrived[0].startswith(b"Return-Path: <alice@client.example>\n"))
        received = daemon.wait_mainlog("R", 2)
        self.assertEqual({"bob", "carol"}, {record["to_local"] for record in received})
        self.assertEqual({"alice"}, {record["from_local"] for record in received})
        self.assertEqual({"127.0.0.1"}, {record["peer"] for record in received})
        delivered = daemon.wait_mainlog("D", 2)
        self.assertEqual({"bob", "carol"}, {record["to_local"] for record in delivered})
        self.assertEqual({record["id"] for record in received}, {record["id"] for record in delivered})

    def test_the_queue_id_is_in_the_answer_and_in_the_received_field(self):
        daemon = self.daemon()
        with Smtp(daemon.smtp_port) as smtp:
            self.assertEqual(220, smtp.banner[0])
            self.assertTrue(smtp.banner[1].startswith("mx.test.example"), smtp.banner)
            smtp.ehlo()
            answer = smtp.message(MESSAGE)
            smtp.quit()
        queue_id = QUEUE_ID.search(answer)
        self.assertTrue(queue_id, answer)
        arrived = daemon.wait_mail("bob")[0].decode()
        self.assertIn(queue_id[0], arrived)
        self.assertIn("client.example", arrived)
        self.assertEqual(queue_id[0], daemon.wait_mainlog("R", 1)[0]["id"])

    @needs("swaks")
    def test_swaks(self):
        daemon = self.daemon()
        done = subprocess.run(["swaks", "--server", f"127.0.0.1:{daemon.smtp_port}", "--from", "alice@client.example",
                               "--to", "bob@local.example", "--header", "Subject: by swaks", "--body", "swaks body"],
                              capture_output=True, text=True, timeout=60 * SCALE)
        self.assertEqual(0, done.returncode, done.stdout)
        self.assertRegex(done.stdout, QUEUE_ID)
        arrived = daemon.wait_mail("bob")[0]
        self.assertIn(b"Subject: by swaks\n", arrived)
        self.assertIn(b"swaks body\n", arrived)

    @needs("swaks")
    def test_swaks_pipelined(self):
        daemon = self.daemon()
        done = subprocess.run(["swaks", "--pipeline", "--server", f"127.0.0.1:{daemon.smtp_port}", "--from",
                               "alice@client.example", "--to", "bob@local.example,carol@local.example"],
                              capture_output=True, text=True, timeout=60 * SCALE)
        self.assertEqual(0, done.returncode, done.stdout)
        daemon.wait_mail("bob")
        daemon.wait_mail("carol")

    @needs("smtp-source")
    def test_smtp_source(self):
        daemon = self.daemon()
        done = subprocess.run([find_program("smtp-source"), "-s", "10", "-m", "200", "-l", "2000", "-f",
                               "alice@client.example", "-t", "bob@local.example", f"127.0.0.1:{daemon.smtp_port}"],
                              capture_output=True, text=True, timeout=100 * SCALE)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(200, len(daemon.wait_mail("bob", 200, seconds=60)))
        wait_for(lambda: daemon.inbound_sessions() == 0, "the sessions to end")
        self.assertEqual(200, daemon.counters()["Received Messages"])

    def test_a_pipelined_batch_in_one_write(self):
        daemon = self.daemon()
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.send(b"MAIL FROM:<a@client.example>\r\nRCPT TO:<bob@local.example>\r\nRCPT TO:<carol@local.example>\r\n"
                      b"DATA\r\n")
            self.assertEqual([250, 250, 250, 354], [smtp.reply()[0] for _ in range(4)])
            # The message's end, and the next transaction right behind it.
            smtp.send(stuffed(MESSAGE) + b"MAIL FROM:<b@client.example>\r\nRCPT TO:<dave@local.example>\r\nQUIT\r\n")
            self.assertEqual([250, 250, 250, 221], [smtp.reply()[0] for _ in range(4)])
        daemon.wait_mail("bob")
        daemon.wait_mail("carol")
        self.assertEqual([], daemon.maildir("dave"))

    def test_every_byte_alone(self):
        daemon = self.daemon()
        with Smtp(daemon.smtp_port) as smtp:
            for byte in (b"EHLO x\r\nMAIL FROM:<a@client.example>\r\nRCPT TO:<bob@local.example>\r\nDATA\r\n"):
                smtp.send(bytes([byte]))
            self.assertEqual([250, 250, 250, 354], [smtp.reply()[0] for _ in range(4)])
            for byte in stuffed(MESSAGE):
                smtp.send(bytes([byte]))
            self.assertEqual(250, smtp.reply()[0])
        assert_below_trace(self, MESSAGE, daemon.wait_mail("bob")[0])

    def test_large_messages(self):
        daemon = self.daemon()
        line = b"x" * 76 + b"\r\n"
        with Smtp(daemon.smtp_port, timeout=60) as smtp:
            smtp.ehlo()
            for user, size in (("one", 1 << 16), ("two", 1 << 20), ("three", 20 << 20)):
                body = b"Subject: large\r\n\r\n" + line * (size // len(line))
                smtp.message(body, recipients=[f"{user}@local.example"])
                assert_below_trace(self, body, daemon.wait_mail(user)[0], user)

    def test_hundreds_of_sessions_at_once(self):
        daemon = self.daemon()
        sessions = [Smtp(daemon.smtp_port) for _ in range(300)]
        for smtp in sessions:
            smtp.ehlo()
        self.assertEqual(300, daemon.inbound_sessions())
        for number, smtp in enumerate(sessions):
            smtp.message(MESSAGE, recipients=[f"user{number % 10}@local.example"])
        for smtp in sessions:
            smtp.quit()
        for number in range(10):
            self.assertEqual(30, len(daemon.wait_mail(f"user{number}", 30)))
        wait_for(lambda: daemon.inbound_sessions() == 0, "the sessions to end")


class Commands(TestCase):
    def test_helo_noop_rset_vrfy_help(self):
        daemon = self.daemon()
        with Smtp(daemon.smtp_port) as smtp:
            smtp.expect(250, "HELO client.example")
            smtp.expect(250, "NOOP")
            smtp.expect(252, "VRFY bob")
            smtp.expect(214, "HELP")
            smtp.begin()
            smtp.expect(250, "RSET")
            smtp.expect(503, "DATA")
            smtp.begin()
            smtp.data(MESSAGE)
            smtp.quit()
        daemon.wait_mail("bob")

    def test_bad_sequences_and_nonsense(self):
        daemon = self.daemon()
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.expect(503, "RCPT TO:<bob@local.example>")
            smtp.expect(503, "DATA")
            smtp.expect(500, "NONSENSE")
            smtp.expect(501, "MAIL FROM:bob")
            smtp.expect(250, "MAIL FROM:<a@client.example>")
            smtp.expect(503, "MAIL FROM:<b@client.example>")
            smtp.expect(501, "RCPT TO:<>")
            smtp.expect(554, "DATA")  # no valid recipients
            smtp.expect(502, "STARTTLS")
        wait_for(lambda: daemon.inbound_sessions() == 0, "the session to end")

    def test_size(self):
        daemon = self.daemon(more="Max_Message_Size = 10000")
        with Smtp(daemon.smtp_port) as smtp:
            self.assertIn("SIZE 10000", smtp.ehlo())
            smtp.expect(552, "MAIL FROM:<a@client.example> SIZE=10001")
            smtp.begin()
            smtp.expect(354, "DATA")
            smtp.send(stuffed(b"Subject: x\r\n\r\n" + b"y" * 70 + b"\r\n" + (b"z" * 70 + b"\r\n") * 200))
            self.assertEqual(552, smtp.reply()[0])
            smtp.message(MESSAGE)  # the session goes on
        self.assertEqual(1, len(daemon.wait_mail("bob")))

    def test_relaying(self):
        daemon = self.daemon(BASE_CONFIG.replace('Listen "127.0.0.1:@smtp@" { }', """
          Relay_Hosts = ( 127.0.0.2 )
          Relay_Domains = ( local.example *.local.example )
          Listen "127.0.0.1:@smtp@" { }"""))
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.expect(250, "MAIL FROM:<a@client.example>")
            smtp.expect(250, "RCPT TO:<bob@local.example>")
            smtp.expect(250, "RCPT TO:<bob@sub.LOCAL.example>")
            code, text = smtp.command("RCPT TO:<bob@elsewhere.example>")
            self.assertEqual((550, "5.7.1"), (code, text[:5]), text)
        with Smtp(daemon.smtp_port, source="127.0.0.2") as smtp:
            smtp.ehlo()
            smtp.begin(recipients=["bob@elsewhere.example"])

    def test_only_crlf_dot_crlf_ends_a_message(self):
        daemon = self.daemon()
        for end in (b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r\n\0.\r\n"):
            with self.subTest(end=end), Smtp(daemon.smtp_port) as smtp:
                smtp.ehlo()
                smtp.begin()
                smtp.expect(354, "DATA")
                smtp.send(b"Subject: x\r\n\r\nfirst" + end + b"MAIL FROM:<evil@client.example>\r\n"
                          b"RCPT TO:<victim@local.example>\r\nDATA\r\nSubject: smuggled\r\n\r\n.\r\n")
                code, _ = smtp.reply()  # one answer, for the one message that this is
                self.assertIn(code, (250, 550, 554))
                smtp.expect(250, "NOOP")
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE, recipients=["witness@local.example"])
        daemon.wait_mail("witness")
        self.assertEqual([], daemon.maildir("victim"))

    def test_an_idle_client_is_sent_away(self):
        daemon = self.daemon(BASE_CONFIG.replace("@smtp@\" { }", "@smtp@\" { Idle_Time = 1 Command_Timeout = 1 }"))
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            code, text = smtp.reply()
            self.assertEqual((421, "4.4.2"), (code, text[:5]))
            self.assertRaises(ConnectionError, smtp.reply)

    def test_a_client_that_vanishes_leaves_nothing(self):
        daemon = self.daemon()
        for _ in range(20):
            smtp = Smtp(daemon.smtp_port)
            smtp.ehlo()
            smtp.begin()
            smtp.expect(354, "DATA")
            smtp.send(b"Subject: x\r\n\r\nhalf a mess")
            smtp.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # RST
            smtp.close()
        wait_for(lambda: daemon.inbound_sessions() == 0, "the sessions to end")
        self.assertEqual(0, daemon.counters()["Received Messages"])
        self.assertEqual(0, daemon.counters()["Total Queue Size"])


TLS_CONFIG = BASE_CONFIG.replace('Listen "127.0.0.1:@smtp@" { }', """
  TLS_Certificate = "@dir@/mx.crt"
  TLS_Key = "@dir@/mx.key"
  Listen "127.0.0.1:@smtp@" { @listen@ }""")


@needs("openssl")
class Tls(TestCase):
    def daemon_with_tls(self, listen=""):
        daemon = Daemon(self, TLS_CONFIG, listen=listen)
        make_certificate(daemon.dir)
        return daemon.start()

    def test_starttls_by_smtplib(self):
        daemon = self.daemon_with_tls()
        context = ssl.create_default_context(cafile=str(daemon.dir / "mx.crt"))
        with smtplib.SMTP("127.0.0.1", daemon.smtp_port, timeout=30 * SCALE) as smtp:
            smtp.ehlo()
            self.assertTrue(smtp.has_extn("starttls"))
            smtp._host = "mx.test.example"  # for the certificate's name
            smtp.starttls(context=context)
            smtp.ehlo()
            self.assertFalse(smtp.has_extn("starttls"))
            smtp.sendmail("alice@client.example", ["bob@local.example"], MESSAGE)
        arrived = daemon.wait_mail("bob")[0]
        assert_below_trace(self, MESSAGE, arrived)
        self.assertRegex(arrived, rb"(?s)with ESMTPS\b")
        self.assertEqual("esmtps", daemon.wait_mainlog("R", 1)[0]["protocol"])

    def test_starttls_by_openssl(self):
        daemon = self.daemon_with_tls()
        script = ("EHLO client.example\r\nMAIL FROM:<alice@client.example>\r\nrcpt TO:<bob@local.example>\r\n"
                  "DATA\r\nSubject: s_client\r\n\r\nhi\r\n.\r\nquit\r\n")
        for version in ("-tls1_2", "-tls1_3"):
            with self.subTest(version=version):
                done = subprocess.run(["openssl", "s_client", version, "-starttls", "smtp", "-quiet", "-verify_return_error",
                                       "-CAfile", str(daemon.dir / "mx.crt"), "-verify_hostname", "mx.test.example",
                                       "-connect", f"127.0.0.1:{daemon.smtp_port}"],
                                      input=script, capture_output=True, text=True, timeout=60 * SCALE)
                self.assertEqual(0, done.returncode, done.stderr)
                self.assertRegex(done.stdout, QUEUE_ID)
        self.assertEqual(2, len(daemon.wait_mail("bob", 2)))

    @needs("swaks")
    def test_starttls_by_swaks(self):
        if subprocess.run(["perl", "-MNet::SSLeay", "-e1"], capture_output=True).returncode:
            raise unittest.SkipTest("swaks has no TLS here (libnet-ssleay-perl)")
        daemon = self.daemon_with_tls()
        done = subprocess.run(["swaks", "--tls", "--server", f"127.0.0.1:{daemon.smtp_port}", "--from",
                               "alice@client.example", "--to", "bob@local.example"],
                              capture_output=True, text=True, timeout=60 * SCALE)
        self.assertEqual(0, done.returncode, done.stdout)
        daemon.wait_mail("bob")

    def test_old_protocols_are_refused(self):
        daemon = self.daemon_with_tls()
        done = subprocess.run(["openssl", "s_client", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-starttls", "smtp",
                               "-connect", f"127.0.0.1:{daemon.smtp_port}"],
                              input="", capture_output=True, text=True, timeout=60 * SCALE)
        self.assertNotEqual(0, done.returncode)
        wait_for(lambda: daemon.inbound_sessions() == 0, "the session to end")

    def test_tls_from_the_first_byte(self):
        daemon = self.daemon_with_tls("Use_SSL = true")
        context = ssl.create_default_context(cafile=str(daemon.dir / "mx.crt"))
        context.check_hostname = False
        with smtplib.SMTP_SSL("127.0.0.1", daemon.smtp_port, timeout=30 * SCALE, context=context) as smtp:
            smtp.ehlo()
            self.assertFalse(smtp.has_extn("starttls"))
            smtp.sendmail("alice@client.example", ["bob@local.example"], MESSAGE)
        daemon.wait_mail("bob")

    def test_tls_required(self):
        daemon = self.daemon_with_tls("TLS_Required = true")
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.expect(530, "MAIL FROM:<a@client.example>")
            smtp.starttls()
            smtp.ehlo()
            smtp.message(MESSAGE)
        daemon.wait_mail("bob")

    def test_bytes_behind_starttls_are_not_read_as_encrypted(self):
        daemon = self.daemon_with_tls()
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.send("STARTTLS\r\nMAIL FROM:<evil@client.example>\r\n")
            try:
                self.assertNotEqual(220, smtp.reply()[0])
                self.assertRaises(ConnectionError, smtp.reply)
            except ConnectionError:
                pass

    def test_a_handshake_that_fails_ends_the_session_only(self):
        daemon = self.daemon_with_tls()
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.expect(220, "STARTTLS")
            smtp.send("this is no handshake\r\n")
            self.assertTrue(smtp.file.read() is not None)  # to the end of the connection
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE)
        daemon.wait_mail("bob")


if __name__ == "__main__":
    unittest.main()
