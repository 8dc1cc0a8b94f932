"""What a HTTP_Listener shares with the others, seen by HTTP: Peer blocks, certificates
and keys of TLS, what is served where nothing is said; and what goes out of it again."""

import email
import json
import ssl
import subprocess
import tempfile
from pathlib import Path

from harness import SCALE, free_port, heavy, is_sanitized, read, timeout
from http_kit import Case, transmission
from pki import Authority
from sink import SmtpSink

KEY = "00112233445566778899aabbccddeeff" * 2
END = b"Connection: close\r\n"


def post(body):
    return (b"POST /api/v1/transmissions HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n" + END
            + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))


class Doors(Case):
    def test_a_peer_block(self):
        self.begin(options="""Relay_Hosts = ( 127.0.0.1 )
  Peer "127.7.0.0/16" { Max_Request_Size = 1k  HTTP_Modules = ( inject ) }""",
                   listen="""Relay_Hosts = ( 127.0.0.0/8 )
    Peer "127.7.0.9" { Deny = true }
    Peer "127.8.0.1" { Relay_Hosts = ( 192.0.2.1 ) }""")
        large = transmission(text="x" * 2000)
        self.assertEqual(200, self.client().transmit(large).status)
        self.assertEqual(200, self.client().get("/metrics").status)
        peer = lambda address: self.client(source=address)
        self.assertEqual(200, peer("127.7.0.1").transmit().status)
        self.assertEqual(413, peer("127.7.0.1").transmit(large).status)
        self.assertEqual(404, peer("127.7.0.1").get("/metrics").status)
        self.assertEqual(403, peer("127.7.0.9").transmit().status)
        self.assertEqual(401, peer("127.8.0.1").transmit().status)
        self.assertEqual(2, len(self.daemon.wait_mainlog("R", 2)))

    def test_a_certificates_right_to_relay(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        ca, others = Authority(folder.name), Authority(folder.name, "Other CA")
        server = ca.issue("mx.test.example", names="IP:127.0.0.1")
        mine, strange = ca.issue("relay"), others.issue("relay")
        self.begin(options=f"""Use_SSL = true
  TLS_Certificate = mx
  TLS_Client_CA = "{ca.certificate}"
  TLS_Verify_Mode = optional
  Relay_Hosts = ( 192.0.2.1 )
  TLS_Verified_Peer_Is_Authorized = true""",
                   listens='Listen "127.0.0.1:@not@" { TLS_Verified_Peer_Is_Authorized = false }',
                   more=f'Certificate "mx" {{ Cert = "{server.certificate}" Private_Key = "{server.key}" }}\n',
                   **{"not": free_port()})

        def client(who=None, port=None):
            context = ssl.create_default_context(cafile=str(ca.certificate))
            if who:
                context.load_cert_chain(str(who.certificate), str(who.key))
            return self.client(port, tls=context)

        self.assertEqual(200, client(mine).transmit().status)
        self.assertEqual(401, client().transmit().status)
        self.assertEqual(401, client(mine, self.daemon.values["not"]).transmit().status)
        self.assertEqual(401, client(strange).transmit().status)  # `optional`: one that proves nothing is as none
        self.assertEqual(1, len(self.daemon.wait_mainlog("R", 1)))

    def test_a_pre_shared_key(self):
        self.begin(options="""Use_SSL = true
  TLS_Certificate = none
  TLS_PSK = true
  TLS_PSK_File = "@dir@/psk"
  Enable_Authentication = true""", files={"psk": f"relay:{KEY}\n"})
        mail = post(json.dumps(transmission()).encode())
        for version in ("tls1_2", "tls1_3"):
            for identity, key, good in (("relay", KEY, True), ("relay", KEY[::-1], False), ("stranger", KEY, False)):
                done = subprocess.run(
                    ["openssl", "s_client", "-connect", f"127.0.0.1:{self.daemon.values['http']}", "-" + version,
                     "-quiet", "-ign_eof", "-psk", key, "-psk_identity", identity,
                     *(("-cipher", "PSK") if version == "tls1_2" else ())], input=mail, capture_output=True, timeout=60)
                self.assertEqual(good, b"HTTP/1.1 200 OK\r\n" in done.stdout, (version, identity, done))
        self.assertIn(b"with HTTPS", self.daemon.wait_mail("bob", 2)[0])
        self.assertEqual(2, len(self.daemon.wait_mainlog("R", 2)))
        self.assertIn("relay by EXTERNAL", self.info())
        self.assertNotIn(KEY, self.daemon.log())

    def info(self):
        """The log, with what it says when it is asked to; one more request is there for it."""
        self.daemon.console("config", "set", "debug_flags", "Info", "=", "(", "http", ")")
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.daemon.values['http']}", "-quiet", "-ign_eof", "-psk",
             KEY, "-psk_identity", "relay"], input=post(json.dumps(transmission()).encode()), capture_output=True,
            timeout=60)
        self.assertIn(b" 200 OK", done.stdout)
        return self.daemon.wait_log("auth-succeeded") and self.daemon.log()

    def test_what_is_served_where_nothing_is_said(self):
        """All that is there without a word is mail and whether the daemon runs."""
        self.begin(options='API_Keys = [ uri = "keys://@dir@/keys" ]', files={"keys": "# none yet\n"}, modules="")
        key = self.key("chief", "inject,metrics,admin")
        client = self.client()
        for path in ("/api/impulse/v1/control", "/metrics", "/docs", "/openapi.json", "/", "/admin", "/config"):
            for method in ("GET", "POST"):
                body = {"command": "summary"} if method == "POST" else None
                answer = client.ask(method, path, body, Authorization=key)
                self.assertEqual((404, "not_found"), (answer.status, answer.code), (method, path))
                if answer.closes:
                    client = self.client()
        self.assertEqual(200, self.client().get("/healthz/live").status)
        self.assertEqual(200, self.client().transmit(Authorization=key).status)

    def test_dots_go_out_as_they_came(self):
        lines = [".", "..", ".a", "a.", "", ".", "...", ". .", ".\t", "x" * 75 + ".", ".QUIT", "."]
        text = "\r\n".join(lines) + "\r\n"
        head = "From: a@client.example\r\nTo: bob@sink.example\r\nSubject: dots\r\n"
        wants = {"raw": text, "rfc822": text, "end": "hello\r\n.\r\n"}
        sink = SmtpSink(self)
        self.begin(sink=sink.port)
        client = self.client()
        raw = (head + "X-Case: raw\r\n\r\n" + text).encode()
        answers = [client.post("/api/impulse/v1/messages", raw, Content_Type="message/rfc822",
                               X_Envelope_From="a@client.example", X_Envelope_To="bob@sink.example"),
                   client.transmit({"recipients": [{"address": "bob@sink.example"}],
                                    "content": {"email_rfc822": head + "X-Case: rfc822\r\n\r\n" + text}}),
                   client.transmit({"recipients": [{"address": "bob@sink.example"}],
                                    "content": {"email_rfc822": head + "X-Case: end\r\n\r\nhello\r\n.\r\n"}}),
                   client.transmit(transmission("bob@sink.example", text=text, headers={"X-Case": "parts"}))]
        for answer in answers:
            self.assertEqual(200, answer.status, answer)
        came = {}
        for message in sink.wait(4):
            fields, _, body = message.data.partition(b"\r\n\r\n")
            case = fields.partition(b"X-Case: ")[2].split()[0].decode()
            came[case] = body
        self.assertEqual({"raw", "rfc822", "end", "parts"}, set(came))
        for case, want in wants.items():
            self.assertEqual(want.encode(), came[case], case)
        parts = next(message.data for message in sink.messages if b"X-Case: parts" in message.data)
        decoded = email.message_from_bytes(parts).get_payload(decode=True)
        self.assertEqual(text.encode(), decoded)

    @heavy
    @timeout(300)
    def test_memory_of_ten_thousand_recipients(self):
        """Their messages are 300 MiB together: the daemon builds and writes them in slices."""
        self.begin(more='Domain "later.example" { Gateway = "127.0.0.1:9" }\nMax_Resident_Messages = 0\n',
                   options="Max_Request_Size = 10M\n")
        client = self.client(timeout=280 * SCALE)
        people = [{"address": f"u{number}@later.example"} for number in range(10000)]
        mail = transmission(text="hello {{ n }}\n" + ("x" * 70 + "\n") * 430)
        self.assertEqual(200, client.transmit(mail | {"recipients": people[:10]}).status)
        status = f"/proc/{self.daemon.process.pid}/status"
        Path(f"/proc/{self.daemon.process.pid}/clear_refs").write_text("5")  # the peak begins anew
        before = self.daemon.resident()
        answer = client.transmit(mail | {"recipients": people})
        self.assertEqual(200, answer.status, answer)
        self.assertEqual(10000, answer.json["results"]["total_accepted_recipients"])
        peak = next(int(line.split()[1]) for line in read(status).splitlines() if line.startswith("VmHWM:"))
        written = sum(path.stat().st_size for path in (self.daemon.dir / "spool").rglob("*") if path.is_file())
        self.assertGreater(written, 250 << 20)
        if not is_sanitized():
            self.assertLess(peak - before, 50 << 10)
