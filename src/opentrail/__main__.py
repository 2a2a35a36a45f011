"""``python -m opentrail``, and what the ``opentrail`` script calls."""

import gc
import sys

_OBJECTS_WHILE_LOADING = 100_000
"""Containers made before the collector looks at them. Modules and what they define stay: with its own 700 the collector
looks at them again and again, a sixth of the time that a server takes to load. (A server sets its own when it has.)"""


def main() -> None:
    """Run the command line; an interrupt while it is still being read ends it without a traceback."""
    gc.set_threshold(_OBJECTS_WHILE_LOADING)
    try:
        from opentrail.cli import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
