"""A BlueField as a lease: an account of the holder at the BMC, and the card as the site wants it after.

On the card a lease is an account (closed, then open, then gone) and the asset tag, which names the
lease and its epoch. The tag is written first and removed last, so that whatever is half finished
is still known to be the lease's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from adapters.contract import (
    Access,
    Adapter,
    Check,
    CleanProof,
    Endpoint,
    FoundDevice,
    LeaseOrder,
    Observation,
    Target,
)
from adapters.errors import DeviceBusy, DeviceRefused, InvalidSettings, OutcomeUnknown
from adapters.smart_nic_bluefield import card
from adapters.smart_nic_bluefield.client import Address, Bmc, can_log_in, public_key_pin
from adapters.smart_nic_bluefield.lease import ForgedTag, LeaseNames, Tag
from adapters.smart_nic_bluefield.settings import DESCRIPTION, Parameters, Settings

VERIFIER = "smart_nic_bluefield 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Site:
    """What the settings and the site's secrets say about one card."""

    settings: Settings
    address: Address
    names: LeaseNames
    password: str

    @contextmanager
    def log_in(self) -> Iterator[Bmc]:
        with Bmc(self.address, username=self.settings.username, password=self.password) as bmc:
            yield bmc


class SmartNicBluefieldAdapter(Adapter):
    """Drives NVIDIA BlueField-2 and -3 through the BMC."""

    description = DESCRIPTION

    def observe(self, target: Target) -> Observation:
        """Read tag, mode, health, accounts and sessions."""
        site = self._site(target)
        with site.log_in() as bmc:
            sight = card.look(bmc)
            accounts = card.lease_accounts(bmc)
            sessions = sum(1 for _ in card.sessions_of(bmc, accounts))
        troubles = []
        health = str(sight.system.body.get("Status", {}).get("Health", "unknown"))
        if health != "OK":
            troubles.append(f"The BMC reports the card's health as “{health}”.")
        if sight.mode != site.settings.mode:
            troubles.append(f"The card is in {sight.mode}, the site wants {site.settings.mode}.")
        tag = None
        try:
            tag = site.names.read(sight.asset_tag)
        except ForgedTag:
            troubles.append("The asset tag names a lease and was not written by this site.")
        strays = accounts - ({site.names.account(tag)} if tag else set())
        if strays:
            troubles.append(f"Accounts of unknown leases are left: {', '.join(sorted(strays))}.")
        return Observation(
            healthy=not troubles,
            carries=tag.lease_id if tag else None,
            epoch=tag.epoch if tag else None,
            detail=" ".join(troubles) or f"{sight.mode}, firmware {sight.firmware or 'unknown'}.",
            measurements={"open_sessions": float(sessions)},
        )

    def provision(self, order: LeaseOrder) -> Access:
        """Write the tag and create the holder's account, closed. A new `ends_at` needs no change here."""
        site, ours = self._site(order.target), _tag_of(order)
        wishes = _parameters_of(order)
        name = site.names.account(ours)
        with site.log_in() as bmc:
            found = bmc.read(card.SYSTEM)
            accounts = card.lease_accounts(bmc)
            tag = self._own_tag(site, order, str(found.body.get("AssetTag") or ""), accounts)
            earlier = {site.names.account(tag)} if tag is not None else set()
            _refuse_strays(accounts - earlier - {name})
            mode = str(bmc.read(card.OEM).body.get("Mode", "unknown"))
            if wishes.mode not in (None, mode):
                raise DeviceRefused(
                    f"“{order.target.name}” is in {mode}, and you rely on {wishes.mode}. Changing it needs the "
                    "host's power to be cycled: ask the site's operators, or book a card in that mode."
                )
            changed = False
            if tag != ours:
                for old in earlier:
                    bmc.delete(f"{card.ACCOUNTS}/{old}")
                bmc.patch(found, {"AssetTag": site.names.write(ours)})
                changed = True
            if bmc.find(f"{card.ACCOUNTS}/{name}") is None:
                bmc.post(
                    card.ACCOUNTS,
                    {
                        "UserName": name,
                        "Password": site.names.password(ours),
                        "RoleId": site.settings.role,
                        "Enabled": False,
                    },
                )
                changed = True
            if changed:
                _believe_only_what_is_seen(
                    bmc.read(card.SYSTEM).body.get("AssetTag") == site.names.write(ours)
                    and bmc.find(f"{card.ACCOUNTS}/{name}") is not None,
                    "said that it was prepared, and it is not",
                    order,
                )
        return _access(site, ours)

    def admit(self, order: LeaseOrder) -> None:
        """Open the holder's account."""
        site, ours = self._site(order.target), _tag_of(order)
        path = f"{card.ACCOUNTS}/{site.names.account(ours)}"
        with site.log_in() as bmc:
            text = str(bmc.read(card.SYSTEM).body.get("AssetTag") or "")
            tag = self._own_tag(site, order, text, card.lease_accounts(bmc))
            account = bmc.find(path)
            if tag != ours or account is None:
                raise DeviceRefused(f"“{order.target.name}” was not prepared for lease {order.lease_id}.")
            # A stranger who guessed at the password before the start must not lock the holder out.
            wishes = {"Enabled": True} | ({"Locked": False} if account.body.get("Locked") else {})
            if any(account.body.get(field) != value for field, value in wishes.items()):
                bmc.patch(account, wishes)
                now = bmc.read(path).body
                _believe_only_what_is_seen(
                    now.get("Enabled") is True and not now.get("Locked"),
                    "said that access was opened, and it was not",
                    order,
                )

    def isolate(self, order: LeaseOrder) -> None:
        """Close the holder's account and end its sessions. The tag plays no part: a holder can write it."""
        site = self._site(order.target)
        with site.log_in() as bmc:
            self._close(bmc, site, order)

    def release(self, order: LeaseOrder) -> CleanProof:
        """Delete the account, set the card back, remove the tag; then look again in a new session."""
        site, ours = self._site(order.target), _tag_of(order)
        with site.log_in() as bmc:
            closed = self._close(bmc, site, order)
            accounts = card.lease_accounts(bmc)
            try:
                self._own_tag(site, order, str(bmc.read(card.SYSTEM).body.get("AssetTag") or ""), accounts)
            except DeviceRefused as stale:
                raise DeviceBusy(str(stale)) from stale
            _refuse_strays(accounts - closed)
            for name in closed:
                bmc.delete(f"{card.ACCOUNTS}/{name}")
            card.set_back(bmc, site.settings)
            if all(check.passed for check in card.checks_of(bmc, site.settings)):
                found = bmc.read(card.SYSTEM)
                if found.body.get("AssetTag", "") != site.settings.asset_tag:
                    bmc.patch(found, {"AssetTag": site.settings.asset_tag})
        with site.log_in() as bmc:
            checks = [*card.checks_of(bmc, site.settings), card.tag_check(bmc, site.settings)]
        checks.append(_password_check(site, ours))
        return CleanProof(checks=tuple(checks), verified_at=datetime.now(UTC), verifier=VERIFIER)

    def discover(self, target: Target) -> tuple[FoundDevice, ...]:
        """Return the one card behind the BMC."""
        site = self._site(target)
        with site.log_in() as bmc:
            sight = card.look(bmc)
            ports = [port.body for port in bmc.members(f"{card.NETWORK}/Ports")]
        system = sight.system.body
        model = f"BlueField-{site.settings.generation}"
        found = FoundDevice(
            name=f"{model} {system.get('SerialNumber', '')}".strip(),
            kind="smart_nic",
            model=model,
            serial=str(system.get("SerialNumber", "")),
            attributes={
                "model": model,
                "ports": len(ports),
                "port_speed_gbps": max((int(port.get("MaxSpeedGbps") or 0) for port in ports), default=0),
                "arm_cores": int(system.get("ProcessorSummary", {}).get("CoreCount") or 0),
                "mode": sight.mode if sight.mode in ("DpuMode", "NicMode") else None,
                "firmware": sight.firmware,
            },
        )
        return (found,)

    # --- steps ---

    def _site(self, target: Target) -> _Site:
        try:
            settings = TypeAdapter(Settings).validate_python(dict(target.settings))
        except ValidationError as error:
            fields = ", ".join(sorted({".".join(map(str, entry["loc"])) for entry in error.errors()}))
            raise InvalidSettings(
                f"The settings of “{target.name}” cannot work; look at these fields: {fields}."
            ) from error
        return _Site(
            settings=settings,
            address=Address(
                url=settings.bmc,
                certificate=self.secrets.read(settings.certificate_secret),
                certificate_of=settings.certificate_of,
                timeout_s=settings.timeout_s,
            ),
            names=LeaseNames(self.secrets.read(settings.account_key_secret)),
            password=self.secrets.read(settings.password_secret).strip(),
        )

    def _own_tag(self, site: _Site, order: LeaseOrder, text: str, accounts: set[str]) -> Tag | None:
        """Return the tag if it is this lease's, None if the card has none; refuse another lease's."""
        try:
            tag = site.names.read(text)
        except ForgedTag:
            # The holder's doing, or an earlier key's. Whose the card is, its accounts still say.
            return None
        if tag is None:
            return None
        if tag.lease_id != order.lease_id:
            if site.names.account(_tag_of(order)) in accounts and site.names.account(tag) not in accounts:
                # A tag of an earlier lease that its holder kept and wrote again in this one.
                return None
            raise DeviceBusy(f"“{order.target.name}” still carries lease {tag.lease_id}.")
        if tag.epoch > order.epoch:
            raise DeviceRefused(
                f"“{order.target.name}” carries this lease in epoch {tag.epoch}; the order is of {order.epoch}."
            )
        return tag

    def _close(self, bmc: Bmc, site: _Site, order: LeaseOrder) -> set[str]:
        """Close the lease's accounts, end their sessions, and return the accounts' names."""
        ours = {site.names.account(_tag_of(order))}
        try:
            tag = site.names.read(str(bmc.read(card.SYSTEM).body.get("AssetTag") or ""))
        except ForgedTag:
            tag = None
        if tag is not None and tag.lease_id == order.lease_id and tag.epoch < order.epoch:
            ours.add(site.names.account(tag))
        existing = set()
        for name in ours:
            account = bmc.find(f"{card.ACCOUNTS}/{name}")
            if account is not None:
                existing.add(name)
                if account.body.get("Enabled") is not False:
                    bmc.patch(account, {"Enabled": False})
        for session in card.sessions_of(bmc, ours):
            bmc.delete(session.path)
        for name in existing:
            _believe_only_what_is_seen(
                bmc.read(f"{card.ACCOUNTS}/{name}").body.get("Enabled") is False,
                "said that access was closed, and it is still open",
                order,
            )
        _believe_only_what_is_seen(
            next(card.sessions_of(bmc, ours), None) is None,
            "said that the sessions were ended, and there still is one",
            order,
        )
        return existing


def _tag_of(order: LeaseOrder) -> Tag:
    return Tag(order.lease_id, order.epoch)


def _parameters_of(order: LeaseOrder) -> Parameters:
    try:
        return TypeAdapter(Parameters).validate_python(dict(order.parameters))
    except ValidationError as error:
        raise InvalidSettings(f"The parameters of lease {order.lease_id} cannot work: {error}") from error


def _believe_only_what_is_seen(seen: bool, otherwise: str, order: LeaseOrder) -> None:
    if not seen:
        raise OutcomeUnknown(f"The BMC of “{order.target.name}” {otherwise}. Somebody has to look at it.")


def _refuse_strays(names: set[str]) -> None:
    if names:
        raise DeviceBusy(
            f"The BMC has accounts of another lease: {', '.join(sorted(names))}. "
            "If no lease is running, an operator has to delete them."
        )


def _password_check(site: _Site, ours: Tag) -> Check:
    entered = can_log_in(site.address, username=site.names.account(ours), password=site.names.password(ours))
    return Check(
        name="The holder's password",
        expected="refused",
        found="accepted" if entered else "refused",
        passed=not entered,
        method="Tried to log in with it, on a connection of its own",
    )


def _access(site: _Site, ours: Tag) -> Access:
    parts = urlsplit(site.settings.bmc)
    host = site.settings.holder_host or parts.hostname or ""
    port = site.settings.holder_port or parts.port or 443
    shown = f"[{host}]" if ":" in host else host
    name, password = site.names.account(ours), site.names.password(ours)
    if site.address.certificate_of == "server":
        # The pin is checked all the same; what is skipped are the names, which a BMC's certificate lacks.
        trust = f"--insecure --pinnedpubkey '{public_key_pin(site.address.certificate)}'"
        known_by = "You know it by its public key, which the command below checks."
    else:
        trust = "--cacert authority.pem"
        known_by = "You know it by the certificate of the site's authority: save that as authority.pem."
    return Access(
        instructions=(
            f"You have an account at the card's BMC, with the role {site.settings.role}: Redfish over HTTPS. "
            f"{known_by} At the end of the lease the account is deleted, and the card's mode, boot and "
            "the host's access are set back."
        ),
        endpoints=(
            Endpoint(
                label="BMC",
                protocol="redfish",
                host=host,
                port=port,
                username=name,
                secret=password,
                command=f"curl {trust} --user '{name}:{password}' "
                f"https://{shown}:{port}/redfish/v1/Systems/Bluefield",
            ),
        ),
    )


ADAPTER = SmartNicBluefieldAdapter
