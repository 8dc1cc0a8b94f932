"""POST /api/impulse/v1/control: the console's commands by HTTP, and who may give them."""

import json
import subprocess

from harness import free_port, wait_for
from http_kit import Case
from test_http_access import basic

CONTROL = "/api/impulse/v1/control"
MORE = """
Acctlog = "@dir@/acctlog"
Authorization {
  Role "boss" { Allow = ( ".*" ) }
  Role "ops" { Allow = ( "^summary$" "^config (get|eval|show)( |$)" ) }
}
HTTP_Listener {
  API_Keys = [ uri = "keys://@dir@/keys" ]
  AuthPlainParameters = [ uri = "file://@dir@/users" ]
  AuthorizationParameters = [ uri = "groups://@dir@/groups" ]
  Listen "127.0.0.1:@admin@" { HTTP_Modules = ( admin ) @door@ }
}
"""
FILES = {"keys": "# none yet\n", "users": "alice:sesame\nbob:sesame\ncarol:sesame\n",
         "groups": "boss:alice,chief\nops:bob\n"}


class Admin(Case):
    def start(self, door="", more=MORE, **values):
        self.begin(more=more, files=FILES, admin=free_port(), door=door, **values)
        return self.key("chief", "admin")

    def order(self, body, key=None, port=None, **headers):
        if isinstance(body, (str, list)):
            body = {"commands" if isinstance(body, list) else "command": body}
        if key:
            headers["Authorization"] = key
        return self.client(port or self.daemon.values["admin"]).post(CONTROL, body, **headers)

    def run_all(self, body, key):
        answer = self.order(body, key)
        self.assertEqual(200, answer.status, answer)
        return answer.json

    def test_the_answer_is_the_consoles(self):
        key = self.start()
        for command in ("config eval esmtp_listener idle_time", "config show http_listener", "config nonsense",
                        "config get Hostnam", "help config set", "config set Idle_Time = never", "config locate listen"):
            said = self.run_all(command, key)
            console = self.daemon.console(*command.split(), status=None)
            self.assertEqual(console.returncode, said["code"], command)
            self.assertEqual(console.stdout, "".join(line + "\n" for line in said["output"]), command)
            self.assertEqual(bool(console.stderr), bool(said["messages"]), command)
            for message in said["messages"]:
                self.assertIn(message["text"], console.stderr, command)
        rows = self.run_all({"command": "listener show", "json": True}, key)["output"]
        self.assertIn(f"127.0.0.1:{self.daemon.values['admin']}", str([json.loads(row) for row in rows]))

    def test_changes_reloads_and_the_records(self):
        key = self.start()
        self.assertEqual(0, self.run_all("config set esmtp_listener idle_time = 77", key)["code"])
        self.assertIn("77", self.daemon.console("config", "get", "esmtp_listener", "idle_time").stdout)
        self.assertEqual(0, self.run_all("config reload", key)["code"])
        self.assertEqual(3, self.run_all("config get esmtp_listener idle_time", key)["code"])
        payload = {"command": "config set Hostname", "payload": "mx7.example\n"}
        self.run_all(payload, key)
        log = self.daemon.dir / "acctlog"
        wait_for(lambda: "config set Hostname" in log.read_text(), lambda: log.read_text())
        self.assertIn("chief", log.read_text())
        self.assertIn("config set esmtp_listener idle_time", log.read_text())
        # What it serves may go by its own command: the answer comes before that.
        port = self.daemon.values["admin"]
        self.assertEqual(0, self.run_all(f"config unset http_listener listen 127.0.0.1:{port}", key)["code"])

    def test_a_list_is_all_or_nothing(self):
        key = self.start()
        done = self.run_all(["config set esmtp_listener idle_time = 78", "config set lmtp_listener idle_time = 79",
                             "config get esmtp_listener idle_time"], key)
        self.assertEqual((0, True, 3), (done["code"], done["committed"], len(done["results"])), done)
        self.assertIn("78", done["results"][2]["output"][0])
        wrong = self.run_all(["config set esmtp_listener idle_time = 99", "config set lmtp_listener idle_time = x",
                              "config set Hostname = no.example"], key)
        self.assertEqual((False, 2, None), (wrong["committed"], len(wrong["results"]), wrong["end"]), wrong)
        self.assertEqual([0, 1], [result["code"] for result in wrong["results"]])
        # What is wrong only as a whole.
        whole = self.run_all(["config set esmtp_listener idle_time = 98", "config set esmtp_listener use_ssl = true"], key)
        self.assertFalse(whole["committed"])
        self.assertEqual("error", whole["end"]["messages"][0]["severity"])
        self.assertIn("78", self.daemon.console("config", "get", "esmtp_listener", "idle_time").stdout)
        for command in ("config commit", "config begin name=x", '"config" commit', "shutdown", "counter reset",
                        "config reload", "--json config commit", "watch on", "# nothing"):
            answer = self.order(["config set Hostname = a.example", command], key)
            self.assertEqual((422, "commands[1].command"), (answer.status, answer.json["errors"][0].get("field")), command)
        self.assertNotIn("a.example", self.daemon.console("config", "eval", "hostname").stdout)

    def test_who_may_not(self):
        chief = self.start(door="Enable_Authorization = true", more=MORE.replace(
            "@door@ }", '@door@ }\n Listen "127.0.0.1:@blue@" { HTTP_Modules = ( admin ) Tenant = blue }'),
            blue=free_port())
        injecting, metrics = self.key("chief", "inject"), self.key("chief", "metrics")
        nobody, of_blue = self.key("stranger", "admin"), self.key("chief", "admin", "-t", "blue")
        summary = {"command": "summary"}
        self.assertEqual(401, self.order(summary).status)
        for key in (injecting, metrics, of_blue):
            self.assertEqual((403, "forbidden"), (lambda a: (a.status, a.code))(self.order(summary, key)))
        self.assertEqual(401, self.order(summary, chief, self.daemon.values["blue"]).status)
        self.assertEqual(403, self.order(summary, of_blue, self.daemon.values["blue"]).status)
        # No right is more than its user's roles: the groups say who has which.
        refused = self.order(summary, nobody)
        self.assertEqual((403, "refused", "command"), (refused.status, refused.code, refused.json["errors"][0]["field"]))
        self.assertEqual(200, self.order(summary, chief).status)
        self.assertEqual(200, self.order(summary, basic("alice", "sesame")).status)
        self.assertEqual(200, self.order(summary, basic("bob", "sesame")).status)
        bobs = self.order("config set Hostname = bob.example", basic("bob", "sesame"))
        self.assertEqual((403, "refused"), (bobs.status, bobs.code))
        self.assertIn("role boss may", bobs.json["errors"][0]["description"])
        listed = self.order(["config get Hostname"], basic("bob", "sesame"))
        self.assertEqual((403, "commands"), (listed.status, listed.json["errors"][0]["field"]))
        self.assertEqual(403, self.order(summary, basic("carol", "sesame")).status)
        self.assertEqual(401, self.order(summary, basic("alice", "wrong")).status)
        # Nobody becomes somebody else on the way.
        for command in ("authenticate PLAIN AGFsaWNlAHNlc2FtZQ==", "authenticate LOGIN"):
            self.assertEqual(1, self.order(command, basic("bob", "sesame")).json["code"])
        # What a browser sends by itself is no order.
        self.assertEqual(403, self.order(summary, basic("alice", "sesame"), Origin="https://evil.example").status)
        form = self.client(self.daemon.values["admin"]).post(CONTROL, json.dumps(summary), Authorization=chief,
                                                             Content_Type="text/plain")
        self.assertEqual(415, form.status, form)

    def test_without_being_told_roles_decide_where_there_are_any(self):
        chief = self.start()
        stranger = self.key("stranger", "admin")
        self.assertEqual(403, self.order("summary", stranger).status)
        self.assertEqual(403, self.order("summary", basic("alice", "sesame")).status)  # it has no key, and no right
        self.assertEqual(200, self.order("summary", chief).status)
        port = self.daemon.values["admin"]
        self.daemon.console("config", "set", "http_listener", "listen", f"127.0.0.1:{port}",
                            "enable_authorization", "=", "false")
        self.assertEqual(200, self.order("summary", stranger).status)

    def test_wrong_requests(self):
        key = self.start()
        for body, status in (({}, 422), ({"command": 1}, 422), ({"command": ""}, 422), ({"command": "a\nshutdown"}, 422),
                             ({"command": "@x summary"}, 422), ({"command": "summary", "user": "root"}, 422),
                             ({"command": "config set x <<END"}, 422), ({"commands": []}, 422),
                             ({"command": "a", "commands": ["b"]}, 422), ({"command": "x" * 70000}, 422),
                             ({"commands": ["config get Hostname"] * 10001}, 413)):
            answer = self.order(body, key)
            self.assertEqual(status, answer.status, answer)
            self.assertIn("description", answer.json["errors"][0])
        client = self.client(self.daemon.values["admin"])
        for body in ("", "{", "[]", '"summary"', '{"command": "summary", "command": "shutdown"}', '{"command": "\ud800"}',
                     '{"command": "' + "[" * 5000 + '"}}'):
            answer = client.post(CONTROL, body.encode("utf-8", "surrogatepass"), Authorization=key,
                                 Content_Type="application/json")
            self.assertIn(answer.status, (400, 422), answer)
        self.assertEqual(405, client.get(CONTROL, Authorization=key).status)
        self.assertEqual(200, self.order("watch on", key).status)
        self.assertEqual(200, self.order("quit", key).status)
        self.assertEqual(2, self.order("GET / HTTP/1.1", key).json["code"])
        self.assertEqual(404, self.client().post(CONTROL, {"command": "summary"}, Authorization=key).status)
        self.assertEqual(0, self.order("summary", key).json["code"])

    def test_with_curl(self):
        key = self.start()
        done = subprocess.run(
            ["curl", "-sS", "--json", '{"command": "config eval Hostname"}', "-H", f"Authorization: Bearer {key}",
             f"http://127.0.0.1:{self.daemon.values['admin']}{CONTROL}"], capture_output=True, text=True, timeout=60)
        self.assertEqual(0, json.loads(done.stdout)["code"], done)

    def test_the_end_is_answered(self):
        key = self.start()
        self.assertEqual(0, self.run_all("shutdown", key)["code"])
        self.assertEqual(0, self.daemon.process.wait(60))
