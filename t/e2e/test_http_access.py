"""Who may use HTTP, and the listener below it: TLS, PROXY, limits, reloads, the end."""

import base64
import json
import socket
import ssl
import tempfile
import threading

from harness import SCALE, free_port, wait_for
from http_kit import Case, transmission
from pki import Authority
from test_passwd import passwd
from test_proxy import v2

AUTH = """
  Enable_Authentication = true
  API_Keys = [ uri = "keys://@dir@/keys" ]
  AuthPlainParameters = [ uri = "file://@dir@/users" ]
"""
FILES = {"keys": "# none yet\n", "users": "alice:sesame\n"}


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Auth(Case):
    def test_keys_and_passwords(self):
        self.begin(options=AUTH, files=FILES, more='Acctlog = "@dir@/acctlog"\n')
        key = self.key()
        client = self.client()
        for authorization in (key, f"Bearer {key}", f"bearer {key}", basic("alice", "sesame")):
            answer = client.transmit(Authorization=authorization)
            self.assertEqual(200, answer.status, answer)
        self.daemon.wait_mail("bob", 4)
        for authorization in (key[:-1] + ("y" if key.endswith("x") else "x"), "Bearer nonsense", basic("alice", "wrong"), basic("bob", "sesame"),
                              "Basic %%%", "Digest x", None):
            answer = self.client().transmit(**({"Authorization": authorization} if authorization else {}))
            self.assertEqual((401, "unauthorized"), (answer.status, answer.code), authorization)
            self.assertIn("Bearer", answer.headers["WWW-Authenticate"])
        self.assertEqual(200, self.client().get("/healthz/live").status)
        self.assertEqual(401, self.client().get("/metrics").status)
        self.assertEqual(4, len(self.daemon.wait_mainlog("R", 4)))

    def test_rights_and_live_revocation(self):
        self.begin(options=AUTH, files=FILES)
        metrics, inject = self.key("prom", "metrics"), self.key("app", "inject")
        client = self.client()
        self.assertEqual(200, client.get("/metrics", Authorization=metrics).status)
        self.assertEqual((403, "forbidden"), (lambda a: (a.status, a.code))(client.transmit(Authorization=metrics)))
        self.assertEqual(403, self.client().get("/metrics", Authorization=inject).status)
        self.assertEqual(200, self.client().transmit(Authorization=inject).status)
        passwd("key", "revoke", self.daemon.dir / "keys", inject.split("_")[1])
        self.assertEqual(401, self.client().transmit(Authorization=inject).status)

    def test_failures_close_the_connection_and_lock_out(self):
        self.begin(options=AUTH + "Auth_Failure_Limit = 2\nAuth_Failure_Rate = 4/600\n", files=FILES)
        client = self.client()
        self.assertFalse(client.get("/metrics", Authorization="a").closes)
        self.assertTrue(client.get("/metrics", Authorization="b").closes)
        for _ in range(2):
            self.client().get("/metrics", Authorization="c")
        answer = self.client().get("/metrics", Authorization="d")
        self.assertEqual(429, answer.status, answer)
        self.assertIn("Retry-After", answer.headers)

    def test_the_tenant_of_a_key(self):
        self.begin(options=AUTH, files=FILES, more='Domain "later.example" { Gateway = "127.0.0.1:9" }\n',
                   listens='Listen "127.0.0.1:@blue@" { Tenant = blue }', blue=free_port())
        blue, green, none = (self.key("app", "inject", *tenant) for tenant in (("-t", "blue"), ("-t", "green"), ()))
        body = transmission("x@later.example")
        ids = {}
        for name, key in (("blue", blue), ("green", green), ("none", none)):
            answer = self.client().transmit(body, Authorization=key)
            self.assertEqual(200, answer.status, answer)
            ids[name] = answer.json["results"]["recipients"][0]["id"]
        door = self.daemon.values["blue"]
        self.assertEqual(200, self.client(door).transmit(body, Authorization=blue).status)
        self.assertEqual(401, self.client(door).transmit(body, Authorization=green).status)
        self.assertEqual(401, self.client(door).transmit(body, Authorization=none).status)
        self.assertEqual(200, self.client().get(f"/api/impulse/v1/messages/{ids['blue']}", Authorization=blue).status)
        self.assertEqual(404, self.client().get(f"/api/impulse/v1/messages/{ids['blue']}", Authorization=green).status)
        self.assertIn("blue", self.daemon.console("message", "details", ids["blue"]).stdout)

    def test_a_tenant_has_one_throttle_at_all_doors(self):
        self.begin(options=AUTH + 'Inbound_Throttle_Messages = "2/3600" Relay_Domains = ( local.example )', files=FILES,
                   more='Debug_Flags { Info = ( http ) }\n',
                   listens='Listen "127.0.0.1:@blue@" { Tenant = blue }', blue=free_port())
        blue, none = self.key("app", "inject", "-t", "blue"), self.key()
        door = self.daemon.values["blue"]
        self.assertEqual(200, self.client().transmit(Authorization=blue).status)
        self.assertEqual(200, self.client(door).transmit(Authorization=blue).status)
        for port in (door, None):
            answer = self.client(port).transmit(Authorization=blue)
            self.assertEqual((429, "too_many"), (answer.status, answer.code), port)
        self.assertEqual(200, self.client().transmit(Authorization=none).status)
        # What was refused is the tenant's, and HTTP's.
        self.daemon.wait_log("(throttle)")
        refused = [line for line in self.daemon.log().splitlines() if "(throttle)" in line]
        self.assertTrue(refused and all(" http " in line and " smtp " not in line for line in refused), refused)

    def test_relaying_is_as_by_smtp(self):
        self.begin(listen="Relay_Hosts = ( 192.0.2.1 )  Relay_Domains = ( local.example )",
                   listens='Listen "127.0.0.1:@open@" { Relay_Hosts = ( 192.0.2.1 ) Open_Relay = true }',
                   open=free_port())
        client = self.client()
        self.assertEqual(200, client.transmit().status)
        refused = client.transmit(transmission("bob@local.example", "eve@elsewhere.example"))
        self.assertEqual(403, refused.status, refused)
        self.assertEqual(1, len(self.daemon.wait_mainlog("R", 1)))
        self.assertEqual(200, self.client(self.daemon.values["open"]).transmit(transmission("e@elsewhere.example")).status)

    def test_strangers_and_pages_in_browsers(self):
        self.begin(more='Domain "later.example" { Gateway = "127.0.0.1:9" }\n',
                   listens='Listen "127.0.0.1:@far@" { Relay_Hosts = ( 192.0.2.1 ) }', far=free_port())
        client = self.client()
        answer = client.transmit(transmission("x@later.example"))
        path = "/api/impulse/v1/messages/" + answer.json["results"]["recipients"][0]["id"]
        self.assertEqual(200, client.get(path).status)
        self.assertEqual(401, self.client(self.daemon.values["far"]).get(path).status)
        self.assertEqual(403, client.transmit(Origin="https://elsewhere.example").status)
        # A name that leads here is of our own host, and still somebody else's page.
        self.assertEqual(403, client.transmit(Origin="http://evil.example", Host="evil.example").status)

    def test_pages_cannot_use_what_browsers_send_by_themselves(self):
        self.begin(options=AUTH, files=FILES)
        alice, key = basic("alice", "sesame"), self.key()
        here = f"127.0.0.1:{self.daemon.values['http']}"
        for wrong in ({"Origin": "https://elsewhere.example"}, {"Origin": "null"}, {"Origin": f"http://{here}0"},
                      {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}):
            answer = self.client().transmit(Authorization=alice, **wrong)
            self.assertEqual((403, "forbidden"), (answer.status, answer.code), wrong)
            self.assertEqual(200, self.client().transmit(Authorization=key, **wrong).status, wrong)
        for right in ({"Origin": f"http://{here}"}, {"Sec_Fetch_Site": "same-origin"}, {"Sec_Fetch_Site": "none"}):
            self.assertEqual(200, self.client().transmit(Authorization=alice, **right).status, right)
        answer = self.client().ask("POST", "/api/v1/transmissions", json.dumps(transmission()), Authorization=key)
        self.assertEqual(415, answer.status, answer)

    def test_a_proxy_in_front_makes_nobody_known(self):
        self.begin(options=AUTH.replace("Enable_Authentication = true", ""), files=FILES)
        key = self.key("app", "inject,metrics")
        for header in ("Forwarded", "X_Forwarded_For", "X_Forwarded_Host", "X_Forwarded_Proto", "X_Real_IP", "Via"):
            answer = self.client().transmit(**{header: "192.0.2.1"})
            self.assertEqual((401, "unauthorized"), (answer.status, answer.code), header)
            self.assertIn("proxy", answer.json["errors"][0]["message"])
            self.assertEqual(401, self.client().get("/metrics", **{header: "192.0.2.1"}).status, header)
            for authorization in (key, basic("alice", "sesame")):
                self.assertEqual(200, self.client().transmit(Authorization=authorization, **{header: "x"}).status, header)
        self.assertEqual(200, self.client().transmit().status)
        self.assertEqual(200, self.client().get("/healthz/live", Via="1.1 lb").status)
        for value, says in (("true", self.assertNotIn), ("false", self.assertIn)):
            done = self.daemon.console("config", "set", "http_listener", "Enable_Authentication", "=", value)
            says("API_Keys without Enable_Authentication", done.stdout + done.stderr)

    def test_numbers_are_not_for_strangers(self):
        self.begin(options=AUTH.replace("Enable_Authentication = true", "") + "Proxy_Trusted_Hosts = ( 127.0.0.1 )",
                   files=FILES, listens="""Listen "127.0.0.1:@far@" { Proxy_Protocol = on }
  Listen "127.0.0.1:@blue@" { Tenant = blue }""", far=free_port(), blue=free_port())
        self.assertEqual(200, self.client().get("/metrics").status)
        self.assertEqual(200, self.client().get("/metrics", Authorization=basic("alice", "sesame")).status)
        self.assertEqual(401, self.client(self.daemon.values["blue"]).get("/metrics").status)
        head = b"GET %b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        came = self.raw(v2("192.0.2.1") + head % b"/metrics", self.daemon.values["far"])
        self.assertTrue(came.startswith(b"HTTP/1.1 401 "), came)
        self.daemon.stop()
        config = self.daemon.config_file.read_text()
        self.daemon.config_file.write_text(config.replace("Spool_Min_Free = 0", "Spool_Min_Free = 1000000G"))
        self.daemon.start()
        came = self.raw(v2("192.0.2.1") + head % b"/healthz/ready", self.daemon.values["far"])
        self.assertTrue(came.startswith(b"HTTP/1.1 503 "), came)
        self.assertNotIn(str(self.daemon.dir).encode(), came)
        self.assertIn(b"spool", came)

    def test_who_may_not_send_sends_no_body(self):
        self.begin(listen="Relay_Hosts = ( 192.0.2.1 )", listens='Listen "127.0.0.1:@some@" {'
                   ' Relay_Hosts = ( 192.0.2.1 ) Relay_Domains = ( local.example ) }', some=free_port())
        head = (b"POST /api/v1/transmissions HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                b"Content-Length: 100000\r\nExpect: 100-continue\r\n\r\n")
        for port, status in (("http", b"HTTP/1.1 401 "), ("some", b"HTTP/1.1 100 ")):
            with socket.create_connection(("127.0.0.1", self.daemon.values[port]), timeout=60 * SCALE) as plain:
                plain.sendall(head)
                came = plain.recv(65536)
                self.assertTrue(came.startswith(status), came)

    def test_credentials_wait_for_tls_from_afar(self):
        self.begin(options=AUTH + "Proxy_Trusted_Hosts = ( 127.0.0.1 )", listen="Proxy_Protocol = on", files=FILES)
        key = self.key()
        head = f"GET /metrics HTTP/1.1\r\nHost: h\r\nAuthorization: {key}\r\nConnection: close\r\n\r\n".encode()
        came = self.raw(v2("192.0.2.1") + head)
        self.assertTrue(came.startswith(b"HTTP/1.1 403 "), came)
        self.assertIn(b"tls_required", came)


class Listener(Case):
    def test_tls_certificates_and_who_they_stand_for(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        ca = Authority(folder.name)
        server, mine = ca.issue("mx.test.example", names="IP:127.0.0.1"), ca.issue("alice")
        self.begin(options=f"""Use_SSL = true
  TLS_Certificate = mx
  TLS_Client_CA = "{ca.certificate}"
  TLS_Verify_Mode = optional
  TLS_Identity_As_User = cn
  Enable_Authentication = true""", more=f"""Certificate "mx" {{ Cert = "{server.certificate}" Private_Key = "{server.key}" }}
""")
        context = ssl.create_default_context(cafile=str(ca.certificate))
        answer = self.client(tls=context).transmit()
        self.assertEqual(401, answer.status, answer)
        context.load_cert_chain(str(mine.certificate), str(mine.key))
        client = self.client(tls=context)
        self.assertEqual(200, client.transmit().status)
        self.assertEqual(200, client.transmit().status)
        self.assertIn(b"with HTTPS", self.daemon.wait_mail("bob", 2)[0])
        self.assertEqual("rests", self.daemon.wait_mainlog("R", 2)[0]["protocol"])

    def test_proxy_names_the_client(self):
        self.begin(listen="Proxy_Protocol = on", options="Proxy_Trusted_Hosts = ( 127.0.0.1 )")
        body = json.dumps(transmission()).encode()
        request = (b"POST /api/v1/transmissions HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                   b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        came = self.raw(v2("192.0.2.1") + request)
        self.assertTrue(came.startswith(b"HTTP/1.1 401 "), came)  # a stranger may not relay
        self.assertIn(b"relay", came)

    def test_limits(self):
        self.begin(listen="Peer_Sessions = 1")
        first = self.client()
        self.assertEqual(200, first.get("/healthz/live").status)
        second = self.client().get("/healthz/live")
        self.assertEqual(503, second.status, second)
        self.assertIn("Retry-After", second.headers)
        self.assertTrue(second.closes)
        self.assertEqual(200, first.get("/healthz/live").status)

    def test_throttle(self):
        self.begin(listen='Inbound_Throttle_Messages = "3/600"')
        client = self.client()
        two = transmission("a@local.example", "b@local.example")
        self.assertEqual(200, client.transmit(two).status)
        over = client.transmit(two)
        self.assertEqual((429, "too_many"), (over.status, over.code), over)
        self.assertIn("Retry-After", over.headers)
        never = client.transmit(transmission(*(f"{c}@local.example" for c in "abcd")))
        self.assertEqual(413, never.status, never)
        self.assertEqual(200, client.transmit().status)

    def test_deny(self):
        self.begin(listen="Deny = true")
        answer = self.client().get("/healthz/live")
        self.assertEqual((403, "denied"), (answer.status, answer.code))

    def test_no_change_costs_a_client_its_request(self):
        self.begin(more='Domain "later.example" { Gateway = "127.0.0.1:9" }\n')
        stop, wrong = threading.Event(), []
        counts, ends = [], []

        def run():
            count = parted = 0
            client = self.client()
            try:
                while not stop.is_set():
                    answer = client.transmit(transmission("x@later.example"))  # connects again behind Connection: close
                    if answer.status != 200:
                        raise AssertionError(answer)
                    count += 1
                    parted += answer.closes
            except Exception as error:  # RemoteDisconnected: a connection that ended unannounced
                wrong.append(error)
            counts.append(count)
            ends.append(parted)

        def change(*options):
            threads = [threading.Thread(target=run) for _ in range(4)]
            for thread in threads:
                thread.start()
            for option in options:
                self.daemon.console("config", "set", "http_listener", *option.split())
            stop.set()
            for thread in threads:
                thread.join()
            stop.clear()

        # What is another for the next request alone: nobody notices.
        change(*(f"max_message_size {number}M" for number in range(5, 15)))
        self.assertEqual(([], 0), (wrong, sum(ends)))
        # What a connection is bound to: it hears so with its next answer.
        change(*(f"max_header_size {number}k" for number in range(20, 30)))
        self.assertEqual([], wrong)
        self.assertGreater(sum(ends), 0)
        self.assertEqual(sum(counts), len(self.daemon.wait_mainlog("R", sum(counts))))

    def test_an_idle_connection_lives_through_changes(self):
        self.begin()
        client = self.client()
        client.get("/healthz/live")
        self.daemon.console("config", "set", "http_listener", "max_request_size", "2000")
        self.assertEqual(413, client.transmit(transmission(text="x" * 3000)).status)
        client = self.client()
        client.get("/healthz/live")
        self.daemon.console("config", "set", "http_listener", "max_header_size", "2000")
        answer = client.get("/healthz/live", X_Long="x" * 3000)  # read under the old limit, answered
        self.assertEqual((200, True), (answer.status, answer.closes))
        self.assertEqual(431, client.get("/healthz/live", X_Long="x" * 3000).status)
        # Who is denied from now on has no connection any more.
        gone = self.client()
        gone.get("/healthz/live")
        self.daemon.console("config", "set", "http_listener", "deny", "true")
        self.assertEqual(b"", gone.connection.sock.recv(100))

    def test_sessions_are_seen_and_killed(self):
        self.begin()
        client = self.client()
        client.get("/healthz/live")
        shown = self.daemon.console("--json", "show", "inbound").stdout
        row = json.loads(shown.splitlines()[0])
        self.assertEqual("idle", row["state"], shown)
        self.daemon.console("session", "kill", str(row["id"]))
        wait_for(lambda: self.daemon.inbound_sessions() == 0, "the session to end")

    def test_slow_heads_and_bodies_cost_nobody_else(self):
        # On a port of its own: the other client is not to be idle itself.
        self.begin(listens='Listen "127.0.0.1:@slow@" { Idle_Time = 1 }', slow=free_port())
        idle = socket.create_connection(("127.0.0.1", self.daemon.values["slow"]))
        self.addCleanup(idle.close)
        self.assertEqual(200, self.client().transmit().status)
        idle.settimeout(60 * SCALE)
        self.assertEqual(b"", idle.recv(100))

    def test_a_stop_lets_the_request_end(self):
        self.begin(more='Domain "later.example" { Gateway = "127.0.0.1:9" }\n')
        done = []
        body = transmission(*(f"u{i}@later.example" for i in range(3000)))
        client = self.client()
        client.get("/healthz/live")
        thread = threading.Thread(target=lambda: done.append(client.transmit(body)))
        thread.start()
        wait_for(lambda: "answer" in self.daemon.console("show", "inbound").stdout or not thread.is_alive(), "the request")
        self.daemon.stop()
        thread.join()
        self.assertEqual(200, done[0].status, done[0])
