"""A card within reach: the settings, the open sockets, and a checked look."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from adapters.contract import Target
from adapters.errors import InvalidSettings
from adapters.smart_nic_sriov.client import Channel, open_channel
from adapters.smart_nic_sriov.devlink import Devlink
from adapters.smart_nic_sriov.links import Card, read_card
from adapters.smart_nic_sriov.settings import Settings
from adapters.smart_nic_sriov.sysfs import Sysfs


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One card, looked at and changed through one socket."""

    settings: Settings
    route: Channel

    def card(self) -> Card:
        """Look at the card; refuse another one that has come under its name."""
        card = read_card(self.route, self.settings.card)
        wanted = self.settings.pci
        if wanted and card.pci != wanted:
            raise InvalidSettings(
                f"“{card.name}” is the card at {card.pci or 'no address'} and not at {wanted}: names of "
                "interfaces may change when a machine starts. An operator has to look which card it is."
            )
        return card

    @property
    def sysfs(self) -> Sysfs:
        """Return what sysfs says of the card."""
        return Sysfs(self.settings.sysfs, self.settings.card)

    @contextmanager
    def devlink(self, card: Card) -> Iterator[Devlink]:
        """Open the card in devlink."""
        with open_channel(self.settings.kernel, "generic", timeout_s=self.settings.timeout_s) as channel:
            yield Devlink(channel, bus=card.bus, device=card.pci)

    def switch_trouble(self, card: Card) -> str:
        """Return what is wrong with the mode of the card's switch, empty when it is as the site wants it."""
        wanted = self.settings.eswitch
        if wanted is None:
            return ""
        with self.devlink(card) as devlink:
            mode = devlink.eswitch_mode()
        if mode == wanted:
            return ""
        return (
            f"The switch of “{card.name}” is in mode {mode}, the site wants {wanted}. Changing it disturbs "
            "every holder: do it in a maintenance window, by "
            f"`devlink dev eswitch set {card.bus}/{card.pci} mode {wanted}`."
        )

    def function_numbers(self, card: Card, *, only_existing: bool = False) -> list[int]:
        """Return the virtual functions that the settings name; refuse those that the card has not."""
        count = card.vf_count
        if count is None:
            raise InvalidSettings(
                f"“{card.name}” knows no virtual functions (SR-IOV); the kernel or its driver has none."
            )
        wanted = range(count) if self.settings.vf is None else [self.settings.vf]
        if only_existing:
            return [vf for vf in wanted if vf in card.functions]
        missing = [vf for vf in wanted if vf not in card.functions]
        if missing or not wanted:
            number = max([*missing, 0]) + 1
            raise InvalidSettings(
                f"“{card.name}” has {count} virtual functions, and number {number - 1} is wanted. Make them "
                "while nobody has any of the card, since this takes away those that there are: "
                f"echo 0 > /sys/class/net/{card.name}/device/sriov_numvfs; "
                f"echo {max(number, count)} > /sys/class/net/{card.name}/device/sriov_numvfs"
            )
        return list(wanted)


def settings_of(target: Target) -> Settings:
    """Return the settings of a device; raise `InvalidSettings` with the fields that are wrong."""
    try:
        return TypeAdapter(Settings).validate_python(dict(target.settings))
    except ValidationError as error:
        fields = sorted({".".join(map(str, entry["loc"])) or entry["msg"] for entry in error.errors()})
        raise InvalidSettings(
            f"The settings of “{target.name}” cannot work; look at these fields: {', '.join(fields)}."
        ) from error


@contextmanager
def reach(target: Target) -> Iterator[Site]:
    """Open a fresh socket to the kernel that has the card."""
    settings = settings_of(target)
    with open_channel(settings.kernel, "route", timeout_s=settings.timeout_s) as route:
        yield Site(settings=settings, route=route)
