"""Limits by scope: sessions on a Listen, on all of a kind, of a peer; rates of
connections and messages; lifetime; memory and room; and what is written down
of all who are refused."""

import json
import re
import signal
import socket
import struct
import time
import unittest

from client import Smtp
from harness import BASE_CONFIG, Daemon, TestCase, free_port, make_certificate, read, wait_for

LISTEN = 'Listen "127.0.0.1:@smtp@" { }'
GATEWAY = ("SMTP_Extensions = ( PIPELINING ENHANCEDSTATUSCODES CHUNKING XCLIENT XREMOTEIP ) "
           "XCLIENT_Hosts = ( 127.0.0.1 ) ")


def listens(text):
    return BASE_CONFIG.replace(LISTEN, text)


class LimitsCase(TestCase):
    def begin(self, text, **values):
        return Daemon(self, listens(text), **values).start()

    def open(self, daemon, port="smtp", source=None):
        """A session whose banner is 220; it ends with the test at the latest."""
        smtp = Smtp(daemon.values[port], source=source)
        self.addCleanup(smtp.close)
        self.assertEqual(220, smtp.banner[0], smtp.banner)
        return smtp

    def turned_away(self, daemon, text, port="smtp", source=None):
        """A client that is answered by that 421 and nothing more."""
        with Smtp(daemon.values[port], source=source) as smtp:
            self.assertEqual((421, text), smtp.banner)
            self.assertEqual(b"", smtp.file.read(1))

    def until_open(self, daemon, port="smtp", source=None):
        """Somebody has left: the place is free as soon as the server has seen it."""
        def attempt():
            smtp = Smtp(daemon.values[port], source=source)
            self.addCleanup(smtp.close)
            return smtp if smtp.banner[0] == 220 else None
        return wait_for(attempt, "a place that is free")

    def counter(self, daemon, name):
        shown = json.loads(daemon.console("--json", "counter", "show", name).stdout.splitlines()[0])
        return shown["value"], shown.get("listens")


HERE = "4.3.2 Too many sessions here, try again later"
ALL = "4.3.2 Too many sessions, try again later"
PEER = "4.3.2 Too many sessions from your address"
RATE = "4.7.0 Too many connections from your address, try again later"
THROTTLE = "4.7.1 Too many messages, try again later"


class Sessions(LimitsCase):
    def test_V6_V24_101st_is_turned_away_and_other_listens_are_not_affected(self):
        daemon = self.begin(LISTEN + ' Listen "127.0.0.1:@other@" { Listener_Sessions = 100 }', other=free_port())
        first = [self.open(daemon, "other") for _ in range(100)]
        self.turned_away(daemon, HERE, "other")
        self.open(daemon).ehlo()  # the other Listen
        first[99].expect(250, "NOOP")
        first[0].quit()
        self.until_open(daemon, "other").ehlo()
        self.turned_away(daemon, HERE, "other")
        value, listens = self.counter(daemon, "refused_listener_sessions")
        self.assertGreaterEqual(value, 2)
        self.assertEqual({f"ESMTP_Listener 127.0.0.1:{daemon.values['other']}": value}, listens)

    def test_service_sessions_are_those_of_all_listens_of_a_kind(self):
        daemon = self.begin('Service_Sessions = 2 ' + LISTEN + ' Listen "127.0.0.1:@other@" { }', other=free_port())
        self.open(daemon)
        second = self.open(daemon, "other")
        for port in ("smtp", "other"):
            self.turned_away(daemon, ALL, port)
        second.quit()
        self.until_open(daemon)

    def test_lmtp_is_another_service(self):
        daemon = self.begin('Service_Sessions = 1 ' + LISTEN + ' } LMTP_Listener { Listen "127.0.0.1:@lmtp@" { }',
                            lmtp=free_port())
        self.open(daemon)
        self.open(daemon, "lmtp")
        self.open(daemon, "lmtp")

    def test_peer_sessions_are_those_of_an_address(self):
        daemon = self.begin(
            'Peer_Sessions = 2 ' + LISTEN.replace("{ }", '{ Peer "127.3.0.0/16" { Peer_Sessions = 1 } }'))
        self.open(daemon)
        leaving = self.open(daemon)
        self.turned_away(daemon, PEER)
        self.open(daemon, source="127.0.0.2")
        self.open(daemon, source="127.3.0.1")
        self.turned_away(daemon, PEER, source="127.3.0.1")
        self.open(daemon, source="127.3.0.2")  # each of the network has its own
        leaving.quit()
        self.until_open(daemon)

    def test_live_change_ends_no_session(self):
        daemon = self.begin(LISTEN)
        sessions = [self.open(daemon) for _ in range(3)]
        daemon.console("config", "set", "esmtp_listener", "listener_sessions", "2")
        self.turned_away(daemon, HERE)
        for smtp in sessions:
            smtp.ehlo()
            smtp.message(b"Subject: still here\r\n\r\n.\r\n")
        daemon.console("config", "set", "esmtp_listener", "listener_sessions", "4")
        self.open(daemon)
        self.turned_away(daemon, HERE)
        daemon.console("config", "set", "esmtp_listener", "listener_sessions", "0")
        self.open(daemon)

    def test_denied_clients_take_nobodys_place(self):
        daemon = self.begin(LISTEN.replace("{ }", '{ Listener_Sessions = 1 Peer "127.3.0.0/16" { Deny = true } }'))
        denied = Smtp(daemon.smtp_port, source="127.3.0.1")
        self.addCleanup(denied.close)
        self.assertEqual(554, denied.banner[0])
        self.open(daemon)
        self.turned_away(daemon, HERE)

    def test_implicit_tls_is_closed_without_a_handshake(self):
        daemon = Daemon(self, listens('TLS_Certificate = "mx" Listen "127.0.0.1:@smtp@" { Use_SSL = true '
                                      'Listener_Sessions = 1 }') +
                        'Certificate "mx" { Cert = "@dir@/mx.crt" Private_Key = "@dir@/mx.key" }\n')
        make_certificate(daemon.dir)
        daemon.start()
        first = Smtp(daemon.smtp_port, banner=False)
        self.addCleanup(first.close)
        wait_for(lambda: daemon.inbound_sessions() == 1, "the first session")
        with Smtp(daemon.smtp_port, banner=False) as second:
            self.assertEqual(b"", second.file.read(1))
        self.assertEqual(1, self.counter(daemon, "refused_listener_sessions")[0])

    def test_values_below_nothing_are_not_taken(self):
        daemon = self.begin(LISTEN)
        for option, value in (("listener_sessions", "-1"), ("service_sessions", "-5"), ("peer_sessions", "-1"),
                              ("connection_rate", "-3/60"), ("connection_rate", "3/0"),
                              ("inbound_throttle_messages", "-1"), ("max_connection_lifetime", "-1")):
            said = daemon.console("config", "set", "esmtp_listener", option, value, status=None)
            self.assertNotEqual(0, said.returncode, f"{option} = {value}: {said.stdout}")
        for option, value in (("memory_hwm", "0"), ("memory_hwm", "101"), ("memory_goal", "-1")):
            said = daemon.console("config", "set", option, value, status=None)
            self.assertNotEqual(0, said.returncode, f"{option} = {value}: {said.stdout}")

    def test_console_has_none_of_these(self):
        daemon = self.begin(LISTEN)
        for option in ("peer_sessions", "connection_rate"):
            said = daemon.console("config", "set", "control_listener", option, "3", status=None)
            self.assertNotEqual(0, said.returncode)
            self.assertIn("not available in Control_Listener", said.stdout + said.stderr)

    def test_explain_says_where_a_limit_comes_from(self):
        daemon = self.begin('Listener_Sessions = 7 ' + LISTEN)
        said = daemon.console("config", "explain", "esmtp_listener", "listen", f"127.0.0.1:{daemon.smtp_port}",
                              "listener_sessions").stdout
        self.assertIn("7", said)
        self.assertIn("ESMTP_Listener", said)


class BehindAProxy(LimitsCase):
    CONFIG = 'Proxy_Protocol = on Proxy_Trusted_Hosts = ( 127.0.0.1 ) Peer_Sessions = 1 ' + LISTEN

    def named(self, daemon, client, family="TCP4", to="198.51.100.7"):
        smtp = Smtp(daemon.smtp_port, banner=False)
        self.addCleanup(smtp.close)
        smtp.send(f"PROXY {family} {client} {to} 5000 25\r\n")
        return smtp.reply()

    def test_clients_count_not_their_proxy(self):
        daemon = self.begin(self.CONFIG)
        self.assertEqual(220, self.named(daemon, "192.0.2.1")[0])
        self.assertEqual(220, self.named(daemon, "192.0.2.2")[0])
        self.assertEqual((421, PEER), self.named(daemon, "192.0.2.1"))

    def test_session_is_that_of_whom_xclient_names(self):
        for command, good in (("XCLIENT ADDR=192.0.2.{}", 220), ("XREMOTEIP 192.0.2.{}", 250)):
            with self.subTest(command):
                daemon = self.begin(GATEWAY + "Peer_Sessions = 1 " + LISTEN)
                first = self.open(daemon)
                first.expect(good, command.format(7))
                second = self.open(daemon)  # the gateway's place is free again
                self.turned_away(daemon, PEER)
                self.assertEqual(PEER, second.expect(421, command.format(7)))
                self.assertEqual(b"", second.file.read(1))
                self.assertEqual(2, self.counter(daemon, "refused_peer_sessions")[0])
                third = self.until_open(daemon)
                third.expect(good, command.format(8))
                third.expect(good, command.format(8))  # the same again is nobody new
                first.quit()
                wait_for(lambda: daemon.inbound_sessions() == 1, "the end of the first session")
                self.open(daemon).expect(good, command.format(7))

    def test_connection_rate_of_whom_xclient_names(self):
        daemon = self.begin(GATEWAY + 'Connection_Rate = "1/3600" ' +
                            LISTEN.replace("{ }", "{ Peer 127.0.0.1 { Connection_Rate = 0 } }"))
        self.open(daemon).expect(220, "XCLIENT ADDR=192.0.2.7")
        self.assertEqual(RATE, self.open(daemon).expect(421, "XCLIENT ADDR=192.0.2.7"))
        self.open(daemon).expect(220, "XCLIENT ADDR=192.0.2.8")

    def test_of_ipv6_a_64_is_one_address(self):
        daemon = self.begin(self.CONFIG)
        to = "2001:db8::25"
        self.assertEqual(220, self.named(daemon, "2001:db8:1::1", "TCP6", to)[0])
        self.assertEqual(220, self.named(daemon, "2001:db8:1:1::1", "TCP6", to)[0])
        self.assertEqual((421, PEER), self.named(daemon, "2001:db8:1:0:ffff::2", "TCP6", to))


class Rates(LimitsCase):
    def test_connection_rate_of_an_address(self):
        daemon = self.begin('Connection_Rate = "2/3600" ' + LISTEN)
        for _ in range(2):
            self.open(daemon).quit()
        self.turned_away(daemon, RATE)
        self.turned_away(daemon, RATE)
        self.open(daemon, source="127.0.0.2")
        # Who was turned away does not count.
        daemon.console("config", "set", "esmtp_listener", "connection_rate", "3/3600")
        self.open(daemon)
        self.turned_away(daemon, RATE)
        self.assertEqual(3, self.counter(daemon, "refused_connection_rate")[0])

    def test_messages_are_counted_by_the_scope_that_sets_the_rate(self):
        daemon = self.begin('Inbound_Throttle_Messages = "2/3600" ' + LISTEN.replace(
            "{ }", '{ Peer "127.3.0.0/16" { Inbound_Throttle_Messages = "1/3600" } Peer "127.4.0.0/16" { } }'))
        here, there = self.open(daemon), self.open(daemon, source="127.4.0.1")
        for smtp in (here, there):
            smtp.ehlo()
            smtp.message(b"Subject: one\r\n\r\n.\r\n")
        for smtp in (here, there):
            self.assertEqual(THROTTLE, smtp.expect(451, "MAIL FROM:<a@client.example>"))
        one, two = self.open(daemon, source="127.3.0.1"), self.open(daemon, source="127.3.7.7")
        one.ehlo()
        two.ehlo()
        one.message(b"Subject: one\r\n\r\n.\r\n")
        two.expect(451, "MAIL FROM:<a@client.example>")
        # Live, for sessions that are open too; what was counted stays.
        daemon.console("config", "set", "esmtp_listener", "inbound_throttle_messages", "3/3600")
        here.message(b"Subject: three\r\n\r\n.\r\n")
        here.expect(451, "MAIL FROM:<a@client.example>")
        daemon.console("config", "unset", "esmtp_listener", "inbound_throttle_messages")
        here.message(b"Subject: four\r\n\r\n.\r\n")

    def test_a_pathway_is_shared_by_all_who_name_it(self):
        daemon = Daemon(self, listens(
            'Pathway = slow ' + LISTEN + ' Listen "127.0.0.1:@other@" { } } LMTP_Listener { Pathway = slow '
            'Listen "127.0.0.1:@lmtp@" { }') + 'Pathway slow { Inbound_Throttle_Messages = "1/3600" }\n',
                        other=free_port(), lmtp=free_port()).start()
        smtp, other, lmtp = self.open(daemon), self.open(daemon, "other"), self.open(daemon, "lmtp")
        smtp.ehlo()
        smtp.message(b"Subject: the only one\r\n\r\n.\r\n")
        other.ehlo()
        other.expect(451, "MAIL FROM:<a@client.example>")
        lmtp.expect(250, "LHLO client.example")
        self.assertEqual(THROTTLE, lmtp.expect(451, "MAIL FROM:<a@client.example>"))

    def test_only_accepted_messages_count(self):
        daemon = self.begin('Inbound_Throttle_Messages = "1/3600" Max_Message_Size = 1000 ' + LISTEN)
        smtp = self.open(daemon)
        smtp.ehlo()
        smtp.begin()
        smtp.expect(250, "RSET")
        smtp.begin()
        smtp.expect(354, "DATA")
        smtp.send(b"x" * 900 + b"\r\n" + b"x" * 900 + b"\r\n.\r\n")
        self.assertEqual(552, smtp.reply()[0])
        half = self.open(daemon)
        half.ehlo()
        half.begin()
        half.expect(354, "DATA")
        half.close()
        wait_for(lambda: daemon.inbound_sessions() == 1, "the end of the half message")
        smtp.message(b"Subject: the first\r\n\r\n.\r\n")
        smtp.expect(451, "MAIL FROM:<a@client.example>")

    def test_a_transaction_that_is_dropped_gives_its_place_back(self):
        daemon = self.begin(GATEWAY + 'Inbound_Throttle_Messages = "1/3600" ' + LISTEN)
        first, second = self.open(daemon), self.open(daemon)
        for end in ("RSET", "EHLO client.example"):
            first.ehlo()
            first.begin()
            first.expect(250, "BDAT 3\r\nx")
            second.ehlo()
            self.assertEqual(THROTTLE, second.expect(451, "MAIL FROM:<a@client.example>"))
            first.expect(250, end)
            second.expect(250, "MAIL FROM:<a@client.example>")
        second.expect(250, "RCPT TO:<bob@local.example>")
        second.data(b"Subject: x\r\n\r\nx\r\n")

    def test_what_was_accepted_counts_whoever_left_meanwhile(self):
        """Clients who reset while their message is made durable: it is accepted all the same."""
        most = 40
        daemon = self.begin(GATEWAY + f'TCP_Send_Buffer_Size = 4096 Inbound_Throttle_Messages = "{most}/3600" ' + LISTEN)
        body = b"Subject: x\r\n\r\n" + b"x" * 500 + b"\r\n"
        for i in range(30):
            # Answers that nobody reads keep the server writing, so that it hears of the reset.
            with socket.socket() as hasty:
                hasty.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
                hasty.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                hasty.connect(("127.0.0.1", daemon.values["smtp"]))
                hasty.sendall(b"EHLO client.example\r\n" * 150 + b"MAIL FROM:<a@client.example>\r\n"
                              b"RCPT TO:<bob@local.example>\r\nBDAT %d LAST\r\n" % len(body) + body)
                time.sleep(i / 5000)  # the moment matters, and no length of time is asserted
        wait_for(lambda: daemon.inbound_sessions() == 0, "the end of all hasty clients")
        smtp = self.open(daemon)
        smtp.ehlo()
        for _ in range(most + 1):
            if smtp.command("MAIL FROM:<a@client.example>")[0] != 250:
                break
            smtp.expect(250, "RCPT TO:<bob@local.example>")
            smtp.data(body)
        self.assertEqual(most, len(daemon.wait_mainlog("R", most)))

    def test_rate_holds_between_sessions_that_begin_at_once(self):
        daemon = self.begin('Inbound_Throttle_Messages = "1/3600" ' + LISTEN)
        first, second = self.open(daemon), self.open(daemon)
        for smtp in (first, second):
            smtp.ehlo()
            smtp.begin()
        first.expect(354, "DATA")
        self.assertEqual(THROTTLE, second.expect(451, "DATA"))
        first.send(b"Subject: x\r\n\r\n.\r\n")
        self.assertEqual(250, first.reply()[0])


class Lifetime(LimitsCase):
    def test_idle_session_ends(self):
        daemon = self.begin('Max_Connection_Lifetime = 200ms ' + LISTEN)
        smtp = self.open(daemon)
        self.assertEqual((421, "4.3.2 Session has lasted long enough"), smtp.reply())
        self.assertEqual(b"", smtp.file.read(1))
        self.assertEqual(1, self.counter(daemon, "sessions_outlived")[0])

    def test_live_from_the_next_message_on(self):
        daemon = self.begin(LISTEN)
        smtp = self.open(daemon)
        smtp.ehlo()
        daemon.console("config", "set", "esmtp_listener", "max_connection_lifetime", "1ms")
        smtp.message(b"Subject: one more\r\n\r\n.\r\n")
        self.assertEqual(421, smtp.reply()[0])

    def test_transaction_is_let_finish(self):
        daemon = self.begin('Max_Connection_Lifetime = 500ms ' + LISTEN)
        tries = []

        def in_time():
            """A session whose transaction has begun; None where its time was over first."""
            tries.append(self.open(daemon))
            try:
                for line in ("EHLO client.example", "MAIL FROM:<alice@client.example>"):
                    code, text = tries[-1].command(line)
                    if code == 421:
                        return None
                    self.assertEqual(250, code, text)
            except ConnectionError:
                return None
            return tries[-1]

        smtp = wait_for(in_time, "a transaction that begins in time")
        smtp.expect(250, "RCPT TO:<bob@local.example>")
        smtp.expect(354, "DATA")
        smtp.send(b"Subject: long\r\n\r\n")
        wait_for(lambda: self.counter(daemon, "sessions_outlived")[0] == len(tries), "the end of its time")
        smtp.send(b"the end\r\n.\r\n")
        self.assertEqual(250, smtp.reply()[0])
        self.assertEqual(421, smtp.reply()[0])
        daemon.wait_mail("bob")


class Marks(LimitsCase):
    def test_memory_over_its_mark_refuses_mail_and_data(self):
        daemon = self.begin(LISTEN)
        smtp = self.open(daemon)
        smtp.ehlo()
        smtp.begin()
        daemon.console("config", "set", "memory_goal", "1")
        daemon.console("config", "set", "memory_hwm", "1")
        self.assertEqual("4.3.1 Not enough memory now, try again later", smtp.expect(452, "DATA"))
        smtp.expect(250, "RSET")
        smtp.expect(452, "MAIL FROM:<a@client.example>")
        daemon.wait_log("memory-full")
        daemon.console("config", "set", "memory_hwm", "100")
        smtp.message(b"Subject: x\r\n\r\n.\r\n")
        daemon.wait_log("memory-well")
        self.assertEqual(2, self.counter(daemon, "refused_memory")[0])

    def test_C30_size_beyond_all_room(self):
        daemon = self.begin("Max_Message_Size = 0 " + LISTEN)
        smtp = self.open(daemon)
        smtp.ehlo()
        said = smtp.expect(452, "MAIL FROM:<a@client.example> SIZE=1000000000000000000")
        self.assertEqual("4.3.1 Not enough storage for a message of that size", said)
        smtp.expect(250, "MAIL FROM:<a@client.example> SIZE=100000")


class Rejections(LimitsCase):
    def refuse_some(self, daemon):
        with Smtp(daemon.smtp_port, source="127.3.0.1") as denied:
            self.assertEqual(554, denied.banner[0])
        smtp = self.open(daemon, source="127.0.0.2")
        smtp.ehlo("client.example")
        smtp.expect(250, "MAIL FROM:<a@client.example>")
        smtp.expect(550, 'RCPT TO:<"odd ] one"@elsewhere.example>')
        smtp.expect(250, "RCPT TO:<bob@local.example>")
        smtp.expect(354, "DATA")
        smtp.send(b"Subject: x\r\n\r\nbare\nline\r\n.\r\n")
        self.assertEqual(550, smtp.reply()[0])
        smtp.expect(500, "NONESUCH secret")
        smtp.quit()

    CONFIG = listens(LISTEN.replace("{ }", '{ Relay_Hosts = ( ) Relay_Domains = ( local.example ) '
                                           'Peer "127.3.0.0/16" { Deny = true } }'))

    def lines(self, daemon, count):
        log = daemon.dir / "rejectlog"
        return wait_for(lambda: read(log).count("\n") >= count and read(log).splitlines(), f"{count} lines in it")

    def test_a_line_for_each_refusal(self):
        daemon = Daemon(self, self.CONFIG + 'Rejectlog = "@dir@/rejectlog"\n').start()
        self.refuse_some(daemon)
        lines = self.lines(daemon, 4)
        self.assertEqual(4, len(lines), lines)
        pattern = re.compile(r'\d+: R="127\.[\d.]+:\d+" L="127\.0\.0\.1:\d+" C="\d+" PATH="default" PATH_GRP="default" '
                             r'P="([^"]+)" E=(\d+) M=(\w+) CTXCONN=\[((?:[^"\]]|"[^"]*")*)\] CTXMESS=\[((?:[^"\]]|"[^"]*")*)\] (.*)')
        found = [pattern.fullmatch(line) for line in lines]
        self.assertTrue(all(found), lines)
        self.assertEqual([("554", "denied"), ("550", "relay"), ("550", "lone_lf"), ("500", "syntax")],
                         [match.group(2, 3) for match in found])
        self.assertEqual(["awaiting ehlo", "awaiting rcptto", "awaiting body", "awaiting mailfrom"],
                         [match[1] for match in found])
        sender = "mailfrom_localpart=a,mailfrom_domain=client.example,"
        self.assertEqual(sender + r'rcptto_string="RCPT TO:<\x22odd ] one\x22@elsewhere.example>"', found[1][5])
        self.assertEqual(sender + "rcptto_localpart=bob,rcptto_domain=local.example", found[2][5])
        self.assertEqual("", found[3][5])
        self.assertIn(",ehlo_domain=client.example", found[3][4])
        self.assertTrue(found[1][6].startswith("5.7.1 Relaying denied"))
        # By cause and by Listen, with the rest of the numbers.
        listen = f"ESMTP_Listener 127.0.0.1:{daemon.smtp_port}"
        for cause in ("denied", "relay", "lone_lf", "syntax"):
            self.assertEqual((1, {listen: 1}), self.counter(daemon, "refused_" + cause))
        summary = daemon.console("summary").stdout
        self.assertIn(f"Refused at {listen}: 4 (", summary)
        self.assertIn("1 relay", summary)
        document = json.loads(daemon.console("--json", "summary").stdout.splitlines()[0])
        self.assertEqual({"denied": 1, "relay": 1, "lone_lf": 1, "syntax": 1}, document["refused"][listen])
        daemon.console("counter", "reset", "refused_relay")
        self.assertEqual((0, {}), self.counter(daemon, "refused_relay"))

    def test_json_and_rotation(self):
        daemon = Daemon(self, self.CONFIG + 'Rejectlog = "@dir@/rejectlog"\nRejectlog_Format = json\n').start()
        self.refuse_some(daemon)
        rows = [json.loads(line) for line in self.lines(daemon, 4)]
        self.assertEqual(["denied", "relay", "lone_lf", "syntax"], [row["cause"] for row in rows])
        self.assertEqual("a@client.example", rows[1]["sender"])
        self.assertEqual('RCPT TO:<"odd ] one"@elsewhere.example>', rows[1]["command"])
        self.assertEqual("bob@local.example", rows[2]["recipient"])
        self.assertNotIn("command", rows[3])
        self.assertEqual([554, 550, 550, 500], [row["code"] for row in rows])
        (daemon.dir / "rejectlog").rename(daemon.dir / "rejectlog.1")
        daemon.signal(signal.SIGHUP)
        wait_for(lambda: (daemon.dir / "rejectlog").exists(), "the new file")
        self.refuse_some(daemon)
        self.assertEqual(4, len(self.lines(daemon, 4)))

    def test_sessions_turned_away_are_written_down(self):
        daemon = Daemon(self, listens("Listener_Sessions = 1 " + LISTEN) +
                        'Rejectlog = "@dir@/rejectlog"\nRejectlog_Format = json\n').start()
        self.open(daemon)
        self.turned_away(daemon, HERE)
        row = json.loads(self.lines(daemon, 1)[0])
        self.assertEqual((421, "listener_sessions", HERE), (row["code"], row["cause"], row["text"]))


if __name__ == "__main__":
    unittest.main()
