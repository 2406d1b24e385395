"""Every adapter by name, as the portal knows it: descriptions only, no device code.

Adding an adapter adds one line here; `adapters.registry` finds its code by the same name.
"""

from adapters.contract import AdapterDescription
from adapters.gpu_lxd.settings import DESCRIPTION as GPU_LXD
from adapters.gpu_slurm.settings import DESCRIPTION as GPU_SLURM
from adapters.gpu_ssh.settings import DESCRIPTION as GPU_SSH
from adapters.p4_switch.settings import DESCRIPTION as P4_SWITCH
from adapters.p4_tofino_ssh.settings import DESCRIPTION as P4_TOFINO_SSH
from adapters.smart_nic_bluefield.settings import DESCRIPTION as SMART_NIC_BLUEFIELD
from adapters.smart_nic_sriov.settings import DESCRIPTION as SMART_NIC_SRIOV

CATALOGUE: dict[str, AdapterDescription] = {
    description.name: description
    for description in (
        GPU_LXD,
        GPU_SLURM,
        GPU_SSH,
        P4_SWITCH,
        P4_TOFINO_SSH,
        SMART_NIC_BLUEFIELD,
        SMART_NIC_SRIOV,
    )
}
