"""``python -m footage DIRECTORY [--seed N]`` draws the sample footage."""

import argparse
from pathlib import Path

from footage.sample import draw_footage


def main() -> None:
    """Draw, and say how many files there are."""
    parser = argparse.ArgumentParser(prog="python -m footage", description="Draw the sample footage.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    truth = draw_footage(arguments.directory, seed=arguments.seed)
    print(f"{len(truth.films)} files in {arguments.directory}")


if __name__ == "__main__":
    main()
