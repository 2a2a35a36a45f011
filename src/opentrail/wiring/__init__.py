"""The one place that names concrete adapters and joins them: for a command, and for the server."""

from opentrail.wiring.commands import run_command
from opentrail.wiring.serving import Serving, serve

__all__ = ["Serving", "run_command", "serve"]
