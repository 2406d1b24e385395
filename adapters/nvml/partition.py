"""Cuts a card into MIG slices, and makes it whole again."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pynvml

from adapters.errors import AdapterError, DeviceBusy, DeviceRefused, DeviceUnreachable, OutcomeUnknown
from adapters.gpu.geometry import Placement, fit, problems_of
from adapters.nvml import mig
from adapters.nvml.inventory import NvmlCard, card_of
from adapters.nvml.library import CardLost, NvmlUnavailable, handle_at, library
from adapters.nvml.slices import NvmlSlice, slices_of
from adapters.pci import normal_form


def reshape(pci: str, profiles: Sequence[str]) -> tuple[NvmlSlice, ...]:
    """Cut the idle card into slices of these profiles and return them, in the order of their places.

    Profiles are named as nvidia-smi prints them (`3g.40gb`); none at all makes the card whole: MIG off.
    A card that is cut like that already is left as it is. Needs root on the card's host.

    Raises `DeviceBusy` when something uses the card, and has changed nothing then; `DeviceRefused` when the card or
    the driver cannot or may not, or when a reset is needed first; `DeviceUnreachable` when NVML does not see
    the card; `OutcomeUnknown` when NVML stopped half-way. The words say how the card is left.
    """
    job = _Job(normal_form(pci), tuple(profiles))
    try:
        with library():
            return job.run()
    except NvmlUnavailable as error:
        lost = isinstance(error, CardLost)
        if job.done:
            raise OutcomeUnknown(f"{error} {job.state()}") from error
        way_out = " Look after the card and the machine." if lost else ""
        raise DeviceUnreachable(f"The card at {job.pci} cannot be cut: {error}{way_out}") from error


class _Job:
    """One reshaping: remembers what it has done, to say how the card is left."""

    def __init__(self, pci: str, wanted: tuple[str, ...]) -> None:
        self.pci = pci
        self.wanted = wanted
        self.done: list[str] = []

    def run(self) -> tuple[NvmlSlice, ...]:
        handle = self._handle()
        card = card_of(handle, "", "")
        problems = problems_of(card.model, self.wanted)
        if problems:
            raise DeviceRefused(" ".join(problems))
        if not card.mig_capable:
            if self.wanted:
                raise DeviceRefused(f"{card.model} at {self.pci} cannot be cut into slices. Lend it whole.")
            return ()
        if self._is_so_already(handle, card):
            return card.slices
        self._refuse_if_used(card)
        if not card.mig_enabled and self.wanted:
            self._switch(handle, card, on=True)
            handle = self._handle()
        with self._in_words():
            self._cut(handle, card)
        if not self.wanted:
            self._switch(handle, card, on=False)
            handle = self._handle()
        return self._verified(handle)

    def state(self) -> str:
        """Return how the card is left, in a sentence."""
        return f"So far: {'; '.join(self.done)}." if self.done else "Nothing was changed."

    def _handle(self) -> Any:
        handle = handle_at(self.pci)
        if handle is None:
            raise DeviceUnreachable(
                f"NVML does not see the card at {self.pci}: it may be with a virtual machine, or off the bus."
            )
        return handle

    def _is_so_already(self, handle: Any, card: NvmlCard) -> bool:
        if not self.wanted:
            return not card.mig_enabled and not card.mig_pending
        if not card.mig_enabled or not card.mig_pending:
            return False
        if Counter(card.geometry) != Counter(self.wanted):
            return False
        try:
            # An instance that was left half-made is on no list of slices.
            made = list(mig.instances_of(handle, mig.offers_of(handle)))
            return len(made) == len(self.wanted)
        except pynvml.NVMLError_NoPermission:
            return True

    def _refuse_if_used(self, card: NvmlCard) -> None:
        if not card.processes_known:
            raise DeviceRefused(
                f"Who uses the card at {self.pci} is not to be seen: cutting it needs root on its host."
            )
        if card.processes:
            users = ", ".join(f"pid {process.pid}" for process in card.processes)
            raise DeviceBusy(
                f"The card at {self.pci} is in use by {users}: end them, then cut it. Nothing was changed."
            )

    def _switch(self, handle: Any, card: NvmlCard, *, on: bool) -> None:
        word = "on" if on else "off"
        with self._in_words():
            status = pynvml.nvmlDeviceSetMigMode(handle, int(on))
        if status == pynvml.NVML_SUCCESS:
            self.done.append(f"MIG mode is {word}")
            return
        if status == pynvml.NVML_ERROR_RESET_REQUIRED:
            self.done.append(f"MIG mode will be {word} after a reset")
            raise DeviceRefused(
                f"A reset is needed to switch MIG {word} on the card at {self.pci}: run “nvidia-smi --gpu-reset -i "
                f"{card.uuid}” on its host, or restart the machine (in a virtual machine: restart that), "
                f"then order it again. {self.state()}"
            )
        if status == pynvml.NVML_ERROR_IN_USE:
            # The wish would come true at the next reset, at a time that nobody chose.
            with self._in_words():
                pynvml.nvmlDeviceSetMigMode(handle, int(not on))
            words = (
                f"MIG cannot be switched {word} on the card at {self.pci}: something keeps it open, such as a monitor "
                f"(dcgm, nvidia-persistenced). Stop it, then order it again. {self.state()}"
            )
            raise DeviceRefused(words) if self.done else DeviceBusy(words)
        raise DeviceRefused(
            f"MIG cannot be switched {word} on the card at {self.pci}: {pynvml.NVMLError(status)}. {self.state()}"
        )

    def _cut(self, handle: Any, card: NvmlCard) -> None:
        if not card.mig_enabled and not self.wanted:
            return
        offers = mig.offers_of(handle)
        places = self._places(card, offers)
        for offer, instance in list(mig.instances_of(handle, offers)):
            for _ in mig.empty(instance):
                self.done.append(f"a slice {offer.name} is gone")
            mig.destroy(instance)
        by_name = {offer.name: offer for offer in offers}
        for place in places:
            offer = by_name[place.profile]
            instance = mig.create(handle, offer, place.start)
            self.done.append(f"a slice {offer.name} is made at {place.start}")
            mig.fill(instance, offer)

    def _places(self, card: NvmlCard, offers: tuple[mig.Offer, ...]) -> list[Placement]:
        by_name = {offer.name: offer for offer in offers}
        missing = [name for name in dict.fromkeys(self.wanted) if name not in by_name]
        if missing:
            raise DeviceRefused(
                f"{card.model} at {self.pci} has no slice {', '.join(missing)}. "
                f"It offers: {', '.join(by_name) or 'none'}. {self.state()}"
            )
        chosen = [by_name[name] for name in self.wanted]
        size = max((start + offer.size for offer in offers for start in offer.starts), default=0)
        places = fit([(offer.name, offer.size, offer.starts) for offer in chosen], size)
        if places is None:
            raise DeviceRefused(
                f"{' + '.join(self.wanted)} do not fit together on {card.model} at {self.pci}. {self.state()}"
            )
        return sorted(places, key=lambda place: place.start)

    def _verified(self, handle: Any) -> tuple[NvmlSlice, ...]:
        made = slices_of(handle) if self.wanted else ()
        if Counter(part.profile for part in made) != Counter(self.wanted):
            listed = ", ".join(part.profile for part in made) or "no slice"
            raise OutcomeUnknown(
                f"The card at {self.pci} should have {', '.join(self.wanted)} and shows {listed}. {self.state()}"
            )
        return made

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except (pynvml.NVMLError_GpuIsLost, AdapterError):
            raise
        except pynvml.NVMLError_NoPermission as error:
            raise DeviceRefused(
                f"The card at {self.pci} cannot be cut: that needs root on its host, or the rights of "
                f"nvidia-caps. {self.state()}"
            ) from error
        except pynvml.NVMLError_InUse as error:
            words = f"The card at {self.pci} cannot be cut: one of its slices is in use. {self.state()}"
            raise (DeviceRefused(words) if self.done else DeviceBusy(words)) from error
        except pynvml.NVMLError as error:
            raise DeviceRefused(f"The card at {self.pci} cannot be cut: {error}. {self.state()}") from error
