"""A script with one argument, ``FOLDER``: stages of a user's own on Ray, with two cores and a made-up GPU.

Runs one stage inline and on Ray into ``FOLDER/inline`` and ``FOLDER/ray``, then eight stages, then one that
fails on everything. Prints what came of it as JSON.
"""

import json
import sys
from pathlib import Path

import pytest
import ray

from tests.support.stages.users_package import PACKAGE, Workplace, counted, workplace

STAGE = counted(num_gpus_per_worker=0.25)
EIGHT = [
    {
        "use": f"{PACKAGE}.{('dark:Dark', 'apart:Apart')[number % 2]}Filter",
        "key": f"dark_{number}",
        "threshold": 0,
    }
    for number in range(8)
]
"""Neighbours are of different environments, so that each has an operator of its own."""
ALONE = {"embedding": None, "dedup": None}
"""Without operators that no assertion looks at: each starts a process, which takes two seconds of a core."""


def move(place: Workplace, name: str) -> None:
    place.output.rename(place.folder / name)


def main() -> None:
    with pytest.MonkeyPatch.context() as patch:
        place = workplace(Path(sys.argv[1]), patch)
        place.run(STAGE)
        move(place, "inline")
        ray.init(num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False)
        on_ray = place.run(STAGE, engine="ray")
        move(place, "ray")
        eight = place.run(*EIGHT, engine="ray", **ALONE)
        move(place, "eight")
        broken = place.run(STAGE, engine="ray", fails_above=0.0, **ALONE)
        mended = place.run(STAGE, engine="ray", **ALONE)
    found = {
        "calls": len(on_ray.calls),
        "eight": {key: count for key, count in eight.items.items() if key.startswith("dark")},
        "stopped": str(broken.stopped),
        "mended": mended.items,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
