"""A fresh image for the Arm cores: fetched by the BMC and pushed over its RShim (`SimpleUpdate`)."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from adapters.contract import Check
from adapters.smart_nic_bluefield.client import Bmc
from adapters.smart_nic_bluefield.paths import ARM_SYSTEM, MANAGER, SIMPLE_UPDATE, SYSTEM, TASKS
from adapters.smart_nic_bluefield.restart import comes_true, is_up
from adapters.smart_nic_bluefield.settings import Settings
from adapters.smart_nic_bluefield.site import Site

RUNNING = ("New", "Starting", "Running", "Pending", "Service")
NAME = "Storage of the Arm cores"


@dataclass(frozen=True, slots=True)
class Installation:
    """One installation, as the BMC counts it."""

    task: str


def install(site: Site) -> Installation:
    """Install the site's image, and wait until the BMC says how it went and the system runs."""
    settings = site.settings
    within_s = settings.image_minutes * 60.0
    comes_true(lambda: not _is_busy(site), within_s=within_s / 2)
    had_rshim = _take_rshim(site, wanted=True)
    with site.log_in() as bmc:
        task = bmc.start(SIMPLE_UPDATE, _request(settings.image))
    comes_true(lambda: _state(site, task) not in RUNNING, within_s=within_s)
    if _state(site, task) == "Completed":
        comes_true(lambda: _is_up(site), within_s=settings.restart_minutes * 60)
    _take_rshim(site, wanted=had_rshim)
    return Installation(task)


def checks_of(
    bmc: Bmc, settings: Settings, installation: Installation | None, *, was_held: bool
) -> list[Check]:
    """Look whether the holder's data on the Arm cores is gone; say honestly where it is not."""
    if not was_held:
        return [_said("nothing to erase", "nothing: the lease never had the card", passed=True)]
    if installation is None:
        if settings.role == "ReadOnly":
            return [_said("not written to", "not erased: the holder could only read", passed=True)]
        accepted = settings.without_image == "accept"
        return [
            _said(
                "not erased, which the site accepts" if accepted else "a fresh image",
                "not erased: the site gives no image",
                passed=accepted,
            )
        ]
    task = bmc.find(installation.task)
    state = "unknown to the BMC" if task is None else str(task.body.get("TaskState", "unknown"))
    checks = [
        Check(
            name=NAME,
            expected=f"{settings.image} installed",
            found=f"installed (task {installation.task.rsplit('/', 1)[-1]})"
            if state == "Completed"
            else f"not installed: the task is {state}",
            passed=state == "Completed",
            method=f"GET {installation.task} in a session of its own, opened after the cleaning",
        )
    ]
    if settings.image_version:
        shown = bmc.find(ARM_SYSTEM)
        version = "" if shown is None else str(shown.body.get("Version") or "")
        checks.append(
            Check(
                name="System of the Arm cores",
                expected=settings.image_version,
                found=version or "none",
                passed=version == settings.image_version,
                method=f"GET {ARM_SYSTEM} in a session of its own, opened after the cleaning",
            )
        )
    return checks


def _said(expected: str, found: str, *, passed: bool) -> Check:
    return Check(name=NAME, expected=expected, found=found, passed=passed, method="By the site's settings")


def _request(image: str) -> dict[str, object]:
    parts = urlsplit(image)
    host = parts.netloc.rpartition("@")[2]
    # The manuals give host and path without the scheme; the path of scp is absolute, so it begins with a slash.
    wish: dict[str, object] = {
        "TransferProtocol": parts.scheme.upper(),
        "ImageURI": f"{host}/{parts.path}" if parts.scheme == "scp" else image.split("://", 1)[1],
        "Targets": [ARM_SYSTEM.lstrip("/")],
    }
    return wish | ({"Username": parts.username} if parts.username else {})


def _take_rshim(site: Site, *, wanted: bool) -> bool:
    """Switch the BMC's own RShim, over which images are pushed; return how it was."""

    def enabled(bmc: Bmc) -> bool:
        return bool((bmc.read(MANAGER).body.get("BmcRShim") or {}).get("BmcRShimEnabled"))

    def is_so() -> bool:
        with site.log_in() as bmc:
            return enabled(bmc) == wanted

    with site.log_in() as bmc:
        was = enabled(bmc)
        if was != wanted:
            bmc.patch(bmc.read(MANAGER), {"BmcRShim": {"BmcRShimEnabled": wanted}})
    comes_true(is_so, within_s=site.settings.restart_minutes * 60)
    return was


def _is_busy(site: Site) -> bool:
    with site.log_in() as bmc:
        return bmc.find(TASKS) is not None and any(
            task.body.get("TaskState") in RUNNING for task in bmc.members(TASKS)
        )


def _state(site: Site, task: str) -> str:
    with site.log_in() as bmc:
        found = bmc.find(task)
    return "unknown" if found is None else str(found.body.get("TaskState", "unknown"))


def _is_up(site: Site) -> bool:
    with site.log_in() as bmc:
        return is_up(bmc.read(SYSTEM).body, with_system=True)
