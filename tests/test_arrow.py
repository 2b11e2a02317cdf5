"""Arrow imports pandas only where it is needed, and knows its series all the same."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration

LEFT_OUT = """
import importlib, importlib.util, sys
import pyarrow as pa
from clipmill import arrow
pa.array(["a"]), pa.Table.from_pylist([{"a": 1}]), pa.schema([pa.field("a", pa.int8())]).empty_table()
assert importlib.util.find_spec("pandas")
assert "pandas" not in sys.modules
"""
USED = """
import pandas
one = pandas.DataFrame({"a": [1]})
assert pa.array(pandas.Series([1.0, float("nan")])).null_count == 1
assert pa.table({"a": [1]}).to_pandas().equals(one)
assert pa.Table.from_pandas(one).num_rows == 1
assert importlib.reload(pandas) is pandas
"""
FETCHED = "assert len(pa.table({'a': [1]}).to_pandas()) == 1"


@pytest.mark.parametrize("use", [USED, FETCHED], ids=["imported by a user", "imported by Arrow"])
def test_pandas_is_imported_when_it_is_used(use: str) -> None:
    subprocess.run([sys.executable, "-c", LEFT_OUT + use], check=True)
