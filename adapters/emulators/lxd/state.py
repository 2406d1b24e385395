"""The file that keeps projects and instances over a restart of the emulator."""

import json
from collections.abc import Iterable
from pathlib import Path

from adapters.emulators.lxd.nouns import Instance, Profile, Project


def save(file: Path, projects: Iterable[Project], instances: Iterable[Instance]) -> None:
    """Write everything, all at once: a crash leaves the old file or the new one."""
    written = {
        "projects": [
            {
                "name": project.name,
                "description": project.description,
                "config": project.config,
                "profiles": [vars(profile) for profile in project.profiles.values()],
                "volumes": project.volumes,
            }
            for project in projects
        ],
        "instances": [instance.as_json() for instance in instances],
    }
    draft = file.with_name(file.name + ".new")
    draft.write_text(json.dumps(written, indent=1))
    draft.replace(file)


def load(file: Path) -> tuple[dict[str, Project], dict[tuple[str, str], Instance]]:
    """Return what the file keeps."""
    written = json.loads(file.read_text())
    projects = {}
    for entry in written["projects"]:
        profiles = {profile["name"]: Profile(**profile) for profile in entry.pop("profiles")}
        projects[entry["name"]] = Project(**entry, profiles=profiles)
    instances = {}
    for entry in written["instances"]:
        instance = Instance.from_json(entry)
        instances[instance.key] = instance
    return projects, instances
