"""A replay as a drawing: SVG that names what it shows and follows light and dark."""

from collections.abc import Sequence
from html import escape

from scheduling.replay.figures import Figures

WIDTH, ROW, LEFT, RIGHT = 760, 28, 200, 132
TOP = 96

STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1d2430}.t{font-size:17px;font-weight:600}.m{fill:#596273}"
    ".a{fill:#8d97a8}.b{fill:#1f5fbf}.g{stroke:#d5dae2}.bg{fill:#ffffff}"
    "@media(prefers-color-scheme:dark){text{fill:#e8ebf0}.m{fill:#a7b0bf}.a{fill:#7a8497}.b{fill:#6ea8ff}"
    ".g{stroke:#3a4250}.bg{fill:#14181f}}"
)


def waits_by_site(runs: Sequence[Figures]) -> str:
    """Draw the mean wait of each site's jobs, one bar for each of the one or two runs, on a root scale."""
    shown = list(runs[:2])
    sites = sorted({site for run in shown for site in run.by_site})
    longest = max((run.by_site[site].mean_s for run in shown for site in run.by_site), default=0.0) or 1.0
    height = TOP + max(len(sites), 1) * ROW * len(shown) + 24
    room = WIDTH - LEFT - RIGHT
    title = "Mean wait by site: " + " and ".join(run.policy for run in shown)
    said = "; ".join(
        f"{run.policy}: {minutes(run.waits.mean_s)} on average over {run.waits.jobs} jobs" for run in shown
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
        f' height="{height}" role="img" aria-labelledby="replay-title replay-words">',
        f'<title id="replay-title">{escape(title)}</title><desc id="replay-words">{escape(said)}</desc>',
        f'<style>{STYLE}</style><rect class="bg" width="{WIDTH}" height="{height}"/>',
        f'<text class="t" x="16" y="30">{escape(title)}</text>',
    ]
    for place, run in enumerate(shown):
        y = 54 + 20 * place
        parts.append(
            f'<rect class="{"ab"[(place + 2 - len(shown)) % 2]}" x="16" y="{y - 11}" width="12" height="12"/>'
            f'<text class="m" x="36" y="{y}">{escape(run.policy)}: {minutes(run.waits.mean_s)} on average,'
            f" {run.utilisation:.1%} used</text>"
        )
    y = TOP
    for site in sites:
        parts.append(f'<line class="g" x1="16" x2="{WIDTH - 16}" y1="{y}" y2="{y}"/>')
        for place, run in enumerate(shown):
            waits = run.by_site.get(site)
            mean = waits.mean_s if waits else 0.0
            width = max((mean / longest) ** 0.5 * room, 1.0)
            if not place:
                cards = run.cards_by_site.get(site, 0)
                name = f"{site[:18]} · {cards} cards"
                parts.append(f'<text x="16" y="{y + 19}">{escape(name)}</text>')
            parts.append(
                f'<rect class="{"ab"[(place + 2 - len(shown)) % 2]}" x="{LEFT}" y="{y + 6}"'
                f' width="{width:.1f}" height="{ROW - 12}"/>'
                f'<text class="m" x="{LEFT + width + 8:.1f}" y="{y + 19}">{minutes(mean)}</text>'
            )
            y += ROW
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def minutes(seconds: float) -> str:
    """Say a wait in the unit that suits it."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 120 * 60:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"
