"""Event subscriptions: whom the BMC tells what happens to the card."""

import re
import secrets

from adapters.emulators.redfish.accounts import AccountResources, Handler
from adapters.emulators.redfish.messages import (
    Answer,
    Refusal,
    Request,
    bad_value,
    found,
    members,
    missing_property,
    not_found,
    success,
    unknown_property,
)

SUBSCRIPTIONS = "/redfish/v1/EventService/Subscriptions"
MOST_SUBSCRIPTIONS = 20
KNOWN = ("Destination", "Protocol", "Context", "EventFormatType", "RegistryPrefixes")


class EventResources(AccountResources):
    """The part of the service that keeps subscriptions; they outlive the account that made them."""

    def event_table(self) -> dict[str, dict[str, tuple[str, Handler]]]:
        """Return the routes: path, then method, then privilege and handler."""
        return {
            "/redfish/v1/EventService": {"GET": ("Login", self._event_service)},
            SUBSCRIPTIONS: {
                "GET": ("Login", self._subscriptions),
                "POST": ("ConfigureComponents", self._subscribe),
            },
            f"{SUBSCRIPTIONS}/([^/]+)": {
                "GET": ("Login", self._subscription),
                "DELETE": ("ConfigureComponents", self._unsubscribe),
            },
        }

    def _event_service(self, request: Request, match: re.Match[str]) -> Answer:
        return found(
            request.path,
            "EventService.v1_8_0.EventService",
            ServiceEnabled=True,
            Subscriptions={"@odata.id": SUBSCRIPTIONS},
        )

    def _subscriptions(self, request: Request, match: re.Match[str]) -> Answer:
        paths = [f"{SUBSCRIPTIONS}/{name}" for name in self.card.subscriptions]
        return members(request.path, "EventDestinationCollection", paths)

    def _subscribe(self, request: Request, match: re.Match[str]) -> Answer:
        for name in request.body:
            if name not in KNOWN:
                raise unknown_property(name)
        destination = request.body.get("Destination")
        if destination is None:
            raise missing_property("Destination")
        if not isinstance(destination, str) or not destination.startswith(("https://", "http://")):
            raise bad_value("Destination", destination)
        if len(self.card.subscriptions) >= MOST_SUBSCRIPTIONS:
            raise Refusal(503, "EventSubscriptionLimitExceeded", "There is no room for another subscription.")
        name = str(secrets.randbelow(2**31))
        self.card.subscriptions[name] = destination
        return Answer(status=201, headers={"Location": f"{SUBSCRIPTIONS}/{name}"})

    def _subscription(self, request: Request, match: re.Match[str]) -> Answer:
        if match[1] not in self.card.subscriptions:
            raise not_found(request.path)
        return found(
            request.path,
            "EventDestination.v1_14_1.EventDestination",
            Destination=self.card.subscriptions[match[1]],
            Protocol="Redfish",
        )

    def _unsubscribe(self, request: Request, match: re.Match[str]) -> Answer:
        if self.card.subscriptions.pop(match[1], None) is None:
            raise not_found(request.path)
        return success()
