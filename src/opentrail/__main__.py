"""``python -m opentrail``, and what the ``opentrail`` script calls."""

import sys


def main() -> None:
    """Run the command line; an interrupt while it is still being read ends it without a traceback."""
    try:
        from opentrail.cli import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
