"""The nouns of *when*. Only services write them; a lease's status moves through `services.gate`."""

from reservations.models.allotments import VlanAllotment as VlanAllotment
from reservations.models.artefact import Artefact as Artefact
from reservations.models.calendar import CalendarEntry as CalendarEntry
from reservations.models.countersigns import Countersign as Countersign
from reservations.models.errands import Build as Build
from reservations.models.errands import Rehearsal as Rehearsal
from reservations.models.geometry import GeometryChange as GeometryChange
from reservations.models.handover import Handover as Handover
from reservations.models.hold import HeldResource as HeldResource
from reservations.models.hold import Hold as Hold
from reservations.models.idempotency import IdempotencyKey as IdempotencyKey
from reservations.models.lease import Lease as Lease
from reservations.models.lease import LeaseEvent as LeaseEvent
from reservations.models.lease import Proof as Proof
from reservations.models.outbox import MessageChoices as MessageChoices
from reservations.models.outbox import OutgoingMail as OutgoingMail
from reservations.models.outbox import OutgoingOrder as OutgoingOrder
from reservations.models.plans import Displacement as Displacement
from reservations.models.plans import MaintenancePlan as MaintenancePlan
from reservations.models.reservation import Reservation as Reservation
from reservations.models.series import Series as Series
from reservations.models.series import SeriesException as SeriesException
from reservations.models.tasks import LeaseReport as LeaseReport
from reservations.models.template import Template as Template
from reservations.models.use import LeaseUse as LeaseUse
