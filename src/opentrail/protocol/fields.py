"""Structure members by their names on the wire."""

from collections.abc import Callable

from botocore.model import Shape


def aliased_fields(shape: Shape, names_of: Callable[[Shape, str], list[str]]) -> dict[str, tuple[str, Shape]]:
    """Return a structure's members by every name they may have; a member's first name beats another's later ones."""
    named = [(names_of(member, name), (name, member)) for name, member in shape.members.items()]
    fields = {names[0]: field for names, field in named}
    for names, field in named:
        for name in names[1:]:
            fields.setdefault(name, field)
    return fields
