"""``python -m deployment``: what the profile in use asks of a cluster, or the PodTemplate of its pods."""

import argparse
import signal
from collections.abc import Iterator, Sequence

import yaml

from deployment import DEPLOYMENT
from deployment.schema import Machine, Profile, amount

CONTAINERS = ("default", "ray-head", "ray-worker")
"""Flyte takes what all containers share from ``default``, and Ray's from those of its own names."""
NO_IMAGE = "docker.io/library/none:none"
"""Kubernetes wants an image; Flyte puts the task's in its place."""


def machines(profile: Profile) -> Iterator[tuple[str, Machine]]:
    """Yields (name, machine) of everything that becomes a pod."""
    for name in type(profile.tasks).model_fields:
        yield name, getattr(profile.tasks, name)
    for environment, row in profile.elements.items():
        yield f"element {environment}", row
    if profile.cluster:
        yield "ray head", profile.cluster.head
        yield "ray workers", profile.cluster.workers
        for environment, group in profile.cluster.gpu_workers.items():
            yield f"ray gpu {environment}", group


def pod_template() -> dict[str, object]:
    """Returns the PodTemplate object that ``pod_template:`` of the deployment names."""
    spec: dict[str, object] = {
        "containers": [{"name": name, "image": NO_IMAGE} for name in CONTAINERS],
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "fsGroup": 1000},
        # A pod that is asked to end keeps what is done and gives its output back.
        "terminationGracePeriodSeconds": 120,
    }
    if DEPLOYMENT.pull_secret:
        spec["imagePullSecrets"] = [{"name": DEPLOYMENT.pull_secret}]
    return {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": {"name": DEPLOYMENT.pod_template or "clipmill"},
        "template": {"metadata": {"labels": {"app": "clipmill"}}, "spec": spec},
    }


def largest(profile: Profile) -> Machine:
    """Returns the largest amounts that pods of a profile ask for, each by itself."""
    found = [machine for _, machine in machines(profile)]
    return Machine(
        cpu=max((one.cpu for one in found), key=amount),
        mem=max((one.mem for one in found), key=amount),
        gpu=max(one.gpu for one in found),
    )


def _lines() -> Iterator[str]:
    profile = DEPLOYMENT.profile
    yield f"profile {DEPLOYMENT.name}: {profile.about}"
    yield f"engines: {', '.join(profile.engines)} (the first is the default)"
    for name, machine in machines(profile):
        gpu = f"  {machine.gpu} GPU" if machine.gpu else ""
        yield f"  {name:<16} {machine.cpu:>5} cores  {machine.mem:>6}{gpu}"
    most = largest(profile)
    yield f"largest requests: cpu {most.cpu}, memory {most.mem}; FlyteAdmin's limits must be at least these"


def main(argv: Sequence[str] | None = None) -> None:
    """Prints the profile, or the PodTemplate as YAML."""
    parser = argparse.ArgumentParser(prog="python -m deployment", description="The deployment in use.")
    parser.add_argument("what", nargs="?", default="profile", choices=("profile", "pod-template"))
    if parser.parse_args(argv).what == "pod-template":
        print(yaml.safe_dump(pod_template(), sort_keys=False), end="")
        return
    print("\n".join(_lines()))


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader such as head may stop early
    main()
