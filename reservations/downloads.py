"""What the holder saves of the way in: one file for ssh, and all files of the access together."""

import io
import re
import zipfile
from typing import cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_GET

from accounts.models import User
from adapters.contract import Access, Endpoint
from adapters.contract.wire import from_json
from reservations.models import Lease, Reservation
from reservations.selectors.visibility import may_enter, visible_reservations
from reservations.states import Status

_HOST = re.compile(r"[A-Za-z0-9.:_-]{1,255}")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@$-]{0,99}")
_FILE = re.compile(r"[^A-Za-z0-9._-]+")


@require_GET
@login_required
def ssh_config(request: HttpRequest, reservation_id: UUID) -> HttpResponse:
    """All devices of a reservation that are reached by ssh, as a file that ssh includes."""
    reservation, opened = _opened(cast(User, request.user), reservation_id)
    lines = [
        "# "
        + _one_line(
            f"SHARY, {reservation.purpose or 'reservation'}, until {reservation.ends_at:%Y-%m-%d %H:%M} UTC"
        ),
        "# Use it with: ssh -F FILE NAME, or name it in ~/.ssh/config: Include FILE",
    ]
    blocks = [block for lease, alias, endpoint in _aliases(opened) if (block := _block(lease, alias, endpoint))]
    if not blocks:
        raise Http404
    return _saved("\n".join([*lines, *blocks, ""]), f"shary-{str(reservation.pk)[:8]}.ssh_config", "text/plain")


@require_GET
@login_required
def access_zip(request: HttpRequest, reservation_id: UUID) -> HttpResponse:
    """The files of the access of all devices, a folder for each, with what is to be done in words."""
    reservation, opened = _opened(cast(User, request.user), reservation_id)
    if not opened:
        raise Http404
    content = io.BytesIO()
    at = timezone.now().timetuple()[:6]
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for folder, (lease, access) in zip(_names([lease for lease, _ in opened]), opened, strict=True):
            words = [str(lease.resource), "", access.instructions, ""]
            words += [f"{each.label}: {_address(each)}" for each in access.endpoints]
            _put(archive, f"{folder}/README.txt", "\n".join([*words, ""]), at)
            for file in access.files:
                # What a site calls a file must not lead out of the folder.
                _put(archive, f"{folder}/{_FILE.sub('_', file.name).lstrip('.') or 'file'}", file.content, at)
    return _saved(content.getvalue(), f"shary-{str(reservation.pk)[:8]}.zip", "application/zip")


def _opened(user: User, reservation_id: UUID) -> tuple[Reservation, list[tuple[Lease, Access]]]:
    """Return what is open now; what is not, nobody may have yet or any more."""
    reservation = visible_reservations(user).filter(pk=reservation_id).first()
    if reservation is None or not may_enter(user, reservation):
        raise Http404
    leases = reservation.leases.select_related("resource__site").filter(status=Status.ACTIVE)
    return reservation, [
        (lease, from_json(Access, lease.access)) for lease in leases.order_by("resource__name") if lease.access
    ]


def _aliases(opened: list[tuple[Lease, Access]]) -> list[tuple[Lease, str, Endpoint]]:
    found = []
    for name, (lease, access) in zip(_names([lease for lease, _ in opened]), opened, strict=True):
        endpoints = [each for each in access.endpoints if each.protocol == "ssh"]
        for number, endpoint in enumerate(endpoints, start=1):
            found.append((lease, name if number == 1 else f"{name}-{number}", endpoint))
    return found


def _names(leases: list[Lease]) -> list[str]:
    """Return a name for each device that a shell and a file system take; no two are the same."""
    names: list[str] = []
    for lease in leases:
        name = slugify(f"{lease.resource.site.slug} {lease.resource.name}") or f"device-{len(names) + 1}"
        names.append(name if name not in names else f"{name}-{len(names) + 1}")
    return names


def _block(lease: Lease, alias: str, endpoint: Endpoint) -> str:
    # A site could otherwise write options of its own into the holder's configuration.
    if not _HOST.fullmatch(endpoint.host) or (endpoint.username and not _USER.fullmatch(endpoint.username)):
        return ""
    lines = [f"\nHost {alias}", f"    HostName {endpoint.host}", f"    Port {int(endpoint.port)}"]
    if endpoint.username:
        lines.append(f"    User {endpoint.username}")
    # The next lease of the device has another key, and that must not look like an attack.
    return "\n".join([*lines, f"    HostKeyAlias shary-{str(lease.pk)[:8]}-{int(endpoint.port)}"])


def _address(endpoint: Endpoint) -> str:
    return endpoint.command or f"{endpoint.protocol}://{endpoint.host}:{endpoint.port}"


def _put(archive: zipfile.ZipFile, name: str, content: str, at: tuple[int, ...]) -> None:
    entry = zipfile.ZipInfo(name, cast("tuple[int, int, int, int, int, int]", at))
    entry.external_attr = 0o600 << 16  # keys are among them
    archive.writestr(entry, content)


def _one_line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _saved(content: str | bytes, name: str, kind: str) -> HttpResponse:
    response = HttpResponse(content, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response
