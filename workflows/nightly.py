"""The run of every night: as ``curate``, but it ends well where another run is still at the output."""

from flytekit import Deck, dynamic, workflow
from flytekit.deck import DeckField

from images import CPU_IMAGE
from tasks import failures
from tasks.hardware import PLAN, Engine
from tasks.leases import holder_of
from tasks.specs import Curation
from workflows.curate import Curated, curated


@dynamic(
    container_image=CPU_IMAGE, enable_deck=True, deck_fields=(DeckField.TIMELINE, DeckField.INPUT), **PLAN
)
def curate_unless_busy(source: str, output: str, spec: Curation, engine: Engine) -> Curated:
    """The steps of ``curate``; none, and "skipped" in the deck, while another run holds the output."""
    if holder := holder_of(output):
        Deck("skipped", f"skipped: {holder}")
        return Curated("", "", "")
    return curated(source, output, spec, engine)


@workflow(on_failure=failures.fail_curation)
def curate_nightly(source: str, output: str, spec: Curation, engine: Engine) -> Curated:
    """Curate what is new, or skip this night while the last run still goes on."""
    return curate_unless_busy(source=source, output=output, spec=spec, engine=engine)
