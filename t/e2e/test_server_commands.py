"""The daemon as a process: threads, memory, logs, counters, levels, systemd."""

import json
import os
import signal
import socket
import subprocess
import time
import unittest

from client import Smtp
from harness import BASE_CONFIG, SCALE, Daemon, TestCase, make_certificate, wait_for

MESSAGE = b"From: alice@client.example\r\nSubject: hi\r\n\r\nhi\r\n"


def documents(daemon, *words, status=0):
    return [json.loads(line) for line in daemon.console("--json", *words, status=status).stdout.splitlines()]


class Process(TestCase):
    def test_threads(self):
        daemon = self.daemon()
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            rows = documents(daemon, "threads")
        self.assertEqual(daemon.process.pid, rows[0]["id"])
        names = [row["name"] for row in rows]
        for name in ("default-0", "delivery", "spool", "mainlog", "diagnostic-log", "snapshots"):
            self.assertIn(name, names)
        loops = [row for row in rows if row["name"].startswith("default-")]
        self.assertEqual(1, sum(row["sessions"] for row in loops))
        self.assertTrue(all(row["events"] > 0 for row in loops), loops)
        self.assertTrue(all(row["longest"] >= 0 for row in loops), loops)
        daemon.console("threads reset")
        self.assertEqual(len(os.listdir(f"/proc/{daemon.process.pid}/task")), len(rows))
        self.assertIn("default-0", daemon.console("threads").stdout)

    def test_memory(self):
        daemon = self.daemon()
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.begin()
            smtp.expect(354, "DATA")
            smtp.send(b"x" * 70 + b"\r\n" + b"Subject: held\r\n" * 2000)
            wait_for(lambda: documents(daemon, "memory")[0]["parts"]["inbound_sessions"]["bytes"] > 20000,
                     "the body to be counted")
        found = documents(daemon, "memory")[0]
        self.assertGreater(found["resident"], 1 << 20)
        self.assertGreaterEqual(found["virtual"], found["resident"])
        self.assertGreaterEqual(found["resident_peak"], found["resident"])
        self.assertIn("RSS:", daemon.console("memory").stdout)

    def test_configurations_that_nobody_uses_go(self):
        daemon = self.daemon()

        def parts():
            return {name: part["count"] for name, part in documents(daemon, "memory")[0]["parts"].items()}

        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.begin()  # pins the configuration it works under
            for size in range(1, 41):
                daemon.console("config", "set", "max_message_size", f"{size}M")
            wait_for(lambda: parts()["configurations_in_use"] == 2, lambda: f"old configurations to go: {parts()}")
        wait_for(lambda: parts()["configurations_in_use"] == 1, lambda: f"the last old one to go: {parts()}")
        self.assertLessEqual(parts()["configurations_in_history"], 20)

    def test_sysinfo_and_uptime(self):
        daemon = self.daemon()
        info = documents(daemon, "sysinfo")[0]
        self.assertIn(os.uname().release, info["kernel"])
        self.assertIn("OpenSSL", info["libraries"])
        self.assertLess(0, info["descriptors"])
        self.assertLess(info["descriptors"], info["descriptor_limit"])
        self.assertIn("Impulse Version: ", daemon.console("sysinfo").stdout)
        self.assertRegex(daemon.console("uptime").stdout, r"^Uptime: \d+ seconds \(.*\), since 20")

    def test_paniclog(self):
        daemon = self.daemon()
        self.assertIn("server-ready", daemon.console("paniclog").stdout)
        for number in range(15):
            daemon.console("version")
        lines = daemon.console("paniclog", "3").stdout.splitlines()
        self.assertEqual(3, len([line for line in lines if " notice " in line]), lines)
        wait_for(lambda: "paniclog 3 =0" in daemon.log(), "the command in the log")
        daemon.console("paniclog", "0", status=2)

    def test_reopen_logs(self):
        daemon = self.daemon()
        for name in ("log", "mainlog"):
            (daemon.dir / name).rename(daemon.dir / (name + ".1"))
        daemon.console("reopen", "logs")
        daemon.wait_log("reopen logs")
        self.assertTrue((daemon.dir / "mainlog").exists())
        (daemon.dir / "mainlog").unlink()
        (daemon.dir / "mainlog").mkdir()
        done = daemon.console("reopen", "logs", status=5)
        self.assertIn("log-reopen-failed", done.stderr)
        self.assertIn("Diagnostic_Log: reopened", done.stdout)

    def test_counters(self):
        daemon = self.daemon()
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.message(MESSAGE)
        self.assertEqual(1, documents(daemon, "counter", "show", "messages_received")[0]["value"])
        self.assertEqual(1, daemon.counters()["Received Messages"])
        daemon.console("summary", "reset")
        self.assertEqual(0, daemon.counters()["Received Messages"])
        shown = documents(daemon, "counter", "show", "messages_received")[0]
        self.assertEqual((0, 1), (shown["value"], shown["total"]))
        self.assertRegex(shown["reset"], r"^20\d\d-")
        self.assertRegex(daemon.console("counter", "list").stdout, r"(?m)^0 +20\S+@\S+ +counter +messages_received$")
        daemon.console("counter", "show", "messages_recieved", status=3)
        daemon.console("counter", "reset", "sessions_open", status=1)

    def test_debug_flags(self):
        daemon = self.daemon()
        self.assertIn("control    notice", daemon.console("debug_flags").stdout)
        done = daemon.console("debug_flags", "control", "error")
        self.assertIn("control    error", daemon.console("debug_flags").stdout)
        self.assertIn("Error", daemon.console("config", "show", "debug_flags").stdout)
        daemon.console("pid")
        self.assertNotIn("pid", [line.rsplit(": ", 1)[-1].split(" =")[0] for line in daemon.log().splitlines()])
        daemon.console("debug_flags", "ALL", "debug")
        self.assertEqual({"debug"}, {row["level"] for row in documents(daemon, "debug_flags")})
        daemon.console("debug_flags", "ALL", "notice")
        self.assertEqual({"notice"}, {row["level"] for row in documents(daemon, "debug_flags")})
        daemon.console("debug_flags", "everything", "debug", status=1)


class Paths(TestCase):
    def test_paths_are_looked_at_before_they_are_needed(self):
        daemon = self.daemon()
        for option, value, said in (("Mainlog", f"{daemon.dir}/nowhere/mainlog", "nowhere"),
                                    ("Mainlog", str(daemon.dir), "is a folder"),
                                    ("Spoolbase", str(daemon.config_file), "is not a folder")):
            with self.subTest(option=option, value=value):
                done = daemon.console("config", "set", option, value, status=1)
                self.assertIn(said, done.stderr)
        daemon.console("config", "set", "Spoolbase", f"{daemon.dir}/other/deep/spool")
        daemon.configure(BASE_CONFIG, more='Mainlog = "/nowhere/at/all"')
        done = daemon.check("--check", "-c", daemon.config_file)
        self.assertEqual(1, done.returncode)
        self.assertIn("/nowhere/at", done.stderr)
        self.assertRegex(done.stderr, r"impulse\.conf:\d+:\d+")


class Certificates(TestCase):
    CONFIG = BASE_CONFIG.replace('{ }\n}\nControl', '{ TLS_Certificate = "@dir@/mx.crt" TLS_Key = "@dir@/mx.key" }\n}\nControl')

    def daemon(self):
        daemon = Daemon(self, self.CONFIG)
        make_certificate(daemon.dir)
        return daemon.start()

    def test_show(self):
        daemon = self.daemon()
        found, = documents(daemon, "tls", "show")
        self.assertEqual("CN=mx.test.example", found["subject"])
        self.assertEqual(["DNS:mx.test.example", "IP:127.0.0.1"], found["names"])
        self.assertIn(f"ESMTP_Listener Listen 127.0.0.1:{daemon.smtp_port}", found["used_by"][0])
        self.assertIn("subject   CN=mx.test.example", daemon.console("tls", "show").stdout)
        self.assertEqual("", self.plain().console("tls", "show").stdout)

    def plain(self):
        return Daemon(self).start()

    def test_check(self):
        daemon = self.daemon()  # 30 days, less the moment since it was made
        self.assertIn("tls-expires", daemon.console("tls", "check", status=5).stderr)
        long_lived = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                      "-days", "90", "-subj", "/CN=mx.test.example", "-keyout", str(daemon.dir / "mx.key"), "-out",
                      str(daemon.dir / "mx.crt")]
        subprocess.run(long_lived, check=True, capture_output=True, timeout=60)
        done = daemon.console("tls", "check", status=5)
        self.assertIn("tls-renewed", done.stderr)
        self.assertNotIn("tls-expires", done.stderr)
        daemon.console("tls", "reload")
        daemon.console("tls", "check")
        (daemon.dir / "mx.crt").write_text("not a certificate")
        self.assertIn("not a PEM file", daemon.console("tls", "check", status=5).stderr)

    def test_reload_does_not_touch_sessions(self):
        daemon = self.daemon()
        before, = documents(daemon, "tls", "show")
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo()
            smtp.starttls()
            smtp.ehlo()
            smtp.begin()
            make_certificate(daemon.dir)
            self.assertIn("mx.crt: renewed", daemon.console("tls", "reload").stdout)
            after, = documents(daemon, "tls", "show")
            self.assertNotEqual(before["serial"], after["serial"])
            with Smtp(daemon.smtp_port) as other:
                other.ehlo()
                other.starttls()
                self.assertIn(after["serial"].encode(), other.socket.getpeercert(binary_form=True).hex().encode())
            smtp.data(MESSAGE)
        (daemon.dir / "mx.key").write_text("")
        self.assertIn("mx.key", daemon.console("tls", "reload", status=1).stderr)
        self.assertEqual(after["serial"], documents(daemon, "tls", "show")[0]["serial"])


class CertificatesOfPeers(TestCase):
    def test_peers_that_come_change_and_go(self):
        daemon = Daemon(self)
        certificate, key = make_certificate(daemon.dir)
        daemon.configure(BASE_CONFIG, more=f'ESMTP_Listener {{ TLS_Key = "{key}" }}')
        daemon.start()
        peer = ("esmtp_listener", "peer", "192.0.2.0/24")

        def used_by():
            return [place for row in documents(daemon, "tls", "show") for place in row["used_by"]]

        daemon.console("config", "set", *peer, "idle_time", "50")
        self.assertEqual([], used_by())
        done = daemon.console("config", "set", *peer, "tls_certificate", f"{daemon.dir}/none.crt", status=1)
        self.assertIn("none.crt", done.stderr)
        daemon.console("config", "set", *peer, "tls_certificate", certificate)
        self.assertRegex("".join(used_by()), r"^ESMTP_Listener Peer 192\.0\.2\.0/24 \(")
        daemon.console("config", "set", "hostname", "elsewhere.example")
        self.assertEqual(1, len(used_by()))
        daemon.console("config", "unset", *peer, "tls_certificate")
        self.assertEqual([], used_by())


class Systemd(TestCase):
    """A socket that stands for systemd."""

    def setUp(self):
        super().setUp()
        self.server = Daemon(self)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.bind(str(self.server.dir / "notify"))
        self.socket.settimeout(30 * SCALE)
        os.environ["NOTIFY_SOCKET"] = str(self.server.dir / "notify")
        self.addCleanup(os.environ.pop, "NOTIFY_SOCKET", None)

    def heard(self):
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def start(self):
        self.server.start()
        if "systemd" not in documents(self.server, "sysinfo")[0]["features"]:
            self.skipTest("built without systemd")
        said = self.heard()
        self.assertEqual("1", said["READY"])
        self.assertIn("generation 1", said["STATUS"])
        return self.server

    def assert_reload(self, generation, refused=False):
        said = self.heard()
        self.assertEqual("1", said["RELOADING"])
        self.assertLess(int(said["MONOTONIC_USEC"]), time.monotonic() * 1000000)
        said = self.heard()
        while "RELOADING" in said:  # SIGHUP says so at once, and again when the change begins
            said = self.heard()
        self.assertEqual("1", said["READY"])
        self.assertIn(f"generation {generation}", said["STATUS"])
        self.assertEqual(refused, "refused" in said["STATUS"])

    def test_commits_reloads_and_the_end(self):
        daemon = self.start()
        daemon.console("config", "set", "max_message_size", "5M")
        self.assert_reload(2)
        daemon.configure(BASE_CONFIG, more="nonsense = 1")
        daemon.signal(signal.SIGHUP)
        self.assert_reload(2, refused=True)
        daemon.configure(BASE_CONFIG, more="max_message_size = 7M")
        daemon.signal(signal.SIGHUP)
        self.assert_reload(3)
        daemon.stop()
        said = self.heard()
        while "STOPPING" not in said:  # SIGHUP closes with READY a second time
            self.assertIn("READY", said)
            said = self.heard()

    def test_watchdog(self):
        os.environ["WATCHDOG_USEC"] = "300000"
        self.addCleanup(os.environ.pop, "WATCHDOG_USEC", None)
        self.start()
        for _ in range(3):
            self.assertEqual({"WATCHDOG": "1"}, self.heard())


if __name__ == "__main__":
    unittest.main()
