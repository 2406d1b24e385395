"""A small virtual machine whose kernel has virtual functions: Debian's, with its netdevsim, in QEMU.

The guest sees this machine's files, read only, so it runs the same Python and the same tests. Emulated
through and through (TCG): it needs no /dev/kvm, no root and no network, and it starts in seconds.
"""

import gzip
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = {
    "apt-get": "apt",
    "busybox": "busybox-static",
    "cpio": "cpio",
    "depmod": "kmod",
    "dpkg-deb": "dpkg",
    "gcc": "gcc",
    "make": "make",
    "qemu-system-x86_64": "qemu-system-x86",
}
MODULES = ("virtio_pci", "9pnet_virtio", "9p", "psample", "udp_tunnel", "macsec", "tls", "veth")
# The parts of netdevsim in Linux 6.1, as its own Makefile has them for a kernel with everything.
OBJECTS = "netdev dev ethtool fib bus health hwstats udp_tunnels psample bpf ipsec"
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read module; do insmod /modules/$module; done < /modules/order
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 hostroot /host
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 work /host/media
for folder in proc sys dev; do mount -o bind /$folder /host/$folder; done
mount -t tmpfs run /host/run
ip link set lo up
chroot /host /bin/sh /media/run.sh > /host/media/output 2>&1
echo $? > /host/media/rc
sync
poweroff -f
"""


class MissingPiece(Exception):
    """The machine cannot be made here; the words say what is missing."""


@dataclass(frozen=True)
class Machine:
    """A kernel and its first file system."""

    kernel: Path
    initrd: Path

    def run(self, script: str, *, work: Path, timeout_s: float) -> tuple[int, str]:
        """Run a shell script in the guest, with `work` as its /media; return how it ended and what it said."""
        (work / "run.sh").write_text(script)
        # fmt: off
        guest = subprocess.run(
            [
                "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "1024",
                "-nographic", "-no-reboot", "-nic", "none", "-kernel", self.kernel, "-initrd", self.initrd,
                "-append", "console=ttyS0 quiet panic=-1 mitigations=off",
                "-virtfs", "local,path=/,mount_tag=hostroot,security_model=none,readonly=on,multidevs=remap",
                "-virtfs", f"local,path={work},mount_tag=work,security_model=none",
            ],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=timeout_s, check=False,
        )
        # fmt: on
        try:
            return int((work / "rc").read_text()), (work / "output").read_text()
        except (OSError, ValueError):
            console = "\n".join(guest.stdout.splitlines()[-40:])
            return -1, f"The guest said nothing. Its console:\n{console}\n{guest.stderr}"


def make_machine(cache: Path) -> Machine:
    """Make the machine, or take it from the cache; raise `MissingPiece` where that cannot be."""
    missing = sorted({package for program, package in PROGRAMS.items() if shutil.which(program) is None})
    if missing:
        raise MissingPiece(f"apt-get install {' '.join(missing)}")
    headers = sorted(Path("/usr/src").glob("linux-headers-6.1.*-amd64"))
    if not headers:
        raise MissingPiece("apt-get install linux-headers-amd64 (of Debian 12, kernel 6.1)")
    release = headers[-1].name.removeprefix("linux-headers-")
    folder = cache / release
    machine = Machine(folder / "vmlinuz", folder / "initrd.gz")
    if not machine.initrd.exists():
        folder.mkdir(parents=True, exist_ok=True)
        image, source = _unpack(folder, release)
        shutil.copy(image / "boot" / f"vmlinuz-{release}", machine.kernel)
        simulator = _build(folder, source, headers[-1])
        _pack(folder, image, release, simulator, machine.initrd)
        for used in (image, folder / f"linux-source-{_series(release)}", folder / "root"):
            shutil.rmtree(used)
    return machine


def _series(release: str) -> str:
    return ".".join(release.split(".")[:2])


def _unpack(folder: Path, release: str) -> tuple[Path, Path]:
    series = _series(release)
    wanted = [f"linux-image-{release}", f"linux-source-{series}"]
    got = subprocess.run(
        ["apt-get", "download", *wanted], cwd=folder, capture_output=True, text=True, check=False
    )
    if got.returncode != 0:
        raise MissingPiece(f"apt-get download {' '.join(wanted)}: {got.stderr.strip()[-300:]}")
    unpacked = []
    for name in wanted:
        (package,) = folder.glob(f"{name}_*.deb")
        unpacked.append(folder / name)
        _do(["dpkg-deb", "-x", package, unpacked[-1]], folder)
        package.unlink()
    return unpacked[0], unpacked[1] / "usr" / "src" / f"linux-source-{series}.tar.xz"


def _build(folder: Path, source: Path, headers: Path) -> Path:
    inside = f"{source.name.removesuffix('.tar.xz')}/drivers/net/netdevsim"
    _do(["tar", "xJf", source, inside], folder)
    build = folder / inside
    (build / "Makefile").unlink()
    objects = " ".join(f"{name}.o" for name in OBJECTS.split())
    (build / "Kbuild").write_text(f"obj-m := netdevsim.o\nnetdevsim-y := {objects}\n")
    _do(["make", "-C", headers, f"M={build}", "modules"], folder)
    return build / "netdevsim.ko"


def _pack(folder: Path, image: Path, release: str, simulator: Path, initrd: Path) -> None:
    _do(["depmod", "-b", image, release], folder)
    order: list[Path] = []
    for name in MODULES:
        told = _do(["modprobe", "-d", image, "-S", release, "--show-depends", name], folder)
        for line in told.splitlines():
            if line.startswith("insmod") and (module := Path(line.split()[1])) not in order:
                order.append(module)
    root = folder / "root"
    shutil.rmtree(root, ignore_errors=True)
    for name in ("bin", "proc", "sys", "dev", "host", "modules"):
        (root / name).mkdir(parents=True)
    shutil.copy(str(shutil.which("busybox")), root / "bin" / "busybox")
    for module in (*order, simulator):
        shutil.copy(module, root / "modules")
    names = [module.name for module in (*order, simulator)]
    _do(["strip", "--strip-debug", root / "modules" / simulator.name], folder)
    (root / "modules" / "order").write_text("\n".join(names) + "\n")
    (root / "init").write_text(INIT)
    (root / "init").chmod(0o755)
    files = "\n".join(["."] + [str(path.relative_to(root)) for path in sorted(root.rglob("*"))])
    packed = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet"], input=files.encode(), cwd=root, capture_output=True, check=True
    )
    part = initrd.with_suffix(".part")
    part.write_bytes(gzip.compress(packed.stdout, 6))
    part.replace(initrd)


def _do(command: list[str | Path], folder: Path) -> str:
    done = subprocess.run(
        list(map(str, command)), cwd=folder, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip()[-500:]
        raise MissingPiece(f"{command[0]} ended with {done.returncode}: {words}")
    return done.stdout
