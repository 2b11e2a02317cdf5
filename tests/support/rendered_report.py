"""The page of a drawn run, and the data in it."""

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from clipmill.dataset.assemble import Tables
from clipmill.dataset.funnel import StatusColumns, count_range, total
from clipmill.layout import TABLES
from clipmill.outcomes.run_end import RunEnd
from clipmill.outcomes.summary import Summary, summary_of
from clipmill.report.plan_view import plan_view
from clipmill.report.render import render_report
from clipmill.report.view import ReportOptions, ReportTables
from tests.support.report_tables import DrawnRun
from tests.support.stages.report_stages import planned

OPTIONS = ReportOptions(view=plan_view(planned()))
CAPTIONS = StatusColumns(captions={one.key: one.status for one in OPTIONS.view.captions})


def summary(tables: ReportTables, **dropped_s: float) -> Summary:
    """The summary of tables; without ``dropped_s`` the time in no clip has one cause."""
    lost_s = {"cropped": float(np.nansum(tables.videos["dropped_s"].to_numpy()))}
    found = {name: getattr(tables, name) for name in TABLES}
    whole = Tables(**found, dropped_s=dropped_s or lost_s)
    return summary_of(total([count_range(whole, CAPTIONS)]), RunEnd())


def render(run: DrawnRun, options: ReportOptions = OPTIONS) -> str:
    options = replace(options, summary=summary(run.tables))
    return render_report(run.tables, options=options, read_bytes=run.read_bytes)


def embedded(page: str) -> Mapping[str, list[dict[str, object]]]:
    return json.loads(page.split('id="cm-data">', 1)[1].split("</script>", 1)[0])
