"""Groups 40 to 53 and 66 to 75 where they are of a session's security: STARTTLS, AUTH, implicit TLS, XCLIENT, PROXY,
REQUIRETLS; and what is judged of a stranger."""

from conformance import EHLO, MAIL, OPEN, OPENED, RCPT, TLS, Table

CASES = Table()
table = CASES.add
GREET = "220 | 250+"
SECURE = f"{GREET} | 220 2.0.0 | tls"
BEGIN = [EHLO + "\nSTARTTLS", TLS]
NO_TLS_OFFER = r"^(?![^$]*STARTTLS)"

# --- RFC 3207 --------------------------------------------------------------------

table(40,
      ("EHLO offers STARTTLS", EHLO, GREET, {"match": r"(?m)^250[- ]STARTTLS$"}),
      ("STARTTLS with an argument", "STARTTLS x\nNOOP", "220 | 501 5.5.4 | 250 2.0.0"),
      ("STARTTLS", BEGIN + [EHLO + "\nQUIT"], f"{SECURE} | 250+ | 221 2.0.0"),
      ("STARTTLS before a greeting", ["STARTTLS", TLS, "NOOP"], "220 | 220 2.0.0 | tls | 250 2.0.0"),
      on="tls", alone=True)
table(40,
      ("without a certificate it is not offered", EHLO, "250+", {"match": NO_TLS_OFFER}),
      ("without a certificate it is refused", "STARTTLS\nNOOP", "502 5.5.1 | 250 2.0.0"))
table(41,
      ("under TLS it is not offered again", BEGIN + [EHLO], f"{SECURE} | 250+",
       {"match": r"220 2\.0\.0 [^\n]*\n(?![^$]*STARTTLS)"}),
      ("a second STARTTLS", BEGIN + ["STARTTLS\nNOOP"], f"{SECURE} | 503 5.5.1 | 250 2.0.0"),
      ("the greeting is forgotten", BEGIN + [MAIL], f"{SECURE} | 503 5.5.1", {"on": "tls-greet"}),
      ("a message under TLS", BEGIN + [f"{EHLO}\n{OPEN}\nDATA", b"S: x\r\n\r\nx\r\n.\r\n"],
       f"{SECURE} | 250+ | {OPENED} | 354 | 250 2.0.0", {"received": r" with ESMTPS id "}),
      on="tls", alone=True)
table(42,
      ("STARTTLS in a transaction", f"{MAIL}\nSTARTTLS\n{RCPT}", "220 | 250 2.1.0 | 503 5.5.1 | 250 2.1.5"), on="tls",
      alone=True)
table(43,
      ("before TLS only EHLO, NOOP and QUIT are taken",
       f"NOOP\n{EHLO}\n{MAIL}\n{RCPT}\nDATA\nRSET\nVRFY x\nHELP\nAUTH PLAIN\nNOOP",
       "220 | 250 2.0.0 | 250+ | 530 5.7.0 | 530 5.7.0 | 530 5.7.0 | 530 5.7.0 | 530 5.7.0 | 530 5.7.0 | 502 5.5.1 | 250 2.0.0"),
      ("HELO too", "HELO x", "220 | 530"),  # RFC 2034 §4: no reply to a greeting has an enhanced code
      ("BDAT, and what belongs to it", f"{EHLO}\nBDAT 6 LAST\nQUIT\nNOOP", f"{GREET} | 530 5.7.0 | 250 2.0.0"),
      ("QUIT", "QUIT", "220 | 221 2.0.0", {"closes": True}),
      ("behind STARTTLS all is well", BEGIN + [f"{EHLO}\n{OPEN}"], f"{SECURE} | 250+ | {OPENED}"),
      on="tls-only", alone=True)
table(44,
      ("what is no handshake ends the session", b"STARTTLS\r\n", "220 | 220 2.0.0", {"closes": True, "on": "tls-hasty"}),
      # RFC 3207 §6: bytes behind STARTTLS came in plain text; STARTTLS_Injection_Policy = reject ends it.
      ("commands behind STARTTLS", f"{EHLO}\nSTARTTLS\nNOOP", f"{GREET} | 554 5.5.1", {"closes": True}), on="tls", alone=True)

# --- RFC 4954: not offered where nothing is configured -----------------------------

table(45,
      ("AUTH is not offered without a source", EHLO, "250+", {"match": r"^(?![^$]*AUTH)"}),
      ("AUTH is refused then, whatever it asks for", "AUTH FOO\nAUTH\nAUTH PLAIN AGEAYg==\nAUTH CRAM-MD5\nAUTH EXTERNAL =",
       "502 5.5.1 | 502 5.5.1 | 502 5.5.1 | 502 5.5.1 | 502 5.5.1"),
      ("so is AUTH= of MAIL", f"{MAIL} AUTH=<>", "555 5.5.4"),
      ("what belongs to AUTH is no command", "AUTH LOGIN\nYWxpY2U=\nc2VzYW1l", "502 5.5.1 | 500 5.5.2 | 500 5.5.2"))
# --- RFC 8314, XCLIENT, PROXY ----------------------------------------------------

table(66,
      ("TLS first, then the banner", [TLS, f"{EHLO}\n{OPEN}\nQUIT"], f"tls | {GREET} | {OPENED} | 221 2.0.0"),
      ("STARTTLS is not offered there", [TLS, EHLO], f"tls | {GREET}", {"match": NO_TLS_OFFER}),
      ("and refused", [TLS, "STARTTLS"], "tls | 220 | 503 5.5.1"), on="implicit", alone=True)
XCLIENT = "XCLIENT ADDR=192.0.2.7 NAME=client.example PORT=4025 HELO=h.example PROTO=ESMTP"
table(67,
      ("offered to those who may, with its attributes", EHLO, GREET,
       {"match": r"(?m)^250[- ]XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT$"}),
      ("XREMOTEIP, XSETCONTEXT, XDUMPCONTEXT too", EHLO, GREET,
       {"match": r"(?ms)^250-XREMOTEIP$.*^250-XSETCONTEXT$.*^250 XDUMPCONTEXT$"}),
      ("the state is as at the beginning", f"{EHLO}\n{XCLIENT}\n{MAIL}\n{EHLO}\n{MAIL}",
       f"{GREET} | 220 | 503 5.5.1 | 250+ | 250 2.1.0"),
      ("an IPv6 address", f"{EHLO}\nXCLIENT ADDR=IPV6:2001:db8::7", f"{GREET} | 220"),
      ("[UNAVAILABLE] and [TEMPUNAVAIL]", f"{EHLO}\nXCLIENT ADDR=[UNAVAILABLE] NAME=[TEMPUNAVAIL]", f"{GREET} | 220"),
      ("xtext", f"{EHLO}\nXCLIENT NAME=a+2Db", f"{GREET} | 220"),
      *((f"XCLIENT {bad}", f"{EHLO}\nXCLIENT {bad}\nNOOP", f"{GREET} | 501 5.5.4 | 250 2.0.0")
        for bad in ("", "FOO=1", "ADDR=999.1.1.1", "ADDR", "PORT=65536", "PORT=0", "PROTO=HTTP", "NAME=a+2", "NAME=a+0Ab",
                    "LOGIN=", "ADDR=IPV6:192.0.2.1", "HELO=a+20b")),
      ("in a transaction", f"{EHLO}\n{MAIL}\n{XCLIENT}\n{MAIL}", f"{GREET} | 250 2.1.0 | 503 5.5.1 | 503 5.5.1"),
      ("the client that it names is judged", f"{EHLO}\nXCLIENT ADDR=198.51.100.7\n{EHLO}\n{MAIL}\nRCPT TO:<x@far.example>\n{RCPT}",
       f"{GREET} | 220 | 250+ | 250 2.1.0 | 550 5.7.1 | 550 5.7.1"),
      ("and stands in Received", [f"{EHLO}\n{XCLIENT}\n{EHLO}\n{OPEN}\nDATA", b".\r\n"],
       f"{GREET} | 220 | 250+ | {OPENED} | 354 | 250 2.0.0", {"received": r"from h\.example \(.*192\.0\.2\.7.*\)"}),
      ("XREMOTEIP", f"{EHLO}\nXREMOTEIP 192.0.2.7\n{MAIL}\n{RCPT}", f"{GREET} | 250 2.0.0 | {OPENED}"),
      ("XREMOTEIP with no address", f"{EHLO}\nXREMOTEIP x\nXREMOTEIP", f"{GREET} | 501 5.5.4 | 501 5.5.4"),
      ("XSETCONTEXT and XDUMPCONTEXT", f"{EHLO}\nXSETCONTEXT a=b c+3D=d\nXDUMPCONTEXT", f"{GREET} | 250 2.0.0 | 250+",
       {"match": r"(?s)250-\[connection\] a b\n250-\[connection\] c= d\n250 XDUMPCONTEXT complete$"}),
      ("XSETCONTEXT without a value", f"{EHLO}\nXSETCONTEXT a\nXSETCONTEXT =b", f"{GREET} | 501 5.5.4 | 501 5.5.4"),
      on="gateway", alone=True)
table(67,
      ("not offered to others", EHLO, GREET, {"match": r"^(?![^$]*X(CLIENT|REMOTEIP|SETCONTEXT|DUMPCONTEXT))"}),
      ("refused to others", f"XCLIENT ADDR=127.0.0.1\nXREMOTEIP 127.0.0.1\nXSETCONTEXT a=b\nXDUMPCONTEXT\nNOOP",
       "220 | 550 5.7.1 | 550 5.7.1 | 550 5.7.1 | 550 5.7.1 | 250 2.0.0"), on="no-gateway", alone=True)
table(67,
      ("not offered at all", "XCLIENT ADDR=127.0.0.1\nXREMOTEIP 127.0.0.1\nXSETCONTEXT a=b\nXDUMPCONTEXT",
       "502 5.5.1 | 502 5.5.1 | 502 5.5.1 | 502 5.5.1"))
# Groups 68 to 70 have a suite of their own, t/e2e/test_proxy.py; here: a header that nobody asked for.
table(68,
      ("PROXY where it is not spoken", "PROXY TCP4 192.0.2.1 192.0.2.2 4025 25\nNOOP", "220 | 500 5.5.2 | 250 2.0.0"), alone=True)
table(69,
      ("a binary header where it is not spoken", b"\r\n\r\n\0\r\nQUIT\nx", "220 | 500 5.5.2 | 500 5.5.2 | 500 5.5.2 | 521 5.5.2"),
      closes=True)
table(75,
      ("REQUIRETLS is offered under TLS", BEGIN + [EHLO], f"{SECURE} | 250+", {"match": r"(?m)^250[- ]REQUIRETLS$"}),
      ("REQUIRETLS under TLS", BEGIN + [f"{EHLO}\n{MAIL} REQUIRETLS"], f"{SECURE} | 250+ | 250 2.1.0"),
      ("REQUIRETLS=x", BEGIN + [f"{EHLO}\n{MAIL} REQUIRETLS=x"], f"{SECURE} | 250+ | 501 5.5.4"),
      # RFC 8689 §4.1 has 501 5.5.4 for no reply at all; what is not offered is an unknown parameter (RFC 5321 §4.1.1.11).
      ("REQUIRETLS before TLS", f"{EHLO}\n{MAIL} REQUIRETLS", f"{GREET} | 555 5.5.4"), on="tls", alone=True)
