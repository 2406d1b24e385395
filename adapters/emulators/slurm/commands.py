"""Understands Slurm's command lines: scontrol, squeue, scancel, sbatch."""

import argparse
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from adapters.emulators.slurm import printing
from adapters.emulators.slurm.cluster import Cluster
from adapters.emulators.slurm.nouns import EmulatedJob, EmulatedReservation, Refusal, counts_of, gres_of

_BUSY_NOTE = (
    "Note, unless nodes are directly requested a reservation must exist in a single partition.\n"
    "If no partition is requested the default partition is assumed.\n"
)
_FLAGS = {"STATIC_ALLOC", "ANY_NODES", "LICENSE_ONLY", "MAINT", "OVERLAP", "IGNORE_JOBS", "FLEX"}


@dataclass(frozen=True)
class Answer:
    """What a command prints, and how it ends."""

    code: int = 0
    out: str = ""
    err: str = ""


class Commands:
    """Answers one command line after the other."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def is_change(self, words: Sequence[str]) -> bool:
        """Say whether a command line is meant to change something."""
        return words[0] in ("sbatch", "scancel") or any(
            word in ("create", "update", "delete") for word in words[1:4]
        )

    def pretend(self, words: Sequence[str]) -> Answer:
        """Return the answer of a controller that says yes and does nothing."""
        if words[0] == "sbatch":
            return Answer(out="999999\n")
        return Answer(out="Reservation updated.\n" if "update" in words else "")

    def run(self, words: Sequence[str], *, user: str, zone: str) -> Answer:
        """Return what the command prints for this user, with this TZ."""
        with self.cluster.lock:
            self.cluster.tick()
            try:
                match words[0]:
                    case "scontrol":
                        return self._scontrol(words[1:], user, printing.zone_of(zone))
                    case "squeue":
                        return self._squeue(words[1:])
                    case "scancel":
                        return self._scancel(words[1:], user)
                    case "sbatch":
                        return self._sbatch(words[1:], user)
            except _Usage as usage:
                return Answer(1, err=f"{words[0]}: error: {usage}\n")
            return Answer(127, err=f"{words[0]}: command not found\n")

    # --- scontrol -----------------------------------------------------------------------------------

    def _scontrol(self, words: Sequence[str], user: str, zone: Any) -> Answer:
        details = "-d" in words
        words = [word for word in words if not word.startswith("-")]
        match words:
            case ["ping"]:
                return Answer(out="Slurmctld(primary) at emulator is UP\n")
            case ["show", "config"]:
                now = printing.clock(time.time(), zone)
                return Answer(
                    out=f"Configuration data as of {now}\nSelectType              = select/cons_tres\n"
                    f"SLURM_VERSION           = {self.cluster.version}\n"
                )
            case ["show", "lic" | "licenses"]:
                return Answer(out="".join(self._licence_lines()))
            case ["show", "reservation" | "res" | "reservations", *names]:
                return self._show_reservations(names, zone)
            case ["show", "node" | "nodes", *names]:
                shown = [node for node in self.cluster.nodes.values() if not names or node.name in names]
                lines = [printing.node_line(self.cluster, node, zone, details=details) for node in shown]
                return Answer(out="".join(f"{line}\n" for line in lines))
            case ["create", "reservation", *pairs]:
                return self._create(_pairs(pairs, "No reservation created."), user, zone)
            case ["update", *pairs]:
                return self._update(_pairs(pairs, "No reservation update."), user, zone)
            case ["delete", pair]:
                try:
                    self.cluster.delete(pair.partition("=")[2], caller=user)
                except Refusal as refusal:
                    return Answer(1, err=f"delete_reservation {pair}: {refusal.words}\n")
                return Answer()
        raise _Usage(f"invalid keyword: {' '.join(words)}")

    def _licence_lines(self) -> list[str]:
        lines = []
        for name, total in self.cluster.licences.items():
            used, reserved = self.cluster.used_licences(name), self.cluster.reserved_licences(name)
            lines.append(
                f"LicenseName={name} Total={total} Used={used} Free={total - used} Reserved={reserved} Remote=no\n"
            )
        return lines

    def _show_reservations(self, names: Sequence[str], zone: Any) -> Answer:
        shown = [found for found in self.cluster.reservations.values() if not names or found.name in names]
        if not shown and names:
            return Answer(1, out=f"Reservation {names[0]} not found\n")
        if not shown:
            return Answer(out="No reservations in the system\n")
        lines = [printing.reservation_line(self.cluster, found, zone) for found in shown]
        return Answer(out="".join(f"{line}\n" for line in lines))

    def _create(self, values: dict[str, str], user: str, zone: Any) -> Answer:
        self._refuse_newer_words(values, "No reservation created.")
        try:
            made = self.cluster.create(_reservation(values, zone), caller=user)
        except Refusal as refusal:
            note = _BUSY_NOTE if refusal.words == "Requested nodes are busy" else ""
            return Answer(1, out=note, err=f"Error creating the reservation: {refusal.words}\n")
        return Answer(out=f"Reservation created: {made.name}\n")

    def _update(self, values: dict[str, str], user: str, zone: Any) -> Answer:
        if "nodename" in values:
            return self._update_node(values, user)
        self._refuse_newer_words(values, "No reservation update.")
        changes: dict[str, Any] = {}
        try:
            for key, field in (("starttime", "start"), ("endtime", "end")):
                if key in values:
                    changes[field] = printing.seconds_of(values[key], zone)
            for key in ("users", "accounts"):
                if key in values:
                    changes[key] = [name for name in values[key].split(",") if name]
            if "comment" in values:
                changes["comment"] = values["comment"]
            self.cluster.update(values.get("reservationname", ""), changes, caller=user)
        except Refusal as refusal:
            words = refusal.words
            return Answer(1, err=f"Error updating the reservation: {words}\nslurm_update error: {words}\n")
        return Answer(out="Reservation updated.\n")

    def _update_node(self, values: dict[str, str], user: str) -> Answer:
        node = self.cluster.nodes.get(values["nodename"])
        if node is None or user not in ("root", "slurm"):
            return Answer(1, err="slurm_update error: Invalid node name specified\n")
        state = values.get("state", "").upper()
        node.drained, node.down = state == "DRAIN", state == "DOWN"
        node.reason = values.get("reason", "") if state != "RESUME" else ""
        return Answer()

    def _refuse_newer_words(self, values: Mapping[str, str], what: str) -> None:
        if "comment" in values and self.cluster.release < (23, 11):
            raise _Usage(f"Unknown parameter Comment={values['comment']}.  {what}")
        if "tres" in values and self.cluster.release < (24, 5):
            raise _Usage(f"couldn't identify configured TRES '{values['tres'].partition('=')[0]}'")

    # --- jobs -----------------------------------------------------------------------------------------

    def _squeue(self, words: Sequence[str]) -> Answer:
        parser = _Parser("squeue")
        for flag in ("-h", "-a"):
            parser.add_argument(flag, action="store_true")
        parser.add_argument("-o", default="%i %T")
        parser.add_argument("-j", default="")
        parser.add_argument("-R", default="")
        parser.add_argument("--states", default="")
        wishes = parser.parse_args(list(words))
        lines = []
        for job in self.cluster.alive():
            if wishes.j and str(job.number) not in wishes.j.split(","):
                continue
            if wishes.R and job.reservation not in wishes.R.split(","):
                continue
            columns = printing.job_columns(job)
            lines.append(re.sub(r"%([A-Za-z])", lambda found: columns.get(found[1], ""), wishes.o))  # noqa: B023
        return Answer(out="".join(f"{line}\n" for line in lines))

    def _scancel(self, words: Sequence[str], user: str) -> Answer:
        parser = _Parser("scancel")
        parser.add_argument("--quiet", action="store_true")
        parser.add_argument("--full", action="store_true")
        parser.add_argument("--signal", default="")
        parser.add_argument("--reservation", default="")
        parser.add_argument("jobs", nargs="*", type=int)
        wishes = parser.parse_args(list(words))
        numbers = wishes.jobs or [
            job.number for job in self.cluster.alive() if job.reservation == wishes.reservation
        ]
        code, err = 0, ""
        for number in numbers:
            try:
                self.cluster.cancel(number, caller=user, kill=wishes.signal == "KILL")
            except Refusal as refusal:
                if "job id" not in refusal.words:
                    code, err = 1, f"scancel: error: Kill job error on job id {number}: {refusal.words}\n"
        return Answer(code, err=err)

    def _sbatch(self, words: Sequence[str], user: str) -> Answer:
        parser = _Parser("sbatch")
        parser.add_argument("--reservation", default="")
        parser.add_argument("--gres", default="")
        parser.add_argument("-A", "--account", default="")
        parser.add_argument("-p", "--partition", default="gpu")
        parser.add_argument("-L", "--licenses", default="")
        parser.add_argument("-t", "--time", type=int, default=5)
        parser.add_argument("-w", "--nodelist", default="")
        parser.add_argument("-D", "--chdir", default="")
        parser.add_argument("-o", "--output", default="")
        parser.add_argument("--parsable", action="store_true")
        parser.add_argument("--wrap", default="")
        parser.add_argument("script", nargs="?", default="")
        wishes = parser.parse_args(list(words))
        try:
            gpu, cards = gres_of(wishes.gres) if wishes.gres else ("", 0)
            job = self.cluster.submit(
                EmulatedJob(
                    number=0,
                    user=user,
                    account=wishes.account,
                    minutes=wishes.time,
                    reservation=wishes.reservation,
                    gpu=gpu,
                    cards=cards,
                    licences=counts_of(wishes.licenses),
                    wants=wishes.nodelist,
                    stubborn="trap" in wishes.wrap,
                )
            )
        except Refusal as refusal:
            return Answer(1, err=f"sbatch: error: Batch job submission failed: {refusal.words}\n")
        return Answer(out=f"{job.number}\n" if wishes.parsable else f"Submitted batch job {job.number}\n")


class _Usage(Exception):
    """The command line is none of Slurm's."""


class _Parser(argparse.ArgumentParser):
    def __init__(self, name: str) -> None:
        super().__init__(prog=name, add_help=False, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise _Usage(message)


def _pairs(words: Sequence[str], what: str) -> dict[str, str]:
    values = {}
    known = {"reservationname", "starttime", "endtime", "duration", "users", "accounts", "nodes", "corecnt"}
    known |= {"licenses", "tres", "partitionname", "flags", "comment", "nodename", "state", "reason"}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key.lower() not in known:
            raise _Usage(f"Unknown parameter {word}.  {what}")
        if key.lower() in values:
            raise _Usage(f"Parameter {word} specified more than once")
        values[key.lower()] = value
    return values


def _reservation(values: Mapping[str, str], zone: Any) -> EmulatedReservation:
    start = printing.seconds_of(values.get("starttime", ""), zone)
    if "endtime" in values:
        end = printing.seconds_of(values["endtime"], zone)
    else:
        end = start + 60 * int(values.get("duration", "0"))
    flags = [flag for flag in values.get("flags", "").split(",") if flag]
    if not set(flags) <= _FLAGS:
        raise Refusal("Invalid flag", number=2000)
    return EmulatedReservation(
        name=values.get("reservationname", ""),
        start=start,
        end=end,
        nodes=[name for name in values.get("nodes", "").split(",") if name],
        cores=int(values.get("corecnt", "0")),
        cards=int(values["tres"].rpartition("=")[2]) if "tres" in values else 0,
        users=[name for name in values.get("users", "").split(",") if name],
        accounts=[name for name in values.get("accounts", "").split(",") if name],
        licences=counts_of(values.get("licenses", "")),
        flags=flags,
        partition=values.get("partitionname", ""),
        comment=values.get("comment", ""),
    )
