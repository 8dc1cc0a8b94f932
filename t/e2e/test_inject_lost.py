"""ec_inject when servers are silent, gone, killed, or something else than they should
be: nothing is counted that is not so, nothing hangs, nothing comes twice."""

import http.server
import json
import re
import subprocess
import threading

from harness import SCALE, timeout, wait_for
from inject_kit import PROGRAM, Case, environment
from sink import Drop, SmtpSink


class Lost(Case):
    def test_an_answer_that_was_lost_is_unknown(self):
        def script(session, verb, line):
            if verb == "END" and b"ec_inject 3 of" in line and not lost:
                lost.append(1)
                raise Drop
            return None

        for words, status, accepted, unknown, again in (((), 1, 4, 1, 0), (("--retry",), 0, 5, 0, 1)):
            lost = []
            sink = SmtpSink(self, script=script)
            report = self.inject("smtp", "-n", "5", *words, status=status, server=f"127.0.0.1:{sink.port}")
            self.assertEqual((accepted, unknown, again), (report["accepted"]["messages"], report["unknown"], report["sent_again"]))
            self.assertEqual(1, report["connections_broken"])

    def test_what_did_not_leave_goes_again(self):
        lost = []

        def script(session, verb, line):
            if verb == "RCPT" and len(lost) < 2:
                lost.append(1)
                raise Drop
            return None

        sink = SmtpSink(self, script=script, extensions=())
        report = self.inject("smtp", "-n", "5", server=f"127.0.0.1:{sink.port}")
        self.assertEqual((5, 0, 2), (report["accepted"]["messages"], report["unknown"], report["sent_again"]))
        self.assertEqual(5, len(sink.messages))

    def test_a_silent_server_holds_nothing_up(self):
        """Where no mail is under way as well: behind RSET and QUIT."""
        for verb, words, status in (("RSET", (), 1), ("QUIT", ("--per-connection", "1"), 0)):
            with self.subTest(verb=verb):
                held, silent = threading.Event(), []
                self.addCleanup(held.set)

                def script(session, said, line):
                    if said == "RCPT" and verb == "RSET" and not silent:
                        return "550 no"
                    if said == verb and not silent:
                        silent.append(1)
                        held.wait(100 * SCALE)
                    return None

                sink = SmtpSink(self, script=script, extensions=())
                report = self.inject("smtp", "-n", "3", "--timeout", f"{3 * SCALE:.0f}s", *words, status=status,
                                     server=f"127.0.0.1:{sink.port}")
                self.assertEqual((3 - status, status, 1), (report["accepted"]["messages"], report["refused"]["messages"],
                                                           report["connections_broken"]))

    def test_a_server_that_is_gone_for_good(self):
        sink = SmtpSink(self, script=lambda session, verb, line: sink.stop() if verb == "END" else None)
        report = self.inject("smtp", "-n", "5", "--patience", "1", status=69, server=f"127.0.0.1:{sink.port}")
        self.assertFalse(report["complete"])
        self.assertEqual(5, report["accepted"]["messages"] + report["unknown"] + report["not_sent"])
        self.assertIn("connect", report["failure"])

    def http_server(self, script):
        """Its port. `script(number of the request)`: status, fields and body; nothing: the connection ends."""
        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                asked.append(self.headers.get("Idempotency-Key"))
                answer = script(len(asked))
                if answer is None:
                    self.close_connection = True
                    return
                status, fields, body = answer
                self.send_response(status)
                for name, value in {**fields, "Content-Length": len(body)}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server.server_address[1], asked

    def test_http_waits_for_a_request_that_is_under_way(self):
        answers = {1: None, 2: (409, {"Retry-After": 1}, b"{}"), 3: (200, {}, b'{"id": "x"}')}
        port, asked = self.http_server(lambda number: answers[number])
        report = self.inject("http", "--retry", server=f"127.0.0.1:{port}")
        self.assertEqual((1, 0, 0, 2), (report["accepted"]["messages"], report["refused"]["messages"], report["unknown"],
                                        report["sent_again"]))
        self.assertEqual((3, 1), (len(asked), len(set(asked))))

    def test_http_comes_back_when_it_is_told_to(self):
        """Where it may send again: what a daemon says that reads yet which requests it has carried out before its start."""
        for words, status, accepted, refused in (((), 1, 0, 1), (("--retry",), 0, 1, 0)):
            answers = {1: (503, {"Retry-After": 1}, b'{"message": "later"}'), 2: (200, {}, b'{"id": "x"}')}
            port, asked = self.http_server(lambda number: answers[number])
            report = self.inject("http", *words, status=status, server=f"127.0.0.1:{port}")
            self.assertEqual((accepted, refused, 0, accepted),
                             (report["accepted"]["messages"], report["refused"]["messages"], report["unknown"], report["sent_again"]))
            self.assertEqual((1 + accepted, 1), (len(asked), len(set(asked))))

    def test_an_answer_of_something_else_is_believed_by_nobody(self):
        port, _ = self.http_server(lambda number: (200, {}, b"<html>Welcome</html>" if number == 1 else b'{"id": "x"}'))
        report = self.inject("http", "-n", "2", status=1, server=f"127.0.0.1:{port}")
        self.assertEqual((1, 1), (report["accepted"]["messages"], report["unknown"]))
        self.assertIn("Welcome", report["last_error"])

    @timeout(600)
    def test_http_sends_again_without_doubles(self):
        """The daemon is killed again and again: with a key for each request nothing comes twice."""
        self.begin("Suspend_Delivery = true\n")
        process = subprocess.Popen([PROGRAM, "-q", "--json", "-", "-p", "http", "--retry", "-n", "400", "-r", "60",
                                    "-c", "4", "-s", "2k", "-t", "u@local.example", self.server("http")],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
        self.kill_and_start(process, 2)
        out, err = process.communicate(timeout=100 * SCALE)
        self.assertEqual((0, b""), (process.returncode, err), out)
        report = json.loads(out)
        self.assertEqual(400, report["accepted"]["messages"])
        self.assertLess(0, report["connections_broken"])
        self.exactly("u", 400)

    @timeout(600)
    def test_ecstream_goes_on_when_the_daemon_is_killed(self):
        self.begin("Suspend_Delivery = true\n")
        process = subprocess.Popen([PROGRAM, "-q", "--json", "-", "-p", "ecstream", "-n", "2000", "-c", "2", "-s", "2k",
                                    "-t", "u@local.example", "-r", "300", self.server("ecs")], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=environment())
        self.kill_and_start(process, 3)
        out, err = process.communicate(timeout=100 * SCALE)
        self.assertEqual((0, b""), (process.returncode, err), out)
        report = json.loads(out)
        self.assertEqual((2000, 0), (report["accepted"]["messages"], report["unknown"]))
        self.assertLess(0, report["connections_broken"])
        self.exactly("u", 2000)

    @timeout(600)
    def test_a_named_stream_goes_on_in_another_run(self):
        self.begin("Suspend_Delivery = true\n")
        words = [PROGRAM, "-q", "--json", "-", "-p", "ecstream", "--stream", "s", "--seed", "9", "-n", "1001", "-c", "3", "-s",
                 "1k-4k", "-t", "u@local.example", self.server("ecs")]
        process = subprocess.Popen([*words, "-r", "1000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment())
        wait_for(lambda: self.daemon.counters()["Received Messages"] > 100, "a beginning")
        process.kill()
        process.wait()
        done = subprocess.run(words, capture_output=True, env=environment(), timeout=100 * SCALE)
        self.assertEqual((0, b""), (done.returncode, done.stderr))
        report = json.loads(done.stdout)
        self.assertEqual(1001, report["accepted"]["messages"] + report["already_there"])
        self.assertLess(100, report["already_there"])
        again = json.loads(subprocess.run(words, capture_output=True, env=environment(), timeout=100 * SCALE).stdout)
        self.assertEqual((0, 1001, True), (again["accepted"]["messages"], again["already_there"], again["complete"]))
        self.exactly("u", 1001)

    def kill_and_start(self, process, times):
        for _ in range(times):
            before = len(self.daemon.mainlog("R"))
            wait_for(lambda: process.poll() is not None or len(self.daemon.mainlog("R")) > before + 30, "messages")
            self.assertIsNone(process.poll(), "it has ended before the kill")
            self.daemon.kill9()
            self.daemon.start()

    def exactly(self, user, count):
        self.daemon.console("config", "set", "suspend_delivery", "false")
        self.daemon.wait_empty()
        numbers = [int(re.search(rb"Subject: ec_inject (\d+) of", mail)[1]) for mail in self.daemon.maildir(user)]
        self.assertEqual(list(range(1, count + 1)), sorted(numbers))
