"""Lists of the desk as files: what the list shows, with its filters, as CSV or JSON."""

import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from resources.cells import write_cells
from resources.operated import OperatedAdmin

MOST_ROWS = 50_000


class ExportedAdmin(OperatedAdmin):
    """A list with a way out. What stands in it begins at `get_queryset`, so it is the person's own."""

    export_columns: ClassVar[Mapping[str, Callable[[Any], object]]] = {}
    list_before_template = "admin/exports.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the way out."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        own = path("export/<slug:form>/", self.admin_site.admin_view(self.export), name=name)
        return [own, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list with the filters that the export will have."""
        context = {"export_filters": request.GET.urlencode()} | (extra_context or {})
        return cast(HttpResponse, super().changelist_view(request, context))

    def export(self, request: HttpRequest, form: str) -> HttpResponse:
        """Give the rows of the list, with its search and its filters, as a file."""
        if form not in ("csv", "json"):
            raise Http404(_("There are CSV and JSON."))
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = self.get_changelist_instance(request).get_queryset(request)[:MOST_ROWS]
        rows = [
            {name: _said(value(row)) for name, value in self.export_columns.items()}
            for row in self.exported(found)
        ]
        if form == "csv":
            text, content_type = write_cells(list(self.export_columns), rows), "text/csv"
        else:
            text, content_type = json.dumps(rows, ensure_ascii=False, indent=1), "application/json"
        answer = HttpResponse(text, content_type=f"{content_type}; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="{self.opts.model_name}s.{form}"'
        return answer

    def exported(self, found: Any) -> Any:
        """Return the rows with what the columns need."""
        return found


def _said(value: object) -> str:
    if value is None:
        return ""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
