"""``python -m tests.golden [--values FOLDER]`` writes ``golden.json`` anew."""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.golden.digests import Digests, digests_of, values_of
from tests.golden.films import make_sources
from tests.golden.record import Golden, film_digests, read_golden, write_golden
from tests.golden.runs import curate_golden
from tests.golden.specs import RUNS
from tests.support.runs.one_codec import one_codec_process


def main() -> None:
    """Make the films, carry out the runs and write their digests; runs without films here keep theirs."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description="Write golden.json anew.")
    parser.add_argument("--values", type=Path, help="also write the values of each run below this folder")
    values_folder: Path | None = parser.parse_args().values
    old = read_golden()
    with TemporaryDirectory() as folder, one_codec_process():
        sources = make_sources(Path(folder) / "films")
        runs = dict[str, Digests]()
        for run in RUNS:
            if run.source not in sources:
                print(f"{run.name}: no films here, kept as it was")
                runs[run.name] = old.runs[run.name]
                continue
            output = Path(folder) / run.name
            curate_golden(run, sources[run.source], output)
            values = values_of(output, sources[run.source])
            runs[run.name] = digests_of(values)
            if values_folder is not None:
                _write_values(values_folder / run.name, values)
        write_golden(Golden({**old.films, **film_digests(sources)}, runs))


def _write_values(folder: Path, values: dict[str, dict[str, object]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part, columns in values.items():
        text = json.dumps(columns, indent=1, sort_keys=True)
        (folder / f"{part.replace('/', '_')}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
