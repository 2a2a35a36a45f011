"""How a process that serves is set up: in processes of their own, since it cannot be undone."""

import subprocess
import sys

MADE_A_TABLE = """
import sys
from opentrail.wiring.interpreter import UNUSED, leave_out_unused
leave_out_unused()
import deltalake, pyarrow
assert pyarrow.table(pyarrow.record_batch({"name": ["ok"]})).to_pydict() == {"name": ["ok"]}
print(sorted(name for name in sys.modules if name.partition(".")[0] in UNUSED))
"""


def test_arrow_makes_its_first_table_without_what_is_left_out() -> None:
    ran = subprocess.run([sys.executable, "-c", MADE_A_TABLE], capture_output=True, text=True, timeout=60, check=False)

    assert (ran.returncode, ran.stdout) == (0, "[]\n"), ran.stderr
