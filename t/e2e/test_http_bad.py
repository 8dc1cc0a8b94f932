"""Requests that are wrong, one by one and by TLS as well: whatever a client
sends, it is the client's fault (4xx; 505 for another protocol), and no mail."""

import gzip
import json
import socket
import ssl
import tempfile

from harness import SCALE, free_port, timeout
from http_kit import Case, transmission
from pki import Authority

PATH = b"/api/v1/transmissions"
HUGE = 100000000000


def request(fields=b"", body=b"", line=b"POST " + PATH + b" HTTP/1.1", host=b"Host: h\r\n",
            kind=b"Content-Type: application/json\r\n"):
    return line + b"\r\n" + host + kind + fields + b"\r\n" + body


def get(line, fields=b"Host: h\r\n"):
    return line + b"\r\n" + fields + b"\r\n"


def sized(body, fields=b"", **more):
    return request(b"Content-Length: %d\r\n" % len(body) + fields, body, **more)


def chunked(body, fields=b"", coding=b"chunked"):
    return request(b"Transfer-Encoding: " + coding + b"\r\n" + fields, body)


def mail(**parts):
    return sized(json.dumps(transmission() | parts).encode())


GOOD = json.dumps(transmission()).encode()
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(GOOD), GOOD)
PACKED = b"Content-Encoding: gzip\r\n"
EXPECT = b"Expect: 100-continue\r\n"

# What is sent, and what may be said to it. All behind a status of 400 closes.
FRAMING = [
    ("nonsense", b"nonsense\r\n\r\n", 400),
    ("two empty lines before", b"\r\n\r\n" + sized(GOOD), 400),
    ("LF alone", b"GET / HTTP/1.1\nHost: h\n\n", 400),
    ("CR alone", b"GET / HTTP/1.1\rHost: h\r\r", 400),
    ("NUL in the target", get(b"GET /\0 HTTP/1.1"), 400),
    ("NUL in a field", get(b"GET / HTTP/1.1", b"Host: h\r\nX: \0\r\n"), 400),
    ("a folded field", get(b"GET / HTTP/1.1", b"Host: h\r\nX: a\r\n b\r\n"), 400),
    ("a space before the colon", get(b"GET / HTTP/1.1", b"Host : h\r\n"), 400),
    ("no colon", get(b"GET / HTTP/1.1", b"Host: h\r\nnonsense\r\n"), 400),
    ("no Host", get(b"GET / HTTP/1.1", b""), 400),
    ("two Hosts", get(b"GET / HTTP/1.1", b"Host: h\r\nHost: i\r\n"), 400),
    ("a Host that is none", get(b"GET / HTTP/1.1", b"Host: a b\r\n"), 400),
    ("HTTP/1.2", sized(GOOD, line=b"POST " + PATH + b" HTTP/1.2"), 400),
    ("HTTP/1.9", sized(GOOD, line=b"POST " + PATH + b" HTTP/1.9"), 400),
    ("HTTP/1.10", sized(GOOD, line=b"POST " + PATH + b" HTTP/1.10"), 400),
    ("HTTP/2.0", get(b"GET / HTTP/2.0"), 505),
    ("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("HTTP/0.9", b"GET /\r\n", 400),
    ("TLS, or not", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ("a target upwards", sized(GOOD, line=b"POST /../" + PATH + b" HTTP/1.1"), 400),
    ("a target that is not UTF-8", sized(GOOD, line=b"POST " + PATH + b"%ff HTTP/1.1"), 400),
    ("half an escape", sized(GOOD, line=b"POST " + PATH + b"%4 HTTP/1.1"), 400),
    ("a target of another host", sized(GOOD, line=b"POST http://elsewhere" + PATH + b" HTTP/1.1"), 400),
    ("a long line", get(b"GET /" + b"a" * 5000 + b" HTTP/1.1"), 414),
    ("a long header", get(b"GET / HTTP/1.1", b"Host: h\r\nX: " + b"a" * 20000 + b"\r\n"), 431),
    ("many fields", get(b"GET / HTTP/1.1", b"Host: h\r\n" + b"X: a\r\n" * 2000), 431),
    ("BREW", sized(GOOD, line=b"BREW " + PATH + b" HTTP/1.1"), 405),
    ("TRACE", get(b"TRACE / HTTP/1.1"), 405),
    ("CONNECT", get(b"CONNECT h:25 HTTP/1.1"), 405),
    ("small letters", get(b"get / HTTP/1.1"), 405),
    ("PUT where POST is", sized(GOOD, line=b"PUT " + PATH + b" HTTP/1.1"), 405),
    ("a length and a coding", chunked(CHUNKS, b"Content-Length: 5\r\n"), 400),
    ("two lengths", sized(GOOD, b"Content-Length: 5\r\n"), 400),
    ("twice the same length", request(b"Content-Length: 2\r\n" * 2, b"{}"), 400),
    ("a list of lengths", request(b"Content-Length: 2, 2\r\n", b"{}"), 400),
    ("a length below nothing", request(b"Content-Length: -1\r\n"), 400),
    ("a length with a sign", request(b"Content-Length: +2\r\n", b"{}"), 400),
    ("a length in hexadecimal", request(b"Content-Length: 0x2\r\n", b"{}"), 400),
    ("2^64", request(b"Content-Length: 18446744073709551616\r\n"), 400),
    ("2^64 - 1", request(b"Content-Length: 18446744073709551615\r\n"), 413),
    ("2^63", request(b"Content-Length: 9223372036854775808\r\n"), 413),
    ("more than the disk has", request(b"Content-Length: %d\r\n" % HUGE), 413),
    ("more than the disk has, expecting", request(b"Content-Length: %d\r\n" % HUGE + EXPECT), 413),
    ("2^64 - 1, expecting", request(b"Content-Length: 18446744073709551615\r\n" + EXPECT), 413),
    ("a byte too many", request(b"Content-Length: 100001\r\n"), 413),
    ("gzip as transfer coding", chunked(CHUNKS, coding=b"gzip, chunked"), 400),
    ("gzip alone", chunked(gzip.compress(GOOD), coding=b"gzip"), 400),
    ("an unknown transfer coding", chunked(CHUNKS, coding=b"cow"), 400),
    ("identity before chunked", chunked(CHUNKS, coding=b"identity, chunked"), 400),
    ("chunked twice", chunked(CHUNKS, coding=b"chunked, chunked"), 400),
    ("two fields of codings", chunked(CHUNKS, b"Transfer-Encoding: identity\r\n"), 400),
    ("chunked by HTTP/1.0", chunked(CHUNKS).replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    ("a size that is no number", chunked(b"zz\r\n"), 400),
    ("a size with 0x", chunked(b"0x2\r\n{}\r\n0\r\n\r\n"), 400),
    ("a size of 2^64", chunked(b"10000000000000000\r\n"), 400),
    ("a size of 2^64 - 1", chunked(b"ffffffffffffffff\r\n"), 413),
    ("a chunk that goes on", chunked(b"2\r\n{}x\r\n0\r\n\r\n"), 400),
    ("an LF behind a size", chunked(b"2\n{}\r\n0\r\n\r\n"), 400),
    ("a trailer that is none", chunked(b"2\r\n{}\r\n0\r\nnonsense\r\n\r\n"), 400),
    ("another expectation", sized(GOOD, b"Expect: wonders\r\n"), 417),
]
BODIES = [
    ("half an object", sized(GOOD[:-1]), 400),
    ("nothing", request(b"Content-Length: 0\r\n"), 400),
    ("brackets", sized(b"[" * 50000), 400),
    ("[]", sized(b"[]"), (400, 422)), ("null", sized(b"null"), (400, 422)), ("a number", sized(b"1e999"), (400, 422)),
    ("not UTF-8", sized(GOOD.replace(b"hello there", b"\xff\xfe")), (400, 422)),
    ("half a pair of surrogates", sized(GOOD.replace(b"hello there", b"\\ud800")), (400, 422)),
    ("text behind it", sized(GOOD + b"{}"), 400),
    ("a name twice", sized(GOOD[:-1] + b', "recipients": []}'), (400, 422)),
    ("NUL in an address", mail(recipients=[{"address": "bob\0@local.example"}]), (400, 422)),
    ("lines in an address", mail(recipients=[{"address": "bob@local.example\r\nRCPT TO:<x@y.example>"}]), (400, 422)),
    ("recipients that are none", mail(recipients="bob@local.example"), (400, 422)),
    ("recipients in depth", mail(recipients=[[[]]]), (400, 422)),
    ("no recipients", mail(recipients=[]), (400, 422)),
    ("no content", mail(content=None), (400, 422)),
    ("lines in a subject", mail(content={"from": "a@client.example", "subject": "a\r\nBcc: x@y.example", "text": "x"}),
     (400, 422)),
    ("a template that is none", mail(content={"from": "a@client.example", "subject": "{{ if }}", "text": "x"}),
     (400, 422)),
    ("an unknown name", mail(what=1), (400, 422)),
    ("gzip that is none", sized(GOOD, PACKED), 400),
    ("half a member", sized(gzip.compress(GOOD)[:-4], PACKED), 400),
    ("half a second member", sized(gzip.compress(GOOD) + gzip.compress(b" ")[:-1], PACKED), 400),
    ("something behind a member", sized(gzip.compress(GOOD) + b"x", PACKED), 400),
    ("a bomb", sized(gzip.compress(b" " * 10000000), PACKED), 413),
    ("a bomb in members", sized(gzip.compress(b" " * 50000) * 4, PACKED), 413),
    ("br", sized(GOOD, b"Content-Encoding: br\r\n"), 415),
    ("another type", sized(GOOD, kind=b"Content-Type: text/plain\r\n"), 415),
    ("no type", sized(GOOD, kind=b""), 415),
]


def whole(answer):
    head, end, body = answer.partition(b"\r\n\r\n")
    return end and len(body) >= int(head.lower().partition(b"content-length:")[2].split()[0])


class Bad(Case):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        ca = Authority(folder.name)
        server = ca.issue("mx.test.example", names="IP:127.0.0.1")
        self.begin(options="Max_Request_Size = 100000\nMax_Request_Line_Length = 4096\nMax_Header_Size = 16k\n"
                           "TLS_Certificate = mx",
                   listens='Listen "127.0.0.1:@tls@" { Use_SSL = true }', tls=free_port(),
                   more=f'Certificate "mx" {{ Cert = "{server.certificate}" Private_Key = "{server.key}" }}\n')
        self.context = ssl.create_default_context(cafile=str(ca.certificate))

    def says(self, data, secure):
        """What comes back: until the end of the connection, by TLS one whole answer."""
        if not secure:
            return self.raw(data)
        came = b""
        with socket.create_connection(("127.0.0.1", self.daemon.values["tls"]), timeout=60 * SCALE) as plain:
            talk = self.context.wrap_socket(plain, server_hostname="127.0.0.1")
            talk.sendall(data)
            while not whole(came):
                chunk = talk.recv(65536)
                if not chunk:
                    break
                came += chunk
        return came

    def wrong(self, name, data, statuses, secure):
        statuses = statuses if isinstance(statuses, tuple) else (statuses,)
        came = self.says(data, secure)
        head, _, body = came.partition(b"\r\n\r\n")
        status = int((head.split() + [b"0", b"0"])[1])
        self.assertIn(status, statuses, (name, came[:300]))
        if status == 405:
            self.assertIn(b"\r\nAllow: ", head, name)
        self.assertNotIn(b"Retry-After", head, name)
        if b" HTTP/1." in data and not data.startswith(b"HEAD"):
            self.assertIn("errors", json.loads(body), name)
        return came

    @timeout(240)
    def test_framing(self):
        for secure in (False, True):
            for name, data, statuses in FRAMING:
                came = self.wrong(name, data, statuses, secure)
                # Whoever cannot be understood is not listened to any more.
                if name != "PUT where POST is":
                    self.assertIn(b"\r\nConnection: close\r\n", came, name)
                    self.assertEqual(1, came.count(b"HTTP/1.1 "), (name, came[:600]))
        self.nothing_came()

    @timeout(240)
    def test_bodies(self):
        self.assertLessEqual(60, len(FRAMING) + len(BODIES))
        for secure in (False, True):
            for name, data, statuses in BODIES:
                self.wrong(name, data, statuses, secure)
        self.nothing_came()

    def nothing_came(self):
        self.assertEqual([], self.daemon.mainlog("R"))
        self.assertEqual(0, self.queued())
        self.assertEqual(200, self.client().transmit().status)
        self.daemon.wait_mail("bob")
        self.assertEqual(1, len(self.daemon.wait_mainlog("R", 1)))

    def test_what_only_looks_wrong(self):
        """One empty line before a request; a body of several members."""
        end = b"Connection: close\r\n"
        parts = gzip.compress(GOOD[:20]) + gzip.compress(b"") + gzip.compress(GOOD[20:])
        for data in (b"\r\n" + sized(GOOD, end), sized(GOOD) + b"\r\n" + sized(GOOD, end), sized(parts, PACKED + end)):
            came = self.says(data, False)
            self.assertEqual(data.count(b"POST "), came.count(b"HTTP/1.1 200 "), came)
        self.daemon.wait_mail("bob", 4)
