"""Injection by HTTP: the three APIs, the pages beside them, and what is durable when."""

import gzip
import http.client
import json
import re
import socket
import subprocess
import threading

from harness import SCALE, Threads, free_port, needs, timeout, wait_for
from http_kit import RFC822, Case, Client, transmission
from sink import SmtpSink


class Inject(Case):
    def test_M9_three_apis_arrive_in_a_sink(self):
        sink = SmtpSink(self)
        self.begin(sink=sink.port)
        client = self.client()
        first = client.transmit(transmission("one@sink.example", "two@sink.example", subject="number {{ n }}")
                                | {"substitution_data": {"n": 1}, "return_path": "bounces@client.example"})
        self.assertEqual(200, first.status, first)
        results = first.json["results"]
        self.assertEqual((2, 0), (results["total_accepted_recipients"], results["total_rejected_recipients"]))
        self.assertEqual(2, len({recipient["id"] for recipient in results["recipients"]}))
        second = client.post("/api/inject/v1", {
            "envelope_sender": "kumo@client.example", "recipients": [{"email": "three@sink.example", "name": "Three"}],
            "content": "Subject: kumo\r\nFrom: kumo@client.example\r\n\r\nhello {{ name }}\r\n"})
        self.assertEqual(200, second.status, second)
        self.assertEqual((1, 0), (second.json["success_count"], second.json["fail_count"]))
        third = client.post("/api/impulse/v1/messages", RFC822, Content_Type="message/rfc822",
                            X_Envelope_From="raw@client.example", X_Envelope_To="four@sink.example")
        self.assertEqual(200, third.status, third)
        messages = sink.wait(4)
        self.assertEqual({"bounces@client.example", "kumo@client.example", "raw@client.example"},
                         {message.sender for message in messages})
        whole = b"".join(message.data for message in messages)
        for text in (b"Subject: number 1\r\n", b"hello Three\r\n", b"with HTTP", b"Subject: hello\r\n"):
            self.assertIn(text, whole)
        wait_for(lambda: len(self.daemon.mainlog("R")) == 4, "four lines of reception")
        self.assertEqual({"rest"}, {line["protocol"] for line in self.daemon.mainlog("R")})

    def test_a_kept_connection_and_pipelining(self):
        self.begin()
        body = json.dumps(transmission()).encode()
        request = (b"POST /api/v1/transmissions HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                   b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        health = b"GET /healthz/live HTTP/1.1\r\nHost: h\r\n\r\n"
        last = b"GET /healthz/ready HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        came = self.raw(health + request * 20 + health + last)
        self.assertEqual(23, came.count(b"HTTP/1.1 200 OK\r\n"), came[-2000:])
        self.assertTrue(came.endswith(b'{"status":"ok","reasons":[]}\n'), came[-200:])
        self.daemon.wait_mail("bob", 20)

    def test_100_continue_is_said_when_the_body_is_wanted(self):
        self.begin(options="Max_Request_Size = 1k")
        body = json.dumps(transmission()).encode()
        head = (b"POST %b HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
                b"Expect: 100-continue\r\n\r\n")
        for path, length, status in ((b"/api/v1/transmissions", len(body), b"HTTP/1.1 100 Continue\r\n\r\n"),
                                     (b"/api/v1/transmissions", 2000, b"HTTP/1.1 413 "),
                                     (b"/nothing", len(body), b"HTTP/1.1 404 ")):
            with socket.create_connection(("127.0.0.1", self.daemon.values["http"]), timeout=60 * SCALE) as plain:
                plain.sendall(head % (path, length))
                came = plain.recv(65536)
                self.assertTrue(came.startswith(status), came)
                if b"100" in status:
                    plain.sendall(body)
                    self.assertTrue(plain.recv(65536).startswith(b"HTTP/1.1 200 "))

    @needs("curl")
    def test_curl_by_a_unix_socket(self):
        self.begin(listens='Listen "@dir@/http.sock" { }')
        (self.daemon.dir / "message").write_bytes(RFC822)
        done = subprocess.run(
            ["curl", "-sS", "--fail-with-body", "--unix-socket", f"{self.daemon.dir}/http.sock", "-H", "Content-Type: message/rfc822", "-H",
             "X-Envelope-From: a@client.example", "-H", "X-Envelope-To: bob@local.example", "--data-binary",
             f"@{self.daemon.dir}/message", "http://localhost/api/impulse/v1/messages"],
            capture_output=True, text=True, timeout=60 * SCALE)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        self.daemon.wait_mail("bob")

    def test_what_was_answered_survives_a_kill(self):
        self.begin(more='Domain "later.example" { Gateway = "127.0.0.1:9" }\n')
        people = [f"u{i}@later.example" for i in range(500)]
        answer = self.client().transmit(transmission(*people))
        self.daemon.kill9()
        self.assertEqual(200, answer.status, answer)
        ids = {recipient["id"] for recipient in answer.json["results"]["recipients"]}
        self.assertEqual(500, len(ids))
        self.daemon.start()
        client = self.client()
        for number in (0, 250, 499):
            name = answer.json["results"]["recipients"][number]["id"].replace("/", "%2F")
            state = client.get(f"/api/impulse/v1/messages/{name}")
            self.assertEqual(200, state.status, state)
            self.assertEqual([people[number]], [row["address"] for row in state.json["recipients"]])

    def test_a_message_that_an_operator_holds(self):
        self.begin(more='Domain "later.example" { Suspend_Delivery = true }\n')
        client = self.client()
        name = client.transmit(transmission("bob@later.example")).json["results"]["recipients"][0]["id"]
        path = f"/api/impulse/v1/messages/{name}"
        self.assertEqual("pending", client.get(path).json["recipients"][0]["state"])
        self.daemon.console("message", "hold", name)
        wait_for(lambda: client.get(path).json["recipients"][0]["state"] == "held",
                 lambda: f"its state: {client.get(path).json}")
        self.assertNotIn("next_attempt", client.get(path).json["recipients"][0])

    @timeout(240)
    def test_killed_again_and_again_every_request_is_carried_out_once(self):
        """Clients that repeat what was not answered, with its key: all or nothing of each, and once."""
        self.begin(more='Domain "later.example" { Gateway = "127.0.0.1:9" }\n')
        answers, stop = {}, threading.Event()

        def run(number):
            for turn in range(40):
                if stop.is_set():
                    return
                key = f"{number}-{turn}"
                body = transmission(*(f"{key}-{i}@later.example" for i in range(20)))
                while not stop.is_set():
                    client = Client(self.daemon.values["http"])
                    try:
                        answer = client.transmit(body, Idempotency_Key=key)
                    except (OSError, http.client.HTTPException):
                        continue
                    finally:
                        client.close()
                    if answer.status == 200:
                        answers[key] = answer.json["results"]
                        break
                    self.assertIn(answer.status, (409, 503), answer)

        threads = Threads()
        for number in range(4):
            threads.start(run, number)
        try:
            for _ in range(5):
                before = len(answers)
                wait_for(lambda: len(answers) >= before + 8 or len(answers) == 160, "requests to be answered")
                self.daemon.kill9()
                self.daemon.start()
            threads.join(200 * SCALE)
        finally:
            stop.set()
        self.assertEqual(160, len(answers))
        self.assertEqual({20}, {results["total_accepted_recipients"] for results in answers.values()})
        text = self.client().get("/metrics").body.decode()
        self.assertIn(f"\nimpulse_spool_messages {160 * 20}\n", text)

    def test_ten_thousand_recipients_and_others_meanwhile(self):
        self.begin(more='Domain "later.example" { Gateway = "127.0.0.1:9" }\nEventLoop "default" { Concurrency = 1 }\n')
        people = [{"address": f"u{i}@later.example", "substitution_data": {"n": i}} for i in range(10000)]
        body = transmission(text="hello {{ n }}") | {"recipients": people}
        done = []
        thread = threading.Thread(target=lambda: done.append(self.client().transmit(body)))
        thread.start()
        other = self.client()
        served = 0
        while thread.is_alive():
            self.assertEqual(200, other.get("/healthz/live").status)
            served += 1
        thread.join()
        self.assertEqual(200, done[0].status, done[0])
        self.assertEqual(10000, len({row["id"] for row in done[0].json["results"]["recipients"]}))
        self.assertGreater(served, 5)

    def test_a_refused_request_queues_nothing(self):
        self.begin()
        client = self.client()
        good = transmission()
        bad = transmission("bob@local.example", text="{{ each x }}")
        unsafe = transmission("bob@local.example", subject="{{ s }}") | {"substitution_data": {"s": "a\r\nBcc: x@y.example"}}
        late = {"recipients": [{"address": "bob@local.example", "substitution_data": {"s": "fine"}}] * 300 + [
            {"address": "bob@local.example", "substitution_data": {"s": "not\r\nfine: x"}}],
            "content": {"from": "alice@client.example", "subject": "{{ s }}", "text": "x"}}
        for body, status in ((bad, 422), (unsafe, 400), (late, 400), (good | {"what": 1}, 422),
                             (good | {"recipients": []}, 400), (good | {"content": {}}, 422)):
            answer = client.transmit(body)
            self.assertEqual(status, answer.status, answer)
            self.assertIn("message", answer.json["errors"][0])
        self.assertEqual([], self.daemon.mainlog("R"))
        self.assertEqual(200, client.transmit().status)
        self.daemon.wait_mail("bob")

    def test_idempotency(self):
        self.begin()
        client = self.client()
        first = client.transmit(Idempotency_Key="k-1")
        again = client.transmit(Idempotency_Key="k-1")
        self.assertEqual((200, 200), (first.status, again.status), (first, again))
        self.assertEqual(first.body, again.body)
        self.assertEqual("true", again.headers["Idempotent-Replayed"])
        self.assertEqual(422, client.transmit(transmission("eve@local.example"), Idempotency_Key="k-1").status)
        self.daemon.wait_mainlog("R", 1)
        self.daemon.kill9()
        self.daemon.start()
        after = self.client().transmit(Idempotency_Key="k-1")
        self.assertEqual((200, first.body), (after.status, after.body))
        self.assertEqual(200, self.client().transmit(Idempotency_Key="k-2").status)
        self.assertEqual(2, len(self.daemon.wait_mainlog("R", 2)))
        for key in ("", "a b", "x" * 256):
            self.assertEqual(400, self.client().transmit(Idempotency_Key=key).status, key)

    def test_a_long_answer_is_repeated_without_its_list(self):
        domain = ".".join(["d" * 60] * 3) + ".later.example"
        self.begin(options="Max_Request_Size = 10M\n", more=f'Domain "{domain}" {{ Gateway = "127.0.0.1:9" }}\n')
        body = {"envelope_sender": "kumo@client.example", "content": "Subject: x\r\n\r\nhello\r\n",
                "recipients": [{"email": f"u{i}@{domain}"} for i in range(5000)]}
        first = self.client().post("/api/inject/v1", body, Idempotency_Key="k")
        again = self.client().post("/api/inject/v1", body, Idempotency_Key="k")
        self.assertGreater(len(first.body), 1 << 20)
        self.assertEqual((200, "true"), (again.status, again.headers["Idempotent-Replayed"]))
        for name in ("success_count", "fail_count"):
            self.assertEqual(first.json[name], again.json[name])
        self.assertEqual(5000, again.json["success_count"])

    def test_one_of_those_who_come_at_once_with_a_key(self):
        self.begin(more='Domain "later.example" { Gateway = "127.0.0.1:9" }\nEventLoop "default" { Concurrency = 2 }\n')
        body = transmission(*(f"u{i}@later.example" for i in range(2000)))
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(self.client().transmit(body, Idempotency_Key="k")))
                   for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertLessEqual({answer.status for answer in answers}, {200, 409}, answers)
        self.assertEqual(1, len({answer.body for answer in answers if answer.status == 200}))
        self.assertEqual(2000, len(self.daemon.wait_mainlog("R", 2000)))

    def test_what_nobody_reads_is_not_said(self):
        """Pipelined requests whose answers stay unread wait, and do not fill the memory."""
        self.begin(more='EventLoop "default" { Concurrency = 1 }\n')
        request = b"GET /openapi.json HTTP/1.1\r\nHost: h\r\n\r\n"
        count = 1500
        one = len(self.raw(request))
        other = self.client()

        def answered():
            text = other.get("/metrics").body.decode()
            return int(re.search(r"(?m)^impulse_http_requests_total (\d+)$", text).group(1))

        with socket.create_connection(("127.0.0.1", self.daemon.values["http"]), timeout=60 * SCALE) as lazy:
            lazy.sendall(request * count)
            before, same, asked = answered(), 0, 1
            while same < 20 and before < count:
                now = answered() - asked
                asked += 1
                same = same + 1 if now == before else 0
                before = now
            self.assertLess(before, count)
            lazy.shutdown(socket.SHUT_WR)
            came = 0
            while chunk := lazy.recv(1 << 20):
                came += len(chunk)
        self.assertEqual(count * one, came)

    def test_gzip(self):
        self.begin(options="Max_Request_Size = 64k")
        client = self.client()
        packed = gzip.compress(json.dumps(transmission()).encode())
        answer = client.post("/api/v1/transmissions", packed, Content_Type="application/json", Content_Encoding="gzip")
        self.assertEqual(200, answer.status, answer)
        bomb = gzip.compress(json.dumps(transmission(text="x" * 1000000)).encode())
        answer = client.post("/api/v1/transmissions", bomb, Content_Type="application/json", Content_Encoding="gzip")
        self.assertEqual(413, answer.status, answer)


class Pages(Case):
    def test_what_is_not_there(self):
        self.begin()
        client = self.client()
        for method, path, status in (("GET", "/", 404), ("GET", "/api/v1/transmissions", 405), ("DELETE", "/metrics", 405),
                                     ("GET", "/api/impulse/v1/messages/nonsense", 404),
                                     ("GET", "/api/impulse/v1/messages/00000001/00000000-node1", 404)):
            answer = client.ask(method, path)
            self.assertEqual(status, answer.status, path)
            self.assertIn("errors", answer.json)
            self.assertEqual("application/json", answer.headers["Content-Type"])
        self.assertEqual("POST, OPTIONS", client.get("/api/v1/transmissions").headers["Allow"])

    def test_S41_modules(self):
        self.begin(listens='Listen "127.0.0.1:@few@" { HTTP_Modules = ( health ) }', few=free_port())
        few = self.client(self.daemon.values["few"])
        self.assertEqual(200, few.get("/healthz/live").status)
        for path in ("/metrics", "/docs", "/openapi.json", "/api/v1/transmissions"):
            self.assertEqual(404, few.get(path).status, path)
        self.assertIn("HTTP_Modules", self.daemon.console("config", "set", "http_listener", "HTTP_Modules", "=", "(",
                                                          "nonsense", ")", status=1).stderr)
        self.daemon.console("config", "set", "http_listener", "listen", f"127.0.0.1:{self.daemon.values['few']}",
                            "HTTP_Modules", "=", "( health docs )")
        self.assertEqual(200, few.get("/openapi.json").status)  # on the same connection

    def test_metrics(self):
        self.begin()
        client = self.client()
        client.transmit()
        client.transmit(transmission(text="{{ each x }}"))
        page = client.get("/metrics")
        self.assertEqual("text/plain; version=0.0.4; charset=utf-8", page.headers["Content-Type"])
        text = page.body.decode()
        self.assertRegex(text, r"(?m)^impulse_messages_received_total 1$")
        self.assertRegex(text,
                         r'(?m)^impulse_listener_refused_total\{[^}]*cause="syntax"[^}]*\} 1$')
        names = [line.split("{")[0].split()[0] for line in text.splitlines() if not line.startswith("#")]
        families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
        self.assertEqual(len(families), len(set(families)))
        self.assertLessEqual(set(names), set(families))
        self.assertIn(f'impulse_listener_up{{listener="HTTP_Listener 127.0.0.1:{self.daemon.values["http"]}"}} 1\n', text)
        self.assertRegex(text, r"(?m)^process_open_fds [1-9]")
        modern = client.get("/metrics", Accept="application/openmetrics-text; version=1.0.0").body.decode()
        self.assertTrue(modern.endswith("# EOF\n"))
        self.assertIn("# TYPE impulse_messages_received counter\n", modern)

    def test_ready_says_why_not(self):
        self.begin()
        self.daemon.console("config", "set", "Memory_HWM", "=", "1")
        answer = self.client().get("/healthz/ready")
        self.assertEqual((503, ["memory"]), (answer.status, [row["code"] for row in answer.json["reasons"]]), answer)
        refused = self.client().transmit()
        self.assertEqual(503, refused.status, refused)
        self.assertIn("Retry-After", refused.headers)
        self.assertEqual(200, self.client().get("/healthz/live").status)

    def test_a_body_on_its_way_is_no_right_to_memory(self):
        self.begin()
        head = (b"POST /api/v1/transmissions HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                b"Content-Length: 3000000\r\nExpect: 100-continue\r\n\r\n")
        with socket.create_connection(("127.0.0.1", self.daemon.values["http"]), timeout=60 * SCALE) as plain:
            plain.sendall(head)
            self.assertEqual(b"HTTP/1.1 100 Continue\r\n\r\n", plain.recv(65536))
            self.daemon.console("config", "set", "Memory_HWM", "=", "1")
            plain.sendall(b" " * 3000000)
            came = plain.recv(65536)
            self.assertTrue(came.startswith(b"HTTP/1.1 503 "), came)
            self.assertIn(b"Retry-After", came)

    def test_docs(self):
        self.begin()
        client = self.client()
        self.assertEqual("3.1.0", client.get("/openapi.json").json["openapi"])
        self.assertIn(b"/api/v1/transmissions", client.get("/docs").body)
        head = client.ask("HEAD", "/docs")
        self.assertEqual((200, b""), (head.status, head.body))


class Wrong(Case):
    def test_wrong_everything_is_4xx_and_json(self):
        self.begin(options="Max_Request_Size = 10k\nMax_Request_Line_Length = 512\nMax_Header_Size = 2k\n")
        post = b"POST /api/v1/transmissions HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        requests = {
            b"nonsense\r\n\r\n": (400,), b"GET / HTTP/2.0\r\n\r\n": (505, 400), b"BREW / HTTP/1.1\r\nHost: h\r\n\r\n": (405,),
            b"GET / HTTP/1.1\r\n\r\n": (400,), b"GET / HTTP/1.1\nHost: h\n\n": (400,),
            b"GET /" + b"a" * 600 + b" HTTP/1.1\r\nHost: h\r\n\r\n": (414,),
            b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 3000 + b"\r\n\r\n": (431,),
            post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": (400,),
            post + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello": (400,),
            post + b"Content-Length: -1\r\n\r\n": (400,), post + b"Transfer-Encoding: gzip\r\n\r\n": (400,),
            post + b"Content-Length: 99999\r\n\r\n": (413,), post + b"Content-Length: 2\r\n\r\n{]": (400,),
            post + b"Content-Length: 0\r\n\r\n": (400,), post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n": (400,),
            post + b"Content-Length: 2\r\n\r\n[]": (422, 400), post + b"Content-Length: 4\r\n\r\nnull": (422, 400),
            post.replace(b"application/json", b"text/plain") + b"Content-Length: 2\r\n\r\n{}": (415,),
            post + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}": (415,),
            post + b"Content-Length: 20000\r\n\r\n" + b"[" * 20000: (413,),
            post + b"Content-Length: 9000\r\n\r\n" + b"[" * 9000: (400,),
        }
        for request, statuses in requests.items():
            came = self.raw(request)
            self.assertIn(int(came.split()[1]), statuses, (request[:200], came[:300]))
            head, _, body = came.partition(b"\r\n\r\n")
            self.assertIn(b"application/json", head)
            self.assertIn("errors", json.loads(body), request[:200])
        self.assertEqual([], self.daemon.mainlog("R"))
        self.assertEqual(200, self.client().transmit().status)

    def test_wrong_configuration_is_refused_by_name(self):
        self.begin()
        for words, says in ((("HTTP_Versions", "=", "(", "2", ")"), "not available"),
                            (("HTTP_Modules", "=", "(", "admn", ")"), "expected modules"),
                            (("Trust_Forwarded", "=", "true"), "Trust_Forwarded is not available"),
                            (("AuthDigestMD5Parameters", "[", "uri", "=", "digest:///x", "]"),
                             "not available in HTTP_Listener"),
                            (("listen", f"127.0.0.1:{self.daemon.values['http']}", "Greeting_Timeout", "=", "3"),
                             "Greeting_Timeout is no option of HTTP_Listener"),
                            (("API_Keys", "[", "uri", "=", "keys:///nowhere", "]"), "API_Keys"),
                            (("Use_SSL", "=", "true"), "TLS_Certificate")):
            done = self.daemon.console("config", "set", "http_listener", *words, status=1)
            self.assertIn(says, done.stderr + done.stdout, words)
