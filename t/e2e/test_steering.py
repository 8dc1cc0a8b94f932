"""A busy server is steered, and nobody notices: reloads and single sets by the
hundred while mail flows in. IMPULSE_STEERING=1000 makes it a thousand reloads
and ten thousand sets."""

import os

from harness import BASE_CONFIG, TestCase, heavy, is_sanitized, timeout, wait_for
from load import Knockers, Senders, check_numbered

RELOADS = int(os.environ.get("IMPULSE_STEERING", "40"))
SETS_A_RELOAD = 10


class Steering(TestCase):
    @heavy
    @timeout(600)
    def test_reloads_and_sets_under_load(self):
        # What changes matters to nobody here: a Domain, a Peer that no client is in, a limit of it.
        more = 'Domain "other.example" { Max_Retries = @retries@ }'
        daemon = self.daemon(BASE_CONFIG, more=more, retries=1)
        senders = Senders(daemon.smtp_port, 6)
        knockers = Knockers(daemon.smtp_port, 1)
        self.addCleanup(senders.end.set)
        self.addCleanup(knockers.end.set)
        listen = f"esmtp_listener listen 127.0.0.1:{daemon.smtp_port}"
        sizes = []
        with daemon.ectl() as console:
            generation = int(console.greeting.split("gen=")[1].split()[0])
            for reload in range(RELOADS):
                for number in range(SETS_A_RELOAD):
                    network = f"10.{reload % 200}.{number}.0/24"
                    reply = console.command(f"config set {listen} peer {network} max_errors {1 + reload % 50}")
                    self.assertEqual(0, reply.code, str(reply))
                    generation += 1
                    self.assertEqual(generation, int(reply.values["gen"]), str(reply))
                daemon.configure(BASE_CONFIG, more=more, retries=2 + reload % 5)
                reply = console.command("config reload")
                self.assertEqual(0, reply.code, str(reply))
                generation += 1
                self.assertEqual(generation, int(reply.values["gen"]), str(reply))
                # The sets of this round are gone, and were named.
                self.assertEqual(3, console.command(f"config get {listen} peer 10.{reload % 200}.0.0/24 max_errors").code)
                sizes.append(daemon.resident())
        wait_for(lambda: len(senders.promised) > RELOADS or senders.threads.errors, "mail under load", 60)
        senders.stop()
        knockers.stop()
        self.assertGreater(knockers.served, 0)
        self.assertGreater(len(senders.promised), RELOADS)
        self.assertEqual(0, senders.polite_ends)  # no 421: nothing changed for them
        self.assertEqual(senders.sent, senders.promised)
        arrived = []
        for client in range(6):
            daemon.wait_mail(f"u{client}", sum(name.startswith(f"{client}-") for name in senders.promised), seconds=120)
            arrived += [check_numbered(message) for message in daemon.maildir(f"u{client}")]
        self.assertEqual(sorted(senders.promised), sorted(arrived))  # none lost, none twice
        if not is_sanitized():
            half = len(sizes) // 2
            self.assertLess(max(sizes[half:]), max(sizes[:half]) + 48 * 1024, sizes)
