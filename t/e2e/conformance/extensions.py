"""Groups 29 to 39, 54 to 58 and 73 to 75: SIZE, PIPELINING, CHUNKING, enhanced codes, 8BITMIME, SMTPUTF8, DSN,
FUTURERELEASE, DELIVERBY, REQUIRETLS; MT-PRIORITY and LIMITS beside them. Offered on `main`, not on `bare`."""

import datetime

from conformance import EHLO, MAIL, OPEN, OPENED, RCPT, Table

CASES = Table()
table = CASES.add
HEAD = b"From: a@client.example\r\nDate: Tue, 21 Nov 2023 09:05:00 +0000\r\nMessage-ID: <{u}@client.example>\r\n\r\n"


def chunk(octets, last=False):
    size = len(octets.replace(b"{u}", b"x" * 9))  # a user's name has nine letters
    return b"BDAT %d%s\r\n" % (size, b" LAST" if last else b"") + octets


def kept(body):
    return {"stored": [(HEAD + body).replace(b"\r\n", b"\n")]}


def mail(*rows, group, on="main"):
    """Parameters of MAIL and what they are answered."""
    table(group, *((f"MAIL with {parameter}", f"{MAIL} {parameter}", reply) for parameter, reply in rows), on=on)


def rcpt(*rows, group, on="main"):
    table(group, *((f"RCPT with {parameter}", f"{MAIL}\n{RCPT} {parameter}", f"250 2.1.0 | {reply}")
                   for parameter, reply in rows), on=on)


def offered(group, *patterns, on="main"):
    table(group, *((f"EHLO offers {pattern}", EHLO, "250+", {"match": rf"(?m)^250[- ]{pattern}$"}) for pattern in patterns),
          on=on)


GOOD, SYNTAX, UNKNOWN = "250 2.1.0", "501 5.5.4", "555 5.5.4"

# --- RFC 1870 --------------------------------------------------------------------

offered(29, "SIZE 300000")
mail(("SIZE=0", GOOD), ("SIZE=300000", GOOD), ("SIZE=300001", "552 5.3.4"), ("SIZE=", SYNTAX), ("SIZE", SYNTAX),
     ("SIZE=x", SYNTAX), ("SIZE=-1", SYNTAX), ("SIZE=+1", SYNTAX), ("SIZE=1 SIZE=1", SYNTAX),
     ("SIZE=100000000000000000000", SYNTAX), ("SIZE=18446744073709551621", "552 5.3.4"),
     ("SIZE=00000000000000000001", GOOD), group=29)
mail(("SIZE=1", "555"), group=29, on="bare")
table(30, ("no room on the disk", EHLO + "\n" + MAIL, "220 | 250+ | 452 4.3.1"), alone=True, on="full")

# --- RFC 2920 --------------------------------------------------------------------

table(31,
      ("a batch", f"{MAIL}\n" + f"{RCPT}\n" * 20 + "DATA\n.", "250 2.1.0" + " | 250 2.1.5" * 20 + " | 354 | 250 2.0.0"),
      ("two transactions in one stream", f"{OPEN}\nDATA\n.\n{OPEN}\nDATA\n.",
       f"{OPENED} | 354 | 250 2.0.0 | {OPENED} | 354 | 250 2.0.0"))
offered(31, "PIPELINING")
table(32,
      ("all recipients fail, and DATA is there already", f"{MAIL}\nRCPT TO:<>\nRCPT TO:<x>\nDATA\nNOOP",
       "250 2.1.0 | 501 5.1.3 | 550 5.1.3 | 554 5.5.1 | 250 2.0.0"),
      ("MAIL fails, and the rest is there already", f"MAIL FROM:x\n{RCPT}\nDATA\nNOOP",
       "501 5.1.7 | 503 5.5.1 | 503 5.5.1 | 250 2.0.0"))
table(33,
      ("bytes behind each command are answered in order",
       f"NOOP\n{EHLO}\nVRFY a\nEXPN a\nTURN\nSTARTTLS\nAUTH PLAIN\nHELP\nNOOP",
       "250 2.0.0 | 250+ | 252 2.0.0 | 502 5.5.1 | 502 5.5.1 | 502 5.5.1 | 502 5.5.1 | 214 2.0.0 | 250 2.0.0"),
      ("nothing behind QUIT is run", f"{EHLO}\nQUIT\n{OPEN}\nDATA\n.", "220 | 250+ | 221 2.0.0",
       {"closes": True, "stored": []}))
table(34, ("1000 NOOPs", "NOOP\n" * 999 + "NOOP", " | ".join(["250 2.0.0"] * 1000)))

# --- RFC 3030 --------------------------------------------------------------------

offered(35, "CHUNKING")
table(35,
      ("one chunk", [OPEN, chunk(HEAD + b"hi\r\n", True)], f"{OPENED} | 250 2.0.0", kept(b"hi\r\n")),
      ("three chunks", [OPEN, chunk(HEAD), chunk(b"h"), chunk(b"i\r\n", True)], f"{OPENED} | 250 2.0.0 | 250 2.0.0 | 250 2.0.0",
       kept(b"hi\r\n")),
      ("BDAT 0 LAST", [OPEN, chunk(HEAD + b"hi\r\n"), b"BDAT 0 LAST\r\n"], f"{OPENED} | 250 2.0.0 | 250 2.0.0", kept(b"hi\r\n")),
      ("an empty message", [OPEN, b"BDAT 0 LAST\r\n"], f"{OPENED} | 250 2.0.0"),
      ("any case, leading zeros", [OPEN, b"bdat 0003 last\r\nx\r\n"], f"{OPENED} | 250 2.0.0"),
      ("dots and commands are content", [OPEN, chunk(HEAD + b".\r\n..\r\nQUIT\r\nBDAT 9 LAST\r\n", True), "NOOP"],
       f"{OPENED} | 250 2.0.0 | 250 2.0.0", kept(b".\r\n..\r\nQUIT\r\nBDAT 9 LAST\r\n")),
      ("a line end over a border", [OPEN, chunk(HEAD + b"a\r"), chunk(b"\nb", True)], f"{OPENED} | 250 2.0.0 | 250 2.0.0",
       kept(b"a\r\nb\r\n")),
      ("how much came", [OPEN, b"BDAT 3\r\nx\r\n"], f"{OPENED} | 250 2.0.0", {"match": r"\n250 2\.0\.0 3 octets received$"}))
table(36,
      ("behind a failure each chunk fails, and is read", [OPEN, chunk(b"a\nb"), chunk(b"QUIT\r\n"), chunk(b"QUIT\r\n", True), MAIL],
       f"{OPENED} | 550 5.6.0 | 503 5.5.1 | 503 5.5.1 | 250 2.1.0", {"stored": []}),
      ("RSET ends a failure", [OPEN, chunk(b"a\nb"), f"RSET\n{MAIL}"], f"{OPENED} | 550 5.6.0 | 250 2.0.0 | 250 2.1.0"),
      ("too large", [OPEN, chunk(b"x" * 1001, True), MAIL], f"{OPENED} | 552 5.3.4 | 250 2.1.0", {"on": "strict", "stored": []}),
      ("too large in sum", [OPEN, chunk(b"x" * 600), chunk(b"x" * 600), chunk(b"x\r\n", True)],
       f"{OPENED} | 250 2.0.0 | 552 5.3.4 | 503 5.5.1", {"on": "strict", "stored": []}),
      *((f"BDAT {size!r} ends the session", [EHLO, OPEN, f"BDAT{size}\nNOOP"], f"220 | 250+ | {OPENED} | 521 5.5.4",
         {"closes": True, "stored": []})
        for size in ("", " -1", " +1", " 0x10", " 1e3", " LAST", " 18446744073709551616", " 5 FIRST", " 5 LAST x", " x LAST")),
      *((f"a line of BDAT that is too long ends the session {how}", [EHLO, OPEN, b"BDAT " + line + b"\r\nNOOP\r\n"],
         f"220 | 250+ | {OPENED} | 521 5.5.4", {"closes": True, "stored": []})
        for how, line in (("(zeros)", b"0" * 5000 + b"6 LAST"), ("(spaces)", b"6 LAST" + b" " * 5000))))
table(37,
      ("DATA behind BDAT", [OPEN, chunk(b"x\r\n"), "DATA"], f"{OPENED} | 250 2.0.0 | 503 5.5.1"),
      ("RCPT behind BDAT", [OPEN, chunk(b"x\r\n"), RCPT], f"{OPENED} | 250 2.0.0 | 503 5.5.1"),
      ("MAIL behind BDAT", [OPEN, chunk(b"x\r\n"), MAIL], f"{OPENED} | 250 2.0.0 | 503 5.5.1"),
      ("BDAT before MAIL", [chunk(b"QUIT\r\n", True), "NOOP"], "503 5.5.1 | 250 2.0.0"),
      ("BDAT before RCPT", [MAIL, chunk(b"QUIT\r\n", True), "NOOP"], "250 2.1.0 | 503 5.5.1 | 250 2.0.0"),
      ("BDAT with no good recipient", [f"{MAIL}\nRCPT TO:<>", chunk(b"QUIT\r\n", True), "NOOP"],
       "250 2.1.0 | 501 5.1.3 | 554 5.5.1 | 250 2.0.0"),
      ("BDAT behind its LAST", [OPEN, chunk(b"x\r\n", True), chunk(b"y\r\n", True)], f"{OPENED} | 250 2.0.0 | 503 5.5.1"),
      ("not offered: refused, and its octets are read", [OPEN, chunk(b"QUIT\r\n", True), "NOOP"],
       "250 2.1.0 | 250 2.1.5 | 502 5.5.1 | 250 2.0.0", {"on": "codes"}))
offered(38, "BINARYMIME")
table(38,
      ("BINARYMIME and DATA", f"{MAIL} BODY=BINARYMIME\n{RCPT}\nDATA", f"{OPENED} | 503 5.5.1"),
      ("binary is kept byte by byte", [f"{MAIL} BODY=BINARYMIME\n{RCPT}", chunk(HEAD + b"\0\xff\n.\n\tx\n", True)],
       f"{OPENED} | 250 2.0.0", {"stored": [HEAD.replace(b"\r\n", b"\n") + b"\0\xff\n.\n\tx\n"]}))
mail(("BODY=BINARYMIME", UNKNOWN), group=39, on="codes")  # without CHUNKING, though SMTP_Extensions names it
table(39, ("BINARYMIME is not offered without CHUNKING", EHLO, "250+", {"match": r"^(?![^$]*BINARYMIME)"}), on="codes")

# --- RFC 2034, 6152, 6531 --------------------------------------------------------

offered(54, "ENHANCEDSTATUSCODES")
table(54,
      ("every reply but the banner, greetings and 354 has one", f"{EHLO}\nHELO x\nNOOP\nFOO\nHELP\n{OPEN}\nDATA\n.\nVRFY x",
       f"250+ | 250 | 250 2.0.0 | 500 5.5.2 | 214 2.0.0 | {OPENED} | 354 | 250 2.0.0 | 252 2.0.0"),
      ("none has one where they are not offered", f"{EHLO}\nNOOP\nFOO\n{OPEN}\nDATA\n.\nVRFY x\nQUIT x",
       "250 | 250 | 500 | 250 | 250 | 354 | 250 | 252 | 501", {"on": "bare"}))
offered(55, "8BITMIME")
mail(("BODY=8BITMIME", GOOD), ("BODY=7BIT", GOOD), ("body=8bitmime", GOOD), ("BODY=9BIT", SYNTAX), ("BODY=", SYNTAX),
     ("BODY", SYNTAX), ("BODY=7BIT BODY=7BIT", SYNTAX), group=55)
mail(("BODY=8BITMIME", "555"), ("BODY=7BIT", "555"), group=55, on="bare")
UTF8 = "gr\u00fc\u00dfe"
offered(56, "SMTPUTF8")
mail(("SMTPUTF8", GOOD), ("SMTPUTF8=x", SYNTAX), ("SMTPUTF8 SMTPUTF8", SYNTAX), group=56)
mail(("SMTPUTF8", UNKNOWN), group=56, on="codes")
table(56,
      ("UTF-8 addresses", f"MAIL FROM:<{UTF8}@b\u00fccher.example> SMTPUTF8\nRCPT TO:<{UTF8}@local.example>", OPENED),
      ("a UTF-8 sender without the word", f"MAIL FROM:<{UTF8}@client.example>", "553 5.6.7"),
      ("a UTF-8 recipient without the word", f"{MAIL}\nRCPT TO:<{UTF8}@local.example>", "250 2.1.0 | 553 5.6.7"),
      ("a UTF-8 domain without the word", f"{MAIL}\nRCPT TO:<x@b\u00fccher.example>", "250 2.1.0 | 553 5.6.7"),
      ("no UTF-8", [b"MAIL FROM:<a\xff@client.example> SMTPUTF8\r\n", b"MAIL FROM:<a\xc0\xaf@client.example> SMTPUTF8\r\n",
                    b"MAIL FROM:<a\xed\xa0\x80@client.example> SMTPUTF8\r\n"], "501 5.1.7 | 501 5.1.7 | 501 5.1.7"),
      ("no UTF-8 in a recipient", [f"{MAIL} SMTPUTF8", b"RCPT TO:<a\xff@local.example>\r\n"], "250 2.1.0 | 501 5.1.3"),
      ("8-bit bytes in other commands", [b"NOOP \xc3\xbc\r\n", b"\xff\xfe\r\n", b"HELP \xc3\xbc\r\n", b"RSET \xff\r\n"],
       "500 5.5.2 | 500 5.5.2 | 500 5.5.2 | 500 5.5.2"),
      ("not offered, an address outside ASCII is refused", f"MAIL FROM:<{UTF8}@client.example> SMTPUTF8", "553 5.6.7",
       {"on": "codes"}),
      ("SMTPUTF8 is not offered without 8BITMIME", EHLO, "250+", {"on": "codes", "match": r"^(?![^$]*SMTPUTF8)"}))

# --- RFC 3461 --------------------------------------------------------------------

offered(58, "DSN")
mail(("RET=FULL", GOOD), ("RET=HDRS", GOOD), ("ret=full", GOOD), ("ENVID=QQ314159", GOOD), ("ENVID=a+2Bb", GOOD),
     ("ENVID=" + "x" * 100, GOOD), ("RET=FULL ENVID=x", GOOD), ("RET=ALL", SYNTAX), ("RET=", SYNTAX), ("RET", SYNTAX),
     ("RET=FULL RET=FULL", SYNTAX), ("ENVID=" + "x" * 101, SYNTAX), ("ENVID=a+2bb", SYNTAX), ("ENVID=a+", SYNTAX),
     ("ENVID=", SYNTAX), ("ENVID", SYNTAX), ("ENVID=a ENVID=b", SYNTAX), group=58)
mail(("RET=FULL", UNKNOWN), ("ENVID=x", UNKNOWN), group=58, on="codes")
rcpt(("NOTIFY=NEVER", "250 2.1.5"), ("NOTIFY=SUCCESS,FAILURE,DELAY", "250 2.1.5"), ("notify=delay", "250 2.1.5"),
     ("ORCPT=rfc822;a+2Bb@c.example", "250 2.1.5"), ("NOTIFY=FAILURE ORCPT=x400;+2FC+3D", "250 2.1.5"),
     ("NOTIFY=NEVER,SUCCESS", SYNTAX), ("NOTIFY=SUCCESS,SUCCESS", SYNTAX), ("NOTIFY=ALWAYS", SYNTAX), ("NOTIFY=", SYNTAX),
     ("NOTIFY", SYNTAX), ("NOTIFY=SUCCESS,", SYNTAX), ("NOTIFY=NEVER NOTIFY=NEVER", SYNTAX), ("ORCPT=rfc822", SYNTAX),
     ("ORCPT=;a@b", SYNTAX), ("ORCPT=rfc822;", SYNTAX), ("ORCPT=rfc822;a+0D+0Ab", SYNTAX), ("ORCPT=rfc822;" + "x" * 494, SYNTAX),
     ("ORCPT", SYNTAX), group=58)
rcpt(("NOTIFY=NEVER", UNKNOWN), ("ORCPT=rfc822;a@b", UNKNOWN), group=58, on="codes")

# --- RFC 4865, 2852, 8689, 6710, 9422 --------------------------------------------


def utc(hours):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


offered(73, r"FUTURERELEASE 86400 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
mail(("HOLDFOR=60", GOOD), ("HOLDFOR=86400", GOOD), ("HOLDFOR=86401", SYNTAX), ("HOLDFOR=0", SYNTAX), ("HOLDFOR=-1", SYNTAX),
     ("HOLDFOR=x", SYNTAX), ("HOLDFOR=", SYNTAX), ("HOLDFOR", SYNTAX), ("HOLDFOR=9999999999", SYNTAX),
     (f"HOLDUNTIL={utc(2)}", GOOD), (f"HOLDUNTIL={utc(2)[:-1]}+00:00", GOOD), (f"HOLDUNTIL={utc(-2)}", SYNTAX),
     (f"HOLDUNTIL={utc(26)}", SYNTAX), ("HOLDUNTIL=2030-02-30T00:00:00Z", SYNTAX), ("HOLDUNTIL=tomorrow", SYNTAX),
     (f"HOLDFOR=60 HOLDUNTIL={utc(2)}", SYNTAX), ("HOLDFOR=60 HOLDFOR=60", SYNTAX), group=73)
mail(("HOLDFOR=60", UNKNOWN), (f"HOLDUNTIL={utc(2)}", UNKNOWN), group=73, on="codes")
offered(74, "DELIVERBY")
mail(("BY=120;R", GOOD), ("BY=120;RT", GOOD), ("BY=120;N", GOOD), ("BY=120;NT", GOOD), ("BY=+120;r", GOOD),
     # RFC 2852 §4: notifying of a time that is over makes sense, returning does not.
     ("BY=0;N", GOOD), ("BY=-456;N", GOOD), ("BY=0;R", SYNTAX), ("BY=-5;R", SYNTAX), ("BY=120;X", SYNTAX), ("BY=120", SYNTAX),
     ("BY=;R", SYNTAX), ("BY=1000000000;R", SYNTAX), ("BY", SYNTAX), group=74)
mail(("BY=120;R", UNKNOWN), group=74, on="codes")
mail(("REQUIRETLS", UNKNOWN), group=75)  # RFC 8689 §2: only under TLS
table(75, ("REQUIRETLS is not offered in plain text", EHLO, "250+", {"match": r"^(?![^$]*REQUIRETLS)"}))
# RFC 6710 §4 and RFC 9422 have no group of their own.
mail(("MT-PRIORITY=3", GOOD), ("MT-PRIORITY=-9", GOOD), ("MT-PRIORITY=10", "501 5.5.2"), ("MT-PRIORITY=-0", "501 5.5.2"),
     ("MT-PRIORITY=x", "501 5.5.2"), group=11)
offered(11, "MT-PRIORITY", "LIMITS RCPTMAX=200")
