"""Devices in and out of the desk as a file: shown as a diff before it counts."""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods

from accounts.models import User
from resources.exchange import COLUMNS, LARGEST, DeviceExchange, NotReadable, write_table
from resources.models import Resource
from resources.operated import operated_sites
from resources.rules import operable_sites
from resources.services.exchange import Imported, ImportLine, import_devices

TYPES = {"csv": "text/csv", "json": "application/json", "yaml": "application/yaml"}
MOST_SHOWN = 200


def exchange_urls(wrap: Any) -> list[URLPattern]:
    """Return the pages, behind the door of the desk."""
    return [
        path("devices/import/", wrap(import_page), name="import_devices"),
        path("devices/export/<slug:form>/", wrap(export), name="export_devices"),
    ]


@require_GET
def export(request: HttpRequest, form: str) -> HttpResponse:
    """Give the devices of the person's sites, or of one of them, as a file that can be imported again."""
    if form not in TYPES:
        raise Http404(_("There are CSV, JSON and YAML."))
    sites = operated_sites(request)
    if slug := request.GET.get("site", ""):
        sites = sites.filter(slug=slug)
        if not sites.exists():
            raise Http404(_("There is no such site, or it is not yours."))
    text = write_table(DeviceExchange(sites).rows(), form)
    answer = HttpResponse(text, content_type=f"{TYPES[form]}; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="devices{"-" + slug if slug else ""}.{form}"'
    return answer


@require_http_methods(["GET", "POST"])
def import_page(request: HttpRequest) -> HttpResponse:
    """Take a file or a text, show what it would change, and do it."""
    user = cast(User, request.user)
    sites = list(operable_sites(user))
    if not sites:
        raise PermissionDenied
    text, form = request.POST.get("text", ""), request.POST.get("form", "csv")
    problem, found = "", None
    if request.method == "POST":
        try:
            if upload := request.FILES.get("file"):
                text, form = _read(upload), _form_of(str(upload.name), form)
            if form not in TYPES:
                raise NotReadable(_("There are CSV, JSON and YAML."))
            if not text.strip():
                raise NotReadable(_("Choose a file, or paste its text."))
            doing = request.POST.get("do") == "import"
            found = import_devices(sites=sites, text=text, form=form, dry_run=not doing)
            if doing and not found.problems and not found.of("wrong"):
                _note(user, found)
                messages.success(request, _counted(found))
                return redirect("admin:resources_resource_changelist")
        except NotReadable as error:
            problem = str(error)
    context = {
        **admin.site.each_context(request),
        "title": _("Import devices"),
        "sites": sites,
        "columns": COLUMNS,
        "text": text,
        "form": form,
        "forms": TYPES,
        "problem": problem,
        "found": found,
        "wrong": found.of("wrong")[:MOST_SHOWN] if found else [],
        "shown": [*found.of("new"), *found.of("change")][:MOST_SHOWN] if found else [],
        "counted": _counted(found, would=True) if found else "",
        "most_shown": MOST_SHOWN,
        "back": reverse("admin:resources_resource_changelist"),
    }
    return TemplateResponse(request, "admin/devices/import.html", context)


def _read(upload: Any) -> str:
    if upload.size > 4 * LARGEST:
        raise NotReadable(_("The file is too large; import a part of it at a time."))
    try:
        return cast(str, upload.read().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise NotReadable(_("The file is not in UTF-8; save it as “CSV UTF-8”.")) from error


def _form_of(name: str, given: str) -> str:
    ending = name.rpartition(".")[2].casefold()
    return {"csv": "csv", "json": "json", "yaml": "yaml", "yml": "yaml"}.get(ending, given)


def _note(user: User, found: Imported) -> None:
    """Write into the history of each device what the import changed."""
    content_type = ContentType.objects.get_for_model(Resource)
    LogEntry.objects.bulk_create(
        [
            LogEntry(
                user=user,
                content_type=content_type,
                object_id=str(line.resource.pk),
                object_repr=str(line.name)[:200],
                action_flag=ADDITION if line.verb == "new" else CHANGE,
                change_message=_words(line),
            )
            for line in found.lines
            if line.resource is not None
        ],
        batch_size=1000,
    )


def _words(line: ImportLine) -> str:
    if line.verb == "new":
        return _("Imported.")
    return _("Imported: %(what)s.") % {
        "what": "; ".join(f"{column}: {was} → {becomes}" for column, was, becomes in line.changes)
    }


def _counted(found: Imported, *, would: bool = False) -> str:
    new, changed, same = (len(found.of(verb)) for verb in ("new", "change", "same"))
    parts = [
        ngettext("%(n)s device is new", "%(n)s devices are new", new) % {"n": new},
        ngettext("%(n)s changes", "%(n)s change", changed) % {"n": changed},
        ngettext("%(n)s stays as it is", "%(n)s stay as they are", same) % {"n": same},
    ]
    if would and (wrong := len(found.of("wrong"))):
        parts.append(ngettext("%(n)s row is wrong", "%(n)s rows are wrong", wrong) % {"n": wrong})
    return ", ".join(parts) + "."
