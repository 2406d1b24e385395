"""Taking a card back: set back, mode restored, Arm cores re-imaged, and all of it in that order."""

from adapters.smart_nic_bluefield import card, image
from adapters.smart_nic_bluefield import mode as modes
from adapters.smart_nic_bluefield.paths import OEM
from adapters.smart_nic_bluefield.restart import restart_arm, switch_on
from adapters.smart_nic_bluefield.settings import Switch
from adapters.smart_nic_bluefield.site import Site


def clean(site: Site, *, was_held: bool) -> image.Installation | None:
    """Bring the card to what the site wants between leases; return the installation, if there was one."""
    settings = site.settings
    imaged = bool(settings.image) and was_held
    # An image is pushed over the RShim, which the host must not have at that time.
    _set_back(site, rshim="Disabled" if imaged else settings.host_rshim)
    with site.log_in() as bmc:
        mode = bmc.read(OEM).body.get("Mode")
    if mode != settings.mode and settings.mode_changes == "host_bmc":
        modes.change(site, settings.mode)
    if not imaged:
        return None
    installation = image.install(site)
    _set_back(site, rshim=settings.host_rshim)
    return installation


def _set_back(site: Site, *, rshim: Switch) -> None:
    within_s = site.settings.restart_minutes * 60
    with site.log_in() as bmc:
        has_to_restart = card.set_back(bmc, site.settings, rshim=rshim)
    if has_to_restart:
        restart_arm(site, within_s=within_s)
    switch_on(site, within_s=within_s)
