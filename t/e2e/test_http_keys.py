"""API keys by HTTP: as Basic's name, past their end, and never in a log."""

import base64
import subprocess

from client import Smtp
from harness import free_port, needs, read
from http_kit import Case, transmission
from test_http_access import AUTH, FILES, basic
from test_passwd import passwd

LOGS = """Acctlog = "@dir@/acctlog"
Rejectlog = "@dir@/rejectlog"
Debug_Flags { Debug = ( ALL ) }
ESMTP_Listener {
  SMTP_Extensions = ( AUTH )
  Auth_Failure_Limit = 0
  Auth_Failure_Rate = 0/1
  AuthPlainParameters = [ uri = "file://@dir@/users" ]
  AuthLoginParameters = [ uri = "file://@dir@/users" ]
}
"""


class Keys(Case):
    def start(self, options=AUTH, **more):
        options += "Auth_Failure_Limit = 0\nAuth_Failure_Rate = 0/1\nLog_Requests_To_Paniclog = true\n"
        return self.begin(options=options, files=FILES, **more)

    def secretless(self, *keys):
        """All that the daemon wrote down."""
        self.daemon.stop()
        names = [name for name in ("log", "mainlog", "acctlog", "rejectlog", "stderr", "stdout")
                 if (self.daemon.dir / name).exists()]
        self.assertIn("log", names)
        whole = "".join(read(self.daemon.dir / name) for name in names)
        for key in keys:
            secret = key.split("_")[2]
            for part in (secret, secret[:12], secret[-12:]):
                self.assertNotIn(part, whole)
        return whole

    def test_a_key_is_basics_name_with_an_empty_password(self):
        self.start(listens='Listen "127.0.0.1:@blue@" { Tenant = blue }', blue=free_port(),
                   more='Domain "later.example" { Gateway = "127.0.0.1:9" }\n')
        inject, metrics, blue = self.key(), self.key("prom", "metrics"), self.key("app", "inject", "-t", "blue")
        self.assertEqual(200, self.client().transmit(Authorization=basic(inject, "")).status)
        self.assertEqual(200, self.client().get("/metrics", Authorization=basic(metrics, "")).status)
        self.assertEqual(403, self.client().transmit(Authorization=basic(metrics, "")).status)
        self.assertEqual(200, self.client(self.daemon.values["blue"]).transmit(Authorization=basic(blue, "")).status)
        self.assertEqual(401, self.client(self.daemon.values["blue"]).transmit(Authorization=basic(inject, "")).status)
        answer = self.client().transmit(transmission("x@later.example"), Authorization=basic(blue, ""))
        number = answer.json["results"]["recipients"][0]["id"]
        self.assertIn("blue", self.daemon.console("message", "details", number).stdout)
        # Browsers remember what Basic has, and send it for others' pages as well.
        answer = self.client().transmit(Authorization=basic(inject, ""), Origin="https://elsewhere.example")
        self.assertEqual((403, "forbidden"), (answer.status, answer.code))
        passwd("key", "revoke", self.daemon.dir / "keys", inject.split("_")[1])
        self.assertEqual(401, self.client().transmit(Authorization=basic(inject, "")).status)

    @needs("curl")
    def test_as_curl_does_it_where_there_are_no_passwords(self):
        self.start(options='Enable_Authentication = true\nAPI_Keys = [ uri = "keys://@dir@/keys" ]\n')
        key = self.key("app", "inject,metrics")
        url = f"http://127.0.0.1:{self.daemon.values['http']}/metrics"
        for user, status in ((key + ":", "200"), (key[:-1] + ":", "401"), (key + ":x", "401")):
            done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-u", user, url],
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(status, done.stdout, done.stderr)
        self.secretless(key)

    def test_past_its_end(self):
        self.start()
        key = self.key("app", "inject", "--expires", "2020-01-31")
        for authorization in (key, "Bearer " + key, basic(key, "")):
            answer = self.client().transmit(Authorization=authorization)
            self.assertEqual((401, "unauthorized"), (answer.status, answer.code))
            self.assertIn("has expired", answer.json["errors"][0]["message"])
        self.assertNotIn("expired", self.client().transmit(Authorization=key[:-1]).body.decode())
        name = key.split("_")[1]
        passwd("key", "expire", "--expires", "never", self.daemon.dir / "keys", name)
        self.assertEqual(200, self.client().transmit(Authorization=key).status)
        passwd("key", "expire", self.daemon.dir / "keys", name)
        self.assertEqual(401, self.client().transmit(Authorization=key).status)
        self.assertEqual(1, len(self.daemon.wait_mainlog("R", 1)))

    def test_no_log_has_a_key(self):
        self.start(more=LOGS, listens='Listen "127.0.0.1:@blue@" { Tenant = blue }', blue=free_port())
        key, blue = self.key(), self.key("app", "inject", "-t", "blue")
        wrong = key[:-1] + ("y" if key.endswith("x") else "x")
        for port in (None, self.daemon.values["blue"]):
            for one in (key, blue, wrong, key[:-5]):
                for authorization in (one, "Bearer " + one, "Token " + one, "Bearer  " + one + " x", basic(one, ""),
                                      basic(one, "x"), basic("x" + one, "x"), basic("alice", one), basic("", one),
                                      basic(one, one), basic("blue/" + one, "x"), basic(one + "@blue", "x")):
                    self.client(port).transmit(Authorization=authorization)
            self.client(port).get("/metrics?api_key=" + key, X_Request_Id=key)
            self.client(port).get("/" + key, Authorization=key)
        with Smtp(self.daemon.smtp_port) as smtp:
            smtp.ehlo()
            for user, password in ((key, ""), (key, "x"), (key, key), ("alice", key)):
                secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
                smtp.send(f"AUTH PLAIN {secret}\r\n".encode())
                self.assertIn(smtp.reply()[0], (501, 535))
            for line, code in (("AUTH LOGIN", 334), (base64.b64encode(key.encode()).decode(), 334), ("eA==", 535)):
                smtp.expect(code, line)
        whole = self.secretless(key, blue)
        for one in (key, blue):  # who it was can be seen
            self.assertIn(f"imp_{one.split('_')[1]}_***", whole)
            self.assertIn("API key " + one.split("_")[1], whole)
