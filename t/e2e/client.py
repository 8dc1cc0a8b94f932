"""A bare SMTP client for tests that want to see every reply, or to stand
still in the middle of a transaction."""

import socket
import ssl

from harness import SCALE, Closing


class Smtp(Closing):
    """One connection; commands return (code, text). `port`: a number, or the path of a Unix socket; `source`: the
    address to come from; `tls`: from the first byte on."""

    def __init__(self, port, host="127.0.0.1", source=None, timeout=30, banner=True, tls=False, receive_buffer=None):
        path = isinstance(port, str)
        self.socket = socket.socket(socket.AF_UNIX if path else socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.file = None
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            self.socket.bind((source, 0))
        self.socket.settimeout(timeout * SCALE)
        self.socket.connect(port if path else (host, port))
        if not path:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.secure()
        else:
            self.file = self.socket.makefile("rb")
        self.extensions = []
        self.banner = self.reply() if banner else None

    def secure(self, version=None):
        """The client's half of a TLS handshake, by `version` only."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if version:
            context.minimum_version = context.maximum_version = version
        if self.file:
            self.file.close()
        self.socket = context.wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")

    def reply(self):
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                raise ConnectionError("the server has closed the connection")
            if not line.endswith(b"\r\n"):
                raise AssertionError(f"a reply line without CRLF: {line!r}")
            text = line[:-2].decode("utf-8", "replace")
            lines.append(text[4:])
            if text[3:4] != "-":
                return int(text[:3]), "\n".join(lines)

    def send(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else text.encode())

    def command(self, line):
        self.send(line + "\r\n")
        return self.reply()

    def expect(self, code, line):
        answer = self.command(line)
        if answer[0] != code:
            raise AssertionError(f"{line}: {answer[0]} {answer[1]}, not {code}")
        return answer[1]

    def ehlo(self, name="client.example"):
        text = self.expect(250, f"EHLO {name}")
        self.extensions = text.split("\n")[1:]
        return self.extensions

    def starttls(self, version=None):
        self.expect(220, "STARTTLS")
        self.secure(version)

    def begin(self, sender="alice@client.example", recipients=("bob@local.example",)):
        """MAIL and RCPT; the transaction stays open."""
        self.expect(250, f"MAIL FROM:<{sender}>")
        for recipient in recipients:
            self.expect(250, f"RCPT TO:<{recipient}>")

    def data(self, message):
        """DATA to its end; `message` has CRLF line ends. Returns the reply's text."""
        self.expect(354, "DATA")
        self.send(stuffed(message))
        code, text = self.reply()
        if code != 250:
            raise AssertionError(f"end of data: {code} {text}")
        return text

    def message(self, message, sender="alice@client.example", recipients=("bob@local.example",)):
        self.begin(sender, recipients)
        return self.data(message)

    def quit(self):
        self.expect(221, "QUIT")
        self.close()


def stuffed(message):
    lines = message.split(b"\r\n")
    if lines and lines[-1] == b"":
        lines.pop()
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines) + b".\r\n"
