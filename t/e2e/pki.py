"""A small world of certificates, made with the openssl program: authorities,
servers, clients, lists of revoked ones."""

import subprocess
from pathlib import Path

CONFIG = """\
[ca]
default_ca = authority
[authority]
dir = @dir@
database = @dir@/index.txt
serial = @dir@/serial
crlnumber = @dir@/crlnumber
new_certs_dir = @dir@
certificate = @dir@/ca.crt
private_key = @dir@/ca.key
default_md = sha256
default_days = 200
default_crl_days = 30
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
[leaf]
basicConstraints = CA:FALSE
[issuer]
basicConstraints = critical,CA:TRUE
keyUsage = keyCertSign,cRLSign
"""


def openssl(*words, **more):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, timeout=60, stdin=subprocess.DEVNULL,
                          **more)
    if done.returncode != 0:
        raise AssertionError(f"openssl {' '.join(map(str, words))}:\n{done.stderr.decode()}")
    return done.stdout


class Pair:
    """A certificate and its key, as files. `chain`: with those of its issuers behind it."""

    def __init__(self, certificate, key, chain=None):
        self.certificate, self.key, self.chain = certificate, key, chain or certificate


class Authority:
    """Issues and revokes. Made by itself, or by `issuer`."""

    def __init__(self, folder, name="Test CA", issuer=None):
        self.dir = Path(folder) / name.replace(" ", "-").lower()
        self.dir.mkdir()
        self.config = self.dir / "ca.cnf"
        self.config.write_text(CONFIG.replace("@dir@", str(self.dir)))
        (self.dir / "index.txt").write_text("")
        (self.dir / "serial").write_text("1000\n")
        (self.dir / "crlnumber").write_text("01\n")
        self.certificate, self.key = self.dir / "ca.crt", self.dir / "ca.key"
        self.upwards = b""  # intermediates, for chains
        if issuer is None:
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                    "400", "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.certificate, "-config",
                    self.config, "-extensions", "issuer")
        else:
            issuer.issue(name, key=self.key, certificate=self.certificate, extensions="issuer")
            self.upwards = self.certificate.read_bytes() + issuer.upwards

    def issue(self, name, names="", begins=None, ends=None, key=None, certificate=None, extensions="leaf", rsa=False,
              more=()):
        """`names`: alternative names as openssl writes them; `begins`, `ends`: YYYYMMDDHHMMSSZ; `more`: extensions."""
        stem = name.replace(" ", "-").lower()
        key, certificate = key or self.dir / f"{stem}.key", certificate or self.dir / f"{stem}.crt"
        request = self.dir / f"{stem}.csr"
        kind = ["rsa:2048"] if rsa else ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        openssl("req", "-new", "-newkey", *kind, "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request,
                "-config", self.config, *(["-addext", f"subjectAltName={names}"] if names else []),
                *(word for extension in more for word in ("-addext", extension)))
        times = (["-startdate", begins] if begins else []) + (["-enddate", ends] if ends else [])
        openssl("ca", "-batch", "-notext", "-config", self.config, "-in", request, "-out", certificate, "-extensions",
                extensions, *times)
        chain = certificate.with_suffix(".chain")
        chain.write_bytes(certificate.read_bytes() + self.upwards)
        return Pair(certificate, key, chain)

    def revoke(self, pair):
        openssl("ca", "-config", self.config, "-revoke", pair.certificate)

    def crl(self, name="crl.pem", last=None, ends=None):
        """The list as it is now; `last` and `ends` as in issue()."""
        path = self.dir / name
        times = (["-crl_lastupdate", last] if last else []) + (["-crl_nextupdate", ends] if ends else [])
        openssl("ca", "-config", self.config, "-gencrl", "-out", path, *times)
        return path
