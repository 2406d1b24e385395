"""A machine image of two megabytes: busybox, an ssh server, and an `nvidia-smi` that looks into /dev."""

import io
import re
import shutil
import subprocess
import tarfile
import time
from pathlib import Path

APPLETS = (
    "cat",
    "echo",
    "hostname",
    "ifconfig",
    "ip",
    "ls",
    "nc",
    "ping",
    "route",
    "sh",
    "sleep",
    "true",
    "wget",
)
NVIDIA_SMI = """#!/bin/sh
[ -e /dev/nvidia0 ] && echo "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)"
[ -e /dev/nvidia1 ] && echo "GPU 1: NVIDIA A100 80GB PCIe (UUID: GPU-2)"
true
"""
TEXTS = {
    "etc/inittab": (
        "::sysinit:/bin/ifconfig lo 127.0.0.1 up\n"
        "::respawn:/usr/sbin/dropbear -F -E -R -p 22\n"
        "::ctrlaltdel:/bin/true\n::shutdown:/bin/true\n"
    ),
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/shells": "/bin/sh\n",
}
METADATA = "architecture: x86_64\ncreation_date: {now}\nproperties: {{os: busybox}}\ntemplates: {{}}\n"


def write_image(file: Path) -> None:
    """Write the image, as LXD imports it: metadata and files in one archive."""
    with tarfile.open(file, "w") as archive:
        _text(archive, "metadata.yaml", METADATA.format(now=int(time.time())), 0o644)
        for folder in (
            "",
            *[
                "bin",
                "dev",
                "etc",
                "etc/dropbear",
                "lib",
                "lib64",
                "proc",
                "root",
                "run",
                "sbin",
                "sys",
                "tmp",
                "usr",
                "usr/bin",
                "usr/sbin",
                "var",
            ],
        ):
            _entry(
                archive, f"rootfs/{folder}".rstrip("/"), tarfile.DIRTYPE, 0o700 if folder == "root" else 0o755
            )
        for name, text in TEXTS.items():
            _text(archive, f"rootfs/{name}", text, 0o644)
        _text(archive, "rootfs/bin/nvidia-smi", NVIDIA_SMI, 0o755)
        for name in APPLETS:
            _entry(archive, f"rootfs/bin/{name}", tarfile.SYMTYPE, 0o777, link="busybox")
        _entry(archive, "rootfs/sbin/init", tarfile.SYMTYPE, 0o777, link="/bin/busybox")
        libraries: set[str] = set()
        for program, place in (("busybox", "bin/busybox"), ("dropbear", "usr/sbin/dropbear")):
            path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
            if path is None:
                raise FileNotFoundError(program)
            _file(archive, f"rootfs/{place}", path)
            libraries |= _libraries_of(path)
        for library in sorted(libraries):
            _file(archive, f"rootfs{library}", library)


def _libraries_of(program: str) -> set[str]:
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return set(re.findall(r"(/\S+) \(0x", listed))


def _entry(archive: tarfile.TarFile, name: str, kind: bytes, mode: int, link: str = "") -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.linkname = kind, mode, link
    archive.addfile(entry)


def _text(archive: tarfile.TarFile, name: str, text: str, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size = mode, len(text.encode())
    archive.addfile(entry, io.BytesIO(text.encode()))


def _file(archive: tarfile.TarFile, name: str, path: str) -> None:
    content = Path(path).resolve().read_bytes()
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size = 0o755, len(content)
    archive.addfile(entry, io.BytesIO(content))
