"""One emulated device: its program, what was written to it, and who controls it."""

import base64
import json
import threading
from collections.abc import Iterable
from typing import Any, Literal

from finsy.proto import p4r

from adapters.emulators.p4runtime.arbitration import Arbitration
from adapters.emulators.p4runtime.forwarding import Forwarding
from adapters.emulators.p4runtime.refusals import Code, Refusal, invalid

Personality = Literal["spec", "bmv2", "stratum"]
"""`spec` follows the specification to the letter. `bmv2` has the habits of BMv2's
simple_switch_grpc: it remembers no election id beyond its controller's connection, takes any JSON
for a program, and is wedged by what is no JSON until it is restarted. `stratum` follows the
specification, keeps the last program that was committed or saved on its disk, and pushes it again when it starts."""

VERIFY, VERIFY_AND_SAVE, VERIFY_AND_COMMIT, COMMIT, RECONCILE_AND_COMMIT = range(1, 6)


class Device:
    """Everything that the switch forgets when it is restarted."""

    def __init__(self, *, device_id: int, personality: Personality) -> None:
        self.device_id = device_id
        self.personality = personality
        self.lock = threading.RLock()
        self.arbitration = Arbitration(device_id=device_id, remembers=personality != "bmv2")
        self.config: Any | None = None
        self.forwarding: Forwarding | None = None
        self.on_disk: Any | None = None
        """What Stratum pushes when it starts."""
        self.changes = 0
        self._has_saved = False
        self._wedged = False

    def set_pipeline(self, action: int, config: Any | None, *, pretend: bool) -> None:
        """Verify, save or commit a program. To `pretend` is to answer as if, and to leave it."""
        if action not in range(VERIFY, RECONCILE_AND_COMMIT + 1):
            raise invalid("the action is missing")
        if action == RECONCILE_AND_COMMIT and self.personality != "bmv2":
            raise Refusal(Code.UNIMPLEMENTED, "RECONCILE_AND_COMMIT is not supported")
        if action == COMMIT and self.personality != "bmv2":
            if config is not None:
                raise invalid("COMMIT takes no config")
            if not self._has_saved:
                raise Refusal(Code.NOT_FOUND, "nothing was saved")
            if not pretend:
                self._has_saved = False
                self.changes += 1
            return
        if config is None:
            raise invalid("the config is missing")
        self._verify(config, push=action != VERIFY)
        if action == VERIFY or pretend:
            return
        self._run(config)
        if self.personality == "stratum":
            self.on_disk = self.config
        self._has_saved = action == VERIFY_AND_SAVE
        self.changes += 1

    def write(self, updates: Iterable[Any], *, pretend: bool) -> list[Refusal | None]:
        """Apply each update by itself; return why not, for each."""
        forwarding = self._program()
        results: list[Refusal | None] = []
        for update in updates:
            try:
                if self.personality == "bmv2" and not _looks_like_a_program(self.config):
                    raise Refusal(Code.UNKNOWN, "the target has no such object")
                if not pretend:
                    forwarding.write(update)
                    self.changes += 1
                results.append(None)
            except Refusal as refusal:
                results.append(refusal)
        return results

    def read(self, entities: Iterable[Any]) -> list[Any]:
        """Return all that the wildcards ask for."""
        forwarding = self._program()
        return [found for wanted in entities for found in forwarding.read(wanted)]

    def restart(self) -> None:
        """Forget everything but what lies on the disk."""
        self.arbitration.forget()
        self.config = self.forwarding = None
        self._has_saved = self._wedged = False
        if self.on_disk is not None:
            self._run(self.on_disk)

    def dump(self) -> dict[str, Any]:
        """Return what to write down, so that a later process can go on."""
        entities = self.forwarding.entities.values() if self.forwarding else ()
        return {
            "config": _text(self.config) if self.config is not None else None,
            "on_disk": _text(self.on_disk) if self.on_disk is not None else None,
            "entities": [_text(entity) for entity in entities],
            "highest": {role: str(number) for role, number in self.arbitration.highest.items()},
        }

    def load(self, dumped: dict[str, Any]) -> None:
        """Go on from what was written down."""
        self.arbitration.highest = {role: int(number) for role, number in dumped["highest"].items()}
        if dumped.get("on_disk"):
            self.on_disk = p4r.ForwardingPipelineConfig.FromString(base64.b64decode(dumped["on_disk"]))
        if dumped["config"] is None:
            return
        self._run(p4r.ForwardingPipelineConfig.FromString(base64.b64decode(dumped["config"])))
        assert self.forwarding is not None  # noqa: S101  # it runs
        entities = [p4r.Entity.FromString(base64.b64decode(text)) for text in dumped["entities"]]
        for entity in sorted(entities, key=_restored_after):
            self.forwarding.restore(entity)

    def _run(self, config: Any) -> None:
        self.config = p4r.ForwardingPipelineConfig()
        self.config.CopyFrom(config)
        self.forwarding = Forwarding(self.config.p4info)

    def _program(self) -> Forwarding:
        if self.forwarding is None:
            raise Refusal(Code.FAILED_PRECONDITION, "no forwarding pipeline config was set")
        return self.forwarding

    def _verify(self, config: Any, *, push: bool) -> None:
        ids = [table.preamble.id for table in config.p4info.tables]
        if len(set(ids)) != len(ids) or 0 in ids:
            raise invalid("the P4Info is inconsistent")
        if self.personality != "bmv2":
            if not _looks_like_a_program(config):
                raise invalid("the device config is no program for this target")
        elif push:
            # As seen on BMv2: the first bad payload poisons every later push.
            self._wedged = self._wedged or _json(config.p4_device_config) is None
            if self._wedged:
                raise Refusal(Code.UNKNOWN, "Error in first phase of device update")


def _looks_like_a_program(config: Any) -> bool:
    program = _json(config.p4_device_config)
    return isinstance(program, dict) and all(
        isinstance(program.get(part), list) for part in ("parsers", "pipelines", "deparsers")
    )


def _restored_after(entity: Any) -> int:
    """Groups refer to members, and table entries to both."""
    order = ("action_profile_member", "action_profile_group")
    kind = entity.WhichOneof("entity")
    return order.index(kind) if kind in order else len(order)


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _text(message: Any) -> str:
    return base64.b64encode(message.SerializeToString()).decode()
