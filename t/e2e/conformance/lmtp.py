"""Groups 61 to 65: LMTP (RFC 2033), over TCP and over a Unix socket."""

from conformance import MAIL, OPEN, OPENED, RCPT, Table

CASES = Table()
table = CASES.add
LHLO = "LHLO client.example"
BODY = b"From: a@client.example\r\nDate: Tue, 21 Nov 2023 09:05:00 +0000\r\nMessage-ID: <{u}@client.example>\r\n\r\nx\r\n"
KEPT = {"stored": [BODY.replace(b"\r\n", b"\n")]}
TWO = f"{OPEN}\nRCPT TO:<>\nRCPT TO:<other@local.example>"
ACCEPTED = f"{OPENED} | 501 5.1.3 | 250 2.1.5"

for place in ("lmtp", "lmtp-unix"):
    table(61,
          ("LHLO", LHLO, "220 | 250+", {"match": r"(?s)^220 mx\.test\.example LMTP .*\n250-PIPELINING\n.*250[- ]ENHANCEDSTATUSCODES\n"}),
          ("HELO and EHLO", "HELO x\nEHLO x\nNOOP", "220 | 500 5.5.1 | 500 5.5.1 | 250 2.0.0"),
          ("LHLO without a name", "LHLO", "220 | 501"),
          ("LHLO in a transaction resets it", f"{LHLO}\n{MAIL}\n{LHLO}\n{RCPT}", "220 | 250+ | 250 2.1.0 | 250+ | 503 5.5.1"),
          ("MAIL before LHLO, where it is required", MAIL, "220 | 503 5.5.1"),
          on=place, alone=True)
    table(62,
          ("a reply for each recipient that was accepted", [f"{LHLO}\n{TWO}\nDATA", BODY + b".\r\n", "NOOP"],
           f"220 | 250+ | {ACCEPTED} | 354 | 250 2.0.0 | 250 2.0.0 | 250 2.0.0", KEPT),
          ("the same for a message that is refused", [f"{LHLO}\n{TWO}\nDATA", b"a\nb\r\n.\r\n", "NOOP"],
           f"220 | 250+ | {ACCEPTED} | 354 | 550 5.6.0 | 550 5.6.0 | 250 2.0.0", {"stored": []}),
          ("one recipient, twice, has two", [f"{LHLO}\n{OPEN}\n{RCPT}\nDATA", b".\r\n", "NOOP"],
           f"220 | 250+ | {OPENED} | 250 2.1.5 | 354 | 250 2.0.0 | 250 2.0.0 | 250 2.0.0"),
          ("Received says LMTP", [f"{LHLO}\n{OPEN}\nDATA", BODY + b".\r\n"], f"220 | 250+ | {OPENED} | 354 | 250 2.0.0",
           {"received": r" with LMTP id "}),
          on=place, alone=True)
    table(63,
          ("no recipient accepted: DATA", f"{LHLO}\n{MAIL}\nRCPT TO:<>\nDATA\nNOOP",
           "220 | 250+ | 250 2.1.0 | 501 5.1.3 | 503 5.5.1 | 250 2.0.0"),
          ("no recipient: DATA", f"{LHLO}\n{MAIL}\nDATA", "220 | 250+ | 250 2.1.0 | 503 5.5.1"),
          # RFC 2033 §4.3: no recipient accepted, no reply to BDAT LAST.
          ("no recipient accepted: BDAT LAST", f"{LHLO}\n{MAIL}\nRCPT TO:<>\nBDAT 6 LAST\nQUIT\nNOOP",
           "220 | 250+ | 250 2.1.0 | 501 5.1.3 | 250 2.0.0"),
          on=place, alone=True)
    table(64,
          ("BDAT LAST has a reply for each", [f"{LHLO}\n{TWO}\nBDAT 3", b"x\r\n", b"BDAT 3 LAST\r\ny\r\n", "NOOP"],
           f"220 | 250+ | {ACCEPTED} | 250 2.0.0 | 250 2.0.0 | 250 2.0.0 | 250 2.0.0"),
          ("a chunk that fails has one, LAST one for each", [f"{LHLO}\n{TWO}\nBDAT 3", b"a\nb", b"BDAT 6 LAST\r\nQUIT\r\n", "NOOP"],
           f"220 | 250+ | {ACCEPTED} | 550 5.6.0 | 503 5.5.1 | 503 5.5.1 | 250 2.0.0", {"stored": []}),
          on=place, alone=True)
    table(65,
          ("those that were accepted have it, the others not", [f"{LHLO}\n{MAIL}\nRCPT TO:<{{u}}x@[bad>\n{RCPT}\nDATA", BODY + b".\r\n"],
           "220 | 250+ | 250 2.1.0 | 501 5.1.3 | 250 2.1.5 | 354 | 250 2.0.0", KEPT), on=place, alone=True)
table(61, ("LHLO where ESMTP is spoken", f"{LHLO}\nNOOP", "500 5.5.2 | 250 2.0.0"))
