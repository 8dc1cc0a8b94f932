"""What the tables of the conformance suite are made of.

A case says what a client sends and which whole replies come back: code,
enhanced code, number of lines, order. The numbers are the groups of the
project's conformance list; a comment says so where an RFC decides otherwise.
"""

import re
from dataclasses import dataclass, field

TLS = object()  # in `send`: here the TLS handshake; in `expect` it is the word "tls"

MAIL = "MAIL FROM:<a@client.example>"
RCPT = "RCPT TO:<{u}@local.example>"
OPEN = MAIL + "\n" + RCPT
OPENED = "250 2.1.0 | 250 2.1.5"
EHLO = "EHLO client.example"


@dataclass
class Case:
    group: int
    name: str
    send: object            # text: lines, each sent with CRLF; bytes: as they are; or a list of both, and TLS
    expect: str             # "250 2.1.0 | 354 | 250+": one word group a reply; a plus: several lines
    on: str = "main"        # the Listen
    alone: bool = False     # on a connection of its own, nothing said before
    closes: bool = False    # the server closes behind the last reply (alone, then)
    stored: object = None   # what {u} has got at the end: a list of messages, as bytes with LF
    match: str = ""         # a regular expression for the whole text of the replies
    received: str = ""      # one for the Received field of what {u} has got
    user: str = field(default="", init=False)

    def __post_init__(self):
        self.alone = self.alone or self.closes

    def parts(self):
        """What to send, stretch by stretch: one more for each TLS."""
        stretches = [b""]
        for part in self.send if isinstance(self.send, list) else [self.send]:
            if part is TLS:
                stretches.append(b"")
            elif isinstance(part, bytes):
                stretches[-1] += part.replace(b"{u}", self.user.encode())
            else:
                text = part.replace("{u}", self.user) + "\n"
                stretches[-1] += text.replace("\n", "\r\n").encode()
        return stretches

    def replies(self):
        """The expected replies, stretch by stretch: (code, enhanced code or "", has several lines)."""
        stretches = [[]]
        for word in filter(None, (word.strip() for word in self.expect.split("|"))):
            if word == "tls":
                stretches.append([])
                continue
            found = re.fullmatch(r"(\d{3})(\+?)(?: (\d\.\d+\.\d+))?", word)
            stretches[-1].append((int(found[1]), found[3] or "", found[2] == "+"))
        return stretches

    def __str__(self):
        return f"{self.group}: {self.name} ({self.on})"


class Table(list):
    def add(self, group, *rows, **more):
        """Rows of one group: (name, send, expect), and what else a Case has in a dictionary."""
        for name, send, expect, *own in rows:
            self.append(Case(group, name, send, expect, **{**more, **(own[0] if own else {})}))
