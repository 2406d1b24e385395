"""What comes in by the door and what goes out of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adapters.emulators.lxd.nouns import File
from adapters.emulators.lxd.trust import Client

Answer = Any
Handler = Callable[..., Answer]
Table = list[tuple[str, str, Handler]]
"""Method, pattern of the path, and who answers."""

EXTENSIONS = [
    "etag",
    "patch",
    "container_last_used_at",
    "directory_manipulation",
    "file_delete",
    "file_append",
    "network",
    "network_acl",
    "resources",
    "resources_v2",
    "projects",
    "instances",
    "instance_all_projects",
    "gpu_mig",
    "resources_gpu",
    "api_filtering",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, taken apart."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    json: dict[str, Any]
    client: Client | None
    project: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """A file, given out as it is."""

    file: File


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """An answer with its ETag."""

    metadata: Any
    etag: str
