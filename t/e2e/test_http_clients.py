"""Programs that the world has for HTTP: SparkPost's own client, curl, and one that is slow on purpose;
and the requests that KumoMTA's manual shows."""

import json
import subprocess

import mtas
from harness import SCALE, find_program, needs, timeout
from http_kit import Case, transmission
from sink import SmtpSink

KEYS = 'API_Keys = [ uri = "keys://@dir@/keys" ]'


class SparkPost(Case):
    def send(self, key, *transmissions):
        module = mtas.cached("sparkpost-2.1.4") / "node_modules/sparkpost"
        told = {"key": key, "endpoint": f"http://127.0.0.1:{self.daemon.values['http']}",
                "transmissions": transmissions}
        done = subprocess.run(["node", mtas.Path(__file__).with_name("sparkpost.js"), module],
                              input=json.dumps(told).encode(), capture_output=True, timeout=60 * SCALE)
        self.assertEqual(0, done.returncode, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    @needs("node")
    def test_the_client_of_npm(self):
        sink = SmtpSink(self)
        self.begin(options=KEYS + " Enable_Authentication = true", files=[("keys", "")], sink=sink.port)
        key = self.key()
        mail = {
            "options": {"transactional": True},
            "campaign_id": "welcome", "metadata": {"shop": "7"},
            "return_path": "bounces@client.example",
            "substitution_data": {"shop": "Corner"},
            "recipients": [
                {"address": {"email": "ann@sink.example", "name": "Ann"}, "tags": ["new"],
                 "substitution_data": {"name": "Ann"}},
                {"address": "bo@sink.example"}],
            "content": {
                "from": {"name": "The Shop", "email": "shop@client.example"}, "reply_to": "help@client.example",
                "subject": "Welcome, {{name or 'you'}}", "headers": {"X-Shop": "{{shop}}"},
                "text": "Dear {{name or 'you'}},\nwelcome to {{shop}}", "html": "<p>Dear {{name or 'you'}}</p>",
                "attachments": [{"name": "a.txt", "type": "text/plain", "data": "YXR0YWNoZWQ="}]}}
        good, one_bad, none, nobody = self.send(
            key, [mail], [transmission("bo@sink.example", "no address"), {"num_rcpt_errors": 3}],
            [transmission("no address")], [{"recipients": []}])
        self.assertEqual(2, good["results"]["total_accepted_recipients"], good)
        self.assertEqual((1, 1), tuple(one_bad["results"][f"total_{kind}_recipients"]
                                       for kind in ("accepted", "rejected")), one_bad)
        self.assertEqual([400, 422], [none["status"], nobody["status"]])
        self.assertTrue(none["errors"][0]["message"], none)
        messages = sink.wait(3)
        for text in (b"Subject: Welcome, Ann\r\n", b"Subject: Welcome, you\r\n", b"welcome to Corner", b"X-Shop: Corner\r\n",
                     b"YXR0YWNoZWQ="):
            self.assertTrue(any(text in message.data for message in messages), text)
        [refused] = self.send("imp_nobody_" + "x" * 43, [mail])
        self.assertEqual(401, refused["status"], refused)


    @needs("node")
    def test_copies(self):
        """As the client makes them of cc and bcc: one more recipient each, with header_to."""
        sink = SmtpSink(self)
        self.begin(options=KEYS + " Enable_Authentication = true", files=[("keys", "")], sink=sink.port)
        [done] = self.send(self.key(), [{
            "recipients": [{"address": {"email": "ann@sink.example", "name": "Ann, B."}},
                           {"address": "bo@sink.example"}],
            "cc": [{"address": {"email": "cc@sink.example", "name": "Copy"}}],
            "bcc": [{"address": '"Blind" <bcc@sink.example>'}],
            "content": {"from": "shop@client.example", "subject": "copies", "text": "hello"}}])
        self.assertEqual(4, done["results"]["total_accepted_recipients"], done)
        messages = {message.recipients[0]: message.data for message in sink.wait(4)}
        self.assertEqual({f"{name}@sink.example" for name in ("ann", "bo", "cc", "bcc")}, set(messages))
        for name in ("cc", "bcc"):
            data = messages[f"{name}@sink.example"]
            self.assertIn(b'\r\nTo: "Ann, B." <ann@sink.example>, bo@sink.example\r\n', data)
            self.assertIn(b"\r\nCC: Copy <cc@sink.example>\r\n", data)
            self.assertNotIn(b"bcc@", data.split(b"\r\nFrom: ")[-1])


class Curl(Case):
    def curl(self, path, body, *more):
        url = f"http://127.0.0.1:{self.daemon.values['http']}{path}"
        done = subprocess.run([find_program("curl"), "-sS", "-w", "\n%{http_code}", "-H", "Content-Type: application/json",
                               *more, "--data-binary", "@-", url], input=json.dumps(body).encode(),
                              capture_output=True, timeout=60 * SCALE)
        self.assertEqual(0, done.returncode, done.stderr)
        text, status = done.stdout.rsplit(b"\n", 1)
        return int(status), json.loads(text)

    @needs("curl")
    def test_transmissions(self):
        self.begin(options=KEYS + " Enable_Authentication = true", files=[("keys", "")])
        key = ["-H", "Authorization: " + self.key()]
        for path in ("/api/v1/transmissions", "/api/v1/transmissions/"):
            self.assertEqual(401, self.curl(path, transmission())[0])
            status, answer = self.curl(path, transmission(), *key)
            self.assertEqual((200, 1), (status, answer["results"]["total_accepted_recipients"]), answer)
            # What python-sparkpost sends unasked.
            status, answer = self.curl(path, {
                **transmission(template_id=None, use_draft_template=False, html=None, reply_to=None),
                "options": {"start_time": None, "open_tracking": None, "transactional": None},
                "campaign_id": None, "metadata": None, "substitution_data": None, "description": None}, *key)
            self.assertEqual(200, status, answer)
            status, answer = self.curl(path, transmission(use_draft_template=True), *key)
            self.assertEqual((422, "content.use_draft_template"), (status, answer["errors"][0]["field"]))
        self.daemon.wait_mail("bob", 4)


class KumoMta(Case):
    """The requests that its manual shows."""

    def test_documented_requests(self):
        sink = SmtpSink(self)
        self.begin(sink=sink.port)
        to = [{"email": "recipient@sink.example", "name": "John Smith"}]
        wanted = []
        for content, more, texts in (
                ("Subject: hello\n\nHello there", {}, (b"Subject: hello\r\n\r\nHello there",)),
                ("To: \"{{ name }}\" <{{ email }}>\nSubject: hello\n\nHello {{ name }}!", {},
                 (b'To: "John Smith" <recipient@sink.example>\r\n', b"Hello John Smith!")),
                ("From: user@example.com\nSubject: Hello\n\nHello {{ campaign_title }}",
                 {"deferred_generation": False, "deferred_spool": False, "template_dialect": "Jinja",
                  "substitutions": {"campaign_title": "Fall Campaign"},
                  "trace_headers": {"received_header": False, "supplemental_header": True,
                                    "header_name": "X-KumoRef", "include_meta_names": {}}},
                 (b"Hello Fall Campaign", b"X-KumoRef: ")),
                ({"text_body": "This is the plain text part", "html_body": "<p>This is the <b>HTML</b> part</p>",
                  "amp_html_body": "<!doctype html><html amp4email>...</html>",
                  "attachments": [{"data": "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7", "base64": True,
                                   "content_type": "image/gif", "content_id": "my-image", "file_name": "pixel.gif"},
                                  {"data": "YQ", "base64": True, "content_type": "text/plain"}],
                  "from": {"email": "someone@example.com", "name": "Someone"}, "subject": "This is the subject",
                  "reply_to": {"email": "help@example.com", "name": "Help"}, "headers": {"X-Something": "Something!"}}, {},
                 (b"This is the plain text part", b"X-Something: Something!", b"Content-ID: <my-image>", b"\r\nYQ==\r\n"))):
            answer = self.client().post("/api/inject/v1", {"envelope_sender": "noreply@example.com", "content": content,
                                                           "recipients": to, **more})
            self.assertEqual((200, 1, 0), (answer.status, answer.json["success_count"], answer.json["fail_count"]), answer)
            wanted.append(texts)
        messages = [message.data for message in sink.wait(len(wanted))]
        for texts in wanted:
            self.assertTrue(any(all(text in data for text in texts) for data in messages), texts)


class Slow(Case):
    @needs("slowhttptest")
    @timeout(180)
    def test_slow_clients_disturb_no_honest_ones(self):
        self.begin()
        url = f"http://127.0.0.1:{self.daemon.values['http']}/api/v1/transmissions"
        common = ["-c", "150", "-r", "100", "-i", "1", "-l", "6", "-p", "60", "-u", url]
        slow = [subprocess.Popen([find_program("slowhttptest"), *kind, *common], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                for kind in (["-H"], ["-B", "-s", "8192"], ["-X", "-w", "1", "-y", "2", "-n", "1", "-z", "1"])]
        for process in slow:
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
        client = self.client()
        sent = 0
        while any(process.poll() is None for process in slow):
            answer = client.transmit()
            self.assertEqual(200, answer.status, answer)
            sent += 1
        self.assertGreater(sent, 0)
        self.daemon.wait_mail("bob", sent)
