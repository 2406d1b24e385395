"""How much a lease used its device: as numbers over time, and as a table to take away."""

import csv
import io
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.door import Door
from reservations.measured import STEPS_S, Measured
from reservations.models import Lease
from reservations.packing import Column
from reservations.selectors.use import idle_since_of, use_of, use_summary

STEP = OpenApiParameter(
    "step",
    int,
    enum=STEPS_S,
    description="Seconds per step; without it, the finest that makes no more than 480 steps. Old measurements are"
    " kept by the hour: the answer then has a longer step than was asked for.",
)


class UseQuery(serializers.Serializer[Any]):
    """In what steps."""

    step = serializers.ChoiceField(choices=[*STEPS_S], required=False, default=None, allow_null=True)


class ColumnShape(serializers.ListField):
    """The mean of each step, or null where nothing was seen."""

    child = serializers.FloatField(allow_null=True)


class UseShape(serializers.Serializer[Any]):
    """What was measured while the lease was open."""

    lease = serializers.UUIDField()
    began_at = serializers.DateTimeField(
        allow_null=True, help_text="Of the first step; null: nothing measured."
    )
    step_s = serializers.IntegerField()
    columns = serializers.DictField(
        child=ColumnShape(),
        help_text="By measurement, with the unit in the name: each step's mean, null where nothing was seen."
        " `utilisation_percent_max` is the highest of the step. Those of a host's cards are put together.",
    )
    cards = serializers.DictField(
        child=serializers.DictField(child=ColumnShape()),
        help_text="The same for each card of a host, by its PCI address; empty for one device.",
    )
    mean_utilisation_percent = serializers.FloatField(allow_null=True, help_text="Over all that was measured.")
    measured_h = serializers.FloatField(help_text="Hours for which utilisation is known, added over the cards.")
    used_h = serializers.FloatField(help_text="The same, each weighed by how busy the card was.")
    idle_since = serializers.DateTimeField(
        allow_null=True, help_text="Below 5 % on all cards, without a break, for half an hour or more."
    )
    unmeasured = serializers.CharField(allow_blank=True, help_text="Why it could not be measured, in words.")
    updated_at = serializers.DateTimeField(allow_null=True)


class CsvRenderer(JSONRenderer):
    """Text as it is; a refusal as the JSON that all refusals are."""

    media_type = "text/csv"
    format = "csv"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        """Return the bytes of the answer."""
        return data.encode() if isinstance(data, str) else super().render(data, *args, **kwargs)


class UseDoor(Door[Lease]):
    """What a lease made of its device, for those who may see the lease."""

    @extend_schema(parameters=[STEP], responses=UseShape, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def use(self, request: Request, pk: UUID) -> Response:
        """Show how much the lease used its device."""
        lease = self._used(pk)
        measured = use_of(lease.pk, step_s=self.read_query(UseQuery)["step"])
        summary = use_summary(lease.pk)
        return Response(
            {
                "lease": lease.pk,
                "began_at": measured.began_at if measured.length else None,
                "step_s": measured.step_s,
                "columns": _short(measured.together),
                "cards": {card: _short(columns) for card, columns in measured.cards.items()},
                "mean_utilisation_percent": _rounded(summary.mean_percent),
                "measured_h": _rounded(summary.measured_s / 3600),
                "used_h": _rounded(summary.busy_s / 3600),
                "idle_since": idle_since_of(lease, now=self.now),
                "unmeasured": summary.unmeasured,
                "updated_at": summary.updated_at,
            }
        )

    @extend_schema(
        parameters=[STEP],
        responses={(200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, description="One line for each step.")},
        filters=False,
    )
    def use_as_csv(self, request: Request, pk: UUID) -> Response:
        """Give all that was measured as a table, one line for each step; in minutes, where they are kept."""
        lease = self._used(pk)
        step_s = self.read_query(UseQuery)["step"] or STEPS_S[0]
        answer = Response(_table(use_of(lease.pk, step_s=step_s)), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="use-{lease.pk}.csv"'
        return answer

    def _used(self, pk: UUID) -> Lease:
        lease = self.get_queryset().defer("access").filter(pk=pk).first()
        if lease is None:
            raise NotFound("There is no such lease, or it is not yours to see.")
        return lease


def _table(measured: Measured) -> str:
    names = sorted(measured.columns)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["began_at", *names])
    for step in range(measured.length):
        numbers = (measured.columns[name][step] for name in names)
        writer.writerow([measured.at(step).strftime("%Y-%m-%dT%H:%M:%SZ"), *map(_cell, numbers)])
    return text.getvalue()


def _cell(number: float | None) -> str:
    return "" if number is None else f"{number:.4g}" if abs(number) < 10_000 else f"{number:.0f}"


def _short(columns: dict[str, Column]) -> dict[str, list[float | None]]:
    return {name: [_rounded(number) for number in column] for name, column in columns.items()}


def _rounded(number: float | None) -> float | None:
    # No more digits than are kept.
    return None if number is None else float(f"{number:.4g}")
