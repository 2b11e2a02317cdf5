"""The page of a drawn run, and the data in it."""

import json
from collections.abc import Mapping

from clipmill.report.plan_view import plan_view
from clipmill.report.render import render_report
from clipmill.report.view import ReportOptions
from tests.support.report_tables import DrawnRun
from tests.support.stages.report_stages import planned

OPTIONS = ReportOptions(view=plan_view(planned()))


def render(run: DrawnRun, options: ReportOptions = OPTIONS) -> str:
    return render_report(run.tables, options=options, read_bytes=run.read_bytes)


def embedded(page: str) -> Mapping[str, list[dict[str, object]]]:
    return json.loads(page.split('id="cm-data">', 1)[1].split("</script>", 1)[0])
