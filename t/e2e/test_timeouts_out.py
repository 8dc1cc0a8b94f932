"""Each time-out of delivery is that of its own step, and of no other."""

import socket
import threading

from client import Smtp
from harness import BASE_CONFIG, SCALE, Daemon, TestCase, free_port, make_certificate, wait_for
from sink import SmtpSink

MESSAGE = b"From: a@client.example\r\nSubject: hello\r\n\r\nthe body\r\n"
OPTIONS = ("Connect_Timeout", "EHLO_Timeout", "Mailfrom_Timeout", "Rcptto_Timeout", "Body_Timeout", "Rset_Timeout")
SHORT = round(3 * SCALE)  # seconds; enough for every other step
# Where the next host falls silent, whose time that is, and what the log calls it; behind RSET there is no mail to log.
STEPS = {
    "CONNECT": ("Connect_Timeout", "(banner)"),
    "EHLO": ("EHLO_Timeout", "(ehlo)"),
    "STARTTLS": ("EHLO_Timeout", "(starttls)"),
    "HANDSHAKE": ("EHLO_Timeout", "TLS handshake timed out"),
    "MAIL": ("Mailfrom_Timeout", "(mail)"),
    "RCPT": ("Rcptto_Timeout", "(rcpt)"),
    "DATA": ("Body_Timeout", "(data)"),
    "END": ("Body_Timeout", "(body)"),
    "RSET": ("Rset_Timeout", None),
}


class Mute(SmtpSink):
    """Falls silent once, at one step, until `go_on` is set. It refuses first@, for an RSET to come."""

    def __init__(self, test, step, **more):
        self.step = step
        self.silent, self.go_on = threading.Event(), threading.Event()
        super().__init__(test, script=self.say, **more)
        test.addCleanup(self.go_on.set)

    def say(self, session, verb, line):
        if verb == self.step and not self.silent.is_set():
            self.silent.set()
            self.go_on.wait(100 * SCALE)
        return "550 5.1.1 nobody" if verb == "RCPT" and "first@" in line else None


class Timeouts(TestCase):
    def add(self, kind, step, option, port):
        """The time for that step alone is short; or alone is long."""
        times = " ".join(f"{each} = {SHORT if (each == option) == (kind == 'short') else 3600}" for each in OPTIONS)
        # What is given up stays so; what another step was too slow for comes again.
        self.domains += f"""Domain "{kind}-{step.lower()}.example" {{
            Gateway = "127.0.0.1:{port}" Max_Outbound_Connections = 1 {times}
            TLS = {"required" if step in ("STARTTLS", "HANDSHAKE") else "no"} Retry_Interval = {3600 if kind == "short" else 1} }}\n"""

    def mute(self, kind, step):
        secure = step in ("STARTTLS", "HANDSHAKE")
        sink = Mute(self, step, certificate=self.certificate if secure else None)
        self.add(kind, step, STEPS[step][0], sink.port)
        return sink

    def send(self, kind, steps):
        with Smtp(self.running.smtp_port) as smtp:
            smtp.ehlo()
            if "RSET" in steps:
                smtp.message(MESSAGE, sender="", recipients=[f"first@{kind}-rset.example"])
            smtp.message(MESSAGE, sender="", recipients=[f"second@{kind}-{step.lower()}.example" for step in steps])

    def given_up(self, kind):
        """Why, by the domain's step."""
        prefix = f"{kind}-"
        return {line["domain"][len(prefix):-len(".example")].upper(): line["response"]
                for line in self.running.mainlog("T") if line["domain"].startswith(prefix)}

    def nobody_accepts(self):
        """A port at which a connection is never made: SYN after SYN goes unanswered."""
        listener = socket.socket()
        self.addCleanup(listener.close)
        port = free_port()
        listener.bind(("127.0.0.1", port))
        listener.listen(0)
        waiting = socket.create_connection(("127.0.0.1", port))  # nobody takes it, and there is no room for another
        self.addCleanup(waiting.close)
        return port

    def test_each_is_its_own(self):
        self.domains = ""
        self.running = Daemon(self, more="@domains@")
        self.certificate = make_certificate(self.running.dir)
        patient, short = ({step: self.mute(kind, step) for step in STEPS} for kind in ("long", "short"))
        self.add("short", "SYN", "Connect_Timeout", self.nobody_accepts())
        self.running.configure(BASE_CONFIG, domains=self.domains)
        self.running.start()

        self.send("long", STEPS)
        for step, sink in patient.items():
            wait_for(sink.silent.is_set, f"the silence at {step}")
        self.send("short", [*STEPS, "SYN"])
        expected = {step: text for step, (_, text) in STEPS.items() if text} | {"SYN": "connection to 127.0.0.1:"}
        wait_for(lambda: self.given_up("short").keys() >= expected.keys(),
                 lambda: f"all that is short: {self.given_up('short')}")
        for step, text in expected.items():
            self.assertIn(text, self.given_up("short")[step], step)
        # Its first connection is given up at RSET, and the next message goes by another one.
        message, = short["RSET"].wait()
        self.assertEqual(["second@short-rset.example"], message.recipients)
        self.assertEqual((1, "RSET"), (message.session, short["RSET"].sessions[0].commands[-1]))

        # By now those were silent for longer than the short times; the host goes on where it was.
        for step, sink in patient.items():
            sink.go_on.set()
            message, = sink.wait()
            self.assertEqual([f"second@long-{step.lower()}.example"], message.recipients)
            self.assertNotIn(str(STEPS[step][1]), self.given_up("long").get(step, ""), step)
        session = patient["RSET"].messages[0].session
        self.assertIn("RSET", patient["RSET"].sessions[session].commands)
