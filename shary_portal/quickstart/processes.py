"""The supervisor: starts processes, shows what they say, starts them again, ends them in order."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import psutil  # type: ignore[import-untyped]

from shary_portal.quickstart.children import child_setup

# Every process of one portal carries this in its environment, its children's children too.
MARK = "SHARY_QUICKSTART"
KEEP_LOG_BYTES = 4 * 1024 * 1024
COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One process of the portal."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    patience_s: float = 3.0
    """How long it may take to end when asked to."""


class Voices:
    """Writes lines of many processes so that one can tell them apart: on the screen and in files."""

    def __init__(self, folder: Path, *, screen: TextIO = sys.stdout) -> None:
        self.folder = folder
        self.screen = screen
        self.width = 10
        self._colours: dict[str, int] = {}
        self._files: dict[str, TextIO] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def say(self, name: str, line: str) -> None:
        """Write one line of a process."""
        if name not in self._files:
            self._files[name] = self._open(name)
        stamp = time.strftime("%H:%M:%S")
        self._files[name].write(f"{stamp} {line}\n")
        label = f"{name:<{self.width}}"
        if self.screen.isatty():
            colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
            label = f"\033[{colour}m{label}\033[0m"
        self.tell(f"{stamp} {label} {line}")

    def tell(self, text: str) -> None:
        """Write to the screen alone. A screen that went away is no reason to stop."""
        try:
            print(text, file=self.screen, flush=True)
        except (BrokenPipeError, OSError, ValueError):
            self.screen = Path(os.devnull).open("w")  # noqa: SIM115

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _open(self, name: str) -> TextIO:
        path = self.folder / f"{name}.log"
        if path.exists() and path.stat().st_size > KEEP_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path.open("a", buffering=1)


class Supervisor:
    """Keeps the parts of the portal alive until it is told to end them."""

    def __init__(self, *, voices: Voices, env: Mapping[str, str], mark: str) -> None:
        self.voices = voices
        self.env = {**env, MARK: mark, "PYTHONUNBUFFERED": "1"}
        self.mark = mark
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._parts: dict[str, Part] = {}
        self._stopping: set[str] = set()

    @property
    def names(self) -> list[str]:
        """The parts that are kept alive."""
        return list(self._tasks)

    async def run_once(self, part: Part) -> int:
        """Run a process to its end and return its exit status."""
        process = await self._launch(part)
        await self._listen(part.name, process)
        return await process.wait()

    def keep(self, part: Part) -> None:
        """Start a process, and start it again whenever it ends."""
        self._parts[part.name] = part
        self._tasks[part.name] = asyncio.create_task(self._keep(part), name=part.name)

    async def end(self, names: Iterable[str]) -> None:
        """End the named processes together; those that do not listen are killed."""
        names = [name for name in names if name in self._tasks]
        self._stopping.update(names)
        await asyncio.gather(*(self._end(name) for name in names))

    async def _keep(self, part: Part) -> None:
        failures = 0
        while part.name not in self._stopping:
            started = time.monotonic()
            process = await self._launch(part)
            self._running[part.name] = process
            await self._listen(part.name, process)
            status = await process.wait()
            del self._running[part.name]
            if part.name in self._stopping:
                return
            failures = 1 if time.monotonic() - started > 60 else failures + 1
            wait_s = min(2.0 ** (failures - 1), 30.0)
            self.voices.say(part.name, f"ended ({_in_words(status)}); starts again in {wait_s:.0f} s")
            await asyncio.sleep(wait_s)

    async def _launch(self, part: Part) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *part.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**self.env, **part.env},
            start_new_session=True,  # Ctrl-C reaches us alone; we end the others in order
            preexec_fn=child_setup(ends_with_us=signal.SIGKILL),
            limit=1024 * 1024,
        )

    async def _listen(self, name: str, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:  # a line longer than the limit
                continue
            if not line:
                return
            text = line.decode(errors="replace").rstrip()
            if text:
                self.voices.say(name, text)

    async def _end(self, name: str) -> None:
        task = self._tasks[name]
        process = self._running.get(name)
        if process is None:  # it waits to start again
            task.cancel()
        else:
            family = descendants(process.pid)
            _signal(process.pid, signal.SIGTERM)
            try:
                await asyncio.wait_for(asyncio.shield(task), self._parts[name].patience_s)
            except TimeoutError:
                _signal(process.pid, signal.SIGKILL)
            for child in family:
                kill(child)
        await asyncio.wait([task])


def descendants(pid: int) -> list[psutil.Process]:
    """Return the children of a process, and theirs."""
    try:
        children: list[psutil.Process] = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return children


def left_over(mark: str) -> list[psutil.Process]:
    """Return the processes of a portal that was killed: those that carry its mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                found.append(process)
        except psutil.Error:  # ended just now, or another user's
            continue
    return found


def kill(process: psutil.Process) -> None:
    """Kill a process unless it has gone already; a reused number is never hit."""
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def sweep(mark: str) -> int:
    """Kill what a portal that was killed left behind; return how many processes that were."""
    processes = left_over(mark)
    for process in processes:
        kill(process)
    psutil.wait_procs(processes, timeout=5)
    return len(processes)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _in_words(status: int) -> str:
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"
