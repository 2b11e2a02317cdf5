"""Steps that tell whether a cluster is set up: they fail with what is missing."""

import json
import os
from typing import cast

from flytekit import task

from clipmill import layout
from clipmill.errors import ClipmillError
from clipmill.planning.from_spec import plan_of_spec
from clipmill.runs.run_id import new_run_id
from clipmill.specs import CurateSpec
from clipmill.storage import conditional, store
from clipmill.storage.listing import list_source
from deployment import DEPLOYMENT
from images import CPU_IMAGE
from tasks.faults import retried_by_flyte
from tasks.hardware import PLAN


class NotAccepted(ClipmillError):
    """Something about the cluster is not as the deployment says."""


@task(container_image=CPU_IMAGE, **PLAN)
def check_places(source: str, output: str) -> str:
    """Check secrets, source and output; the URI of a new folder below the output."""
    missing = [one.env_var for one in DEPLOYMENT.secrets if not os.environ.get(one.env_var)]
    if missing:
        raise NotAccepted(
            f"secrets did not reach the pod: {', '.join(missing)}; see secrets in docs/deploy.md"
        )
    with retried_by_flyte():
        list_source(plan_of_spec(CurateSpec(), source=source, output=output).source, exclude=output)
        store.check_writable(output)
        if not conditional.is_supported(output):
            raise NotAccepted(
                f"{output}: this store cannot keep two writers apart; name one on S3, GCS or Azure"
            )
        return layout.join(store.normalise(output), f"acceptance-{new_run_id()}")


@task(container_image=CPU_IMAGE, **PLAN)
def check_first(run: str) -> str:
    """Check that a run left its record and manifest; the URI of its output."""
    output = run.rpartition("/runs/")[0]
    with retried_by_flyte():
        missing = [uri for uri in (run, layout.manifest_path(output)) if not store.exists(uri)]
    if missing:
        raise NotAccepted(f"{missing[0]} is not there: the run did not publish, or its output was emptied")
    return output


@task(container_image=CPU_IMAGE, **PLAN)
def compare_runs(first: str, second: str) -> str:
    """Check that the first run did the work and the second found it done; a sentence for the console."""
    with retried_by_flyte():
        video_s = [_video_s(uri) for uri in (first, second)]
    if video_s[1] > 0:
        raise NotAccepted(
            f"{second}: the second run looked at {video_s[1]:.0f} s of video again; is the output kept?"
        )
    return f"accepted: {video_s[0]:.0f} s of video were curated, and the second run had nothing to do"


def _video_s(run_uri: str) -> float:
    record = cast("dict[str, dict[str, float]]", json.loads(store.read_bytes(run_uri)))
    return record["numbers"]["video_s"]
