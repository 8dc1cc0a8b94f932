"""A daemon with each way in, and ec_inject to be run against it."""

import json
import os
import re
import subprocess

from harness import BASE_CONFIG, BINDIR, SCALE, Daemon, TestCase, free_port

PROGRAM = str(BINDIR / "ec_inject")
HTTP = 'HTTP_Listener {\n  HTTP_Modules = ( inject )\n  @options@\n  Listen "127.0.0.1:@http@" { }\n}\n'
ECSTREAM = """\
ECStream_Listener {
  @options@
  Listen "127.0.0.1:@ecs@" { }
  Listen "@dir@/ecs.sock" { }
}
"""
LMTP = 'LMTP_Listener {\n  Listen "127.0.0.1:@lmtp@" { }\n}\n'
TRACED = re.compile(rb"\A(?:(?:Return-Path|Received):[^\n]*\n(?:[ \t][^\n]*\n)*)+")
MBOX = """\
From alice@client.example Mon Nov 16 10:00:00 2026
From: alice@client.example
Subject: one

>From here on it is text.
.
..dots

From bob@client.example Mon Nov 16 10:00:01 2026
From: bob@client.example
Subject: two

Grüße
"""


def environment(**more):
    known = {name: value for name, value in os.environ.items() if not name.startswith("EC_INJECT")}
    return {**known, "LC_ALL": "C.UTF-8", **more}


class Case(TestCase):
    def begin(self, more="", http="", ecs="", files=()):
        http, ecs = HTTP.replace("@options@", http), ECSTREAM.replace("@options@", ecs)
        self.daemon = Daemon(self, BASE_CONFIG, more=LMTP + http + ecs + more,
                             **{name: free_port() for name in ("lmtp", "http", "ecs")})
        for name, text in dict(files).items():
            (self.daemon.dir / name).write_text(text)
            (self.daemon.dir / name).chmod(0o600)
        self.dir = self.daemon.dir
        self.daemon.start()

    def server(self, protocol):
        return f"127.0.0.1:{self.daemon.values['ecs' if protocol == 'ecstream' else protocol]}"

    def run_it(self, *words, stdin=b"", **variables):
        return subprocess.run([PROGRAM, *map(str, words)], input=stdin, capture_output=True, timeout=100 * SCALE,
                              env=environment(**variables), start_new_session=True)

    def inject(self, protocol, *words, status=0, server=None, **more):
        """The report."""
        done = self.run_it("-q", "--json", "-", "-p", protocol, server or self.server(protocol), *words, **more)
        self.assertEqual(status, done.returncode, done.stderr.decode() + done.stdout.decode())
        return json.loads(done.stdout)

    def fails(self, status, *words, **more):
        done = self.run_it(*words, **more)
        self.assertEqual((status, b""), (done.returncode, done.stdout), done.stderr)
        self.assertTrue(done.stderr.startswith(b"ec_inject: "), done.stderr)
        return done.stderr.decode()

    def mails(self, user, count):
        return [TRACED.sub(b"", text.replace(b"\r\n", b"\n")) for text in self.daemon.wait_mail(user, count)]
