"""The versions of a project's files: the same name again is the next version, the same bytes the same file."""

import hashlib

from django.db import transaction
from django.db.models import Max

from accounts.models import Project, User
from adapters.contract import Json
from reservations.models import Artefact


def keep_version(
    *,
    project: Project,
    user: User,
    adapter: str,
    name: str,
    filename: str,
    content: bytes,
    provenance: str = "",
    facts: Json | None = None,
) -> Artefact:
    """Return the project's file with this content, kept as the next version of its name if it is new."""
    digest = hashlib.sha256(content).hexdigest()
    filename = filename[:255]
    with transaction.atomic():
        # Two uploads at once would both be the next version.
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        of_slot = Artefact.objects.filter(project=project, adapter=adapter, name=name)
        known = of_slot.filter(sha256=digest).defer("content").order_by("created_at").first()
        if known is not None:
            return known
        latest = of_slot.filter(filename=filename).aggregate(latest=Max("version"))["latest"]
        return Artefact.objects.create(
            project=project,
            uploaded_by=user,
            adapter=adapter,
            name=name,
            filename=filename,
            sha256=digest,
            size=len(content),
            content=content,
            version=(latest or 0) + 1,
            provenance=provenance,
            facts=dict(facts or {}),
        )
