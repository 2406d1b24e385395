"""The gateway's certificates: its own, and one for each lease, both signed by an authority of its own."""

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_YEARS = timedelta(days=3650)
_SKEW = timedelta(minutes=10)
_GRACE = timedelta(days=30)
"""A holder's certificate outlives the planned end: the grant decides, and a lease may be extended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate and its key, in PEM."""

    certificate: str
    key: str

    @property
    def fingerprint(self) -> str:
        """Return what the certificate is pinned by: the SHA-256 of its public key."""
        return fingerprint_of(self.certificate.encode())


def fingerprint_of(certificate: bytes) -> str:
    """Return the SHA-256 of the public key in a PEM certificate, in hexadecimal."""
    public = x509.load_pem_x509_certificate(certificate).public_key()
    return hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


class Authority:
    """Signs; made on first use and kept in a folder that only its owner may read."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        if not (folder / "ca.crt").exists():
            self._write("ca", self._self_signed())
        self.certificate = (folder / "ca.crt").read_text()
        self._certificate = x509.load_pem_x509_certificate(self.certificate.encode())
        key = load_pem_private_key((folder / "ca.key").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101  # we wrote it
        self._key = key

    def server(self, host: str) -> Pair:
        """Return the gateway's own certificate for a host name, made anew at each start."""
        name: x509.GeneralName
        try:
            name = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        local = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        names = x509.SubjectAlternativeName([name, *(other for other in local if other != name)])
        return self._sign(host, datetime.now(UTC) + _YEARS, ExtendedKeyUsageOID.SERVER_AUTH, names)

    def holder(self, lease_id: str, ends_at: float) -> Pair:
        """Return a new certificate for the holder of a lease."""
        until = datetime.fromtimestamp(ends_at, UTC) + _GRACE
        return self._sign(f"shary-{lease_id}"[:64], until, ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def _sign(
        self, name: str, until: datetime, use: x509.ObjectIdentifier, names: x509.SubjectAlternativeName | None
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - _SKEW)
            .not_valid_after(until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        return _pair(builder.sign(self._key, hashes.SHA256()), key)

    def _self_signed(self) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("SHARY P4 gateway")
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - _SKEW)
            .not_valid_after(datetime.now(UTC) + _YEARS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        return _pair(builder.sign(key, hashes.SHA256()), key)

    def _write(self, name: str, pair: Pair) -> None:
        for ending, text in (("key", pair.key), ("crt", pair.certificate)):
            file = self._folder / f"{name}.{ending}"
            file.touch(mode=0o600)
            file.write_text(text)


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    return Pair(
        certificate=certificate.public_bytes(Encoding.PEM).decode(),
        key=key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
