"""Programs that the world has for HTTP: SparkPost's own client, and one that is slow on purpose."""

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
