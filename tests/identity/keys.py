"""Keys and certificates for providers of tests; made once, since making them takes a while."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class SigningKey:
    """A key with which a provider signs."""

    name: str
    private: rsa.RSAPrivateKey
    key_pem: str
    certificate_pem: str

    @property
    def certificate_text(self) -> str:
        """The certificate as metadata carries it."""
        return "".join(line for line in self.certificate_pem.splitlines() if "-----" not in line)


@cache
def signing_key(name: str) -> SigningKey:
    """Return a provider's key; the same name has the same key."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(private, hashes.SHA256())
    )
    return SigningKey(
        name=name,
        private=private,
        key_pem=private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        certificate_pem=certificate.public_bytes(Encoding.PEM).decode(),
    )
