"""TLS in front of the emulator, which has none: tool_tls.c with a certificate of its own."""

import subprocess

from harness.paths import BUILD
from harness.process import Process, wait_until


class TlsFront:
    """`env` is what a consumer needs to go through it."""

    def __init__(self, directory, port):
        certificate, key, out = directory / "certificate.pem", directory / "key.pem", directory / "tls.out"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-keyout", key, "-out", certificate, "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True, timeout=30)
        self.process = Process(["sh", "-c", 'out=$1; shift; exec "$@" >"$out"', "tls", out, BUILD / "bench" / "tool_tls",
                                certificate, key, str(port)], directory / "tls.log")
        self.process.start()
        self.port = int(wait_until(lambda: out.exists() and out.read_text().strip(), 10, "the port of tool_tls"))
        self.env = {"COSMOS_ENDPOINT": f"https://localhost:{self.port}", "COSMOS_CA_FILE": str(certificate)}

    def stop(self):
        self.process.kill()
