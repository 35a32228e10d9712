"""The xDS port with TLS: who comes in, who is refused and hears why, and files that change while
streams stay."""

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess

import grpc
import pytest
from certificates import Authority
from harness import PILOTCTL, WAIT_S, Delta, World, cluster_name, raw, wait_until

WEB = cluster_name("web")
SPIFFE = "URI:spiffe://cluster.local/ns/default/sa/web"
HANDSHAKE_S = 10


class Secured(World):
    """Replicas that have a TLS port, and files of their own for it."""

    def __init__(self, etcd):
        super().__init__(etcd)
        self.ca = Authority(os.path.join(self.directory, "ca"))
        self.proxy = self.ca.issue("proxy", SPIFFE)
        self.files = {name: os.path.join(self.directory, f"{name}.pem") for name in ("cert", "key", "ca")}
        shutil.copy(self.ca.pem, self.files["ca"])
        self.renew("pilotd")
        self.put_service("web")

    def renew(self, name, alt_names="DNS:pilotd.test,IP:127.0.0.1", authority=None):
        certificate, key = (authority or self.ca).issue(name, alt_names)
        shutil.copy(key, self.files["key"])
        shutil.copy(certificate, self.files["cert"])

    def flags(self, **more):
        return [word for name, path in {**self.files, **more}.items()
                for word in (f"--xds-tls-{name}", path)]

    def start(self, **more):
        return self.replica("--xds-tls", "127.0.0.1:0", *self.flags(**more))

    def join(self, replica, identity=None, authority=None, **options):
        """A stream through TLS; and what it is told of web."""
        client = Delta(replica.tls, credentials=credentials(authority or self.ca, identity or self.proxy),
                       **options)
        self.clients.append(client)
        return client


def read(path):
    with open(path, "rb") as file:
        return file.read()


def credentials(authority, identity):
    certificate, key = identity
    return grpc.ssl_channel_credentials(read(authority.pem), read(key), read(certificate))


@pytest.fixture
def world(etcd):
    with Secured(etcd) as made:
        yield made


def pilotctl_status(replica):
    return subprocess.run([PILOTCTL, "status", "--server", replica.admin], stdout=subprocess.PIPE, text=True,
                          timeout=WAIT_S)


def failures(replica):
    return {reason: replica.metric(f'pilotd_tls_handshake_failures_total{{reason="{reason}"}}')
            for reason in re.findall(r'failures_total\{reason="(\w+)"', replica.get("/metrics")[1])}


def shown(replica, context):
    """The certificate that a newcomer is shown."""
    host, port = replica.tls.split(":")
    with socket.create_connection((host, int(port)), WAIT_S) as connection:
        with context.wrap_socket(connection, server_hostname=host) as tls:
            return tls.getpeercert()["subject"][0][0][1]


def refusal(address, context):
    """What a client hears who is not let in."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), WAIT_S) as connection:
        with pytest.raises(ssl.SSLError) as heard:
            with context.wrap_socket(connection, server_hostname=host) as tls:
                tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
                while tls.recv(65536):
                    pass
                raise AssertionError("it was let in, and then hung up on")
    return str(heard.value).upper().replace(" ", "_")


# ---- who comes in ----

def test_a_proxy_with_a_certificate_is_served_beside_those_in_plain_text(world):
    replica = world.start()
    plain, secured = world.connect(replica), world.join(replica)

    for client in (plain, secured):
        client.wait_for("CDS", WEB)
    assert plain.resources == secured.resources
    assert replica.metric("pilotd_tls_handshakes_total") == 1
    assert {proxy["identity"] for proxy in replica.json("/debug/proxies")} == {None, SPIFFE[4:]}
    assert replica.status()["replicas"][0]["xdsTls"] == replica.tls
    assert '"xdsTls":"%s"' % replica.tls in world.read(f"replicas/{replica.name}").replace(" ", "")
    assert 0 < replica.metric("pilotd_tls_certificate_ends_in_seconds") <= 2 * 24 * 3600


@pytest.mark.parametrize("reason, hears", [
    ("no_certificate", "TLSV13_ALERT_CERTIFICATE_REQUIRED"),
    ("unknown_ca", "TLSV1_ALERT_UNKNOWN_CA"),
    ("expired", "SSLV3_ALERT_CERTIFICATE_EXPIRED"),
    ("wrong_alpn", "TLSV1_ALERT_NO_APPLICATION_PROTOCOL"),
    ("protocol_version", "TLSV1_ALERT_PROTOCOL_VERSION"),
])
def test_who_is_refused_hears_why_and_so_does_the_operator(world, reason, hears):
    replica = world.start()
    identity, alpn = world.proxy, ("h2",)
    if reason == "no_certificate":
        identity = None
    if reason == "unknown_ca":
        other = Authority(os.path.join(world.directory, "other"))
        identity = other.issue("stranger", SPIFFE)
    if reason == "expired":
        identity = world.ca.issue("late", SPIFFE, days=0)
    if reason == "wrong_alpn":
        alpn = ("http/1.1",)
    context = world.ca.client(identity, alpn)
    if reason == "protocol_version":
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1

    assert hears in refusal(replica.tls, context)
    told = failures(replica)
    assert told.pop(reason) == 1 and not any(told.values())
    assert f"reason={reason}" in replica.log()
    world.join(replica).wait_for("CDS", WEB)


def test_a_client_that_names_no_protocol_is_refused(world):
    replica = world.start()

    assert "TLSV1_ALERT_NO_APPLICATION_PROTOCOL" in refusal(replica.tls, world.ca.client(world.proxy, ()))
    assert failures(replica)["wrong_alpn"] == 1


def test_plain_text_to_the_tls_port_is_refused_and_tls_to_the_plain_one(world):
    replica = world.start()

    assert raw(replica.tls, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)) == b""
    assert failures(replica)["not_tls"] == 1
    host, port = replica.xds.split(":")
    with socket.create_connection((host, int(port)), WAIT_S) as connection, pytest.raises(OSError):
        world.ca.client(world.proxy).wrap_socket(connection, server_hostname=host)


def test_without_authorities_no_certificate_is_asked_for(world):
    del world.files["ca"]
    replica = world.start()

    assert shown(replica, world.ca.client()) == "pilotd"


def test_a_revoked_certificate_is_refused_and_others_are_not(world):
    bad = world.ca.issue("bad", SPIFFE)
    replica = world.start(crl=world.ca.revoke("bad"))

    assert "SSLV3_ALERT_CERTIFICATE_REVOKED" in refusal(replica.tls, world.ca.client(bad))
    assert failures(replica)["revoked"] == 1
    world.join(replica).wait_for("CDS", WEB)
    assert 0 < replica.metric("pilotd_tls_revocations_end_in_seconds") <= 2 * 24 * 3600


def test_what_is_revoked_later_gets_no_new_connection(world):
    replica = world.start(crl=world.ca.revoke())
    client = world.join(replica)
    client.wait_for("CDS", WEB)

    world.ca.revoke("proxy")
    replica.signal(signal.SIGHUP)
    wait_until(lambda: replica.metric("pilotd_tls_reloads_total") == 1, "read again")

    assert "SSLV3_ALERT_CERTIFICATE_REVOKED" in refusal(replica.tls, world.ca.client(world.proxy))
    assert client.error is None


def test_what_runs_out_within_a_week_is_told(world):
    certificate, key = world.ca.issue("long", "DNS:pilotd.test", days=8)
    shutil.copy(key, world.files["key"])
    shutil.copy(certificate, world.files["cert"])

    told = pilotctl_status(world.start(crl=world.ca.revoke()))

    assert told.returncode == 0, told.stdout
    assert re.search("an authority of theirs runs out in 4[78] h", told.stdout)
    assert re.search("a list of revoked certificates runs out in 4[78] h", told.stdout)
    assert "shown to proxies" not in told.stdout


# ---- who takes long ----

def test_a_handshake_that_goes_on_by_single_bytes_is_cut_off(world):
    replica = world.start()
    host, port = replica.tls.split(":")
    hello = ssl.MemoryBIO()
    talk = world.ca.client(world.proxy).wrap_bio(ssl.MemoryBIO(), hello, server_hostname=host)
    with pytest.raises(ssl.SSLWantReadError):
        talk.do_handshake()
    with socket.create_connection((host, int(port)), 1) as slow:
        slow.settimeout(0.5)

        def is_cut_off():
            try:
                slow.sendall(hello.read(1) or b"\0")
                return slow.recv(1) == b""
            except TimeoutError:
                return False
            except OSError:
                return True
        wait_until(is_cut_off, "cut off", HANDSHAKE_S + 5)
    assert failures(replica)["timeout"] == 1
    assert replica.metric("pilotd_tls_handshakes") == 0


def test_many_who_say_nothing_do_not_keep_others_out(world):
    """More than may shake hands at a time."""
    replica = world.replica("--threads", "1", "--xds-tls", "127.0.0.1:0", *world.flags())
    host, port = replica.tls.split(":")
    silent = [socket.create_connection((host, int(port)), WAIT_S) for _ in range(600)]
    wait_until(lambda: replica.metric("pilotd_tls_handshakes")  == 512, "the loop is full")

    for _ in range(4):
        client = world.join(replica)
        wait_until(lambda: WEB in client.resources["CDS"], "in before the others' time is up", HANDSHAKE_S * 0.8)
    for connection in silent:
        connection.close()
    wait_until(lambda: replica.metric("pilotd_tls_handshakes") == 0, "all are gone")


def test_a_port_that_is_only_tried_counts_as_nothing(world):
    replica = world.start()
    host, port = replica.tls.split(":")

    for _ in range(3):
        socket.create_connection((host, int(port)), WAIT_S).close()
    wait_until(lambda: replica.metric("pilotd_connections_total") == 3 and
               replica.metric("pilotd_connections") == 0, "they are gone")
    assert not any(failures(replica).values())


# ---- files that change ----

def test_new_files_count_for_newcomers_and_streams_stay(world):
    replica = world.start()
    client = world.join(replica)
    client.wait_for("CDS", WEB)
    assert shown(replica, world.ca.client(world.proxy)) == "pilotd"
    newer = Authority(os.path.join(world.directory, "newer"))

    world.renew("renewed", authority=newer)
    shutil.copy(newer.pem, world.files["ca"])
    replica.signal(signal.SIGHUP)
    wait_until(lambda: replica.metric("pilotd_tls_reloads_total") == 1, "read again")

    identity = newer.issue("proxy", SPIFFE)
    assert shown(replica, newer.client(identity)) == "renewed"
    refused = newer.client()
    refused.load_cert_chain(*world.proxy)
    assert "TLSV1_ALERT_UNKNOWN_CA" in refusal(replica.tls, refused)
    world.put_service("shop")
    client.wait_for("CDS", cluster_name("shop"))
    assert client.error is None
    world.join(replica, identity, newer).wait_for("CDS", WEB)


def test_new_files_are_found_without_a_signal(world):
    replica = world.start()

    world.renew("found")
    wait_until(lambda: replica.metric("pilotd_tls_reloads_total") == 1, "found", 30)

    assert shown(replica, world.ca.client(world.proxy)) == "found"
    assert replica.metric("pilotd_tls_reload_failures_total") == 0


def test_broken_new_files_are_told_and_the_old_ones_stay(world):
    replica = world.start()
    former = read(world.files["key"])

    with open(world.files["key"], "wb") as out:
        out.write(read(world.proxy[1]))
    replica.signal(signal.SIGHUP)
    wait_until(lambda: replica.status()["tls"]["problem"], "told")

    why = f"{world.files['key']}: is not the key of the certificate in {world.files['cert']}"
    assert replica.status()["tls"]["problem"] == why
    assert "certificates are left as they were" in replica.log()
    assert replica.metric("pilotd_tls_reload_failures_total") == 1
    assert replica.metric("pilotd_tls_files_refused") == 1
    told = pilotctl_status(replica)
    assert told.returncode == 1 and f"certificates are left as they were: {why}" in told.stdout
    assert shown(replica, world.ca.client(world.proxy)) == "pilotd"

    with open(world.files["key"], "wb") as out:
        out.write(former)
    wait_until(lambda: not replica.status()["tls"]["problem"], "mended, and found", 30)
    assert replica.metric("pilotd_tls_files_refused") == 0


@pytest.mark.parametrize("name, spoil, says", [
    ("cert", lambda world, path: os.unlink(path), "No such file"),
    ("key", lambda world, path: os.unlink(path), "No such file"),
    ("ca", lambda world, path: open(path, "w", encoding="ascii").close(), "has no certificate (PEM)"),
    ("key", lambda world, path: shutil.copy(world.proxy[1], path), "is not the key of the certificate"),
    ("cert", lambda world, path: shutil.copy(world.ca.issue("late", "DNS:x", days=0)[0], path), "expired at"),
])
def test_a_start_with_a_broken_file_ends_with_2_and_names_it(world, name, spoil, says):
    spoil(world, world.files[name])

    replica = world.pilotd("--xds-tls", "127.0.0.1:0", *world.flags())

    assert replica.wait(WAIT_S) == 2
    assert f"{world.files[name]}: {says}" in replica.log()
