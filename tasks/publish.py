"""What a run leaves for people and programs: embeddings, tables, exports, the report."""

import json
from html import escape
from typing import NamedTuple, cast

from flytekit import Deck, task
from flytekit.deck import DeckField

from clipmill.curation.deduplication import dedup_input
from clipmill.curation.publication import conclude as conclusion
from clipmill.curation.publication import publish_snapshot
from clipmill.dedup_job.result import read_result
from clipmill.dedup_job.steps import name_inputs
from clipmill.planning.from_spec import plan_of_spec
from clipmill.storage import store
from deployment.schema import Prices
from images import CPU_IMAGE
from tasks.caching import ContentUri
from tasks.faults import retried_by_flyte
from tasks.hardware import PLAN, PROFILE, PUBLISH
from tasks.leases import run_step
from tasks.specs import Curation, Deduplication


class Embeddings(NamedTuple):
    """What deduplication reads: which files, URIs of a clips table and of ids, and its parameters."""

    inputs: ContentUri
    columns: str
    algorithm: str
    ids: str
    dedup: Deduplication


class Publication(NamedTuple):
    """URIs of the manifest, the report and the record of the run."""

    manifest: str
    report: str
    run: str


@task(container_image=CPU_IMAGE, **PUBLISH)
def collect_embeddings(
    listing: str, streamed: list[str], source: str, output: str, spec: Curation, run_id: str
) -> Embeddings:
    """Write the embeddings of the clips that passed; none when embedding or dedup is off."""
    with run_step(output, run_id) as lease:
        plan = plan_of_spec(spec, source=source, output=output).up_to(0)
        found = dedup_input(listing, plan, lease=lease, dedup=spec.dedup)
        dedup = Deduplication.of(spec.dedup)
        inputs = name_inputs(found.embeddings_uri, output, dedup, columns_uri=found.columns_uri)
    return Embeddings(inputs, found.columns_uri, found.algorithm, found.ids_uri, dedup)


# Without the deck of dependencies, for which pip is asked twice: the manifest has the versions.
@task(
    container_image=CPU_IMAGE,
    enable_deck=True,
    deck_fields=(DeckField.TIMELINE, DeckField.INPUT, DeckField.OUTPUT),
    **PUBLISH,
)
def publish(
    listing: str,
    streamed: list[str],
    finished: list[str],
    duplicates: str,
    source: str,
    output: str,
    spec: Curation,
    run_id: str,
) -> Publication:
    """Publish the snapshot and its report, after checking that nothing was lost; give the output back."""
    with run_step(output, run_id) as lease:
        done = publish_snapshot(
            listing,
            plan_of_spec(spec, source=source, output=output),
            lease=lease,
            stream_uris=[*streamed, *finished],
            dedup=spec.dedup,
            duplicates=read_result(duplicates),
            writes_json=spec.write.write_json,
        )
        Deck("report", store.read_bytes(done.report_uri).decode())
        Deck("summary", f"<pre>{escape(done.summary())}</pre>")
        Deck("cost", estimate(done.run_uri, PROFILE.prices, has_gpu=bool(PROFILE.gpu.accelerator)))
    lease.release()
    print(done.summary())
    return Publication(done.manifest_uri, done.report_uri, done.run_uri)


@task(container_image=CPU_IMAGE, **PLAN)
def conclude(run: str) -> str:
    """Say how a run ended. One that stopped early fails here, after its snapshot stands."""
    with retried_by_flyte():
        return conclusion(run)


def estimate(run_uri: str, prices: Prices, *, has_gpu: bool) -> str:
    """Returns a sentence: core hours of the streaming work, and GPU hours as if one was held all the time."""
    record = cast("dict[str, dict[str, float]]", json.loads(store.read_bytes(run_uri)))
    core_h, wall_h = (record["numbers"][name] / 3600 for name in ("cpu_s", "stream_wall_s"))
    gpu_h = wall_h if has_gpu else 0.0
    dollars = core_h * prices.core + gpu_h * prices.gpu
    if not dollars:
        return "no estimate: nothing was streamed, or the deployment names no prices"
    return f"about {dollars:.2f} USD: {core_h:.1f} core hours and {gpu_h:.1f} GPU hours of streaming"
