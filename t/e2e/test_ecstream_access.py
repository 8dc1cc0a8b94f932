"""Who may use ECStream, and the listener below it: TLS, certificates, SASL,
PROXY, tenants, limits, changes while it runs, operators, the end."""

import json
import socket
import ssl
import struct
import tempfile
import threading

from ecstream_kit import HELLO, Case, Raw, body, ecstream, nak
from harness import SCALE, Threads, free_port, timeout, wait_for
from passwords import Scram, scram_line
from pki import Authority
from test_proxy import v2

LOGIN = """
  Enable_Authentication = true
  AuthPlainParameters = [ uri = "file://@dir@/users" ]
"""
FILES = {"users": "alice:sesame\nbob:marley\n"}


def mechanisms(hello):
    at = 16
    while at < len(hello):
        tag, size = struct.unpack_from(">BH", hello, at)
        if tag == 5:
            return hello[at + 3:at + 3 + size].decode().split()
        at += 3 + size
    return []


class Login(Case):
    def test_plain_and_its_failures(self):
        self.begin(options=LOGIN + "  Auth_Failure_Limit = 2\n", files=FILES)
        with self.client("s", user="alice", password="sesame") as client:
            self.send_some(client, 1, 2)
        self.daemon.wait_mail("bob", 2)
        with self.assertRaisesRegex(ecstream.Error, "535 "):
            self.client("s", user="alice", password="wrong")
        with self.assertRaisesRegex(ecstream.Error, "no way to log in"):
            self.client("s")
        raw = self.raw()
        raw.send(4, 0, 0, b"s")
        self.assertEqual(8, raw.goaway())
        raw = self.raw()
        for _ in range(2):
            raw.send(2, 3, 0, b"\x05PLAIN\0alice\0guess")
        self.assertEqual(9, raw.goaway())
        self.assertEqual(3, self.refusals("auth"))
        self.assertIn("ecstream auth-failed", self.daemon.log())

    def test_streams_of_users_do_not_meet(self):
        self.begin(options=LOGIN, files=FILES)
        with self.client("orders", user="alice", password="sesame") as alice:
            self.send_some(alice, 1, 3)
        bob = self.client("orders", user="bob", password="marley")
        self.assertEqual(0, bob.done)
        alice = self.client("orders", user="alice", password="sesame", reconnect=False)
        self.assertEqual(3, alice.done)
        self.send_some(bob, 1, 1)  # nobody has taken his over
        bob.drain()

    def test_strangers_do_not_meet_either(self):
        self.begin()
        one, two = self.raw(source="127.0.0.2"), self.raw(source="127.0.0.3")
        one.open(b"orders")
        one.send(0x13, 0, 1)
        self.assertEqual(1, one.until("ACK")[2])
        self.assertEqual(("OPENED", 0, 0, b""), two.open(b"orders"))
        one.send(0x20)
        self.assertEqual("PONG", one.next()[0])

    def test_nothing_is_remembered_of_who_could_send_nowhere(self):
        self.begin(listen="Relay_Hosts = ( )")
        raw = self.raw()
        raw.send(4, 0, 0, b"s")
        self.assertEqual(5, raw.goaway())
        raw = self.raw()
        raw.open(b"")
        raw.message(1)
        self.assertEqual(550, nak(raw.until("NAK")[3])[0])

    def test_scram(self):
        self.begin(options='Enable_Authentication = true\n  AuthScramParameters = [ uri = "scram://@dir@/scram" ]\n',
                   files={"scram": scram_line("alice", "sesame")})
        raw = Raw(self.daemon.values["ecs"])
        self.addCleanup(raw.close)
        raw.send(1, payload=HELLO)
        self.assertIn("SCRAM-SHA-256", mechanisms(raw.next()[3]))
        scram = Scram("alice", "sesame")
        raw.send(2, 3, 0, b"\x0dSCRAM-SHA-256" + scram.first().encode())
        challenge = raw.next()[3]
        self.assertEqual(0, challenge[0], challenge)
        raw.send(2, 0, 0, scram.final(challenge[1:].decode()).encode())
        signature = raw.next()[3]
        self.assertEqual(0, signature[0], signature)
        scram.check(signature[1:].decode())
        raw.send(2, 0, 0, b"")
        self.assertEqual(b"\x01\x00\xeb", raw.next()[3][:3])
        self.assertEqual("OPENED", raw.open(b"s")[0])

    def test_known_users_may_relay_and_have_to_be_who_they_say(self):
        self.begin(options=LOGIN + "  Sender_Must_Match_User = address\n",
                   listen="Relay_Hosts = ( )", files={"users": "alice@client.example:sesame\n"},
                   more='Domain "later.example" { Gateway = "127.0.0.1:9" }\n')
        client = self.client("s", user="alice@client.example", password="sesame")
        client.send("alice@client.example", ["x@later.example"], body(1))
        client.send("mallory@client.example", ["x@later.example"], body(2))
        client.drain()
        self.assertEqual([(2, 553)], [(each.sequence, each.code) for each in client.refused])

    def test_passwords_wait_for_tls(self):
        self.begin(listen="", listens='Listen "*:@far@" { }', options=LOGIN, files=FILES, far=free_port())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:  # which sends nothing
            try:
                probe.connect(("192.0.2.1", 9))
                address = probe.getsockname()[0]
            except OSError:
                address = "127.0.0.1"
        if address.startswith("127."):
            self.skipTest("no address but the loopback")
        with socket.create_connection((address, self.daemon.values["far"]), timeout=60 * SCALE) as plain:
            plain.sendall(struct.pack(">IBBHQ", len(HELLO), 1, 0, 0, 0) + HELLO)
            header = plain.recv(16, socket.MSG_WAITALL)
            hello = plain.recv(struct.unpack(">I", header[:4])[0], socket.MSG_WAITALL)
        self.assertEqual([], mechanisms(hello))


class Tls(Case):
    def secure(self, more=""):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.ca = Authority(folder.name)
        server = self.ca.issue("mx.test.example", names="IP:127.0.0.1")
        self.mine = self.ca.issue("alice")
        self.begin(options=f"""Use_SSL = true
  TLS_Certificate = mx
  TLS_Client_CA = "{self.ca.certificate}"
  TLS_Verify_Mode = optional
  {more}""", more=f'Certificate "mx" {{ Cert = "{server.certificate}" Private_Key = "{server.key}" }}\n')

    def test_by_certificate(self):
        self.secure("TLS_Identity_As_User = cn\n  Enable_Authentication = true")
        with self.assertRaises(ecstream.Error):
            self.client("s", tls=True, ca=str(self.ca.certificate))
        with self.client("s", tls=True, ca=str(self.ca.certificate), certificate=str(self.mine.certificate),
                         key=str(self.mine.key)) as client:
            self.send_some(client, 1, 3, size=100_000)
        messages = self.daemon.wait_mail("bob", 3)
        self.assertIn(b"with ECSTREAMSA", messages[0])
        self.assertEqual("ecstreamsa", self.daemon.wait_mainlog("R", 3)[0]["protocol"])

    def test_plain_bytes_on_a_tls_port(self):
        self.secure()
        with socket.create_connection(("127.0.0.1", self.daemon.values["ecs"]), timeout=60 * SCALE) as plain:
            plain.sendall(struct.pack(">IBBHQ", len(HELLO), 1, 0, 0, 0) + HELLO)
            came = plain.recv(4096)
            self.assertNotIn(b"ECSTREAM", came)
        context = ssl.create_default_context(cafile=str(self.ca.certificate))
        with socket.create_connection(("127.0.0.1", self.daemon.values["ecs"]), timeout=60 * SCALE) as plain:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
                secured.sendall(struct.pack(">IBBHQ", len(HELLO), 1, 0, 0, 0) + HELLO)
                self.assertIn(b"ECSTREAM", secured.recv(4096))

    def test_tls_required(self):
        self.begin(listen="TLS_Required = true TLS_PSK = true TLS_PSK_File = \"@dir@/psk\"",
                   files={"psk": "alice:00112233445566778899aabbccddeeff\n"})
        self.assertEqual(7, self.raw(hello=False).goaway())


class Listener(Case):
    def test_proxy_names_the_client(self):
        self.begin(listen="Proxy_Protocol = on Proxy_Trusted_Hosts = ( 127.0.0.1 ) Relay_Domains = ( local.example )")
        raw = Raw(self.daemon.values["ecs"])
        self.addCleanup(raw.close)
        raw.octets(v2("192.0.2.1"))
        raw.send(1, payload=HELLO)
        raw.next()
        raw.open(b"")
        raw.message(1, recipients=["x@elsewhere.example"])
        self.assertEqual(550, nak(raw.until("NAK")[3])[0])
        raw.message(2)
        while raw.until("ACK")[2] != 2:
            pass
        self.assertIn(b"[192.0.2.1]", self.daemon.wait_mail("bob", 1)[0])

    def test_limits_of_sessions(self):
        self.begin(listen="Peer_Sessions = 1")
        first = self.client("a")
        self.assertEqual(4, self.raw(hello=False).goaway())
        self.assertEqual(1, self.refusals("peer_sessions"))
        first.close()
        wait_for(lambda: self.daemon.inbound_sessions() == 0, "the session to end")
        self.client("a")

    def test_throttle_counts_what_is_taken(self):
        self.begin(listen='Inbound_Throttle_Messages = "5/600" Relay_Hosts = ( ) Relay_Domains = ( local.example )')
        raw = self.raw()
        raw.open(b"s")
        for number in range(1, 11):  # each second one is refused, for its body or its recipient, and counts for nothing
            if number % 4 == 0:
                raw.message(number, data=b"From: a@client.example\r\n\r\na LF\nalone\r\n")
            else:
                raw.message(number, recipients=["bob@local.example" if number % 2 else "x@elsewhere.example"])
        raw.message(11)
        naks = [raw.until("NAK") for _ in range(6)]
        self.assertEqual([(n, 550) for n in range(2, 11, 2)] + [(11, 451)],
                         [(frame[2], nak(frame[3])[0]) for frame in naks])
        self.daemon.wait_mail("bob", 5)
        self.assertEqual(1, self.refusals("throttle"))

    def test_what_is_refused_counts_for_nothing_behind_a_change(self):
        self.begin(listen="Relay_Domains = ( local.example )", options='Inbound_Throttle_Messages = "9/600"')
        raw = self.raw()
        raw.open(b"s")
        raw.message(1)
        self.assertEqual(1, raw.until("ACK")[2])
        self.daemon.console("config", "set", "ecstream_listener", "listen", self.endpoint, "inbound_throttle_messages",
                            "2/600")
        for number in range(2, 5):
            raw.message(number, data=b"From: a@client.example\r\n\r\na LF\nalone\r\n")
        for number in range(5, 8):
            raw.message(number)
        naks = [raw.until("NAK") for _ in range(4)]
        self.assertEqual([(2, 550), (3, 550), (4, 550), (7, 451)],
                         [(frame[2], nak(frame[3])[0]) for frame in naks])

    def test_deny(self):
        self.begin(listen="Deny = true")
        self.assertEqual(5, self.raw(hello=False).goaway())

    def test_tenants_do_not_meet(self):
        self.begin(listen="Tenant = blue", listens='Listen "127.0.0.1:@green@" { Tenant = green }',
                   green=free_port())
        with self.client("s") as blue:
            self.send_some(blue, 1, 2)
        with self.client("s", endpoint=f"127.0.0.1:{self.daemon.values['green']}") as green:
            self.assertEqual(0, green.done)
            self.send_some(green, 1, 1)
        self.assertEqual({"blue", "green"}, {line["tenant"] for line in self.daemon.wait_mainlog("R", 3)})

    def test_memory_runs_short(self):
        self.begin(more="Memory_HWM = 1\nMemory_Goal = 1\n")
        raw = self.raw()
        raw.open(b"s")
        raw.message(1)
        self.assertEqual((452, None, "4.3.1"), nak(raw.until("NAK")[3])[:3])
        self.assertEqual(1, raw.until("ACK")[2])

    def test_sessions_are_seen_and_killed(self):
        self.begin()
        client = self.client("s", hostname="app.example")
        self.send_some(client, 1, 2)
        client.drain()
        row = json.loads(self.daemon.console("--json", "show", "inbound").stdout.splitlines()[0])
        self.assertEqual(("open", "app.example", 2), (row["state"], row["helo"], row["messages"]), row)
        raw = self.raw()
        number = wait_for(lambda: next((row["id"] for row in map(json.loads, self.daemon.console(
            "--json", "show", "inbound").stdout.splitlines()) if row.get("state") == "ready"), None), "the other one")
        self.daemon.console("session", "kill", str(number))
        self.assertEqual(26, raw.goaway())
        raw.close()
        wait_for(lambda: self.daemon.inbound_sessions() == 1, "the end of that one")
        self.send_some(client, 3, 3)
        client.drain()

    def test_lifetime(self):
        self.begin(options="Max_Connection_Lifetime = 1")
        self.assertEqual(6, self.raw(hello=False).goaway())

    @timeout(600)
    def test_changes_while_it_runs(self):
        """Under load: nothing is lost or doubled, whatever is set or reloaded."""
        self.begin(more='Domain "later.example" { Gateway = "127.0.0.1:9" }\nSuspend_Delivery = true\n')
        threads, allowed, last = Threads(), {}, 14 * 20

        def run(stream, client):
            for number in range(1, last + 1):
                allowed[stream].acquire()
                client.send("a@client.example", [f"{stream}@local.example"], body(number))
            client.drain()
            self.assertEqual([], client.refused)

        for stream in ("one", "two", "three"):
            allowed[stream] = threading.Semaphore(0)
            threads.start(run, stream, self.client(stream))
        config = self.daemon.config_file.read_text()
        with self.daemon.ectl() as ectl:
            def change(command):
                for may in allowed.values():  # each change falls into some load, and there is no more to deliver
                    may.release(20)
                reply = ectl.command(command)
                self.assertEqual(0, reply.code, reply)

            for number in range(6):
                change(f"config set ecstream_listener max_message_size {number + 5}M")
                self.daemon.config_file.write_text(config + f"Max_Message_Size = {number + 5}M\n")
                change("config reload")
            change("config set ecstream_listener reconfig_policy always")
            change("config set ecstream_listener ecstream_max_batch_size 7")
        threads.join(60 * SCALE)
        self.daemon.console("config", "set", "suspend_delivery", "false")
        self.daemon.wait_empty()
        for stream in allowed:
            self.assertEqual(list(range(1, last + 1)), self.numbers(stream))

    def test_an_idle_session_hears_of_a_change(self):
        self.begin(options="Reconfig_Policy = always")
        raw = self.raw()
        raw.open(b"s")
        self.daemon.console("config", "set", "max_message_size", "5M")
        self.assertEqual(2, raw.goaway())

    def test_what_does_not_hold_here_is_refused_by_name(self):
        self.begin()
        for words, says in ((("API_Keys", "[", "uri", "=", "keys:///nowhere", "]"), "API_Keys"),
                            (("Command_Timeout", "=", "5"), "Command_Timeout"),
                            (("ECStream_Window", "=", "0"), "ECStream_Window"),
                            (("ECStream_Window", "=", "40000"), "ECStream_Window"),
                            (("ECStream_Max_Batch_Size", "=", "0"), "ECStream_Max_Batch_Size"),
                            (("Use_SSL", "=", "true"), "TLS_Certificate")):
            done = self.daemon.console("config", "set", "ecstream_listener", *words, status=1)
            self.assertIn(says, done.stderr + done.stdout, words)


if __name__ == "__main__":
    import unittest
    unittest.main()
