"""HTML under /, REST under /api/v1/."""

from django.contrib import admin
from django.urls import include, path, re_path

from interop import ical
from interop import pages as feed_pages
from reservations import downloads, message_pages
from reservations import pages as reservations_pages
from resources import pages as resources_pages
from shary_portal import health, languages
from shary_portal.refused import closed

urlpatterns = [
    path("", reservations_pages.board, name="board"),
    path("calendar/stream/", reservations_pages.calendar_stream, name="calendar-stream"),
    path("find/", reservations_pages.find, name="find"),
    path("mine/", reservations_pages.mine, name="mine"),
    path("reservations/<uuid:reservation_id>/", reservations_pages.reservation, name="reservation"),
    path("reservations/<uuid:reservation_id>/stream/", reservations_pages.stream, name="stream"),
    path("series/<uuid:series_id>/", reservations_pages.series, name="series"),
    path("templates/", reservations_pages.templates, name="templates"),
    path("reservations/<uuid:reservation_id>/calendar.ics", ical.download, name="calendar-file"),
    path("reservations/<uuid:reservation_id>/ssh_config", downloads.ssh_config, name="ssh-config"),
    path("reservations/<uuid:reservation_id>/access.zip", downloads.access_zip, name="access-zip"),
    path("account/notifications/", message_pages.notifications, name="notifications"),
    path("account/feeds/", feed_pages.feeds, name="feeds"),
    path("messages/stop/<str:signed>/", message_pages.stop, name="stop-messages"),
    path("calendar/feed.ics", ical.by_header, name="calendar-by-header"),
    path("calendar/<str:secret>/shary.ics", ical.by_secret, name="calendar-by-secret"),
    path("artefacts/", reservations_pages.artefacts, name="artefacts"),
    path("resources/<uuid:resource_id>/", resources_pages.resource, name="resource"),
    path("", include("accounts.urls")),
    # Identities are not joined, and accounts not completed by hand: the library's pages for that stay closed.
    re_path(r"^accounts/(?:3rdparty|social)/", closed),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("api/", include("shary_portal.api_urls")),
    path("sup4rnet/", include("interop.urls")),
    path("language/", languages.choose_language, name="choose-language"),
    path("words/<slug:language>.js", languages.words, name="words"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]

handler400 = "shary_portal.refused.bad_request"
handler404 = "shary_portal.refused.not_found"
handler500 = "shary_portal.refused.server_error"
