"""The connection to the switch, its certificates, its settings."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from adapters.emulators.p4runtime import P4RuntimeEmulator
from adapters.errors import DeviceRefused, DeviceUnreachable, InvalidSettings
from adapters.p4_switch.adapter import P4Switch
from tests.adapters.p4_switch.leases import opened, order, order_for, outside

__all__ = ["opened", "order", "order_for", "outside"]


def test_no_verb_leaves_a_thread_or_a_stream_behind(adapter, switch, order):
    adapter.release(order)  # whatever grpc starts once, it has started now
    switch.break_with("unreachable")
    switch.mend()
    before = set(threading.enumerate())

    adapter.provision(order)
    adapter.admit(order)
    adapter.isolate(order)
    adapter.release(order)
    adapter.observe(order.target)

    def ours_are_gone() -> bool:
        left = {t.name for t in set(threading.enumerate()) - before if not t.name.startswith("p4runtime_")}
        return not left and not switch.device.arbitration.controllers

    deadline = time.monotonic() + 60
    while not ours_are_gone() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert ours_are_gone()


def test_a_device_id_that_the_server_does_not_have_is_refused(adapter, order_for):
    with pytest.raises(DeviceRefused, match="no device 9"):
        adapter.observe(order_for(device_id=9).target)


def test_settings_that_cannot_work_are_named(adapter, order):
    broken = replace(order.target, settings={"host": "127.0.0.1", "device_id": 0})

    with pytest.raises(InvalidSettings, match="device_id"):
        adapter.observe(broken)


def test_a_missing_secret_is_the_operators_to_mend(adapter, order_for):
    with pytest.raises(InvalidSettings, match="no-such-authority"):
        adapter.observe(order_for(ca_secret="no-such-authority").target)


def test_a_certificate_without_its_key_is_refused_on_save():
    settings = {"host": "127.0.0.1", "ca_secret": "a", "certificate_secret": "b"}

    (problem,) = P4Switch.description.check_settings(settings)
    assert "key" in problem.message


def test_an_encrypted_switch_is_reached_with_certificates_and_not_without(order_for, secrets_of):
    import grpc

    authority = Authority()
    server_key, server_certificate = authority.issue("switch.uni-a.example")
    client_key, client_certificate = authority.issue("site.uni-a.example")
    credentials = grpc.ssl_server_credentials(
        [(server_key, server_certificate)], authority.certificate, require_client_auth=True
    )
    secrets = secrets_of(
        {
            "authority": authority.certificate.decode(),
            "certificate": client_certificate.decode(),
            "key": client_key.decode(),
        }
    )
    adapter = P4Switch(secrets=secrets)
    with P4RuntimeEmulator(credentials=credentials) as switch:
        encrypted = {"address": switch.address, "ca_secret": "authority", "tls_name": "switch.uni-a.example"}
        ours = {"certificate_secret": "certificate", "key_secret": "key"}

        assert adapter.observe(order_for(**encrypted, **ours).target).healthy
        with pytest.raises(DeviceUnreachable):
            adapter.observe(order_for(**encrypted).target)
        with pytest.raises(DeviceUnreachable):
            adapter.observe(order_for(address=switch.address).target)
        with pytest.raises(DeviceUnreachable):
            adapter.observe(order_for(**(encrypted | {"tls_name": "other.example"}), **ours).target)


class Authority:
    """A certificate authority for one test."""

    def __init__(self) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        self._x509, self._ec, self._serialization = x509, ec, serialization
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
        self.certificate = self._signed(self._key.public_key(), self._name, is_authority=True)

    def issue(self, name: str) -> tuple[bytes, bytes]:
        """Return a new key and its certificate, both as PEM."""
        key = self._ec.generate_private_key(self._ec.SECP256R1())
        form = self._serialization
        pem = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
        subject = self._x509.Name([self._x509.NameAttribute(self._x509.NameOID.COMMON_NAME, name)])
        return pem, self._signed(key.public_key(), subject, name=name)

    def _signed(self, key, subject, *, name: str = "", is_authority: bool = False) -> bytes:
        from cryptography.hazmat.primitives import hashes

        now = datetime.now(UTC)
        builder = (
            self._x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(self._x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(self._x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if name:
            names = self._x509.SubjectAlternativeName([self._x509.DNSName(name)])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(self._serialization.Encoding.PEM)
