"""The emulated slurmrestd: v0.0.38 with 22.05 (reads only), v0.0.43 with 25.05."""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from adapters.emulators.slurm import printing
from adapters.emulators.slurm.cluster import Cluster
from adapters.emulators.slurm.nouns import EmulatedJob, EmulatedNode, EmulatedReservation, Refusal, counts_of


class RestAnswer(Exception):
    """An answer that is not a good one."""

    def __init__(self, status: int, words: str = "", number: int = -1) -> None:
        super().__init__(words)
        self.status, self.words, self.number = status, words, number


class Rest:
    """Answers one request after the other."""

    def __init__(self, cluster: Cluster, tokens: Mapping[str, str]) -> None:
        self.cluster = cluster
        self.tokens = dict(tokens)
        """User by token."""
        self.is_new = cluster.release >= (23, 11)
        self.api_version = "v0.0.43" if self.is_new else "v0.0.38"

    def answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: Mapping[str, Any],
    ) -> tuple[int, dict[str, Any]]:
        """Return status and body."""
        with self.cluster.lock:
            self.cluster.tick()
            said = self._frame()
            try:
                user = self._user(headers)
                said |= self._route(method, path)(path, query, body, user)
            except RestAnswer as bad:
                if bad.words:
                    said["errors"] = [self._error(bad.words, bad.number)]
                return bad.status, said
            except Refusal as refusal:
                said["errors"] = [self._error(refusal.words, refusal.number)]
                return 500, said
            return 200, said

    # --- underneath -------------------------------------------------------------------------------

    def _frame(self) -> dict[str, Any]:
        major, minor, micro = self.cluster.version.split(".")
        slurm = {"version": {"major": major, "minor": minor, "micro": micro}, "release": self.cluster.version}
        return {"meta": {"slurm" if self.is_new else "Slurm": slurm}, "errors": [], "warnings": []}

    def _error(self, words: str, number: int) -> dict[str, Any]:
        if self.is_new:
            return {"description": "", "error_number": number, "error": words, "source": "slurmctld"}
        return {"error": words, "errno": number}

    def _user(self, headers: Mapping[str, str]) -> str:
        user = headers.get("x-slurm-user-name", "")
        if self.tokens.get(headers.get("x-slurm-user-token", "")) != user or not user:
            # The old one has no better words for a token that is wrong or over.
            if self.is_new:
                raise RestAnswer(401, "Authentication failure", 1007)
            raise RestAnswer(500, "Unspecified error", -1)
        return user

    def _route(self, method: str, path: str) -> Callable[..., dict[str, Any]]:
        place = path.removeprefix(f"/slurm/{self.api_version}/")
        if place == path:
            raise RestAnswer(404)
        reads = {
            "reservations": self._reservations,
            "nodes": self._nodes,
            "jobs": self._jobs,
            "licenses": self._licences,
        }
        if method == "GET" and place in reads:
            return reads[place]
        if method == "DELETE" and re.fullmatch(r"job/\d+", place):
            return self._cancel
        if self.is_new and method == "POST" and place == "reservation":
            return self._post
        if self.is_new and method == "DELETE" and place.startswith("reservation/"):
            return self._delete
        raise RestAnswer(405)

    def _reservations(self, *_: Any) -> dict[str, Any]:
        return {"reservations": [self._reservation(found) for found in self.cluster.reservations.values()]}

    def _nodes(self, *_: Any) -> dict[str, Any]:
        return {"nodes": [self._node(node) for node in self.cluster.nodes.values()]}

    def _jobs(self, *_: Any) -> dict[str, Any]:
        return {"jobs": [self._job(job) for job in self.cluster.jobs.values()]}

    def _licences(self, *_: Any) -> dict[str, Any]:
        return {
            "licenses": [
                {
                    "LicenseName": name,
                    "Total": total,
                    "Used": self.cluster.used_licences(name),
                    "Free": total - self.cluster.used_licences(name),
                    "Reserved": self.cluster.reserved_licences(name),
                    "Remote": False,
                }
                for name, total in self.cluster.licences.items()
            ]
        }

    def _cancel(
        self, path: str, query: Mapping[str, str], body: Mapping[str, Any], user: str
    ) -> dict[str, Any]:
        self.cluster.cancel(int(path.rpartition("/")[2]), caller=user, kill=query.get("signal") == "KILL")
        return {}

    def _delete(
        self, path: str, query: Mapping[str, str], body: Mapping[str, Any], user: str
    ) -> dict[str, Any]:
        self.cluster.delete(path.rpartition("/")[2], caller=user)
        return {}

    def _post(self, path: str, query: Mapping[str, str], body: Mapping[str, Any], user: str) -> dict[str, Any]:
        name = str(body.get("name") or "")
        if not name:
            raise Refusal("Requested reservation is invalid", number=2053)
        values = {key: read(body[word]) for key, word, read in _FIELDS if word in body}
        if name in self.cluster.reservations:
            self.cluster.update(name, values, caller=user)
        else:
            self.cluster.create(
                EmulatedReservation(name=name, **({"start": 0, "end": 0} | values)), caller=user
            )
        return {"reservations": [self._reservation(self.cluster.reservations[name])]}

    # --- shapes -------------------------------------------------------------------------------------

    def _number(self, number: float) -> Any:
        return {"set": True, "infinite": False, "number": int(number)} if self.is_new else int(number)

    def _reservation(self, found: EmulatedReservation) -> dict[str, Any]:
        shape = {
            "name": found.name,
            "start_time": self._number(found.start),
            "end_time": self._number(found.end),
            "node_list": ",".join(found.nodes),
            "node_count": len(found.nodes),
            "core_count": printing.core_count(self.cluster, found),
            "users": ",".join(found.users),
            "accounts": ",".join(found.accounts),
            "licenses": ",".join(f"{name}:{count}" for name, count in found.licences.items()),
            "flags": printing.flags_of(found),
            "partition": found.partition,
        }
        return shape | ({"comment": found.comment} if self.is_new else {})

    def _node(self, node: EmulatedNode) -> dict[str, Any]:
        states = printing.states_of(self.cluster, node)
        shape: dict[str, Any] = {
            "name": node.name,
            "cpus": node.cpus,
            "alloc_cpus": len(self.cluster.jobs_on(node.name)),
            "gres": node.gres,
            "gres_used": printing.gres_used(self.cluster, node),
            "reason": node.reason,
            "real_memory": node.memory_mib,
            "partitions": ["gpu"],
        }
        if self.is_new:
            return shape | {"state": states}
        return shape | {"state": states[0].lower(), "state_flags": states[1:]}

    def _job(self, job: EmulatedJob) -> dict[str, Any]:
        states = ["CANCELLED", "COMPLETING"] if job.state == "COMPLETING" else [job.state]
        return {
            "job_id": job.number,
            "user_name": job.user,
            "account": job.account,
            "job_state": states if self.is_new else states[0],
            "resv_name": job.reservation,
            "nodes": job.node,
            "state_reason": job.reason,
            "end_time": self._number(time.time()),
        }


def _plain(value: Any) -> int:
    return int(value["number"]) if isinstance(value, dict) else int(value)


def _flags(value: list[str]) -> list[str]:
    return ["STATIC_ALLOC" if flag == "STATIC" else flag for flag in value]


_FIELDS: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("start", "start_time", _plain),
    ("end", "end_time", _plain),
    ("users", "users", list),
    ("accounts", "accounts", list),
    ("nodes", "node_list", list),
    ("cores", "core_count", _plain),
    ("cards", "tres", lambda value: sum(int(entry["count"]) for entry in value)),
    ("licences", "licenses", lambda value: counts_of(",".join(value))),
    ("flags", "flags", _flags),
    ("partition", "partition", str),
    ("comment", "comment", str),
)
