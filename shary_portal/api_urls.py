"""REST under /api/v1/."""

from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from accounts.api.me import MeDoor
from accounts.api.projects import InvitationDoor, JoinRequestDoor, ProjectDoor
from accounts.api.ssh_keys import SshKeyDoor
from accounts.api.tokens import TokenDoor
from interop.api import CalendarFeedDoor
from reservations.api.artefacts import ArtefactDoor
from reservations.api.calendar import CalendarDoor
from reservations.api.free import FreeDoor
from reservations.api.handovers import HandoverDoor
from reservations.api.holds import HoldDoor
from reservations.api.leases import LeaseDoor
from reservations.api.maintenance import MaintenanceDoor
from reservations.api.notifications import NotificationDoor
from reservations.api.reservations import ReservationDoor
from reservations.api.series import SeriesDoor
from reservations.api.slots import FindSlotDoor
from reservations.api.templates import TemplateDoor
from reservations.api.use import CsvRenderer
from reservations.api.waiting import WaitingDoor
from resources.api.adapters import AdapterDoor
from resources.api.resources import ResourceDoor
from resources.api.sites import SiteDoor
from shary_portal.idempotency import PortalRouter
from shary_portal.refused import Unknown

router = PortalRouter()
router.register("me", MeDoor)
router.register("tokens", TokenDoor)
router.register("ssh-keys", SshKeyDoor)
router.register("projects", ProjectDoor)
router.register("invitations", InvitationDoor)
router.register("join-requests", JoinRequestDoor)
router.register("sites", SiteDoor)
router.register("resources", ResourceDoor)
router.register("adapters", AdapterDoor)
router.register("calendar", CalendarDoor)
router.register("free", FreeDoor)
router.register("find-slot", FindSlotDoor)
router.register("reservations", ReservationDoor)
router.register("holds", HoldDoor)
router.register("series", SeriesDoor)
router.register("templates", TemplateDoor)
router.register("handovers", HandoverDoor)
router.register("waiting", WaitingDoor)
router.register("leases", LeaseDoor)
router.register("artefacts", ArtefactDoor)
router.register("notifications", NotificationDoor)
router.register("calendar-feeds", CalendarFeedDoor)
router.register("maintenance", MaintenanceDoor)

urlpatterns = [
    path("v1/", include(router.urls)),
    path(
        "v1/leases/<uuid:pk>/use.csv",
        LeaseDoor.as_view({"get": "use_as_csv"}, renderer_classes=[CsvRenderer]),
        name="leases-use-csv",
    ),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(), name="docs"),
    re_path(r"^.*$", Unknown.as_view()),
]
