"""Curate a folder of videos.

``pyflyte run workflows/curate.py curate --source DIR --output DIR --spec examples/demo.yaml``; with the same
options ``python -m workflows.curate`` says what is wrong with them in one line.
"""

from functools import partial
from typing import NamedTuple

from flytekit import map_task, workflow

from tasks import failures
from tasks.hardware import DEFAULT_ENGINE, Engine
from tasks.publish import collect_embeddings, conclude, publish
from tasks.shards import admit, admit_unique, inspect, plan_shards
from tasks.specs import Curation
from tasks.stream import stream_all
from workflows.dedup import find_all_duplicates


class Curated(NamedTuple):
    """URIs of what a run leaves."""

    manifest: str
    report: str
    run: str


@workflow(on_failure=failures.fail_curation)
def curate(source: str, output: str, spec: Curation = Curation(), engine: Engine = DEFAULT_ENGINE) -> Curated:
    """Curate the videos of a source into clips with scores, embeddings, previews and a report.

    :param source: folder (recursive), file, or URI of one; root of the list when the spec names one
    :param output: folder or URI of the results; run again with the same one, only what is new is done
    :param spec: parameters, as inline JSON or a YAML or JSON file
    :param engine: stream: Ray clusters; map: plain pods
    """
    return curated(source, output, spec, engine)


def curated(source: str, output: str, spec: Curation, engine: Engine) -> Curated:
    """The steps of a run, as nodes of the workflow that calls this."""
    shards = plan_shards(source=source, output=output, spec=spec, engine=engine)
    run_id, spec = shards.run_id, shards.spec
    inspected = map_task(partial(inspect, inspection=shards.inspection, spec=spec))(manifest=shards.manifests)
    work = admit(
        listing=shards.listing,
        manifests=shards.manifests,
        inspected=inspected,
        source=source,
        output=output,
        spec=spec,
        engine=engine,
        run_id=run_id,
    )
    stream = partial(stream_all, source=source, output=output, spec=spec, engine=engine, run_id=run_id)
    streamed = stream(works=work, phase=0)
    found = collect_embeddings(
        listing=shards.listing, streamed=streamed, source=source, output=output, spec=spec, run_id=run_id
    )
    duplicates = find_all_duplicates(
        inputs=found.inputs,
        output=output,
        spec=found.dedup,
        algorithm=found.algorithm,
        columns=found.columns,
        run_id=run_id,
        ids=found.ids,
    )
    rest = admit_unique(
        listing=shards.listing,
        duplicates=duplicates,
        source=source,
        output=output,
        spec=spec,
        engine=engine,
        run_id=run_id,
    )
    published = publish(
        listing=shards.listing,
        streamed=streamed,
        finished=stream(works=rest, phase=1),
        duplicates=duplicates,
        source=source,
        output=output,
        spec=spec,
        run_id=run_id,
    )
    conclude(run=published.run)
    return Curated(published.manifest, published.report, published.run)


if __name__ == "__main__":
    from clipmill.cli import ended
    from workflows.command import main

    raise SystemExit(ended(main))
