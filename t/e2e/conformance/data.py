"""Groups 19 to 24, 26, 27 and 71: the message, its limits, its trace; ends of a session (RFC 5321)."""

from conformance import EHLO, MAIL, OPEN, OPENED, RCPT, Table

CASES = Table()
table = CASES.add


def message(body):
    return [f"{OPEN}\nDATA", body]


DONE = f"{OPENED} | 354 | 250 2.0.0"
HEAD = b"From: a@client.example\r\nDate: Tue, 21 Nov 2023 09:05:00 +0000\r\nMessage-ID: <{u}@client.example>\r\n\r\n"


def stored(body, number=1):
    """Sent with a header section in front, kept as it is."""
    return {"stored": [(HEAD + body).replace(b"\r\n", b"\n")] * number}


def whole(name, body, kept=None):
    return (name, message(HEAD + body + b".\r\n"), DONE, stored(body if kept is None else kept))


table(19,
      whole("a line of 998 octets", b"x" * 998 + b"\r\n"),
      whole("lines of 999, 1000 and 100000 octets are taken as they are", b"x" * 999 + b"\r\n" + b"y" * 1000 + b"\r\n" +
            b"z" * 100000 + b"\r\n"))
table(19,
      ("998 octets where longer lines are refused", message(HEAD + b"x" * 998 + b"\r\n.\r\n"), DONE, stored(b"x" * 998 + b"\r\n")),
      ("999 octets where longer lines are refused", message(HEAD + b"x" * 999 + b"\r\n.\r\n") + ["NOOP"],
       f"{OPENED} | 354 | 550 5.6.0 | 250 2.0.0", {"stored": []}),
      ("999 octets of a header field, too", message(b"Subject: " + b"x" * 990 + b"\r\n" + HEAD + b".\r\n") + ["NOOP"],
       f"{OPENED} | 354 | 550 5.6.0 | 250 2.0.0", {"stored": []}), on="short-lines")
table(20,
      whole("64 KiB", b"0123456789abcdef" * 62 + b"\r\n" + (b"line\r\n" * 11000)),
      ("one octet below the limit", message(b"S: x\r\n\r\n" + b"y" * 990 + b"\r\n.\r\n"), DONE, {"on": "strict"}),
      ("one octet over it", message(b"S: x\r\n\r\n" + b"y" * 991 + b"\r\n.\r\n") + [MAIL],
       f"{OPENED} | 354 | 552 5.3.4 | 250 2.1.0", {"on": "strict", "stored": []}),
      ("ten times over it, commands and all", message(b"S: x\r\n\r\n" + b"MAIL FROM:<x@y>\r\n" * 1000 + b".\r\n") + ["NOOP"],
       f"{OPENED} | 354 | 552 5.3.4 | 250 2.0.0", {"on": "strict", "stored": []}))
table(21,
      whole("dots are unstuffed", b"..\r\n..x\r\n...\r\n.x\r\nx.\r\n", b".\r\n.x\r\n..\r\nx\r\nx.\r\n"),
      ("a dot right behind 354 ends an empty message", message(b".\r\n") + ["NOOP"], f"{DONE} | 250 2.0.0"),
      ("a dot and spaces is no end", message(HEAD + b". \r\n.\r\n"), DONE, stored(b" \r\n")),
      ("an end in the header section", message(b"Subject: x\r\n.\r\n"), DONE),
      ("empty lines at both ends", message(HEAD + b"\r\n\r\nx\r\n\r\n.\r\n"), DONE, stored(b"\r\n\r\nx\r\n\r\n")),
      ("commands in a message are text", message(HEAD + b"RSET\r\nQUIT\r\nMAIL FROM:<x@y>\r\n.\r\n"), DONE,
       stored(b"RSET\r\nQUIT\r\nMAIL FROM:<x@y>\r\n")),
      ("8-bit bytes and NULs are kept", message(HEAD + b"\xff\xfe\x00\x80\r\n.\r\n"), DONE, stored(b"\xff\xfe\x00\x80\r\n")),
      ("two messages in one stream", message(HEAD + b"1\r\n.\r\n") + message(HEAD + b"2\r\n.\r\n"), f"{DONE} | {DONE}"),
      *((f"{shown} is no end", message(HEAD + b"x" + end + b"NOOP\r\n.\r\n") + ["NOOP"],
         f"{OPENED} | 354 | 550 5.6.0 | 250 2.0.0", {"stored": []})
        for shown, end in (("LF . LF", b"\n.\n"), ("LF . CR LF", b"\n.\r\n"), ("CR LF . LF", b"\r\n.\n"),
                           ("CR . CR", b"\r.\r"), ("CR LF . CR CR LF", b"\r\n.\r\r\n"), ("CR LF . CR", b"\r\n.\rx\r\n"))))
table(22,
      ("the reply names the message", message(b"S: x\r\n\r\nx\r\n.\r\n"), DONE,
       {"match": r"250 2\.0\.0 OK: queued as [0-9A-F]{8}/[0-9A-F]{8}-node1$"}),
      # RFC 5321 §4.1.1.4: what has no end is no message. The connection ends behind these bytes.
      ("half a message is none", [EHLO, *message(b"S: x\r\n\r\nhalf")], f"220 | 250+ | {OPENED} | 354",
       {"alone": True, "stored": []}),
      ("a message without its last CR LF is none", [EHLO, *message(b"S: x\r\n\r\nx\r\n.\r")],
       f"220 | 250+ | {OPENED} | 354", {"alone": True, "stored": []}))
table(23,
      ("QUIT", f"{EHLO}\nQUIT", "220 | 250+ | 221 2.0.0", {"closes": True}),
      ("QUIT in a transaction drops it", f"{EHLO}\n{OPEN}\nQUIT\nDATA", f"220 | 250+ | {OPENED} | 221 2.0.0",
       {"closes": True, "stored": []}),
      ("too many errors", "FOO\nFOO\nFOO\nFOO\nNOOP", "220 | 500 5.5.2 | 500 5.5.2 | 500 5.5.2 | 421 4.7.0",
       {"closes": True, "on": "limits"}),
      ("a second message on a connection for one", [f"{OPEN}\nDATA", b".\r\n", MAIL],
       f"220 | {OPENED} | 354 | 250 2.0.0 | 421 4.5.3", {"closes": True, "on": "limits"}),
      ("a third recipient on a connection for two", f"{OPEN}\n{RCPT}\n{RCPT}\nNOOP",
       f"220 | {OPENED} | 250 2.1.5 | 421 4.5.3", {"closes": True, "on": "limits"}))
table(24,
      ("an idle client hears why", "NOOP", "220 | 250 2.0.0 | 421 4.4.2", {"closes": True, "on": "hasty"}),
      ("an unfinished command too", b"NOOP", "220 | 421 4.4.2", {"closes": True, "on": "hasty"}),
      ("one that never speaks too", b"", "220 | 421 4.4.2", {"closes": True, "on": "hasty"}),
      ("and one that stops in its message", [f"{OPEN}\nDATA", b"S: x\r\n"], f"220 | {OPENED} | 354 | 421 4.4.2",
       {"closes": True, "on": "hasty", "stored": []}))
RECEIVED = b"Received: from x by y; Tue, 21 Nov 2023 09:05:00 +0000\r\n"
table(26,
      ("100 Received fields", message(RECEIVED * 100 + HEAD + b"x\r\n.\r\n"), DONE),
      ("101 Received fields", message(RECEIVED * 101 + HEAD + b"x\r\n.\r\n"), f"{OPENED} | 354 | 554 5.4.6", {"stored": []}),
      ("Received in the body counts for nothing", message(HEAD + b"Received: x\r\n" * 200 + b".\r\n"), DONE,
       stored(b"Received: x\r\n" * 200)))
table(27,
      ("Received of a session with EHLO", message(HEAD + b".\r\n"), DONE,
       {"received": r"from client\.example\b.*127\.0\.0\.1.* by mx\.test\.example with ESMTP id [0-9A-F]{8}/[0-9A-F]{8}-node1"
                    r".* for <{u}@local\.example>"}),
      ("Received of a session with HELO", ["HELO old.example", *message(HEAD + b".\r\n")], f"220 | 250 | {DONE}",
       {"alone": True, "received": r"from old\.example\b.* with SMTP id "}),
      ("Received names nobody where there are two", ["\n".join([OPEN, "RCPT TO:<other@local.example>", "DATA"]), HEAD + b".\r\n"],
       f"{OPENED} | 250 2.1.5 | 354 | 250 2.0.0", {"received": r"^(?!.* for ).* with ESMTP id "}),
      ("Received of SMTPUTF8", [f"{MAIL} SMTPUTF8\n{RCPT}\nDATA", HEAD + b".\r\n"], DONE,
       {"received": r" with UTF8SMTP id "}))
OURS = b"Authentication-Results: mx.test.example; spf=pass smtp.mailfrom=x\r\n"
FOLDED = b"authentication-results:\r\n (a comment)\r\n  mx.test.example (another) 1;\r\n\tdkim=pass\r\n"
FOREIGN = b"Authentication-Results: other.example; spf=pass\r\n"
table(71,
      ("Authentication-Results in our name are removed", message(OURS + HEAD + b"x\r\n.\r\n"), DONE, stored(b"x\r\n")),
      ("folded, commented and in any case too", message(FOLDED + HEAD + b"x\r\n.\r\n"), DONE, stored(b"x\r\n")),
      ("those of others stay", message(FOREIGN + HEAD + b"x\r\n.\r\n"), DONE,
       {"stored": [(FOREIGN + HEAD + b"x\r\n").replace(b"\r\n", b"\n")]}),
      ("in a body they are text", message(HEAD + OURS + b".\r\n"), DONE, stored(OURS)))
