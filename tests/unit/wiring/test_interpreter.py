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

RULES_COME_AND_GO = """
import gc
from opentrail.pattern.event_pattern import parse_event_pattern
from opentrail.pattern.rule_set import RuleSet
from opentrail.wiring.interpreter import freeze_loaded_objects
rules = RuleSet()
pattern = '{"source":["aws.iam"],"detail":{"n":[%d,{"prefix":"a%d"},{"wildcard":"b*%d"}]}}'
patterns = {n: pattern % (n, n, n) for n in range(1000)}
freeze_loaded_objects()
before = gc.get_freeze_count()
for name, pattern in patterns.items():
    rules.add(name, parse_event_pattern(pattern))
freeze_loaded_objects()
held = gc.get_freeze_count()
for name in patterns:
    rules.remove(name)
print(held > before + 1000, gc.get_freeze_count() < before + 100)
"""


def test_arrow_makes_its_first_table_without_what_is_left_out() -> None:
    ran = subprocess.run([sys.executable, "-c", MADE_A_TABLE], capture_output=True, text=True, timeout=60, check=False)

    assert (ran.returncode, ran.stdout) == (0, "[]\n"), ran.stderr


def test_frozen_rules_are_freed_all_the_same() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", RULES_COME_AND_GO], capture_output=True, text=True, timeout=60, check=False
    )

    assert (ran.returncode, ran.stdout) == (0, "True True\n"), ran.stderr
