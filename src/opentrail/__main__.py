"""``python -m opentrail``."""

from opentrail.cli import main

if __name__ == "__main__":
    main()
