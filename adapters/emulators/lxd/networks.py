"""Networks and their rules under `/1.0`. All of them are in the default project, whoever asks."""

from typing import Any

from adapters.emulators.lxd.daemon import Daemon
from adapters.emulators.lxd.messages import Answer, Request, Table
from adapters.emulators.lxd.nouns import Network, Rules
from adapters.emulators.lxd.refusal import Refusal


class NetworkRoutes:
    """Answers for networks and for their rules (network ACLs)."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        name = r"([^/]+)"
        self.table: Table = [
            ("GET", "/1.0/networks", self.networks),
            ("POST", "/1.0/networks", self.add_network),
            ("GET", f"/1.0/networks/{name}", self.network),
            ("DELETE", f"/1.0/networks/{name}", self.remove_network),
            ("GET", "/1.0/network-acls", self.all_rules),
            ("POST", "/1.0/network-acls", self.add_rules),
            ("GET", f"/1.0/network-acls/{name}", self.rules),
            ("DELETE", f"/1.0/network-acls/{name}", self.remove_rules),
        ]

    def networks(self, request: Request) -> Answer:
        if "recursion" in request.query:
            return [self._network(request, one) for one in self.daemon.networks.values()]
        return [f"/1.0/networks/{name}" for name in self.daemon.networks]

    def network(self, request: Request, name: str) -> Answer:
        if name not in self.daemon.networks:
            raise Refusal(404, "Network not found")
        return self._network(request, self.daemon.networks[name])

    def add_network(self, request: Request) -> Answer:
        wish = request.json
        if wish["name"] in self.daemon.networks:
            raise Refusal(400, "The network already exists")
        if len(wish["name"]) > 15:
            raise Refusal(400, "Invalid network name: Network interface is too long (maximum 15 characters)")
        made = Network(
            wish["name"], wish.get("type") or "bridge", wish.get("description", ""), wish.get("config") or {}
        )
        self._check_rules(made.config)
        self.daemon.networks[made.name] = made
        self.daemon.saved()
        return None

    def remove_network(self, request: Request, name: str) -> Answer:
        self.network(request, name)
        if any(name == device.get("network") for device in self._devices()):
            raise Refusal(400, "The network is currently in use")
        del self.daemon.networks[name]
        self.daemon.saved()
        return {}

    def all_rules(self, request: Request) -> Answer:
        if "recursion" in request.query:
            return [self._rules(one) for one in self.daemon.rules.values()]
        return [f"/1.0/network-acls/{name}" for name in self.daemon.rules]

    def rules(self, request: Request, name: str) -> Answer:
        if name not in self.daemon.rules:
            raise Refusal(404, "Network ACL not found")
        return self._rules(self.daemon.rules[name])

    def add_rules(self, request: Request) -> Answer:
        wish = request.json
        if wish["name"] in self.daemon.rules:
            raise Refusal(400, "The network ACL already exists")
        self.daemon.rules[wish["name"]] = Rules(
            wish["name"],
            wish.get("description", ""),
            wish.get("config") or {},
            wish.get("ingress") or [],
            wish.get("egress") or [],
        )
        self.daemon.saved()
        return None

    def remove_rules(self, request: Request, name: str) -> Answer:
        self.rules(request, name)
        if self._rules_users(name):
            raise Refusal(500, "Cannot delete an ACL that is in use")
        del self.daemon.rules[name]
        self.daemon.saved()
        return {}

    def _network(self, request: Request, network: Network) -> dict[str, Any]:
        restricted = request.client is None or request.client.projects is not None
        # Who may not manage the server sees that a network is there, and not how it is set.
        return vars(network) | {
            "config": {} if restricted else network.config,
            "managed": True,
            "status": "Created",
            "used_by": [],
        }

    def _rules(self, rules: Rules) -> dict[str, Any]:
        return vars(rules) | {"used_by": self._rules_users(rules.name)}

    def _rules_users(self, name: str) -> list[str]:
        def has(config: dict[str, str]) -> bool:
            return name in config.get("security.acls", "").split(",")

        bridges = [f"/1.0/networks/{one.name}" for one in self.daemon.networks.values() if has(one.config)]
        cards = ["/1.0/instances" for device in self._devices() if has(device)]
        return bridges + cards

    def _check_rules(self, config: dict[str, str]) -> None:
        for name in filter(None, config.get("security.acls", "").split(",")):
            if name not in self.daemon.rules:
                raise Refusal(500, f'Network ACL "{name}" does not exist')

    def _devices(self) -> list[dict[str, str]]:
        with self.daemon.lock:
            instances = list(self.daemon.instances.values())
            return [device for one in instances for device in self.daemon.devices_of(one).values()]
