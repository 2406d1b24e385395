"""Makes of P4 source what a switch takes, with the P4 compiler (p4c) of the site.

The source comes from strangers, and the compiler is a large program that takes it apart: it runs in a
folder of its own, with little time and memory, as a user of its own where the worker is root, without a network
where that can be had (`adapters.p4_switch.confinement`), and it may include the compiler's own files only.
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from adapters.contract import Artefact
from adapters.errors import DeviceRefused
from adapters.p4_switch.settings import DESCRIPTION, Settings

COMPILER = "p4c"
BY_HAND = "p4c --target bmv2 --arch v1model --p4runtime-files program.p4info.txtpb program.p4"
WALL_CLOCK_LIMIT_S = 75.0
LOG = "build_log"
"""The name of the last file that `build` gives: its file name says what compiled, its content what was said."""
_SAID_BYTES = 4096
_CONFINEMENT = Path(__file__).with_name("confinement.py")
_DIRECTIVES = frozenset(
    ("define", "undef", "if", "ifdef", "ifndef", "elif", "else", "endif", "error", "warning", "include")
)
_INCLUDED = re.compile(r"\s*<(core|v1model)\.p4>\s*")


def build(settings: Settings, files: Sequence[Artefact]) -> tuple[Artefact, ...]:
    """Return P4Info, device configuration and what the compiler said; raise `DeviceRefused` with its words."""
    source = next((file for file in files if file.name == "source"), None)
    if source is None:
        raise DeviceRefused("There is no P4 source to compile.")
    compiler = shutil.which(COMPILER)
    if compiler is None:
        raise DeviceRefused(
            f"This site has no P4 compiler; upload the files that it makes instead. Compile at home: {BY_HAND}"
        )
    if settings.architecture != "bmv2_v1model":
        raise DeviceRefused(f"For {settings.architecture} nothing can be compiled here; upload compiled files.")
    stem = _stem(source.filename)
    _refuse_source(source, f"{stem}.p4")
    with TemporaryDirectory(prefix="shary-p4c-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / f"{stem}.p4").write_bytes(source.content)
        version = _version(compiler, folder)
        said = _compile(compiler, folder, stem)
        made = _made(folder, stem, said)
    problems = DESCRIPTION.check_parameters({}, made)
    if problems:
        raise DeviceRefused(
            f"{version} compiled it, and the result does not fit the switch: "
            + " ".join(problem.message for problem in problems)
        )
    return (*made, _file(LOG, version, said.encode()))


def _refuse_source(source: Artefact, shown: str) -> None:
    """Refuse what no P4 program needs and the preprocessor would follow: other files."""
    if source_slot := DESCRIPTION.source:
        limit = source_slot.max_bytes
        if len(source.content) > limit:
            raise DeviceRefused(f"{shown} is larger than {limit // 1024} KiB: no program is.")
    try:
        text = source.content.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise DeviceRefused(f"{shown} is no text: upload P4 source, not a compiled program.")
    # As the preprocessor reads: trigraphs, spliced lines and comments hide nothing.
    text = text.replace("??=", "#").replace("??/", "\\")
    text = re.sub(r"\\[ \t]*\r?\n", "", text)
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
    if "__has_include" in text or "__has_embed" in text:
        raise DeviceRefused(
            f"{shown} asks for other files (__has_include): put all of the program in one file."
        )
    for line in text.splitlines():
        found = re.match(r"\s*(?:#|%:)\s*(\w*)(.*)", line)
        if found is None or not found[1]:
            continue
        if found[1] not in _DIRECTIVES or (
            found[1] == "include" and not _INCLUDED.fullmatch(found[2].partition("//")[0])
        ):
            raise DeviceRefused(
                f"{shown}: “{line.strip()[:80]}” is not followed here. Put all of the program in one file; it may "
                "include <core.p4> and <v1model.p4> only."
            )


def _compile(compiler: str, folder: Path, stem: str) -> str:
    arguments = [
        "--target",
        "bmv2",
        "--arch",
        "v1model",
        "--p4runtime-files",
        str(folder / f"{stem}.p4info.txtpb"),
    ]
    code, said = _run([compiler, *arguments, "-o", str(folder), str(folder / f"{stem}.p4")], folder)
    said = said.replace(f"{folder}/", "")
    if code is None:
        raise DeviceRefused(
            f"The compiler did not finish within {WALL_CLOCK_LIMIT_S:.0f} s, and was stopped. Make the program "
            f"smaller, or compile at home: {BY_HAND}"
        )
    if code < 0:
        raise DeviceRefused(
            "The compiler was stopped: the program takes more time or memory than one may have here "
            f"({signal.Signals(-code).name}). Compile at home: {BY_HAND}\n{said}".rstrip()
        )
    if code:
        raise DeviceRefused(f"The compiler says:\n{said or 'nothing, but it failed.'}")
    return said


def _version(compiler: str, folder: Path) -> str:
    code, said = _run([compiler, "--version"], folder)
    words = re.search(r"\d+(\.\d+)+", said)
    return f"{COMPILER} {words[0]}" if code == 0 and words else COMPILER


def _run(command: Sequence[str], folder: Path) -> tuple[int | None, str]:
    """Run the command confined; return its code, None when it took too long, and the end of what it said."""
    # Nothing that the command leaves in the folder is followed: what it said is read where it was written.
    with TemporaryFile() as sink:
        process = subprocess.Popen(
            [sys.executable, "-I", str(_CONFINEMENT), str(folder), *command],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={"PATH": os.environ.get("PATH", os.defpath)},
            start_new_session=True,
        )
        code: int | None = None
        try:
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(WALL_CLOCK_LIMIT_S)
        finally:
            # Whatever it started goes with it.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        sink.seek(max(0, os.fstat(sink.fileno()).st_size - _SAID_BYTES))
        return code, sink.read().decode(errors="replace").strip()


def _made(folder: Path, stem: str, said: str) -> tuple[Artefact, ...]:
    made = []
    for slot, name in (("p4info", f"{stem}.p4info.txtpb"), ("device_config", f"{stem}.json")):
        place = folder / name
        limit = next(each.max_bytes for each in DESCRIPTION.artefacts if each.name == slot)
        # A link would be followed to a file of the site's.
        if place.is_symlink() or not place.is_file():
            raise DeviceRefused(f"The compiler ended without writing {name}.\n{said}".rstrip())
        if place.stat().st_size > limit:
            raise DeviceRefused(
                f"The compiler wrote a {name} of more than {limit // 1024} KiB: no switch takes it."
            )
        made.append(_file(slot, name, place.read_bytes()))
    return tuple(made)


def _file(name: str, filename: str, content: bytes) -> Artefact:
    return Artefact(name=name, filename=filename, sha256=hashlib.sha256(content).hexdigest(), content=content)


def _stem(filename: str) -> str:
    kept = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(filename).stem)[:60].strip("_-")
    return kept or "program"
