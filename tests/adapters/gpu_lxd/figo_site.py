"""A site as FIGO leaves it: a project for each user, and profiles that attach cards."""

from adapters.emulators.lxd import Instance, LxdEmulator, Profile
from adapters.emulators.lxd.nouns import Project

MARK = {"user.shary.project": "testbed"}


def gpu_profile(name: str, pci: str) -> Profile:
    """Return a profile as FIGO writes it: the address without its domain."""
    return Profile(
        name,
        description=f"GPU Profile allowing GPU@{pci} to be assigned",
        devices={"gpu-device1": {"type": "gpu", "gputype": "physical", "pci": pci}},
    )


def figo_site(
    lxd: LxdEmulator,
    *,
    user: str = "ada",
    name: str = "vm1",
    running: bool = True,
    mark: dict[str, str] | None = None,
    profiles: list[Profile] | None = None,
    attached: tuple[str, ...] = (),
    **more: object,
) -> Instance:
    """Put a user's project with one instance on the server; marked for the project “testbed”."""
    project = f"figo-{user}"
    known = {profile.name: profile for profile in [Profile("default"), *(profiles or [])]}
    if project not in lxd.daemon.projects:
        lxd.daemon.projects[project] = Project(project, config=MARK if mark is None else mark, profiles=known)
    instance = Instance(name, project, running=running, profiles=["default", *attached], **more)
    lxd.daemon.instances[instance.key] = instance
    return instance
