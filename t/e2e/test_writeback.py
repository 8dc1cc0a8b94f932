"""config writeback: what runs, written into the files it came from, and a
daemon that starts from them as it was."""

import json
import unittest

from harness import BASE_CONFIG, Daemon, TestCase

CONFIG = BASE_CONFIG + """
# The one about sessions.
ESMTP_Listener {
  Idle_Time   =   120   # seconds
  # nothing below this
}
include "domains.conf"
"""
DOMAINS = "# Domains\nDomain \"gate.example\" {\n  Gateway = 192.0.2.1 # far away\n}\n"


class Writeback(TestCase):
    def started(self, **values):
        daemon = Daemon(self, CONFIG, **values)
        self.domains = daemon.dir / "domains.conf"
        self.domains.write_text(DOMAINS)
        return daemon.start()

    def test_in_place(self):
        daemon = self.started()
        before = daemon.config_file.read_text()
        with daemon.ectl() as ectl:
            unchanged = ectl.command("config writeback")
            self.assertEqual((0, "unchanged"), (unchanged.code, unchanged.word), str(unchanged))
            ectl.command("config set esmtp_listener idle_time 45")
            ectl.command("config set domain gate.example gateway 192.0.2.77")
            self.assertEqual("2", ectl.command("config drift").values["changes"])
            written = ectl.command("config writeback")
            self.assertEqual((0, "2"), (written.code, written.values.get("files")), str(written))
            self.assertEqual(sorted([f"written: {daemon.config_file}", f"written: {self.domains}"]),
                             sorted(written.payload))
            # Nothing but the values has changed.
            self.assertEqual(before.replace("Idle_Time   =   120 ", "Idle_Time   =   45 "), daemon.config_file.read_text())
            self.assertEqual(DOMAINS.replace("192.0.2.1 ", "192.0.2.77 "), self.domains.read_text())
            self.assertEqual("unchanged", ectl.command("config drift").word)
            self.assertEqual("unchanged", ectl.command("config reload").word)  # nothing is dropped
            self.assertEqual("unchanged", ectl.command("config writeback").word)
        daemon.stop().start()
        self.assertEqual("Idle_Time = 45s\n", daemon.console("config", "get", "esmtp_listener", "idle_time").stdout)

    def test_a_transaction_is_written_after_its_commit(self):
        daemon = self.started()
        daemon.console(stdin="config begin\nconfig set domain new.example gateway 192.0.2.9\n"
                             "config unset domain gate.example\nconfig commit\nconfig writeback\n")
        daemon.stop().start()
        self.assertEqual("Gateway = ( 192.0.2.9 )\n",
                         daemon.console("config", "get", "domain", "new.example", "gateway").stdout)
        daemon.console("config", "show", "domain", "gate.example", status=3)

    def test_a_file_that_changed_underneath(self):
        daemon = self.started()
        daemon.console("config", "set", "domain", "gate.example", "gateway", "192.0.2.77")
        self.domains.write_text(DOMAINS + "# somebody was here\n")
        main = daemon.config_file.read_text()
        done = daemon.console("config", "writeback", status=4)
        self.assertIn("domains.conf", done.stderr)
        self.assertEqual(DOMAINS + "# somebody was here\n", self.domains.read_text())
        self.assertEqual(main, daemon.config_file.read_text())

    def test_into_another_file(self):
        daemon = self.started()
        before = daemon.config_file.read_text()
        daemon.console("config", "set", "esmtp_listener", "idle_time", "45")
        other = daemon.dir / "all.conf"
        done = daemon.console("config", "writeback", other)
        self.assertEqual(f"written: {other}\n", done.stdout)
        self.assertEqual((before, DOMAINS), (daemon.config_file.read_text(), self.domains.read_text()))
        self.assertEqual(0, daemon.check("--check", "-c", other).returncode)
        # It says what runs.
        said = daemon.console("config", "reload", "--check", other)
        self.assertNotIn("->", said.stdout)

    def test_secrets_are_written_and_not_shown(self):
        daemon = self.started()
        daemon.console("config", "set", "tls_key_password", "hunter2hunter2")
        done = daemon.console("config", "writeback")
        self.assertNotIn("hunter2", done.stdout + done.stderr)
        self.assertIn("hunter2hunter2", daemon.config_file.read_text())

    def test_wrong(self):
        daemon = self.started()
        daemon.console("config", "writeback", "relative.conf", status=2)
        daemon.console("config", "writeback", "/a", "/b", status=2)
        daemon.console("config", "set", "hostname", "x.example")
        daemon.console("config", "writeback", daemon.dir / "no" / "such" / "folder.conf", status=1)
        with daemon.ectl() as ectl:
            ectl.command("config begin")
            self.assertEqual(7, ectl.command("config writeback").code)

    def test_json(self):
        daemon = self.started()
        with daemon.ectl() as ectl:
            ectl.command("config set hostname x.example")
            reply = ectl.command("--json config writeback")
            self.assertEqual([{"written": str(daemon.config_file)}], [json.loads(line) for line in reply.payload], str(reply))


if __name__ == "__main__":
    unittest.main()
