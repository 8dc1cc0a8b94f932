"""Groups 45 to 53: AUTH (RFC 4954) with PLAIN, LOGIN, CRAM-MD5 and SCRAM-SHA-256. The user is alice, the password
sesame. What the exchanges prove in the end is test_auth's."""

import base64

from conformance import EHLO, MAIL, OPEN, OPENED, RCPT, TLS, Table

CASES = Table()
table = CASES.add
GREET = "220 | 250+"
BODY = b"From: a@client.example\r\n\r\nx\r\n.\r\n"


def b64(text):
    return base64.b64encode(text.encode()).decode()


def auth(group, *rows, **more):
    """Rows behind EHLO, on connections of their own."""
    table(group, *((name, [EHLO, *(send if isinstance(send, list) else [send])], f"{GREET} | {expect}", *own)
                   for name, send, expect, *own in rows), **{"on": "auth", "alone": True, **more})


GOOD, WRONG = b64("\0alice\0sesame"), b64("\0alice\0open")

auth(45,
     ("what is offered", "NOOP", "250 2.0.0", {"match": r"(?m)^250[- ]AUTH SCRAM-SHA-256 (?:SCRAM-SHA-1 )?CRAM-MD5 PLAIN LOGIN$"}),
     ("a mechanism that is none", "AUTH FOO\nNOOP", "504 5.5.4 | 250 2.0.0"),
     ("a mechanism that is not configured", "AUTH DIGEST-MD5", "504 5.5.4"),
     ("EXTERNAL of somebody without a certificate", "AUTH EXTERNAL =", "504 5.5.4"),
     ("AUTH alone", "AUTH\nNOOP", "501 5.5.4 | 250 2.0.0"),
     ("AUTH and a space", "AUTH ", "501 5.5.4"),
     ("AUTH with three words", f"AUTH PLAIN {GOOD} x", "501 5.5.4"))
auth(46,
     ("PLAIN with an initial response", f"AUTH PLAIN {GOOD}", "235 2.7.0"),
     ("PLAIN without one", f"AUTH PLAIN\n{GOOD}", "334 | 235 2.7.0", {"match": r"\n334 \n235 "}),
     ("in any case", f"auth plain {GOOD}", "235 2.7.0"),
     ("an initial response of LOGIN", f"AUTH LOGIN {b64('alice')}\n{b64('sesame')}", "334 | 235 2.7.0"))
auth(47,
     ("no base64", "AUTH PLAIN !\nNOOP", "501 5.5.2 | 250 2.0.0"),
     ("base64 that is cut", "AUTH PLAIN AGFsaWNl=\nNOOP", "501 5.5.2 | 250 2.0.0"),
     ("no base64 in an answer", "AUTH PLAIN\n!\nNOOP", "334 | 501 5.5.2 | 250 2.0.0"),
     ("cancelled", "AUTH PLAIN\n*\nNOOP", "334 | 501 5.0.0 | 250 2.0.0"),
     ("cancelled behind the name", f"AUTH LOGIN\n{b64('alice')}\n*\nNOOP", "334 | 334 | 501 5.0.0 | 250 2.0.0"),
     ("a wrong password", f"AUTH PLAIN {WRONG}\nNOOP", "535 5.7.8 | 250 2.0.0"),
     ("nobody's name is told from a wrong password", f"AUTH PLAIN {b64(chr(0) + 'nobody' + chr(0) + 'sesame')}", "535 5.7.8"),
     ("to be somebody else", f"AUTH PLAIN {b64('bob' + chr(0) + 'alice' + chr(0) + 'sesame')}", "535 5.7.8"),
     ("a command in place of an answer is an answer", "AUTH LOGIN\nQUIT\nNOOP", "334 | 334 | 535 5.7.8"),
     ("control characters in an answer", ["AUTH LOGIN", b"\0\x01\r\n", "NOOP"], "334 | 501 5.5.2 | 250 2.0.0"))
auth(48,
     ("a second AUTH", f"AUTH PLAIN {GOOD}\nAUTH PLAIN {GOOD}", "235 2.7.0 | 503 5.5.1"),
     ("behind AUTH it is not offered", f"AUTH PLAIN {GOOD}\n{EHLO}", "235 2.7.0 | 250+", {"match": r"235 [^$]*\n(?![^$]*AUTH)"}),
     ("AUTH in a transaction", f"{MAIL}\nAUTH PLAIN {GOOD}\n{RCPT}", "250 2.1.0 | 503 5.5.1 | 250 2.1.5"),
     ("what went wrong can be tried again", f"AUTH PLAIN !\nAUTH PLAIN {GOOD}", "501 5.5.2 | 235 2.7.0"))
table(48,
      ("AUTH before EHLO", f"AUTH PLAIN {GOOD}", "220 | 503 5.5.1"),
      ("AUTH behind HELO", f"HELO x\nAUTH PLAIN {GOOD}", "220 | 250 | 503 5.5.1"), on="auth", alone=True)
auth(48,
     ("where authentication is required nothing goes without it", f"{MAIL}\n{RCPT}\nDATA\nVRFY x\nNOOP\nRSET",
      "530 5.7.0 | 530 5.7.0 | 530 5.7.0 | 530 5.7.0 | 250 2.0.0 | 250 2.0.0"),
     ("with it all goes", f"AUTH PLAIN {GOOD}\n{OPEN}", f"235 2.7.0 | {OPENED}"),
     ("BDAT neither", "BDAT 6 LAST\nQUIT\nNOOP", "530 5.7.0 | 250 2.0.0"), on="auth-only")
auth(48,
     ("a password in plain text from afar", f"XCLIENT ADDR=198.51.100.7\n{EHLO}\nAUTH PLAIN {GOOD}\nAUTH LOGIN",
      "220 | 250+ | 538 5.7.11 | 538 5.7.11", {"match": r"(?m)^250[- ]AUTH SCRAM-SHA-256 (?:SCRAM-SHA-1 )?CRAM-MD5$"}),
     ("a challenge is all right from afar", f"XCLIENT ADDR=198.51.100.7\n{EHLO}\nAUTH CRAM-MD5\n*",
      "220 | 250+ | 334 | 501 5.0.0"), on="auth-gateway")
auth(49,
     ("an answer of 12288 octets", f"AUTH PLAIN\n{'A' * 12284}", "334 | 535 5.7.8"),
     ("a longer one", f"AUTH PLAIN\n{'A' * 12300}\nNOOP", "334 | 500 5.5.6 | 250 2.0.0"),
     ("an initial response that is longer", f"AUTH PLAIN {'A' * 12300}\nNOOP", "500 5.5.2 | 250 2.0.0"))
auth(50,
     ("LOGIN", f"AUTH LOGIN\n{b64('alice')}\n{b64('sesame')}", "334 | 334 | 235 2.7.0",
      {"match": r"\n334 VXNlcm5hbWU6\n334 UGFzc3dvcmQ6\n235 "}))
auth(51,
     ("CRAM-MD5 never asks the same twice", "AUTH CRAM-MD5\n*\nAUTH CRAM-MD5\n*", "334 | 501 5.0.0 | 334 | 501 5.0.0",
      {"match": r"\n334 (PD\S+)\n501 [^\n]*\n334 (?!\1)PD"}),
     ("CRAM-MD5, wrong", f"AUTH CRAM-MD5\n{b64('alice ' + '0' * 32)}", "334 | 535 5.7.8"))
FIRST = b64("n,,n=alice,r=abcdefgh")
auth(52,
     ("SCRAM begins with our nonce", f"AUTH SCRAM-SHA-256 {FIRST}\n*", "334 | 501 5.0.0", {"match": r"\n334 cj1hYmNkZWZn"}),
     ("SCRAM without an initial response", f"AUTH SCRAM-SHA-256\n{FIRST}\n*", "334 | 334 | 501 5.0.0"),
     ("an unknown user is asked all the same", f"AUTH SCRAM-SHA-256 {b64('n,,n=nobody,r=abcdefgh')}\n*", "334 | 501 5.0.0",
      {"match": r"\n334 cj1hYmNkZWZn"}),
     ("an answer with another nonce", f"AUTH SCRAM-SHA-256 {FIRST}\n{b64('c=biws,r=zzzz,p=' + 'A' * 43 + '=')}", "334 | 535 5.7.8"),
     ("a first message that is none", f"AUTH SCRAM-SHA-256 {b64('hello')}", "535 5.7.8"))
table(53,
      ("Received says it", [f"{EHLO}\nAUTH PLAIN {GOOD}\n{OPEN}\nDATA", BODY], f"{GREET} | 235 2.7.0 | {OPENED} | 354 | 250 2.0.0",
       {"received": r" with ESMTPA id "}),
      ("under TLS too", [EHLO + "\nSTARTTLS", TLS, f"{EHLO}\nAUTH PLAIN {GOOD}\n{OPEN}\nDATA", BODY],
       f"{GREET} | 220 2.0.0 | tls | 250+ | 235 2.7.0 | {OPENED} | 354 | 250 2.0.0", {"received": r" with ESMTPSA id "}),
      ("AUTH does not survive STARTTLS", [f"{EHLO}\nAUTH PLAIN {GOOD}\nSTARTTLS", TLS, f"{EHLO}\nAUTH PLAIN {GOOD}"],
       f"{GREET} | 235 2.7.0 | 220 2.0.0 | tls | 250+ | 235 2.7.0"), on="auth", alone=True)
auth(53, *((f"MAIL with AUTH={value}", f"{MAIL} AUTH={value}", reply) for value, reply in (
    ("<>", "250 2.1.0"), ("e+3Dmc2@example.com", "250 2.1.0"), ("alice", "501 5.5.4"), ("", "501 5.5.4"),
    ("a+0Ab@c", "501 5.5.4"))))
