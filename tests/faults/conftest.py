from pathlib import Path

import pytest

from tests.support.faults.scene import Scene

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """All tests of this folder run by ``make test-faults``; those with the mark ``sample`` always."""
    mine = [item for item in items if str(item.path).startswith(f"{FOLDER}/")]
    for item in mine:
        item.add_marker(pytest.mark.faults)
    if "faults" in config.option.markexpr:
        return
    left_out = {item for item in mine if not item.get_closest_marker("sample")}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Two films and an output, on the local disk."""
    return Scene(tmp_path)
