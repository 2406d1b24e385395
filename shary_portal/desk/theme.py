"""How the desk looks: the words, the mark and the colours of the portal on the admin's theme."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _mark(request: HttpRequest) -> str:
    return static("portal/mark.svg")


def _styles(request: HttpRequest) -> str:
    return static("portal/desk.css")


THEME: dict[str, Any] = {
    "SITE_TITLE": "SHARY desk",
    "SITE_HEADER": "SHARY",
    "SITE_SUBHEADER": "Operators’ desk",
    "SITE_ICON": _mark,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _mark}],
    "SITE_URL": "/",
    "SHOW_BACK_BUTTON": True,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "4px",
    "ENVIRONMENT": "shary_portal.desk.site.zone_label",
    "STYLES": [_styles],
    "SIDEBAR": {"navigation": "shary_portal.desk.navigation.navigation_for"},
    "ACCOUNT": {"navigation": [{"title": "Keys and tokens", "link": reverse_lazy("keys")}]},
    "COLORS": {
        "primary": {
            "50": "#eff4fe",
            "100": "#dfe9fc",
            "200": "#d3dfff",
            "300": "#a3c0ff",
            "400": "#86abff",
            "500": "#6d97f5",
            "600": "#1d55c4",
            "700": "#17469f",
            "800": "#10367f",
            "900": "#1e2f57",
            "950": "#182340",
        }
    },
}
