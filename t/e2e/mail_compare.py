"""Mail as it was sent beside mail as it arrived."""

import re


def with_crlf(data):
    """As a mail client sends it: every line end is CRLF, and the last line has one."""
    data = re.sub(rb"\r\n|\r|\n", b"\r\n", data)
    return data if data.endswith(b"\r\n") else data + b"\r\n"


def with_lf(data):
    return data.replace(b"\r\n", b"\n")


TRACE = re.compile(rb"(?:(?:Return-Path|Received|Date|Message-ID|From):[^\n]*\n(?:[ \t][^\n]*\n)*)+\n?", re.I)


def assert_below_trace(test, sent, arrived, what=""):
    """`arrived` (LF) is `sent` (any line ends) with nothing but fields of ours in front: trace
    fields, and what RFC2822_Date_Header and its kin add where it is missing: also an empty line."""
    sent, arrived = with_lf(with_crlf(sent)), with_lf(arrived)
    test.assertTrue(arrived.endswith(sent), f"{what}: not the message that was sent\n--- sent\n{sent[:2000]!r}\n"
                                            f"--- arrived\n{arrived[:3000]!r}")
    front = arrived[:len(arrived) - len(sent)]
    test.assertTrue(TRACE.fullmatch(front), f"{what}: more than trace fields in front: {front!r}")
    test.assertEqual(1, len(re.findall(rb"(?mi)^Received:.*\n(?:[ \t].*\n)*?.*\bby mx\.test\.example\b", front)),
                     f"{what}: no Received field of ours in {front!r}")
