"""Certificates for tests, made by the openssl command: an authority, and what it signs."""

import os
import ssl
import subprocess


def openssl(*arguments, directory):
    subprocess.run(["openssl", *arguments], check=True, cwd=directory, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=60)


class Authority:
    """Files in its directory: NAME.pem and NAME.key of what it issued; ca.pem of itself."""

    def __init__(self, directory, name="ca"):
        self.directory, self.name = directory, name
        os.makedirs(directory, exist_ok=True)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem",
                directory=directory)

    def path(self, file):
        return os.path.join(self.directory, file)

    @property
    def pem(self):
        return self.path(f"{self.name}.pem")

    def issue(self, name, alt_names):
        """alt_names as openssl writes them: "DNS:a.test,URI:spiffe://…". (certificate, key) paths."""
        with open(self.path(f"{name}.ext"), "w", encoding="ascii") as out:
            out.write(f"subjectAltName={alt_names}\nextendedKeyUsage=serverAuth,clientAuth\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr",
                directory=self.directory)
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", self.pem, "-CAkey", f"{self.name}.key",
                "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem",
                directory=self.directory)
        return self.path(f"{name}.pem"), self.path(f"{name}.key")

    def server(self, name, alt_names, wants_client=False):
        """What a TLS server shows; with wants_client it takes only clients of this authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(name, alt_names))
        if wants_client:
            context.load_verify_locations(self.pem)
            context.verify_mode = ssl.CERT_REQUIRED
        return context
