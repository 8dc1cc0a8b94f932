"""Groups 1 to 18 and 28: greetings, commands, sequences, addresses, lengths (RFC 5321)."""

from conformance import EHLO, MAIL, OPEN, OPENED, RCPT, Table

CASES = Table()
table = CASES.add


# --- 1 to 4: the greeting --------------------------------------------------------

table(1, ("the banner", "QUIT", "220 | 221 2.0.0", {"match": r"^220 mx\.test\.example ESMTP "}), closes=True)
table(1,
      ("a refusing host takes QUIT only", "EHLO x\nNOOP\nMAIL FROM:<a@b>\nFOO\nQUIT",
       "554 5.7.1 | 503 5.5.1 | 503 5.5.1 | 503 5.5.1 | 503 5.5.1 | 221 2.0.0"),
      ("a refusing host and QUIT", "QUIT", "554 5.7.1 | 221 2.0.0"), on="deny", closes=True)
for verb, reply in (("NOOP", "250 2.0.0"), ("RSET", "250 2.0.0"), ("HELP", "214 2.0.0"), ("VRFY a", "252 2.0.0"),
                    ("HELP MAIL", "214 2.0.0")):
    table(2, (f"{verb} before EHLO", verb, f"220 | {reply}"), alone=True)
    table(2, (f"{verb} before EHLO where EHLO is required", verb, f"220 | {reply}"), alone=True, on="strict")
table(2, ("QUIT before EHLO", "QUIT", "220 | 221 2.0.0"), closes=True)
table(3, ("MAIL before a greeting where none is required", MAIL, "220 | 250 2.1.0"), alone=True)
table(3,
      ("MAIL before a greeting", MAIL, "220 | 503 5.5.1"),
      ("MAIL behind HELO", "HELO x\n" + MAIL, "220 | 250 | 250 2.1.0"), alone=True, on="strict")
table(4,
      ("EHLO without a name", "EHLO", "501"),
      ("EHLO and a space", "EHLO ", "501"),
      ("HELO without a name", "HELO", "501"),
      ("EHLO with two names", "EHLO a b", "501"),
      ("EHLO with an IPv4 literal", "EHLO [127.0.0.1]", "250+"),
      ("EHLO with an IPv6 literal", "EHLO [IPv6:::1]", "250+"),
      ("HELO with a literal", "HELO [127.0.0.1]", "250"),
      # RFC 5321 §4.1.4: a name that does not verify is no reason to refuse.
      ("EHLO with a name that is none", "EHLO my_pc", "250+"),
      ("EHLO with 255 octets", "EHLO " + "x" * 255, "250+"),
      ("EHLO with 256 octets", "EHLO " + "x" * 256, "501"),
      ("EHLO with 8-bit bytes", b"EHLO \xc3\xbc\r\n", "501"))

# --- 5 to 9: replies, commands ---------------------------------------------------

table(5,
      ("EHLO names us and what is offered", EHLO, "250+", {
          "match": r"^250-mx\.test\.example\n(?:250-[A-Z0-9-]+(?: [^\n]+)?\n)+250 [A-Z0-9-]+(?: [^\n]+)?$"}),
      ("EHLO with nothing to offer", EHLO, "250", {"on": "bare", "match": r"^250 mx\.test\.example$"}))
table(6,
      ("EHLO in a transaction resets it", f"{MAIL}\n{EHLO}\n{RCPT}", "250 2.1.0 | 250+ | 503 5.5.1"),
      ("HELO in a transaction resets it", f"{OPEN}\nHELO x\nDATA", f"{OPENED} | 250 | 503 5.5.1"),
      ("HELO has one line", "HELO x", "250", {"match": r"^250 mx\.test\.example$"}),
      ("a bad EHLO in a transaction leaves it", f"{MAIL}\nEHLO\n{RCPT}", "250 2.1.0 | 501 | 250 2.1.5"))
table(7,
      ("any case", "eHlO x\nmAiL fRoM:<a@client.example> sIzE=1 bOdY=8bitmime\nrCpT tO:<{u}@LOCAL.example>",
       "250+ | 250 2.1.0 | 250 2.1.5"),
      ("rset, noop, vrfy, help in lower case", "rset\nnoop\nvrfy a\nhelp",
       "250 2.0.0 | 250 2.0.0 | 252 2.0.0 | 214 2.0.0"))
table(8,
      ("RSET and a space", "RSET ", "250 2.0.0"),
      ("NOOP and a space", "NOOP ", "250 2.0.0"),
      ("NOOP and a tab", "NOOP\t", "250 2.0.0"),
      ("NOOP with an argument", "NOOP x y z", "250 2.0.0"),
      ("RSET with an argument", "RSET x", "501 5.5.4"),
      ("RSET with an argument leaves the transaction", f"{MAIL}\nRSET x\n{RCPT}", "250 2.1.0 | 501 5.5.4 | 250 2.1.5"),
      ("DATA with an argument", f"{OPEN}\nDATA x\nRSET", f"{OPENED} | 501 5.5.4 | 250 2.0.0"),
      ("QUIT with an argument", "QUIT x\nNOOP", "501 5.5.4 | 250 2.0.0"),
      ("MAIL and a space behind it", MAIL + " ", "501 5.5.4"),
      ("MAIL and a space behind it, allowed", MAIL + " ", "250 2.1.0", {"on": "lax"}),
      ("EHLO and a space behind it, allowed", EHLO + " \t", "250+", {"on": "lax"}),
      ("QUIT and a space", "QUIT ", "220 | 221 2.0.0", {"closes": True}))
table(9,
      ("an unknown verb", "FOO", "500 5.5.2"),
      ("an unknown verb with arguments", "FOO BAR=1", "500 5.5.2"),
      ("a verb with something stuck to it", "NOOPX", "500 5.5.2"),
      ("a verb with a space in front", " NOOP", "500 5.5.2"),
      ("an empty line", "", "500 5.5.2"),
      ("white space only", "   ", "500 5.5.2"),
      *((f"{verb} is not available", verb, "502 5.5.1")
        for verb in ("EXPN list", "TURN", "ETRN x", "ATRN", "SEND FROM:<a@b>", "SOML FROM:<a@b>", "SAML FROM:<a@b>",
                     "BURL imap://x LAST", "XFORWARD NAME=x")),
      ("a browser is sent away", "GET / HTTP/1.1", "220 | 421 4.7.0", {"closes": True}),
      ("a browser's form is sent away", "POST / HTTP/1.1\nHost: x\n\nMAIL FROM:<a@b>", "220 | 421 4.7.0",
       {"closes": True}))

# --- 10 to 13: sequence, parameters, paths ---------------------------------------

table(10,
      ("the null sender", "MAIL FROM:<>", "250 2.1.0"),
      ("a second MAIL", f"{MAIL}\n{MAIL}", "250 2.1.0 | 503 5.5.1"),
      ("RCPT before MAIL", RCPT, "503 5.5.1"),
      ("DATA before MAIL", "DATA", "503 5.5.1"),
      ("DATA before RCPT", f"{MAIL}\nDATA", "250 2.1.0 | 503 5.5.1"),
      ("RSET in a transaction", f"{OPEN}\nRSET\nDATA", f"{OPENED} | 250 2.0.0 | 503 5.5.1"),
      ("NOOP and VRFY in a transaction", f"{MAIL}\nNOOP\nVRFY x\n{RCPT}",
       "250 2.1.0 | 250 2.0.0 | 252 2.0.0 | 250 2.1.5"),
      ("behind a message everything is as before MAIL", [f"{OPEN}\nDATA", b".\r\n", f"{RCPT}\nDATA"],
       f"{OPENED} | 354 | 250 2.0.0 | 503 5.5.1 | 503 5.5.1"))
table(10, ("the null sender, switched off", f"MAIL FROM:<>\n{MAIL}", "550 5.1.7 | 250 2.1.0"), on="strict")
table(11,
      ("MAIL with an unknown parameter", MAIL + " FOO=1", "555 5.5.4"),
      ("MAIL with an unknown keyword", MAIL + " FOO", "555 5.5.4"),
      ("MAIL with a parameter of RCPT", MAIL + " NOTIFY=NEVER", "555 5.5.4"),
      ("RCPT with an unknown parameter", f"{MAIL}\n{RCPT} FOO=1", "250 2.1.0 | 555 5.5.4"),
      ("RCPT with a parameter of MAIL", f"{MAIL}\n{RCPT} SIZE=1", "250 2.1.0 | 555 5.5.4"),
      ("a parameter without a keyword", MAIL + " =1", "501 5.5.4"),
      ("a parameter with two equals signs", MAIL + " SIZE==1", "501 5.5.4"),
      ("a parameter that sticks to the path", MAIL + "SIZE=1", "501 5.1.7"),
      ("a refused parameter opens no transaction", f"{MAIL} FOO\n{RCPT}", "555 5.5.4 | 503 5.5.1"))
PATHS = ("a@b", "<a@b", "<a b@c>", "<a@@b>", "<a@b>x", "<a@b@c>", "<@b>", "<a@>", "<.a@b>", "<a.@b>", "<a..b@c>",
         "<a@-b>", "<a@b->", "<a@b..c>", "<a@.b>", "<\"a@b>", "<a\"b\"@c>", "<a(x)@b>", "<a@b,c>", "<a;b@c>", "<a@b_c>",
         "<a@[1.2.3.4>", "<@h:>", "<@h,u@x>", "a@b>", "< a@b>", "<a@b >", "<a<b>@c>", "<\\a@b>", "<\"a\"\"b\"@c>", "<\"a\tb\"@c>",
         "<a@b/c>", "<a@b:25>")
for path in PATHS:
    table(12,
          (f"MAIL with {path}", f"MAIL FROM:{path}", "501 5.1.7"),
          (f"RCPT with {path}", f"{MAIL}\nRCPT TO:{path}", "250 2.1.0 | 501 5.1.3"))
table(12,
      ("MAIL without FROM", "MAIL <a@b>", "501 5.5.4"),
      ("MAIL without anything", "MAIL", "501 5.5.4"),
      ("RCPT without TO", f"{MAIL}\nRCPT <a@b>", "250 2.1.0 | 501 5.5.4"),
      ("RCPT with the null path", f"{MAIL}\nRCPT TO:<>", "250 2.1.0 | 501 5.1.3"),
      # RFC 5321 §3.3: no space there; RFC2821_Allow_Whitespace_In_Envelope takes it.
      ("a space behind the colon", "MAIL FROM: <a@b>", "501 5.1.7"),
      ("a space behind the colon of TO", f"{MAIL}\nRCPT TO: <a@b>", "250 2.1.0 | 501 5.1.3"),
      ("a space before the colon", "MAIL FROM :<a@b>", "501 5.5.4"),
      ("a space around the address, allowed", f"MAIL FROM: < a@client.example >\nRCPT TO:\t<{{u}}@local.example>",
       OPENED, {"on": "spaced"}),
      ("two dots and an underscore, relaxed rules", "MAIL FROM:<a..b@c_d.example>\nRCPT TO:<.{u}.@local.example>",
       OPENED, {"on": "spaced"}),
      ("what relaxed rules refuse all the same", "MAIL FROM:<a@b@c>\nMAIL FROM:<a b@c>\nMAIL FROM:a@b",
       "501 5.1.7 | 501 5.1.7 | 501 5.1.7", {"on": "spaced"}))
table(13,
      ("postmaster without a domain", f"{MAIL}\nRCPT TO:<postmaster>", OPENED),
      ("Postmaster in capitals", f"{MAIL}\nRCPT TO:<POSTMASTER>", OPENED),
      ("Postmaster of ours", f"{MAIL}\nRCPT TO:<Postmaster@local.example>", OPENED, {"on": "stranger"}),
      ("postmaster without a domain, from a stranger", f"{MAIL}\nRCPT TO:<postmaster>", OPENED, {"on": "stranger"}),
      ("a recipient without a domain", f"{MAIL}\nRCPT TO:<bob>", "250 2.1.0 | 550 5.1.3"),
      ("a sender without a domain", "MAIL FROM:<bob>", "550 5.1.7"),
      ("addresses without a domain, completed", "MAIL FROM:<bob>\nRCPT TO:<carol>", OPENED, {"on": "lax"}))

# --- 14 to 18: quoted, literal, long ---------------------------------------------

for local in ('"a b"', '"a\\"b"', '"@"', '""', '"a\\\\b"', '"<a>"', '"a,b;c:d"', "!#$%&'*+-/=?^_`{|}~", '".a."',
              "a.b.c", "UPPER"):
    table(14, (f"the local part {local}", f"MAIL FROM:<{local}@client.example>\nRCPT TO:<{local}@far.example>", OPENED))
table(14,
      ("a source route is dropped", f"MAIL FROM:<@h1,@h2:u@client.example>\nRCPT TO:<@h1.example:{{u}}@local.example>",
       OPENED),
      ("what a source route hides is judged", f"{MAIL}\nRCPT TO:<@local.example:u@far.example>", "250 2.1.0 | 550 5.7.1",
       {"on": "stranger"}),
      ("a quoted local part reaches the mailbox", [f'{MAIL}\nRCPT TO:<"{{u}}"@local.example>\nDATA', b".\r\n"],
       f"{OPENED} | 354 | 250 2.0.0"))
for literal in ("[192.0.2.1]", "[IPv6:2001:db8::1]", "[IPv6:::1]", "[ipv6:::ffff:192.0.2.1]"):
    table(15,
          (f"the literal {literal}", f"MAIL FROM:<u@{literal}>\nRCPT TO:<u@{literal}>", OPENED),
          (f"the literal {literal}, switched off", f"MAIL FROM:<u@{literal}>\n{MAIL}\nRCPT TO:<u@{literal}>",
           "550 5.1.7 | 250 2.1.0 | 550 5.1.3", {"on": "strict"}))
for literal in ("[999.1.1.1]", "[1.2.3]", "[1.2.3.4.5]", "[IPv6:1::2::3]", "[2001:db8::1]", "[IPv6:192.0.2.1]", "[]", "[x]",
                "[192.0.2.1]x"):
    table(15, (f"no literal: {literal}", f"MAIL FROM:<u@{literal}>\n{MAIL}\nRCPT TO:<u@{literal}>",
               "501 5.1.7 | 250 2.1.0 | 501 5.1.3"))
LABEL = "d" * 63
DOMAIN = ".".join([LABEL, LABEL, LABEL, "d" * 61])  # 253 octets, the longest that DNS knows
LONG = "x" * 64


def path_of(size):
    """A path of so many octets, its brackets counted."""
    domain = size - 64 - 1 - 2
    labels = []
    while domain > 0:
        labels.append("d" * min(60, domain))
        domain -= len(labels[-1]) + 1
    return f"<{LONG}@{'.'.join(labels)}>"


table(16,
      ("a local part of 64 octets", f"MAIL FROM:<{LONG}@client.example>\nRCPT TO:<{LONG}@local.example>", OPENED),
      ("a local part of 65 octets", f"MAIL FROM:<{LONG}x@b>\n{MAIL}\nRCPT TO:<{LONG}x@b>",
       "501 5.1.7 | 250 2.1.0 | 501 5.1.3"),
      ("a domain of 253 octets", f"MAIL FROM:<@{DOMAIN}>", "501 5.1.7"),
      ("a path of 256 octets", f"MAIL FROM:{path_of(256)}\nRCPT TO:{path_of(256)}", OPENED),
      ("a path of 257 octets", f"MAIL FROM:{path_of(257)}\n{MAIL}\nRCPT TO:{path_of(257)}",
       "501 5.1.7 | 250 2.1.0 | 501 5.1.3"),
      ("a label of 64 octets", f"MAIL FROM:<a@{LABEL}d.example>", "501 5.1.7"),
      ("a path of 3000 octets", f"MAIL FROM:<a@{'d.' * 1500}example>", "501 5.1.7"))
table(17,
      ("100 recipients", MAIL + "\n" + "\n".join(f"RCPT TO:<u{n}@local.example>" for n in range(100)),
       "250 2.1.0" + " | 250 2.1.5" * 100),
      ("beyond the cap only the excess is refused, the rest is delivered",
       [f"{MAIL}\nRCPT TO:<other@local.example>\n{RCPT}\n{RCPT}\nRCPT TO:<x@local.example>\nDATA", b"Subject: cap\r\n\r\nx\r\n.\r\n"],
       "250 2.1.0 | 250 2.1.5 | 250 2.1.5 | 452 4.5.3 | 452 4.5.3 | 354 | 250 2.0.0",
       {"on": "strict", "stored": [b"Subject: cap\n\nx\n"]}))
table(18,
      ("a command of 512 octets", "NOOP " + "x" * 505, "250 2.0.0"),
      ("a command of 513 octets", "NOOP " + "x" * 506, "500 5.5.2"),
      ("nothing of a long line is run", f"QUIT {'x' * 600}\nNOOP", "500 5.5.2 | 250 2.0.0"),
      ("nothing behind the limit is run", f"{MAIL}{' ' * 600}\n{RCPT}", "500 5.5.2 | 503 5.5.1"),
      ("a line of 100 KiB", f"NOOP {'x' * 100000}\nNOOP", "500 5.5.2 | 250 2.0.0"),
      # RFC 5321 §4.5.3.1.4 with RFC 3461 §5.4: what the parameters of DSN need fits.
      ("the longest ORCPT there is", f"{MAIL}\n{RCPT} ORCPT=rfc822;{'x' * 493}", OPENED, {"on": "main"}),
      on="strict")
table(28,
      ("VRFY", "VRFY postmaster", "252 2.0.0"),
      ("VRFY without a name", "VRFY", "501 5.5.4"),
      ("EXPN", "EXPN staff", "502 5.5.1"),
      ("HELP", "HELP", "214 2.0.0", {"match": r"HELO EHLO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP.* QUIT$"}),
      # RFC 6531 §3.7.4.2: an answer as for ASCII, or 252.
      ("VRFY with UTF-8", b"VRFY \xc3\xbc@local.example\r\n", "252 2.0.0"))
