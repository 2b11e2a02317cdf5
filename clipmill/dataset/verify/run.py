"""One verification of an output, and what lets the next run redo what is lost."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import pyarrow as pa

from clipmill import layout
from clipmill.dataset.verify.documents import check_documents
from clipmill.dataset.verify.files import check_files
from clipmill.dataset.verify.findings import Finding, Report
from clipmill.dataset.verify.published import Published, read_published
from clipmill.dataset.verify.tables import check_copies, check_parts, check_tables
from clipmill.planning.judgement import LOST
from clipmill.runs.lease_file import read_lease
from clipmill.runs.run_id import last_id_of, new_run_id
from clipmill.state.part_set import parts_of
from clipmill.state.schema import OUTCOME
from clipmill.state.store import ResultStore
from clipmill.storage import store

DEFAULT_SAMPLE = 100


def verify(
    output: str, *, sample: int | None = DEFAULT_SAMPLE, snapshot: str = ""
) -> tuple[Published, Report]:
    """Returns the manifest of an output and what is wrong with it; nothing is changed.

    ``sample`` files are read and compared with their digests; all for None, and all parts of the state too.
    ``snapshot`` names an earlier snapshot: the state and the JSON of clips are those of the current one, and
    not looked at then.
    """
    output = store.normalise(output)
    published = read_published(output, snapshot=snapshot)
    report = check_files(published, output, sample=sample)
    report.looked_at["parts of tables"] = len(published.parts)
    report.findings = [
        *check_tables(published, output),
        *(check_parts(published, output) if sample is None and not snapshot else ()),
        *report.findings,
        *(() if snapshot else (*check_copies(published, output), *check_documents(published, output))),
    ]
    return published, report


def let_redo(published: Published, output: str, findings: Iterable[Finding]) -> int:
    """Takes lost results out of the state and deletes damaged files; returns how many results.

    The next run makes them again, and publishes tables and JSON that are missing or damaged. The state goes
    first: a file without a row is made again, a row without a file is not.
    """
    output = store.normalise(output)
    findings = list(findings)
    lost: defaultdict[str, set[str]] = defaultdict(set)
    for one in findings:
        for key in one.keys if one.is_wrong else ():
            lost[key].add(one.item_id)
    # Behind all rows before and ahead of those of the next run, whatever the clock says.
    lease = read_lease(output)
    run_id = last_id_of(lease.started_at) if lease else new_run_id()
    for key, ids in lost.items():
        ResultStore(output).append(key, published.digests[key], _lost_rows(sorted(ids)), run_id=run_id)
    parts: defaultdict[str, list[str]] = defaultdict(list)
    for one in findings:
        uri = layout.join(output, one.path)
        if one.kind == "part":
            parts[uri.rpartition("/")[0]].append(uri)
        elif one.cause == "damaged" and one.kind in ("file", "table"):
            store.delete(uri)
    for folder, uris in parts.items():
        parts_of(folder).set_aside(uris)
    return len({(one.path, one.item_id) for one in findings if one.keys})


def _lost_rows(ids: Sequence[str]) -> pa.Table:
    rows = [{"id": one, "outcome": LOST} for one in ids]
    return pa.Table.from_pylist(rows, schema=OUTCOME)
