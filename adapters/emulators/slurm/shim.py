"""The emulated commands: small programs that hand their command line to the emulator.

They find it as Slurm's commands find their controller, by the slurm.conf that SLURM_CONF names.
"""

import shlex
from pathlib import Path

NAMES = ("scontrol", "squeue", "scancel", "sbatch")

# In bash, since these start ten times as fast as Python, and tests and workers call them all the time. Each word
# goes as a line; each line that comes back says where it is printed.
_PROGRAM = r"""#!/usr/bin/env bash
conf="${SLURM_CONF:-DEFAULT_CONF}"
while IFS='=' read -r key value; do
	case "$key" in SlurmctldHost) host="$value" ;; SlurmctldPort) port="$value" ;; esac
done <"$conf" || exit 1
if ! { exec 3<>"/dev/tcp/$host/$port"; } 2>/dev/null; then
	echo "slurm error: Unable to contact slurm controller (connect failure)" >&2
	exit 1
fi
printf '%s\n' "${SLURM_EMULATOR_USER:-root}" "${TZ:-}" "$(($# + 1))" "${0##*/}" "${@//$'\n'/ }" >&3
code=
while IFS= read -r -u 3 line; do
	case "$line" in
	1*) printf '%s\n' "${line:1}" ;;
	2*) printf '%s\n' "${line:1}" >&2 ;;
	0*) code="${line:1}" ;;
	esac
done
if [ -z "$code" ]; then
	echo "slurm error: Zero Bytes were transmitted or received" >&2
	exit 1
fi
exit "$code"
"""


def write_commands(folder: Path, conf: Path) -> None:
    """Write the commands into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        program = folder / name
        program.write_text(_PROGRAM.replace("DEFAULT_CONF", shlex.quote(str(conf))))
        program.chmod(0o755)


def write_conf(conf: Path, host: str, port: int) -> None:
    """Write where the emulator listens, as slurm.conf says it."""
    conf.write_text(f"ClusterName=emulator\nSlurmctldHost={host}\nSlurmctldPort={port}\n")
