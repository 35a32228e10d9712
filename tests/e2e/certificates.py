"""Certificates for tests, made by the openssl command: an authority, and what it signs and revokes."""

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

    def issue(self, name, alt_names, days=2):
        """alt_names as openssl writes them: "DNS:a.test,URI:spiffe://…". (certificate, key) paths.
        With 0 days it has expired at once."""
        with open(self.path(f"{name}.ext"), "w", encoding="ascii") as out:
            out.write(f"subjectAltName={alt_names}\nextendedKeyUsage=serverAuth,clientAuth\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr",
                directory=self.directory)
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", self.pem, "-CAkey", f"{self.name}.key",
                "-CAcreateserial", "-days", str(days), "-extfile", f"{name}.ext", "-out", f"{name}.pem",
                directory=self.directory)
        return self.path(f"{name}.pem"), self.path(f"{name}.key")

    def revoke(self, *names):
        """The path of a list of these certificates."""
        with open(self.path("crl.cnf"), "w", encoding="ascii") as out:
            out.write("[ca]\ndefault_ca=this\n[this]\ndatabase=index.txt\ndefault_md=sha256\n"
                      "default_crl_days=2\n")
        open(self.path("index.txt"), "a", encoding="ascii").close()
        own = ("-config", "crl.cnf", "-cert", self.pem, "-keyfile", f"{self.name}.key")
        for name in names:
            openssl("ca", *own, "-revoke", f"{name}.pem", directory=self.directory)
        openssl("ca", *own, "-gencrl", "-out", "crl.pem", directory=self.directory)
        return self.path("crl.pem")

    def server(self, name, alt_names, wants_client=False):
        """What a TLS server shows; with wants_client it takes only clients of this authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(name, alt_names))
        if wants_client:
            context.load_verify_locations(self.pem)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self, identity=None, alpn=("h2",)):
        """What a TLS client shows, if it shows anything; it trusts this authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.pem)
        if identity:
            context.load_cert_chain(*identity)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context
