"""Passwords by the book, and not by the daemon's own tools: lines of its files, and a client's half of SCRAM."""

import base64
import hashlib
import hmac
import os


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def scram_line(user, password, mechanism="SCRAM-SHA-256"):
    algorithm = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-1": "sha1"}[mechanism]
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac(algorithm, password.encode(), salt, 4096)
    stored = hashlib.new(algorithm, hmac.digest(salted, b"Client Key", algorithm)).digest()
    server = hmac.digest(salted, b"Server Key", algorithm)
    return f"{user}:{mechanism}$4096:{b64(salt)}${b64(stored)}:{b64(server)}\n"


class Scram:
    """A client's half of SCRAM (RFC 5802); `flag` and `binding`: of the channel."""

    def __init__(self, user, password, mechanism="SCRAM-SHA-256", flag="n", binding=b""):
        self.algorithm = "sha256" if "256" in mechanism else "sha1"
        self.password, self.binding = password, binding
        self.nonce = b64(os.urandom(18))
        self.bare = f"n={user},r={self.nonce}"
        self.header = f"{flag},,"

    def first(self):
        return self.header + self.bare

    def final(self, server_first):
        values = dict(part.split("=", 1) for part in server_first.split(","))
        assert int(values["i"]) >= 4096 and values["r"].startswith(self.nonce)
        self.salted = hashlib.pbkdf2_hmac(self.algorithm, self.password.encode(), base64.b64decode(values["s"]),
                                          int(values["i"]))
        key = hmac.digest(self.salted, b"Client Key", self.algorithm)
        final = f"c={b64(self.header.encode() + self.binding)},r={values['r']}"
        self.message = f"{self.bare},{server_first},{final}".encode()
        signature = hmac.digest(hashlib.new(self.algorithm, key).digest(), self.message, self.algorithm)
        return f"{final},p={b64(bytes(a ^ b for a, b in zip(key, signature)))}"

    def check(self, server_final):
        expected = hmac.digest(hmac.digest(self.salted, b"Server Key", self.algorithm), self.message, self.algorithm)
        assert server_final == "v=" + b64(expected), "the server does not know the password"
