"""Golden sessions of the config commands: what is typed, and every line that
comes back, right and wrong; over plain sockets and in ec_console's batch mode."""

import json
import os
import pwd
import re
import subprocess
import unittest

from harness import BASE_CONFIG, SCALE, TestCase, find_program, needs, wait_for

CONFIG = BASE_CONFIG + """
ESMTP_Listener {
  Idle_Time = 120
  Peer "10.0.0.0/16" { Idle_Time = 30 }
}
Domain "gate.example" { Gateway = 192.0.2.1 }
"""

TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def tidy(text, daemon):
    """Without what differs from run to run."""
    text = TIME.sub("TIME", text.replace(str(daemon.dir), "DIR").replace(str(daemon.smtp_port), "SMTP"))
    text = re.sub(r"start-up, \d+ changes", "start-up, N changes", text)
    return re.sub(rf"console: {re.escape(pwd.getpwuid(os.getuid()).pw_name)}\b", "console: ME", text)


class Golden(TestCase):
    def play(self, daemon, script):
        """`script`: "> what is typed" and the lines that are to come back."""
        with daemon.ectl() as ectl:
            said = []
            for line in script.strip("\n").split("\n"):
                if not line.startswith("> "):
                    continue
                said.append(line)
                said += tidy(str(ectl.command(daemon.fill(line[2:]))), daemon).split("\n")
        self.assertEqual(script.strip("\n"), "\n".join(said))

    def test_look(self):
        self.play(self.daemon(CONFIG), """
> config get esmtp_listener idle_time
 Idle_Time = 2m
=0 ok gen=1
> config get esmtp_listener listen 127.0.0.1:@smtp@ idle_time
!error config-not-set Idle_Time is not set in esmtp_listener listen 127.0.0.1:SMTP
=3 not-found
> config get esmtp_listener listen :1 idle_time
!error config-no-such-scope there is no esmtp_listener listen *:1
=3 not-found
> config get esmtp_listener idel_time
!error config-unknown-option console:1:27: no option and no scope is called 'idel_time'; did you mean 'Idle_Time'?
=1 failed
> config eval esmtp_listener listen 127.0.0.1:@smtp@ idle_time
 Idle_Time = 2m
=0 ok gen=1
> config eval esmtp_listener listen 127.0.0.1:@smtp@ peer 10.0.9.9 idle_time
!notice config-no-such-scope there is no esmtp_listener listen 127.0.0.1:SMTP peer 10.0.9.9; this is what it would have
 Idle_Time = 30s
=0 ok gen=1
> config explain esmtp_listener listen 127.0.0.1:@smtp@ idle_time
 Idle_Time = 2m
    ESMTP_Listener Listen 127.0.0.1:SMTP: not set
 -> ESMTP_Listener = 2m  (DIR/impulse.conf:22:3)
    default = 5m
=0 ok gen=1
> config show esmtp_listener
 Idle_Time = 2m
 Listen "127.0.0.1:SMTP" {}
 Peer "10.0.0.0/16" { ... }
=0 ok gen=1
> config showrecurse esmtp_listener
 ESMTP_Listener {
   Idle_Time = 2m
   Listen "127.0.0.1:SMTP" {}
   Peer "10.0.0.0/16" {
     Idle_Time = 30s
   }
 }
=0 ok gen=1
> config showrecurse esmtp_listener idle_time
!error control-usage only a scope is expected; usage: config showrecurse [SCOPE...]
=2 usage
> config locate listen
 Listen "127.0.0.1:SMTP"
   is at ESMTP_Listener::Listen:127.0.0.1\\:SMTP:
 Listen "DIR/control.sock"
   is at Control_Listener::Listen:DIR/control.sock:
=0 ok gen=1
> config locate domain gate
 Domain "gate.example"
   is at Domain:gate.example:
=0 ok gen=1
> config locate domain nothing
=0 ok gen=1
> config locate
!error control-usage a kind of scope is expected; usage: config locate KIND [REGEX]
=2 usage
> config locate domian
!error config-unknown-scope console:1:15: no scope is called 'domian'; did you mean 'Domain'?
=1 failed
> config nonsense
!error control-unknown-command console:1:8: 'config' has no 'nonsense'; it has: attach, begin, check, commit, confirm, detach, diff, drift, eval, explain, get, history, locate, rebase, reload, replay, revert, rollback, set, show, showrecurse, unset, writeback
=2 usage
""")

    def test_edit(self):
        self.play(self.daemon(CONFIG), """
> config set esmtp_listener idle_time 180
 esmtp_listener: Idle_Time 2m -> 3m (next-message)
=0 ok gen=2 changes=1
> config set esmtp_listener idle_time = 3m
=0 unchanged gen=2
> config set esmtp_listener idle_time soon
!error config-bad-value console:1:37: Idle_Time: expected a duration such as 30s or 5m, got 'soon'
=1 failed gen=2
> config set esmtp_listener idle_time 1 2
!error config-one-value console:1:39: one value expected; quote it or use ( ) for an array
=2 usage
> config set esmtp_listener spoolbase /x
!error config-wrong-scope console:1:27: Spoolbase may not stand in ESMTP_Listener; it may stand in the global scope
=1 failed gen=2
> config set relay_hosts ( 10.0.0.0/8, 192.0.2.1 )
 global: Relay_Hosts (unset) -> ( 10.0.0.0/8 192.0.2.1 ) (next-message)
=0 ok gen=3 changes=1
> config set nodename node2
 global: Nodename node1 -> node2 (restart)
!notice config-restart-needed 1 of these changes waits for a restart
=0 ok gen=4 changes=1
> config eval nodename
 Nodename = node1
 # after a restart: Nodename = node2
=0 ok gen=4 pending=restart
> config unset esmtp_listener idle_time
 esmtp_listener: Idle_Time 3m -> (unset) (next-message)
!notice config-falls-back Idle_Time = 5m, from default
=0 ok gen=5 changes=1
> config unset esmtp_listener idle_time
!error config-not-set Idle_Time is not set in esmtp_listener
=3 not-found
> config unset domain gate.example
 domain gate.example: removed (live)
   Gateway = ( 192.0.2.1 )
=0 ok gen=6 changes=1
> config unset
!error control-usage an option or a scope is expected; usage: config unset [SCOPE...] OPTION | SCOPE...
=2 usage
> config drift
 global: Nodename node1 -> node2 (restart)
 global: Relay_Hosts (unset) -> ( 10.0.0.0/8 192.0.2.1 ) (next-message)
 esmtp_listener: Idle_Time 2m -> (unset) (next-message)
 domain gate.example: removed (live)
   Gateway = ( 192.0.2.1 )
=0 ok gen=6 changes=4
> config diff 1 2
 esmtp_listener: Idle_Time 2m -> 3m (next-message)
=0 ok gen=6 changes=1
> config diff 6
=0 unchanged gen=6
> config diff 6 99
!error config-no-generation generation 99 is not in the history, which holds 1 to 6
=3 not-found
> config diff x
!error control-usage console:1:13: the number of a generation is expected
=2 usage
> config revert 5
 domain gate.example: added (live)
   Gateway = ( 192.0.2.1 )
!notice config-restart-needed still waits for a restart: global: Nodename node1 -> node2 (restart)
=0 ok gen=7 changes=1
> config revert 99
!error config-no-generation generation 99 is not in the history, which holds 1 to 7
=3 not-found
> config history
        1  TIME  start-up: start-up, N changes
        2  TIME  console: ME: set, 1 change
        3  TIME  console: ME: set, 1 change
        4  TIME  console: ME: set, 1 change
        5  TIME  console: ME: unset, 1 change
        6  TIME  console: ME: unset, 1 change
 ->     7  TIME  console: ME: revert to 5, 1 change
=0 ok gen=7
> config reload other.conf
!error control-usage console:1:15: a path that begins with / is expected
=2 usage
> config reload /nowhere/impulse.conf
!error config-unreadable cannot read the configuration: /nowhere/impulse.conf: No such file or directory
=1 failed gen=7
> config reload
 global: Nodename node2 -> node1 (restart)
 global: Relay_Hosts ( 10.0.0.0/8 192.0.2.1 ) -> (unset) (next-message)
 esmtp_listener: Idle_Time (unset) -> 2m (next-message)
!notice config-edit-dropped dropped: global: Nodename node1 -> node2 (restart)
!notice config-edit-dropped dropped: global: Relay_Hosts (unset) -> ( 10.0.0.0/8 192.0.2.1 ) (next-message)
!notice config-edit-dropped dropped: esmtp_listener: Idle_Time 2m -> (unset) (next-message)
=0 ok gen=8 changes=3
> config drift
=0 unchanged gen=8
""")

    def test_transaction(self):
        self.play(self.daemon(CONFIG), """
> config commit
!error config-no-transaction no transaction is open: nothing to commit; 'config begin' opens one
=3 not-found
> config begin
=0 ok gen=1 edits=0
> config begin
!error config-in-transaction this session has a transaction open: commit it or roll it back first
=7 busy
> config set esmtp_listener idle_time 9
 esmtp_listener: Idle_Time 2m -> 9s (next-message)
!notice config-staged not in force: 1 edit in the transaction; 'config commit' puts it into force
=0 staged gen=1 edits=1
> config unset domain gate.example
 domain gate.example: removed (live)
   Gateway = ( 192.0.2.1 )
!notice config-staged not in force: 2 edits in the transaction; 'config commit' puts them into force
=0 staged gen=1 edits=2
> config get esmtp_listener idle_time
 Idle_Time = 9s
=0 ok gen=1 edits=2
> config replay
 config set esmtp_listener Idle_Time = 9
 config unset domain gate.example
=0 ok gen=1 edits=2
> config reload
!error config-in-transaction not inside a transaction: 'config commit' or 'config rollback' it first, then reload
=7 busy
> config writeback
!error config-in-transaction not inside a transaction: 'config commit' or 'config rollback' it first, then write
=7 busy
> config check
 esmtp_listener: Idle_Time 2m -> 9s (next-message)
 domain gate.example: removed (live)
   Gateway = ( 192.0.2.1 )
=0 ok gen=1 changes=2 checked=1
> config diff
 esmtp_listener: Idle_Time 2m -> 9s (next-message)
 domain gate.example: removed (live)
   Gateway = ( 192.0.2.1 )
=0 ok gen=1 edits=2 changes=2
> config rebase
 esmtp_listener: Idle_Time 2m -> 9s (next-message)
 domain gate.example: removed (live)
   Gateway = ( 192.0.2.1 )
=0 unchanged gen=1 edits=2 base=1
> config commit confirm
!error control-usage how long a confirmation may take is expected; usage: config commit [confirm DURATION]
=2 usage
> config commit confirm 1h
 esmtp_listener: Idle_Time 2m -> 9s (next-message)
 domain gate.example: removed (live)
   Gateway = ( 192.0.2.1 )
!warning config-confirm-within goes back by itself in 1h00m unless 'config confirm' comes
=0 ok gen=2 changes=2 confirm=3600
> config confirm
=0 confirmed gen=2
> config confirm
!error config-nothing-to-confirm no commit waits to be confirmed
=3 not-found
> config begin name=deploy ttl=1h
=0 ok gen=2 transaction=deploy edits=0
> config detach
=0 ok gen=2
> config attach deploi
!error config-no-transaction there is no transaction 'deploi'; there is deploy
=3 not-found
> config attach deploy
=0 ok gen=2 transaction=deploy edits=0
> config rollback
=0 ok gen=2 dropped=0
> config begin from scratch
=0 ok gen=2 edits=0
> config showrecurse
=0 ok gen=2 edits=0
> config rollback
=0 ok gen=2 dropped=0
""")

    def test_every_command_has_json_help_and_a_usage(self):
        daemon = self.daemon(CONFIG)
        with daemon.ectl() as ectl:
            commands = [json.loads(line) for line in ectl.command("--json help").payload]
            names = [command["command"] for command in commands if command["command"].startswith("config ")]
            self.assertEqual(23, len(names))
            for name in names:
                with self.subTest(command=name):
                    one = json.loads(ectl.command("--json help " + name).payload[0])
                    self.assertTrue(one["help"] and one["text"])
                    self.assertEqual(2, ectl.command(name + " ( no such ) ( thing )").code)
            ectl.command("config set hostname json.example")
            ectl.command("config begin")
            ectl.command("config set esmtp_listener idle_time 9")
            for name in ("config replay", "config diff", "config diff 1", "config history", "config drift",
                         "config locate listen", "config show", "config showrecurse", "config check",
                         "config eval hostname", "config explain hostname", "config get hostname", "config commit"):
                reply = ectl.command("--json " + name)
                with self.subTest(command=name):
                    self.assertEqual(0, reply.code, str(reply))
                    self.assertTrue(reply.payload)
                    for line in reply.payload:
                        self.assertIsInstance(json.loads(line), dict)

    @needs("socat")
    def test_socat(self):
        daemon = self.daemon(CONFIG)
        done = subprocess.run(["socat", "-t", "10", "-", f"UNIX-CONNECT:{daemon.control}"], text=True,
                              capture_output=True, timeout=60 * SCALE,
                              input="@1 config begin\nconfig set hostname <<END\n\"new.example\"\nEND\n@3 config commit\nquit\n")
        self.assertEqual(["=0 ok gen=1 edits=0 @1",
                          " global: Hostname mx.test.example -> new.example (next-session)",
                          "!notice config-staged not in force: 1 edit in the transaction; 'config commit' puts it into force",
                          "=0 staged gen=1 edits=1",
                          " global: Hostname mx.test.example -> new.example (next-session)",
                          "=0 ok gen=2 changes=1 @3",
                          "=0 bye"], done.stdout.splitlines()[1:])

    @needs("nc")
    def test_nc_that_goes_away_takes_its_transaction_along(self):
        daemon = self.daemon(CONFIG)
        done = subprocess.run([find_program("nc"), "-N", "-U", str(daemon.control)], text=True, capture_output=True,
                              input="config begin\nconfig set hostname gone.example\n", timeout=60 * SCALE)
        self.assertEqual("=0 staged gen=1 edits=1", done.stdout.splitlines()[-1])
        daemon.wait_log("config rollback (the session ended, 1 edit dropped)")
        self.assertEqual("Hostname = mx.test.example\n", daemon.console("config", "get", "hostname").stdout)

    def test_batch(self):
        daemon = self.daemon(CONFIG)
        done = daemon.console(stdin="config begin\nconfig set hostname batch.example\nconfig commit\n")
        self.assertIn("Hostname mx.test.example -> batch.example", done.stdout)
        for status, words in ((0, ["config", "locate", "domain", "gate"]), (1, ["config", "locate", "nonsense"]),
                              (2, ["config", "begin", "nonsense"]), (3, ["config", "commit"]),
                              (3, ["config", "revert", "99"]), (2, ["config", "reload", "relative"])):
            with self.subTest(words=words):
                done = daemon.console(*words, status=status)
                self.assertEqual(status != 0, bool(done.stderr.strip()), done)

    def test_secrets_are_nowhere(self):
        daemon = self.daemon(CONFIG)
        secret = "hunter2hunter2"
        with daemon.ectl() as ectl:
            said = [str(ectl.command(line)) for line in (
                "config set tls_key_password " + secret, "config begin", "config set tls_key_password " + secret + "b",
                "config replay", "config diff", "config check", "config get tls_key_password", "config showrecurse",
                "config eval tls_key_password", "config explain tls_key_password", "--json config replay",
                "--json config diff", "--json config explain tls_key_password", "config commit", "config drift",
                "--json config drift", "config diff 1", "config history", "config revert 1", "config reload")]
        self.assertNotIn(secret, "\n".join(said))
        self.assertIn("(redacted)", "\n".join(said))
        wait_for(lambda: "config reload =" in daemon.log(), "the last command in the log")
        self.assertNotIn(secret, daemon.log())


if __name__ == "__main__":
    unittest.main()
