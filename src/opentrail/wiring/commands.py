"""Administrative commands on a home that no server holds."""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from opentrail.errors import OperatorError
from opentrail.home import Home
from opentrail.settings import Settings
from opentrail.wiring.doctoring import EXAMINING, examining_commands
from opentrail.wiring.installation import Installation, open_installation
from opentrail.wiring.lake_holds import lake_holds
from opentrail.wiring.named_targets import TARGET_COMMANDS, open_mail, open_named_targets, target_commands


async def run_command(home: Home, settings: Settings, command: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Run one command of ``Administration`` or ``Inquiries`` and return its answer. Raises OperatorError, HomeInUse."""
    if not home.path.is_dir():
        raise OperatorError(f"there is no home at {home.path}: `opentrail --home {home.path} serve` makes one")
    home.prepare()
    with home.lock():
        async with open_installation(home, settings) as installation:
            await installation.feeder.catch_up()
            commands = installation.commands() | lake_holds(installation).commands()
            if command in EXAMINING:
                commands |= examining_commands(installation, "", commands)
            if command in TARGET_COMMANDS:
                return await _run_on_targets(installation, command, arguments)
            return await commands[command](**arguments)


async def _run_on_targets(installation: Installation, command: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    with ExitStack() as closing:
        mail = open_mail(installation.settings, installation.clock, closing.callback)
        targets = open_named_targets(installation.settings, mail, installation.clock, closing.callback)
        return await target_commands(installation, targets).commands()[command](**arguments)
