"""Projects and their profiles under `/1.0`."""

from typing import Any

from adapters.emulators.lxd.daemon import Daemon
from adapters.emulators.lxd.messages import Answer, Request, Table
from adapters.emulators.lxd.nouns import Instance, Profile, Project
from adapters.emulators.lxd.refusal import Refusal


class ProjectRoutes:
    """Answers for projects and profiles."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        name = r"([^/]+)"
        self.table: Table = [
            ("GET", "/1.0/projects", self.projects),
            ("POST", "/1.0/projects", self.add_project),
            ("GET", f"/1.0/projects/{name}", self.project),
            ("PATCH", f"/1.0/projects/{name}", self.change_project),
            ("DELETE", f"/1.0/projects/{name}", self.remove_project),
            ("GET", "/1.0/profiles", self.profiles),
            ("POST", "/1.0/profiles", self.add_profile),
            ("GET", f"/1.0/profiles/{name}", self.profile),
            ("PUT", f"/1.0/profiles/{name}", self.change_profile),
            ("DELETE", f"/1.0/profiles/{name}", self.remove_profile),
        ]

    def projects(self, request: Request) -> Answer:
        seen = [
            project
            for project in self.daemon.projects.values()
            if request.client and request.client.may_see(project.name)
        ]
        if "recursion" in request.query:
            return [self._project(project) for project in seen]
        return [f"/1.0/projects/{project.name}" for project in seen]

    def project(self, request: Request, name: str) -> Answer:
        return self._project(self.daemon.project(name))

    def add_project(self, request: Request) -> Answer:
        name = request.json["name"]
        if name in self.daemon.projects:
            raise Refusal(
                409,
                f'Failed creating project "{name}": Failed adding database record: '
                'This "projects" entry already exists',
            )
        self.daemon.projects[name] = Project(
            name,
            description=request.json.get("description", ""),
            config=request.json.get("config") or {},
            profiles={"default": Profile("default")},
        )
        self.daemon.saved()
        return {}

    def change_project(self, request: Request, name: str) -> Answer:
        if request.client and request.client.projects is not None:
            raise Refusal(403, "not authorized")
        # LXD takes the configuration as a whole, also from a PATCH.
        self.daemon.project(name).config = dict(request.json.get("config") or {})
        self.daemon.saved()
        return {}

    def remove_project(self, request: Request, name: str) -> Answer:
        self.daemon.project(name)
        if name == "default":
            raise Refusal(403, "The 'default' project cannot be deleted")
        if self._used_by(self.daemon.project(name)) != [_place(name, "profiles", "default")]:
            raise Refusal(400, "Only empty projects can be removed")
        del self.daemon.projects[name]
        self.daemon.saved()
        return {}

    def profiles(self, request: Request) -> Answer:
        profiles = self.daemon.project(request.project).profiles
        if "recursion" in request.query:
            return [self._profile(request.project, profile) for profile in profiles.values()]
        return [f"/1.0/profiles/{name}" for name in profiles]

    def profile(self, request: Request, name: str) -> Answer:
        return self._profile(request.project, self.daemon.profile(request.project, name))

    def add_profile(self, request: Request) -> Answer:
        profiles, wish = self.daemon.project(request.project).profiles, request.json
        if wish["name"] in profiles:
            raise Refusal(500, f'Error inserting "{wish["name"]}" into database: The profile already exists')
        profiles[wish["name"]] = Profile(
            wish["name"], wish.get("description", ""), wish.get("config") or {}, wish.get("devices") or {}
        )
        self.daemon.saved()
        return {}

    def change_profile(self, request: Request, name: str) -> Answer:
        profile, wish = self.daemon.profile(request.project, name), request.json
        profile.description = wish.get("description", "")
        profile.config, profile.devices = wish.get("config") or {}, wish.get("devices") or {}
        self.daemon.saved()
        return {}

    def remove_profile(self, request: Request, name: str) -> Answer:
        if name == "default":
            raise Refusal(403, 'The "default" profile cannot be deleted')
        if self._users(request.project, name):
            raise Refusal(400, "Profile is currently in use")
        self.daemon.profile(request.project, name)
        del self.daemon.project(request.project).profiles[name]
        self.daemon.saved()
        return {}

    def _profile(self, project: str, profile: Profile) -> dict[str, Any]:
        used_by = [f"/1.0/instances/{instance.name}" for instance in self._users(project, profile.name)]
        return vars(profile) | {"used_by": used_by}

    def _users(self, project: str, profile: str) -> list[Instance]:
        return [
            instance
            for instance in self.daemon.instances.values()
            if instance.project == project and profile in instance.profiles
        ]

    def _project(self, project: Project) -> dict[str, Any]:
        return {
            "name": project.name,
            "description": project.description,
            "config": project.config,
            "used_by": self._used_by(project),
        }

    def _used_by(self, project: Project) -> list[str]:
        instances = [one.name for one in self.daemon.instances.values() if one.project == project.name]
        return [
            *(_place(project.name, "instances", name) for name in instances),
            *(_place(project.name, "profiles", name) for name in project.profiles),
            *(_place(project.name, "storage-pools/default/volumes/custom", name) for name in project.volumes),
        ]


def _place(project: str, kind: str, name: str) -> str:
    return f"/1.0/{kind}/{name}" + ("" if project == "default" else f"?project={project}")
