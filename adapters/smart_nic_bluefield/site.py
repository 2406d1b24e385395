"""What the settings and the site's secrets say about one card, and the two BMCs behind them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from pydantic import TypeAdapter, ValidationError

from adapters.contract import Secrets, Target
from adapters.errors import InvalidSettings
from adapters.smart_nic_bluefield.client import Address, Bmc
from adapters.smart_nic_bluefield.lease import LeaseNames
from adapters.smart_nic_bluefield.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One card as its site has it; secrets are read when they are needed."""

    settings: Settings
    secrets: Secrets
    address: Address
    names: LeaseNames
    password: str

    @classmethod
    def of(cls, target: Target, secrets: Secrets) -> Self:
        """Read the settings; raise `InvalidSettings` with the fields that cannot work."""
        try:
            settings = TypeAdapter(Settings).validate_python(dict(target.settings))
        except ValidationError as error:
            fields = sorted({".".join(map(str, entry["loc"])) for entry in error.errors()} - {""})
            raise InvalidSettings(
                f"The settings of “{target.name}” cannot work; look at these fields: "
                f"{', '.join(fields or ['mode_changes'])}."
            ) from error
        return cls(
            settings=settings,
            secrets=secrets,
            address=Address(
                url=settings.bmc,
                certificate=secrets.read(settings.certificate_secret),
                certificate_of=settings.certificate_of,
                timeout_s=settings.timeout_s,
            ),
            names=LeaseNames(secrets.read(settings.account_key_secret)),
            password=secrets.read(settings.password_secret).strip(),
        )

    @contextmanager
    def log_in(self) -> Iterator[Bmc]:
        """Log in at the card's BMC."""
        with Bmc(self.address, username=self.settings.username, password=self.password) as bmc:
            yield bmc

    @contextmanager
    def log_in_at_host(self) -> Iterator[Bmc]:
        """Log in at the BMC of the host, which alone can cut the power."""
        settings = self.settings
        if not (settings.host_bmc and settings.host_password_secret and settings.host_certificate_secret):
            raise InvalidSettings("The settings do not say how to reach the BMC of the host.")
        address = Address(
            url=settings.host_bmc,
            certificate=self.secrets.read(settings.host_certificate_secret),
            certificate_of=settings.certificate_of,
            timeout_s=settings.timeout_s,
        )
        password = self.secrets.read(settings.host_password_secret).strip()
        with Bmc(address, username=settings.host_username, password=password) as bmc:
            yield bmc
