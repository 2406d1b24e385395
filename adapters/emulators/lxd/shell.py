"""A toy shell, so that a holder has something to type into."""

import shlex
from collections.abc import Callable, Sequence

from adapters.emulators.lxd.nouns import HostCard

Commands = dict[str, Callable[[list[str]], str]]


class Shell:
    """Answers a handful of commands."""

    def __init__(self, *, hostname: str, username: str, cards_of: Callable[[], Sequence[HostCard]]) -> None:
        self.hostname = hostname
        self.username = username
        self._cards_of = cards_of
        self._commands: Commands = {
            "hostname": lambda _: hostname,
            "whoami": lambda _: username,
            "pwd": lambda _: "/root" if username == "root" else f"/home/{username}",
            "echo": " ".join,
            "true": lambda _: "",
            "nvidia-smi": self._nvidia_smi,
            "help": lambda _: "This machine is emulated. It knows: " + ", ".join(sorted(self._commands)),
        }

    @property
    def prompt(self) -> str:
        """Return what stands before the cursor."""
        return f"{self.username}@{self.hostname}:~{'#' if self.username == 'root' else '$'} "

    def run(self, line: str) -> tuple[str, int]:
        """Return what a line prints, and its exit status."""
        try:
            words = shlex.split(line)
        except ValueError as error:
            return f"sh: {error}\n", 2
        if not words:
            return "", 0
        if words[0] not in self._commands:
            return f"sh: {words[0]}: not found (emulated machine; try “help”)\n", 127
        text = self._commands[words[0]](words[1:])
        return (text + "\n" if text else ""), 0

    def _nvidia_smi(self, words: list[str]) -> str:
        cards = self._cards_of()
        if not cards:
            return "No devices were found"
        if "-L" in words:
            return "\n".join(
                f"GPU {number}: {card.model} (UUID: {card.serial_uuid})" for number, card in enumerate(cards)
            )
        rule = "+" + "-" * 77 + "+"
        rows = [
            f"| {number:>3}  {card.model:<28} {card.pci:>14}   {4:>6}MiB / {card.memory_mib:>6}MiB   0% |"
            for number, card in enumerate(cards)
        ]
        head = f"| {'NVIDIA-SMI (emulated)':<75} |"
        return "\n".join([rule, head, rule, *rows, rule])
