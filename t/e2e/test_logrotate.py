"""Rotation of the logs by logrotate(8), with the configuration that doc/logs.md gives."""

import gzip
import re
import subprocess

from client import Smtp
from harness import BASE_CONFIG, BINDIR, SCALE, TOP, TestCase, find_program, needs, read, wait_for


@needs("logrotate")
class Logrotate(TestCase):
    def configured(self, daemon):
        """The example, for this daemon: other folders, and nothing else."""
        text = (TOP / "doc/logs.md").read_text()
        example = re.search(r"(?m)^    /var/log/impulse/mainlog .*\n(?:    .*\n)+", text)[0]
        # The example is for the daemon as it is shipped.
        socket = re.search(r'Control_Listener \{[^}]*?Listen "([^"]+)"', (TOP / "conf/impulse.conf").read_text())[1]
        for shipped, here in (("/var/log/impulse/", f"{daemon.dir}/"), ("ec_console ", f"{BINDIR}/ec_console "),
                              (f" {socket} ", f" {daemon.control} ")):
            self.assertIn(shipped, example)
            example = example.replace(shipped, here)
        path = daemon.dir / "logrotate.conf"
        path.write_text(example)
        path.chmod(0o600)
        return path

    def rotate(self, daemon, path):
        done = subprocess.run([find_program("logrotate"), "--force", "--state", str(daemon.dir / "state"), str(path)],
                              capture_output=True, text=True, timeout=60 * SCALE)
        self.assertEqual((0, ""), (done.returncode, done.stderr), done.stdout)

    def send(self, daemon, count):
        with Smtp(daemon.smtp_port) as smtp:
            smtp.ehlo("client.example")
            for _ in range(count):
                smtp.message(b"Subject: hello\r\n\r\nwords\r\n", recipients=["bob@local.example"])

    def texts(self, daemon, name):
        """Of the log and what it was renamed to, by their endings."""
        return {path.name.removeprefix(name): gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz"
                else read(path) for path in daemon.dir.iterdir() if re.fullmatch(name + r"(\.\d+(\.gz)?)?", path.name)}

    def test_as_documented(self):
        daemon = self.daemon(BASE_CONFIG, more='Bouncelog = "@dir@/bouncelog"\n')
        path = self.configured(daemon)
        for rotations in range(3):
            self.send(daemon, 20)
            wait_for(lambda: "".join(self.texts(daemon, "mainlog").values()).count("@D@") == 20 * (rotations + 1),
                     "all deliveries")
            self.rotate(daemon, path)
        self.send(daemon, 5)
        wait_for(lambda: self.texts(daemon, "mainlog")[""].count("@D@") == 5, "deliveries in the new file")
        texts = self.texts(daemon, "mainlog")
        self.assertEqual({"", ".1", ".2.gz", ".3.gz"}, set(texts))
        self.assertEqual({"": 5, ".1": 20, ".2.gz": 20, ".3.gz": 20}, {name: text.count("@D@") for name, text in texts.items()})
        ids = re.findall(r"(?m)^\d+@([^@]+)@[^@]+@[^@]*@R@", "".join(texts.values()))
        self.assertEqual((65, 65), (len(ids), len(set(ids))))
        self.assertEqual({"", ".1", ".2.gz", ".3.gz"}, set(self.texts(daemon, "bouncelog")))
        self.assertNotIn("log-reopen-failed", daemon.log())
