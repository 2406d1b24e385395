"""Ends of access that do not wait until the journal can be written again."""

from collections.abc import Iterator
from dataclasses import dataclass

from site_worker.claims import Claim
from site_worker.journal import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class LastResort:
    """An end of access without a claim, because the journal cannot be written."""

    claim: Claim


def ends_without_claim(journal: Journal, latest: float) -> Iterator[LastResort]:
    """Return what may be open though its end has come; for this the journal is only read."""
    rows = journal.db().execute(
        "SELECT l.lease_id, l.adapter, o.body FROM lease l JOIN lease_order o USING (lease_id)"
        " WHERE l.may_be_open AND l.ends_at <= ?",
        (latest,),
    )
    for row in rows.fetchall():
        yield LastResort(
            claim=Claim(
                token="",
                lease_id=row["lease_id"],
                adapter=row["adapter"],
                verb="isolate",
                until=latest,
                body=row["body"],
            )
        )
