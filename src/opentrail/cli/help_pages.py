"""How help pages read: summaries whole, values by the name of what they are, never by a type of the language."""

from typing import Any

from typer.core import TyperArgument, TyperGroup, TyperOption

WIDTH = 100
"""Columns of a help page, where the terminal has as many."""

_WHOLE = 1_000
"""Characters of a summary: more than any has, so that none ends in an ellipsis."""

_VALUE_NAMES = {"account": "ID", "region": "REGION"}
"""What an option's value is called when its declaration does not say."""


class HelpGroup(TyperGroup):
    """A group of commands whose list shows every summary whole, over as many lines as it takes."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command, its parameters named for people."""
        command = super().get_command(ctx, cmd_name)
        for parameter in command.params if command is not None else ():
            _name_value(parameter)
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands."""
        commands = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, command.get_short_help_str(_WHOLE)) for name, command in commands if command is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _no_type(ctx: Any) -> str:
    return ""


def _name_value(parameter: Any) -> None:
    """Name the value of a parameter that does not say of what kind it is; an argument's name is its own."""
    if isinstance(parameter, TyperArgument):
        parameter.metavar = parameter.metavar or str(parameter.name).upper()
        parameter.hidden = parameter.hidden or not parameter.help  # the usage line shows it; there is no more to say
        vars(parameter)["display_type_rich"] = _no_type  # it would be written behind the name
    elif isinstance(parameter, TyperOption) and not parameter.is_flag and not parameter.count:
        parameter.metavar = parameter.metavar or _VALUE_NAMES.get(str(parameter.name), "TEXT")
