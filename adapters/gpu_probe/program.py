"""The command line: one verb, one JSON answer, one exit code.

0  all is as it should be
1  it was looked at, and something is not as it should be
2  the command was wrong
3  nothing could be looked at: no driver, no library
4  no answer before the deadline
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapters.gpu_probe import answers
from adapters.gpu_probe.deadline import ActionDied, DeadlinePassed, answer_within
from adapters.nvml import NvmlUnavailable
from adapters.pci import normal_form

FINE, NOT_AS_IT_SHOULD_BE, WRONG_COMMAND, CANNOT_LOOK, TOO_LATE = range(5)
VERBS = ("inventory", "measure", "health", "baseline", "prove", "wipe")
_LISTS_CHECKS = ("prove", "wipe")
_LOOK_S = 60.0
_BEYOND_BUDGET_S = 120.0
_MOST_CARDS = 16


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; return the exit code."""
    parser = _parser()
    wishes = parser.parse_args(arguments)
    try:
        wishes.baselines = _baselines(wishes.baseline)
    except (OSError, TypeError, ValueError) as error:
        parser.error(f"--baseline: {error}")
    try:
        text = answer_within(lambda: _answer(wishes), _deadline_s(wishes))
        code, answer = json.loads(text)
    except DeadlinePassed:
        code, answer = (
            TOO_LATE,
            _excuse(wishes, f"no answer within {_deadline_s(wishes):g} s: the driver hangs"),
        )
    except ActionDied:
        code, answer = CANNOT_LOOK, _excuse(wishes, "the probe died while it looked; see its error output")
    json.dump(answer, sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
    return int(code)


def _answer(wishes: argparse.Namespace) -> bytes:
    try:
        answer, fine = _do(wishes)
        code = FINE if fine else NOT_AS_IT_SHOULD_BE
    except NvmlUnavailable as error:
        code, answer = CANNOT_LOOK, _excuse(wishes, str(error))
    return json.dumps([code, answer]).encode()


def _do(wishes: argparse.Namespace) -> tuple[Any, bool]:
    if wishes.verb == "inventory":
        return answers.inventory()
    cards = tuple(wishes.pci) or answers.all_cards()
    match wishes.verb:
        case "measure":
            return answers.measure(cards)
        case "health":
            return answers.health(cards, wishes.baselines)
        case "baseline":
            return answers.baseline(cards)
        case "wipe":
            return answers.wipe(
                cards, mig_uuid=wishes.mig, budget_s=wishes.budget_s, leave_mib=wishes.leave_mib
            )
    return answers.prove(
        cards,
        mig_uuid=wishes.mig,
        baselines=wishes.baselines,
        idle_memory_mib=wishes.idle_memory_mib,
        wipe=wishes.wipe,
        budget_s=wishes.budget_s,
        leave_mib=wishes.leave_mib,
    )


def _excuse(wishes: argparse.Namespace, reason: str) -> Any:
    if wishes.verb not in _LISTS_CHECKS:
        return {"error": reason}
    check = {
        "name": "cards",
        "expected": "can be looked at",
        "found": reason,
        "passed": False,
        "method": "probe",
    }
    return [check]


def _deadline_s(wishes: argparse.Namespace) -> float:
    if wishes.deadline_s is not None:
        return float(wishes.deadline_s)
    if wishes.verb == "wipe" or wishes.wipe:
        # How many cards there are is known only to the process that looks.
        at_most = len(wishes.pci) or _MOST_CARDS
        return _LOOK_S + at_most * float(wishes.budget_s + _BEYOND_BUDGET_S)
    return _LOOK_S


def _baselines(given: str | None) -> answers.Baselines:
    if given is None:
        return {}
    values = json.loads(given if given.lstrip().startswith("{") else Path(given).read_text())
    if not isinstance(values, dict):
        raise ValueError("This is not what the verb baseline prints.")  # noqa: TRY004 - the text is wrong
    # One baseline for every card, or one for each address.
    if all(":" in key for key in values):
        return {normal_form(pci): answers.baseline_from(one) for pci, one in values.items()}
    return {"": answers.baseline_from(values)}


def _pci(text: str) -> str:
    try:
        return normal_form(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="shary-gpu-probe",
        description="Says what NVIDIA cards this machine has and how they are, in JSON.",
        epilog=(__doc__ or "").partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("verb", choices=VERBS)
    parser.add_argument(
        "--pci",
        type=_pci,
        action="append",
        default=[],
        help="a card, such as 0000:65:00.0; again for more; none: all",
    )
    parser.add_argument(
        "--mig", metavar="UUID", help="look at one slice only, of the one card that --pci names"
    )
    parser.add_argument("--baseline", metavar="JSON", help="what the verb baseline printed, or a file with it")
    parser.add_argument("--idle-memory-mib", type=int, default=1024, help="more MiB in use is not idle (1024)")
    parser.add_argument("--wipe", action="store_true", help="with prove: overwrite the memory first")
    parser.add_argument("--budget-s", type=float, default=120.0, help="time for wiping one card (120)")
    parser.add_argument(
        "--leave-mib", type=int, help="how much a wipe may leave out of reach (1024, more of large cards)"
    )
    parser.add_argument("--deadline-s", type=float, help="end with exit code 4 after so long")
    return parser
