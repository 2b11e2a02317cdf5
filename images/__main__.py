"""``python -m images``: prints a Dockerfile, or builds images with Docker or buildah and pushes them."""

import argparse
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence

from images.dockerfile import Environment, render
from images.environments import ENVIRONMENTS, ROOT, name_of

BUILDERS = ("docker", "buildah")


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0, or 1 where no builder is there or a build fails."""
    parser = argparse.ArgumentParser(prog="python -m images", description="Container images of clipmill.")
    parser.add_argument("action", choices=("show", "build", "push"), help="push builds first")
    parser.add_argument("environments", nargs="*", choices=[*ENVIRONMENTS, []], help="all by default")
    parser.add_argument("--baked", action="store_true", help="put the code in; register with --copy none")
    options = parser.parse_args(argv)
    wanted: set[str] = set(options.environments or ENVIRONMENTS)
    chosen: list[Environment] = [one for one in ENVIRONMENTS if wanted.issuperset((one,))]
    if options.action == "show":
        print("\n".join(render(environment, baked=options.baked) for environment in chosen))
        return 0
    builder = next(filter(shutil.which, BUILDERS), None)
    if builder is None:
        print(f"images are built by {' or '.join(BUILDERS)}, and neither is on the PATH", file=sys.stderr)
        return 1
    for environment in chosen:
        name = name_of(environment, baked=options.baked)
        dockerfile = render(environment, baked=options.baked)
        commands = [[builder, "build", "--tag", name, "--file", "-", "."]]
        commands += [[builder, "push", name]] if options.action == "push" else []
        for command in commands:
            done = subprocess.run(command, cwd=ROOT, input=dockerfile, text=True, check=False)
            if done.returncode:
                return 1
        print(name)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader such as head may stop early
    raise SystemExit(main())
