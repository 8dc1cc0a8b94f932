"""Clients of HTTP and ECStream that keep a daemon busy while something is done to it, and remember what they were
promised: as load.Senders does for SMTP and LMTP. One connection each, made again when it breaks."""

import http.client
import random
import threading
import time

from ecstream_kit import ecstream
from harness import SCALE, Threads
from http_kit import Client, transmission
from load import numbered_message
from spool_bytes import idents


class Door:
    """`promised`, `sent`: names of messages; `ids`: names by (segment, offset), of those whose id was told."""

    def __init__(self, port, prefix):
        self.port, self.prefix = port, prefix
        self.promised, self.sent, self.ids = set(), set(), {}
        self.end = threading.Event()
        self.threads = Threads()
        self.threads.start(self._run)

    def stop(self):
        self.end.set()
        self.threads.join(120)

    def _run(self):
        chance = random.Random(self.prefix)
        while not self.end.is_set():
            try:
                self.session(chance)
            except (OSError, http.client.HTTPException, ecstream.Error, ecstream.Lost):
                time.sleep(0.01)  # the server has gone


class Poster(Door):
    """Transmissions for one recipient, two, three."""

    recipients = "h@held.example", "h@local.example", "i@held.example"

    def session(self, chance):
        client = Client(self.port)
        try:
            while not self.end.is_set():
                name = f"{self.prefix}{len(self.sent)}"
                message = b"From: alice@client.example\r\n" + numbered_message(name, chance.randint(200, 4000))
                body = transmission(*self.recipients[:1 + len(self.sent) % 3])
                body["content"] = {"email_rfc822": message.decode()}
                self.sent.add(name)
                answer = client.transmit(body)
                if answer.status != 200:
                    raise AssertionError(answer)
                for each in answer.json["results"]["recipients"]:
                    self.ids[idents(each["id"])[0]] = name
                self.promised.add(name)
        finally:
            client.close()


class Streamer(Door):
    """A stream that goes on where it was; a message's name ends in its sequence."""

    recipient = "e@held.example"

    def session(self, chance):
        client = ecstream.Client(f"127.0.0.1:{self.port}", self.prefix, timeout=60 * SCALE, reconnect=False)
        try:
            while not self.end.is_set():
                name = f"{self.prefix}{client.next}"
                self.sent.add(name)
                client.send("alice@client.example", [self.recipient], numbered_message(name, chance.randint(200, 4000)),
                            want_id=True)
                if client.next % 4 == 0:
                    client.drain()
                self.note(client)
            client.drain()
        finally:
            self.note(client)
            client.close()

    def note(self, client):
        if client.refused:
            raise AssertionError(client.refused)
        self.promised.update(f"{self.prefix}{number}" for number in range(1, client.done + 1))
        self.ids.update((idents(text)[0], f"{self.prefix}{number}") for number, text in client.ids.items())
