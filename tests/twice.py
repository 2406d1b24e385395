"""Runs the tests; the few that fail beside others get a second try, alone.

`python -m tests.twice ARGUMENTS OF PYTEST`. Hundreds of tests drive real daemons, kernels and browsers, several at
a time, on machines that others use too. What fails then and passes alone is unsteady: it is named at the end,
as a defect to be mended, but it does not hide what else the run has shown. What fails twice has failed.
See docs/adr/0019-a-failed-test-gets-a-second-try-alone.md.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAST_FAILED = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"
# More than that is no matter of bad luck.
MOST = 8
FAILED = 1


def main(arguments: Sequence[str]) -> int:
    """Run the tests, and what failed once more; return the exit status."""
    LAST_FAILED.unlink(missing_ok=True)
    status = _pytest(arguments)
    failed = _failed()
    if status != FAILED or not 0 < len(failed) <= MOST:
        return status
    print(f"\nOnce more, alone: {len(failed)} of the tests.\n", flush=True)
    status = _pytest(["-p", "no:randomly", "-p", "no:cacheprovider", *failed])
    if status == 0:
        print("\nUnsteady, to be mended: these failed beside others and passed alone.")
        for name in failed:
            print(f"  {name}")
    return status


def _pytest(arguments: Sequence[str]) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=ROOT, check=False).returncode


def _failed() -> list[str]:
    try:
        return sorted(json.loads(LAST_FAILED.read_text()))
    except FileNotFoundError:
        return []


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
