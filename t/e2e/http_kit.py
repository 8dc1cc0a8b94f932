"""A client for HTTP, and a daemon that serves it."""

import http.client
import json
import socket

from harness import BASE_CONFIG, SCALE, Daemon, TestCase, free_port
from test_passwd import passwd

LISTENER = """
HTTP_Listener {
  @modules@
  @options@
  Listen "127.0.0.1:@http@" { @listen@ }
  @listens@
}
Domain "sink.example" { Gateway = "127.0.0.1:@sink@" }
"""
RFC822 = b"From: a@client.example\r\nTo: bob@local.example\r\nSubject: hello\r\n\r\nhello\r\n"


def transmission(*recipients, **content):
    return {"recipients": [{"address": recipient} for recipient in recipients or ("bob@local.example",)],
            "content": {"from": "alice@client.example", "subject": "hello", "text": "hello there", **content}}


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()
        self.closes = response.will_close

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["errors"][0]["code"]

    def __repr__(self):
        return f"{self.status} {self.body[:500]!r}"


class Client:
    def __init__(self, port, tls=None, source=None, timeout=60 * SCALE):
        self.connection = (
            http.client.HTTPSConnection("127.0.0.1", port, context=tls, timeout=timeout) if tls else
            http.client.HTTPConnection("127.0.0.1", port, timeout=timeout, source_address=source and (source, 0)))

    def ask(self, method, path, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, dict):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        self.connection.request(method, path, body, headers)
        return Answer(self.connection.getresponse())

    def post(self, path, body, **headers):
        return self.ask("POST", path, body, **headers)

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def transmit(self, body=None, **headers):
        return self.post("/api/v1/transmissions", body or transmission(), **headers)

    def close(self):
        self.connection.close()


class Case(TestCase):
    def begin(self, options="", listen="", listens="", more="", files=(), **values):
        self.daemon = Daemon(self, BASE_CONFIG, more=LISTENER + more,
                             **{"http": free_port(), "options": options, "listen": listen, "listens": listens,
                                "sink": 9, "modules": "HTTP_Modules = ( inject health metrics docs )",
                                **values})
        for name, text in dict(files).items():
            (self.daemon.dir / name).write_text(text)
            (self.daemon.dir / name).chmod(0o600)
        return self.daemon.start()

    def client(self, port=None, **more):
        client = Client(port or self.daemon.values["http"], **more)
        self.addCleanup(client.close)
        return client

    def raw(self, data, port=None):
        """What comes back until the end of the connection."""
        with socket.create_connection(("127.0.0.1", port or self.daemon.values["http"]), timeout=60 * SCALE) as plain:
            plain.sendall(data)
            plain.shutdown(socket.SHUT_WR)
            came = b""
            while chunk := plain.recv(65536):
                came += chunk
        return came

    def key(self, user="app", rights="inject", *more):
        done = passwd("key", "add", "--user", user, "--rights", rights, *more, self.daemon.dir / "keys")
        self.assertEqual(0, done.returncode, done.stderr)
        return done.stdout.split()[-1]

    def queued(self):
        return self.daemon.counters()["Received Messages"]
