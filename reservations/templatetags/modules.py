"""Tells the browser at once of all the modules that a page will load, so that it need not find them one by one."""

import re
from functools import lru_cache
from pathlib import Path
from posixpath import dirname, join, normpath

from django import template
from django.conf import settings
from django.contrib.staticfiles import finders
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

_IMPORT = re.compile(r'^import\s[^"]*"(\.[^"]+)";', re.MULTILINE)


@register.simple_tag
def module(entry: str) -> SafeString:
    """Return the script element of a module, after hints for everything that it imports.

    Modules import each other by the names that they have here, whatever the storage calls the entry.
    """
    hints = format_html_join(
        "\n",
        '<link rel="modulepreload" href="{}{}">',
        ((settings.STATIC_URL, name) for name in imported_by(entry)),
    )
    return format_html('{}\n<script type="module" src="{}"></script>', hints, static(entry))


@lru_cache(maxsize=64)
def imported_by(entry: str) -> tuple[str, ...]:
    """Return the modules that a module imports, those that they import, and so on; the nearest come first."""
    found: dict[str, None] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop(0)
        path = finders.find(name)
        if path is None:
            continue
        text = Path(path).read_text(encoding="utf-8")
        names = [normpath(join(dirname(name), reference)) for reference in _IMPORT.findall(text)]
        for reference in names:
            if reference != entry and reference not in found:
                found[reference] = None
                waiting.append(reference)
    return tuple(found)
