"""A certificate authority of the tests, and what it signed."""

import datetime
import subprocess


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def new_key(path):
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)


def certify(directory, name, subject, start=None, days=2):
    """A key and a certificate for a subject such as IP:127.0.0.1, from `start` days from now on."""
    ca, key, request = directory / "ca.pem", directory / f"{name}.key", directory / f"{name}.csr"
    extension, database = directory / f"{name}.ext", directory / f"{name}.txt"
    extension.write_text(f"subjectAltName={subject}\nbasicConstraints=CA:FALSE\n")
    database.write_text("")
    begin = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=start or 0, hours=-1)
    end = begin + datetime.timedelta(days=days)
    new_key(key)
    openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
    config = directory / "ca.conf"
    config.write_text(f"[ca]\ndefault_ca = one\n[one]\ndatabase = {database}\nnew_certs_dir = {directory}\n"
                      "default_md = sha256\npolicy = any\nrand_serial = yes\n[any]\ncommonName = supplied\n")
    openssl("ca", "-batch", "-notext", "-config", config, "-cert", ca, "-keyfile", directory / "ca.key", "-in", request,
            "-startdate", begin.strftime("%Y%m%d%H%M%SZ"), "-enddate", end.strftime("%Y%m%d%H%M%SZ"),
            "-extfile", extension, "-out", directory / f"{name}.pem")


def make(directory):
    """ca; good (for 127.0.0.1), elsewhere (for another host), expired, early (not valid yet), and selfsigned."""
    new_key(directory / "ca.key")
    openssl("req", "-x509", "-key", directory / "ca.key", "-days", "2", "-subj", "/CN=Test CA", "-out",
            directory / "ca.pem")
    certify(directory, "good", "IP:127.0.0.1")
    certify(directory, "elsewhere", "DNS:elsewhere.example")
    certify(directory, "expired", "IP:127.0.0.1", start=-9)
    certify(directory, "early", "IP:127.0.0.1", start=9)
    new_key(directory / "selfsigned.key")
    openssl("req", "-x509", "-key", directory / "selfsigned.key", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
            "subjectAltName=IP:127.0.0.1", "-out", directory / "selfsigned.pem")
    return directory
