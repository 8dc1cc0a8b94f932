"""Real messages: CPython's own e-mail test data (Debian's
libpython3.11-testsuite) and SpamAssassin's samples."""

import sys
import unittest
from pathlib import Path

FOLDERS = [
    (Path(f"/usr/lib/python{sys.version_info[0]}.{sys.version_info[1]}/test/test_email/data"), "msg_*.txt"),
    (Path("/usr/share/doc/spamassassin/examples"), "sample-*.txt"),
]


def messages():
    """(name, bytes as they lie on disk) of each; skips the test where they are not installed."""
    found = []
    for folder, pattern in FOLDERS:
        paths = sorted(folder.glob(pattern))
        if not paths:
            raise unittest.SkipTest(f"no messages in {folder} (libpython3.11-testsuite, spamassassin)")
        found += [(path.stem, path.read_bytes()) for path in paths]
    return found
