"""A BlueField as a lease: an account of the holder at the BMC, and the card as the site wants it after.

On the card a lease is an account (closed, then open, then gone) and the asset tag, which names the
lease and its epoch. The tag is written first and removed last, so that whatever is half finished
is still known to be the lease's.
"""

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
from adapters.smart_nic_bluefield import card, cleaning, firmware, image
from adapters.smart_nic_bluefield import mode as modes
from adapters.smart_nic_bluefield.client import Bmc, can_log_in, public_key_pin
from adapters.smart_nic_bluefield.lease import RECORD, ForgedTag, Tag
from adapters.smart_nic_bluefield.paths import ACCOUNTS, NETWORK, OEM, SYSTEM
from adapters.smart_nic_bluefield.restart import restart_arm
from adapters.smart_nic_bluefield.settings import DESCRIPTION, Mode, Parameters, Privilege, Switch, card_mode
from adapters.smart_nic_bluefield.site import Site

VERIFIER = "smart_nic_bluefield 2"


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
        tag = None
        try:
            tag = site.names.read(sight.asset_tag)
        except ForgedTag:
            troubles.append("The asset tag names a lease and was not written by this site.")
        # During a lease the card may be in any mode that is offered.
        wanted = {card_mode(mode) for mode in site.settings.offered} if tag else {site.settings.mode}
        if sight.mode not in wanted:
            troubles.append(f"The card is in {sight.mode}, the site wants {site.settings.mode}.")
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
        """Write the tag, record the firmware, bring mode and host to what the lease relies on, then make the account.

        The account comes last and closed: without it nothing can be admitted. A new `ends_at` needs no change here.
        """
        site, ours = self._site(order.target), _tag_of(order)
        wanted: Mode = _parameters_of(order).mode or site.settings.mode
        name = site.names.account(ours)
        with site.log_in() as bmc:
            found = bmc.read(SYSTEM)
            everybody = card.accounts_of(bmc)
            accounts = card.lease_accounts(bmc)
            tag = self._own_tag(site, order, str(found.body.get("AssetTag") or ""), accounts)
            earlier = {site.names.account(tag)} if tag is not None else set()
            _refuse_strays(accounts - earlier - {name})
            is_prepared = name in accounts
            if not is_prepared:
                modes.refuse_unoffered(site.settings, wanted, order)
                now = str(bmc.read(OEM).body.get("Mode", "unknown"))
                if now != card_mode(wanted):
                    modes.refuse_unchangeable(site.settings, now, wanted, order)
            if tag != ours:
                for old in earlier:
                    bmc.delete(f"{ACCOUNTS}/{old}")
                bmc.patch(found, {"AssetTag": site.names.write(ours)})
            if not is_prepared and firmware.record_of(everybody, site.names, order.lease_id) is None:
                stale = {other for other in everybody if other.startswith(RECORD)}
                firmware.keep_record(bmc, site.names, order.lease_id, stale=stale)
        if not is_prepared:
            self._bring_into(site, wanted, order)
            with site.log_in() as bmc:
                bmc.post(
                    ACCOUNTS,
                    {
                        "UserName": name,
                        "Password": site.names.password(ours),
                        "RoleId": site.settings.role,
                        "Enabled": False,
                    },
                )
        if not is_prepared or tag != ours:
            with site.log_in() as bmc:
                _believe_only_what_is_seen(
                    bmc.read(SYSTEM).body.get("AssetTag") == site.names.write(ours)
                    and bmc.find(f"{ACCOUNTS}/{name}") is not None
                    and firmware.record_of(card.accounts_of(bmc), site.names, order.lease_id) is not None,
                    "said that it was prepared, and it is not",
                    order,
                )
        return _access(site, ours)

    def admit(self, order: LeaseOrder) -> None:
        """Open the holder's account."""
        site, ours = self._site(order.target), _tag_of(order)
        path = f"{ACCOUNTS}/{site.names.account(ours)}"
        with site.log_in() as bmc:
            text = str(bmc.read(SYSTEM).body.get("AssetTag") or "")
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
        """Delete the account, bring the card back, remove record and tag; then look again in a new session."""
        site, ours = self._site(order.target), _tag_of(order)
        with site.log_in() as bmc:
            closed = self._close(bmc, site, order)
            everybody = card.accounts_of(bmc)
            try:
                self._own_tag(
                    site, order, str(bmc.read(SYSTEM).body.get("AssetTag") or ""), card.lease_accounts(bmc)
                )
            except DeviceRefused as stale:
                raise DeviceBusy(str(stale)) from stale
            _refuse_strays(card.lease_accounts(bmc) - closed)
            record = firmware.record_of(everybody, site.names, order.lease_id)
            # A holder can erase the tag, but neither their account nor the record.
            was_held = bool(closed) or record is not None
            for name in closed:
                bmc.delete(f"{ACCOUNTS}/{name}")
        installation = cleaning.clean(site, was_held=was_held)
        with site.log_in() as bmc:
            checks = card.checks_of(bmc, site.settings)
            checks += self._lasting_checks(bmc, site, order, record, installation, was_held=was_held)
            if all(check.passed for check in checks):
                self._remove_marks(bmc, site, record)
        with site.log_in() as bmc:
            checks = [*card.checks_of(bmc, site.settings), card.tag_check(bmc, site.settings)]
            checks += self._lasting_checks(bmc, site, order, record, installation, was_held=was_held)
        checks.append(_password_check(site, ours))
        return CleanProof(checks=tuple(checks), verified_at=datetime.now(UTC), verifier=VERIFIER)

    def discover(self, target: Target) -> tuple[FoundDevice, ...]:
        """Return the one card behind the BMC."""
        site = self._site(target)
        with site.log_in() as bmc:
            sight = card.look(bmc)
            ports = [port.body for port in bmc.members(f"{NETWORK}/Ports")]
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

    def _site(self, target: Target) -> Site:
        return Site.of(target, self.secrets)

    def _bring_into(self, site: Site, wanted: Mode, order: LeaseOrder) -> None:
        """Bring mode and host to what the lease relies on; refuse the start when they do not show it."""
        with site.log_in() as bmc:
            now = bmc.read(OEM).body.get("Mode")
        if now != card_mode(wanted) and not modes.change(site, card_mode(wanted)):
            raise modes.pending(order, site.settings, wanted)
        privilege, rshim = _host_during(site, wanted)
        with site.log_in() as bmc:
            waits = card.shut_host_out(bmc, site.settings, privilege, rshim)
        if waits:
            restart_arm(site, within_s=site.settings.restart_minutes * 60)
        with site.log_in() as bmc:
            trouble = card.host_trouble(card.look(bmc), site.settings, privilege, rshim)
        if trouble:
            raise DeviceRefused(
                f"Pending: “{order.target.name}” was told what its host may do, and {trouble}. "
                "An operator has to look at it; cycling the host's power may be what it waits for."
            )

    def _lasting_checks(
        self,
        bmc: Bmc,
        site: Site,
        order: LeaseOrder,
        record: str | None,
        installation: image.Installation | None,
        *,
        was_held: bool,
    ) -> list[Check]:
        """Check what outlives a lease if nobody looks: the Arm cores' storage and the firmware."""
        return [
            *image.checks_of(bmc, site.settings, installation, was_held=was_held),
            *firmware.checks_of(
                bmc,
                site.names,
                order.lease_id,
                record=record,
                was_held=was_held,
                imaged=installation is not None,
            ),
        ]

    def _remove_marks(self, bmc: Bmc, site: Site, record: str | None) -> None:
        """Remove the record of the firmware, and then the tag."""
        if record is not None:
            bmc.delete(f"{ACCOUNTS}/{record}")
        found = bmc.read(SYSTEM)
        if found.body.get("AssetTag", "") != site.settings.asset_tag:
            bmc.patch(found, {"AssetTag": site.settings.asset_tag})

    def _own_tag(self, site: Site, order: LeaseOrder, text: str, accounts: set[str]) -> Tag | None:
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

    def _close(self, bmc: Bmc, site: Site, order: LeaseOrder) -> set[str]:
        """Close the lease's accounts, end their sessions, and return the accounts' names."""
        ours = {site.names.account(_tag_of(order))}
        try:
            tag = site.names.read(str(bmc.read(SYSTEM).body.get("AssetTag") or ""))
        except ForgedTag:
            tag = None
        if tag is not None and tag.lease_id == order.lease_id and tag.epoch < order.epoch:
            ours.add(site.names.account(tag))
        existing = set()
        for name in ours:
            account = bmc.find(f"{ACCOUNTS}/{name}")
            if account is not None:
                existing.add(name)
                if account.body.get("Enabled") is not False:
                    bmc.patch(account, {"Enabled": False})
        for session in card.sessions_of(bmc, ours):
            bmc.delete(session.path)
        for name in existing:
            _believe_only_what_is_seen(
                bmc.read(f"{ACCOUNTS}/{name}").body.get("Enabled") is False,
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


def _host_during(site: Site, mode: Mode) -> tuple[Privilege, Switch]:
    """Return what the host may do with the card during a lease in that mode."""
    if mode == "ZeroTrust":
        return "Restricted", "Disabled"
    return site.settings.host_privilege_leased, site.settings.host_rshim_leased


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


def _password_check(site: Site, ours: Tag) -> Check:
    entered = can_log_in(site.address, username=site.names.account(ours), password=site.names.password(ours))
    return Check(
        name="The holder's password",
        expected="refused",
        found="accepted" if entered else "refused",
        passed=not entered,
        method="Tried to log in with it, on a connection of its own",
    )


def _access(site: Site, ours: Tag) -> Access:
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
