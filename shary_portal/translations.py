"""Compiles the translations in `locale/`: what is kept are the .po files, what Django reads are .mo files.

`python -m shary_portal.translations` does it; `make run` and `make test` call it. Babel does the work, so
that nobody needs the gettext programs to run the portal, only to gather new words (`make words`).
"""

from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LOCALE = Path(__file__).resolve().parent.parent / "locale"


def compile_translations(locale: Path = LOCALE) -> list[Path]:
    """Compile what is newer than its result; return what was written."""
    written = []
    for source in sorted(locale.glob("*/LC_MESSAGES/*.po")):
        result = source.with_suffix(".mo")
        if result.exists() and result.stat().st_mtime >= source.stat().st_mtime:
            continue
        with source.open("rb") as text:
            catalogue = read_po(text, locale=source.parent.parent.name, domain=source.stem)
        # Put in place whole: several processes may do this at once, and others may read meanwhile.
        fresh = result.with_suffix(f".{id(catalogue)}.tmp")
        with fresh.open("wb") as compiled:
            write_mo(compiled, catalogue)
        fresh.replace(result)
        written.append(result)
    return written


if __name__ == "__main__":
    for file in compile_translations():
        print(f"Compiled {file.relative_to(LOCALE.parent)}.")
