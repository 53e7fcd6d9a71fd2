"""https: whom the daemon trusts, and what it says when it doesn't."""

import ssl
import subprocess

import pytest

from database import add_endpoint, enqueue, run, wait_attempts, wait_status

ONCE = {"retry_schedule": "1h", "breaker_failures": 1000}


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A certificate authority, and what it signed: one for 127.0.0.1, one for elsewhere, one expired."""
    directory = tmp_path_factory.mktemp("certificates")
    ca, ca_key = directory / "ca.pem", directory / "ca.key"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=Test CA", "-keyout", ca_key, "-out", ca)
    for name, subject, days in [("good", "IP:127.0.0.1", 2), ("elsewhere", "DNS:elsewhere.example", 2),
                                ("expired", "IP:127.0.0.1", -1)]:
        key, request, extension = directory / f"{name}.key", directory / f"{name}.csr", directory / f"{name}.ext"
        extension.write_text(f"subjectAltName={subject}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", days,
                "-extfile", extension, "-out", directory / f"{name}.pem")
    return directory


@pytest.fixture
def tls_receiver(certificates, new_receiver):
    def start(name="good", most=None, client_ca=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
        if most:
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.maximum_version = most
        if client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_ca)
        one = new_receiver(tls=context)
        one.https = one.url().replace("http:", "https:")
        return one
    return start


def test_a_certificate_of_a_trusted_authority(db, daemon, certificates, tls_receiver):
    one = tls_receiver()
    daemon(ca_file=certificates / "ca.pem")
    enqueue(db, '{"secret":1}', url=one.https)
    wait_status(db, "delivered")
    assert one.got()[0].body == b'{"secret":1}'


def test_an_endpoints_own_authority(db, daemon, certificates, tls_receiver):
    one = tls_receiver()
    add_endpoint(db, "a", one.https, tls_ca_file=str(certificates / "ca.pem"))
    daemon()
    enqueue(db, endpoint="a")
    wait_status(db, "delivered")


@pytest.mark.parametrize("name, trusted", [("good", False), ("elsewhere", True), ("expired", True)])
def test_a_certificate_that_does_not_hold(db, daemon, certificates, tls_receiver, name, trusted):
    one = tls_receiver(name)
    daemon(**ONCE, **({"ca_file": certificates / "ca.pem"} if trusted else {}))
    enqueue(db, url=one.https)
    (first,) = wait_attempts(db, 1)
    assert first["verdict"] == "unreachable" and "certificate" in first["error"].lower(), first["error"]
    assert one.got() == []


def test_tls_insecure_is_for_one_endpoint_only(db, daemon, tls_receiver):
    one = tls_receiver("elsewhere")
    add_endpoint(db, "lax", one.https, tls_insecure=1)
    daemon(**ONCE)
    enqueue(db, "lax", endpoint="lax")
    wait_status(db, "delivered", 1)
    enqueue(db, "strict", url=one.https)
    assert wait_attempts(db, 1, 2)[0]["verdict"] == "unreachable"
    assert [request.body for request in one.got()] == [b"lax"], "no connection of the lax one is used"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls_1_1_is_too_old(db, daemon, tls_receiver):
    one = tls_receiver(most=ssl.TLSVersion.TLSv1_1)
    add_endpoint(db, "a", one.https, tls_insecure=1)
    daemon(**ONCE)
    enqueue(db, endpoint="a")
    assert wait_attempts(db, 1)[0]["verdict"] == "unreachable" and one.got() == []


def test_a_client_certificate(db, daemon, certificates, tls_receiver):
    one = tls_receiver(client_ca=certificates / "ca.pem")
    add_endpoint(db, "a", one.https, tls_ca_file=str(certificates / "ca.pem"),
                 tls_cert_file=str(certificates / "good.pem"), tls_key_file=str(certificates / "good.key"))
    add_endpoint(db, "without", one.https, tls_ca_file=str(certificates / "ca.pem"))
    daemon(**ONCE)
    enqueue(db, "with", endpoint="a")
    wait_status(db, "delivered", 1)
    enqueue(db, "without", endpoint="without")
    assert wait_attempts(db, 1, 2)[0]["verdict"] in ("unreachable", "failed")
    assert [request.body for request in one.got()] == [b"with"]


def test_a_ca_file_that_is_missing_is_said_so(db, daemon, tls_receiver):
    one = tls_receiver()
    add_endpoint(db, "a", one.https, tls_ca_file="/nonexistent/ca.pem")
    daemon(**ONCE)
    enqueue(db, endpoint="a")
    (first,) = wait_attempts(db, 1)
    assert first["verdict"] in ("unreachable", "invalid") and "/nonexistent/ca.pem" in first["error"]
    run(db, "UPDATE deliveries SET status = 'cancelled'")
