"""An SMTP or LMTP server that does what a test tells it: the gateway at the other end."""

import ssl
from dataclasses import dataclass, field

from acceptor import Acceptor, hang_up
from harness import free_port, wait_for


@dataclass
class Received:
    sender: str
    recipients: list
    data: bytes            # CRLF line ends, unstuffed; from BDAT as it came
    helo: str
    tls: bool
    mail_parameters: str
    session: int
    recipient_parameters: dict = field(default_factory=dict)  # by address


class Drop(Exception):
    """Raised by a script: close the connection without a word."""


@dataclass
class Session:
    number: int
    commands: list = field(default_factory=list)
    helo: str = ""
    tls: bool = False
    handshake: dict = field(default_factory=dict)  # of TLS: version, cipher, and the subject of the client's certificate
    sender: str = None
    parameters: str = ""
    recipients: list = field(default_factory=list)
    recipient_parameters: dict = field(default_factory=dict)
    chunks: bytes = b""
    closed: str = ""       # "quit", "lost", "dropped"
    peer: str = ""         # the address that it came from


def peer_of(connection):
    try:
        name = connection.getpeername()
        return name[0] if isinstance(name, tuple) else name  # of a Unix socket
    except OSError:  # gone already
        return ""


def facts_of(connection):
    # Python says who the client is where its certificate was asked for.
    subject = (connection.getpeercert() or {}).get("subject", ())
    return {"version": connection.version(), "cipher": connection.cipher()[0],
            "client": dict(part[0] for part in subject).get("commonName")}


class SmtpSink(Acceptor):
    """Listens on `host`. `script(session, verb, line)` may return a reply
    (text without CRLF, several lines as a list) or None for the usual one;
    verbs are CONNECT, EHLO, HELO, MAIL, RCPT, DATA, BDAT, END, RSET, STARTTLS, QUIT;
    and HANDSHAKE, after 220 to STARTTLS: whatever it returns, the connection ends there.
    `extensions` are the EHLO keywords; with CHUNKING among them BDAT is taken.
    `lmtp`: the verb END comes with each recipient that was accepted, and a message counts for those whose
    reply was positive. `path`: a Unix socket in place of the port."""

    def __init__(self, test, port=None, script=None, extensions=("PIPELINING", "SIZE 100000000", "8BITMIME"),
                 certificate=None, host="127.0.0.1", lmtp=False, path=None):
        self.lmtp = lmtp
        self.script = script or (lambda session, verb, line: None)
        self.extensions = list(extensions)
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*map(str, certificate))
        self.messages = []
        self.sessions = []
        self.errors = []
        self.open = set()
        super().__init__(test, None if path else port or free_port(), host, path)

    def stop(self):
        """No new connections, and those open are cut."""
        super().stop()
        with self.lock:
            for connection in self.open:
                hang_up(connection)

    def wait(self, count=1, seconds=30):
        """The messages, once there are `count`."""
        wait_for(lambda: len(self.messages) >= count,
                 lambda: f"{count} messages at the sink, there are {len(self.messages)}", seconds)
        return list(self.messages)

    def accepted(self, connection):
        session = Session(len(self.sessions), peer=peer_of(connection))
        self.sessions.append(session)
        self.open.add(connection)
        return session,

    def serve(self, connection, session):
        raw = connection
        try:
            self._talk(connection, session)
        except Drop:
            session.closed = "dropped"
        except (OSError, ConnectionError):
            session.closed = session.closed or "lost"
        except Exception as error:  # shown by the test that asks
            self.errors.append(error)
        finally:
            with self.lock:
                self.open.discard(raw)
            for end in {raw, connection}:
                try:
                    end.close()
                except OSError:
                    pass

    def _talk(self, connection, session):
        stream = connection.makefile("rb")

        def say(reply):
            lines = [reply] if isinstance(reply, str) else list(reply)
            code = lines[0][:3]
            text = "".join(f"{code}{' ' if i + 1 == len(lines) else '-'}{line[4:]}\r\n" for i, line in enumerate(lines))
            connection.sendall(text.encode())
            return code

        def ask(verb, line, usual):
            reply = self.script(session, verb, line)
            return usual if reply is None else reply

        def answer(verb, line, usual):
            return say(ask(verb, line, usual))

        if answer("CONNECT", "", "220 sink.example ESMTP").startswith(("4", "5")):
            return
        while True:
            raw = stream.readline()
            if not raw:
                session.closed = session.closed or "lost"
                return
            if not raw.endswith(b"\r\n"):
                raise AssertionError(f"a command without CRLF: {raw!r}")
            line = raw[:-2].decode("utf-8", "surrogateescape")
            session.commands.append(line)
            verb = line.split(" ")[0].upper()
            if verb in (("LHLO",) if self.lmtp else ("EHLO", "HELO")):
                session.helo = line[5:]
                offers = list(self.extensions) if verb != "HELO" else []
                if verb != "HELO" and self.context and not session.tls:
                    offers.append("STARTTLS")
                answer(verb, line, ["250 sink.example"] + ["250 " + offer for offer in offers])
            elif verb == "STARTTLS" and self.context:
                if answer(verb, line, "220 go ahead") == "220":
                    if self.script(session, "HANDSHAKE", "") is not None:
                        raise Drop
                    connection = self.context.wrap_socket(connection, server_side=True)
                    stream = connection.makefile("rb")
                    session.handshake = facts_of(connection)
                    session.tls = True
            elif verb == "MAIL":
                if answer(verb, line, "250 2.1.0 ok").startswith("2"):
                    end = line.index(">")
                    session.sender = line[len("MAIL FROM:<"):end]
                    session.parameters = line[end + 1:].strip()
                    session.recipients, session.recipient_parameters, session.chunks = [], {}, b""
            elif verb == "RCPT":
                if answer(verb, line, "250 2.1.5 ok" if session.sender is not None else "503 5.5.1 no MAIL")[0] == "2":
                    end = line.rindex(">")
                    session.recipients.append(line[len("RCPT TO:<"):end])
                    session.recipient_parameters[session.recipients[-1]] = line[end + 1:].strip()
            elif verb == "DATA":
                usual = "354 go" if session.recipients else "503 5.5.1 no recipients"
                if answer(verb, line, usual) != "354":
                    continue
                self._end(ask, say, session, self._data(stream))
            elif verb == "BDAT" and "CHUNKING" in self.extensions:
                _, size, *last = line.split(" ")
                data = stream.read(int(size))
                if len(data) < int(size):
                    raise ConnectionError("lost within a chunk")
                session.chunks += data
                if not session.recipients:
                    answer(verb, line, "503 5.5.1 no recipients")
                elif last:
                    self._end(ask, say, session, session.chunks)
                else:
                    answer(verb, line, "250 2.0.0 go on")
            elif verb == "RSET":
                session.sender, session.recipients = None, []
                answer(verb, line, "250 2.0.0 ok")
            elif verb == "QUIT":
                answer(verb, line, "221 2.0.0 bye")
                session.closed = "quit"
                return
            else:
                answer(verb, line, "500 5.5.1 what")

    def _end(self, ask, say, session, data):
        """Who hears the last reply finds the message in `messages`."""
        reply, good = None, []
        for to in session.recipients if self.lmtp else [data]:
            if reply is not None:
                say(reply)
            reply = ask("END", to, "250 2.1.5 taken" if self.lmtp else "250 2.0.0 taken")
            if (reply if isinstance(reply, str) else reply[0]).startswith("2"):
                good.append(to)
        if good:
            recipients = good if self.lmtp else list(session.recipients)
            with self.lock:
                self.messages.append(Received(session.sender, recipients, data, session.helo, session.tls,
                                              session.parameters, session.number, session.recipient_parameters))
        session.sender, session.recipients = None, []
        if reply is not None:
            say(reply)

    @staticmethod
    def _data(stream):
        data = bytearray()
        while True:
            line = stream.readline()
            if not line:
                raise ConnectionError("lost within the message")
            if not line.endswith(b"\n") and b"\r" not in line[:-1]:
                raise ConnectionError("lost within a line")  # there is more only behind the end of the connection
            if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
                raise AssertionError(f"a bare CR or LF on the wire: {line!r}")
            if line == b".\r\n":
                return bytes(data)
            data += line[1:] if line.startswith(b".") else line
