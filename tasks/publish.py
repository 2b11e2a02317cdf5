"""What a run leaves for people and programs: embeddings, tables, exports, the report."""

from datetime import datetime
from typing import NamedTuple

from flytekit import Deck, task
from flytekit.deck import DeckField

from clipmill import curation
from clipmill.dataset.publish import read_duplicates
from clipmill.planning.from_spec import plan_of_spec
from clipmill.specs import CurateSpec, DedupSpec
from clipmill.storage import store
from images import CPU_IMAGE
from tasks.faults import retried_by_flyte
from tasks.hardware import PUBLISH


class Embeddings(NamedTuple):
    """What deduplication reads: URIs of a folder of embeddings and of a clips table, and its parameters."""

    embeddings: str
    columns: str
    algorithm: str
    dedup: DedupSpec


class Publication(NamedTuple):
    """URIs of the manifest, the report and the record of the run."""

    manifest: str
    report: str
    run: str


@task(container_image=CPU_IMAGE, **PUBLISH.of_task)
def collect_embeddings(
    listing: str, streamed: list[str], source: str, output: str, spec: CurateSpec
) -> Embeddings:
    """Write the embeddings of the clips that passed; none when embedding or dedup is off."""
    with retried_by_flyte():
        plan = plan_of_spec(spec, source=source, output=output).up_to(0)
        found = curation.dedup_input(listing, plan, output=output, dedup=spec.dedup)
    return Embeddings(found.embeddings_uri, found.columns_uri, found.algorithm, spec.dedup or DedupSpec())


# Without the deck of dependencies, for which pip is asked twice: the manifest has the versions.
@task(
    container_image=CPU_IMAGE,
    enable_deck=True,
    deck_fields=(DeckField.TIMELINE, DeckField.INPUT, DeckField.OUTPUT),
    **PUBLISH.of_task,
)
def publish(
    listing: str,
    streamed: list[str],
    finished: list[str],
    duplicates: str,
    started: str,
    source: str,
    output: str,
    spec: CurateSpec,
) -> Publication:
    """Publish the snapshot and its report, after checking that nothing was lost."""
    with retried_by_flyte():
        done = curation.publish_snapshot(
            listing,
            plan_of_spec(spec, source=source, output=output),
            output=output,
            started_at=datetime.fromisoformat(started),
            stream_uris=[*streamed, *finished],
            duplicates=read_duplicates(duplicates),
            writes_clip_json=spec.write.write_clip_json,
        )
        Deck("report", store.read_bytes(done.report_uri).decode())
    print(done.summary())
    return Publication(done.manifest_uri, done.report_uri, done.run_uri)
