"""Files for devices: checked when they come, so that nobody finds the typo when the slot begins."""

import hashlib

from accounts.models import User
from adapters.catalogue import CATALOGUE
from adapters.contract import Artefact as GivenFile
from reservations.errors import Invalid
from reservations.models import Artefact
from reservations.services.booking import project_to_charge


def accept_artefact(
    *,
    user: User,
    project: str,
    adapter: str,
    name: str,
    filename: str,
    content: bytes,
) -> Artefact:
    """Keep a file for a project's devices, if its adapter finds nothing wrong with it.

    The same content again gives the same row. Raises `Invalid` with what is wrong, in words.
    """
    owner = project_to_charge(user, project)
    description = CATALOGUE.get(adapter)
    if description is None:
        raise Invalid({"adapter": [f"There is no adapter “{adapter}”; one of {', '.join(sorted(CATALOGUE))}."]})
    slot = next((slot for slot in description.artefacts if slot.name == name), None)
    if slot is None:
        known = ", ".join(slot.name for slot in description.artefacts) or "no files at all"
        raise Invalid({"name": [f"{description.title} takes {known}, not “{name}”."]})
    if not content:
        raise Invalid({"file": [f"{slot.title} is empty; choose another file."]})
    if len(content) > slot.max_bytes:
        raise Invalid({"file": [f"{slot.title} may have {slot.max_bytes // 1024} KiB at most."]})
    digest = hashlib.sha256(content).hexdigest()
    file = GivenFile(name=name, filename=filename, sha256=digest, content=content)
    # Its companions come by themselves; that they fit together is checked when they are booked with.
    problems = [problem for problem in description.check_artefacts({}, [file]) if problem.field == name]
    if problems:
        raise Invalid({"file": [problem.message for problem in problems]})
    artefact, _ = Artefact.objects.get_or_create(
        project=owner,
        adapter=adapter,
        name=name,
        sha256=digest,
        filename=filename[:255],
        defaults={"uploaded_by": user, "size": len(content), "content": content},
    )
    return artefact
