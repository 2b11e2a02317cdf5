"""An imitation of what Flyte's backend makes of a Ray task: the pod specs of head, workers and submitter.

Written after flyteplugins/go/tasks/plugins/k8s/ray/ray.go of Flyte 1.16: the task's own pod is the base of
all three, the head's and each group's pod template is laid over it. No part of Flyte runs here.
"""

import copy
import re
from typing import cast

from flyteidl.core import tasks_pb2
from google.protobuf.json_format import MessageToDict
from kubernetes import client

Spec = dict[str, object]

_NAMES = {"CPU": "cpu", "MEMORY": "memory", "GPU": "nvidia.com/gpu", "EPHEMERAL_STORAGE": "ephemeral-storage"}


def pod_specs(task: tasks_pb2.TaskTemplate, template: Spec) -> dict[str, Spec]:
    """Returns pod specs by "head", "submitter" and the names of the worker groups.

    ``template`` is the PodTemplate object that the task names.
    """
    base = _base(task, template)
    job = MessageToDict(task.custom)
    cluster = job["rayCluster"]
    found = {"submitter": _named(base, "ray-job-submitter")}
    found["head"] = _laid_over(_named(base, "ray-head"), cluster["headGroupSpec"].get("k8sPod"))
    for group in cluster["workerGroupSpec"]:
        found[group["groupName"]] = _laid_over(_named(base, "ray-worker"), group.get("k8sPod"))
    return found


def _base(task: tasks_pb2.TaskTemplate, template: Spec) -> Spec:
    spec = copy.deepcopy(cast(Spec, template["template"]["spec"]))
    container = {
        "name": "default",
        "image": task.container.image,
        "args": list(task.container.args),
        "env": [{"name": one.key, "value": one.value} for one in task.container.env],
        "resources": {
            kind: {_NAMES[tasks_pb2.Resources.ResourceName.Name(one.name)]: one.value for one in entries}
            for kind, entries in (
                ("requests", task.container.resources.requests),
                ("limits", task.container.resources.limits),
            )
        },
    }
    # The webhook for secrets adds each as a variable from a Kubernetes Secret.
    container["env"] += [
        {
            "name": secret.env_var,
            "valueFrom": {"secretKeyRef": {"name": secret.group, "key": secret.key}},
        }
        for secret in task.security_context.secrets
    ]
    return {**spec, "containers": [container]}


def _named(base: Spec, name: str) -> Spec:
    spec = copy.deepcopy(base)
    spec["containers"][0]["name"] = name
    return spec


def _laid_over(spec: Spec, pod: Spec | None) -> Spec:
    """Maps are merged, lists are put one behind the other, and the container of equal name is merged."""
    over = copy.deepcopy((pod or {}).get("podSpec", {}))
    (container,) = over.pop("containers", [{}])
    assert container.get("name", spec["containers"][0]["name"]) == spec["containers"][0]["name"]
    merged = _merged(spec, over)
    merged["containers"] = [_merged(spec["containers"][0], container)]
    return merged


def _merged(base: Spec, over: Spec) -> Spec:
    both = dict(base)
    for key, value in over.items():
        before = both.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            both[key] = _merged(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            both[key] = [*before, *value]
        else:
            both[key] = value
    return both


def faults(spec: object, kind: str = "V1PodSpec", place: str = "spec") -> list[str]:
    """Returns what Kubernetes' API would refuse: unknown fields, and values of another type."""
    listed = re.fullmatch(r"[lL]ist\[(.+)\]", kind)
    mapped = re.fullmatch(r"[dD]ict[(\[]str, (.+)[)\]]", kind)
    if listed:
        if not isinstance(spec, list):
            return [f"{place} is no list"]
        return [fault for i, one in enumerate(spec) for fault in faults(one, listed[1], f"{place}[{i}]")]
    if mapped:
        return [] if isinstance(spec, dict) else [f"{place} is no map"]
    if kind in ("str", "int", "bool", "float", "object"):
        types = {"str": str, "int": (int, float), "bool": bool, "float": float, "object": object}
        return [] if isinstance(spec, types[kind]) else [f"{place} is no {kind}: {spec!r}"]
    model = getattr(client, kind)
    known = {name: model.openapi_types[key] for key, name in model.attribute_map.items()}
    return [
        fault
        for key, value in cast(Spec, spec).items()
        for fault in (
            faults(value, known[key], f"{place}.{key}") if key in known else [f"{place}.{key} is unknown"]
        )
    ]
