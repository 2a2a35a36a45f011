"""YAML of Sigma rules: documents without aliases, within bounds."""

from typing import Any

import yaml

from opentrail.pattern.errors import InvalidSigmaRule

MAX_RULE_CHARACTERS = 256 * 1024
MAX_DOCUMENTS = 200
MAX_DEPTH = 100
"""Lists and mappings within one another."""


def load_documents(text: str) -> list[Any]:
    """Return the YAML documents of a text, empty ones left out. Raises InvalidSigmaRule."""
    if len(text) > MAX_RULE_CHARACTERS:
        raise InvalidSigmaRule(f"The rule is longer than {MAX_RULE_CHARACTERS} characters")
    try:
        _check_shape(text)
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        raise InvalidSigmaRule(f"The rule is no YAML: {error}") from error
    if len(documents) > MAX_DOCUMENTS:
        raise InvalidSigmaRule(f"There are more than {MAX_DOCUMENTS} rules in one file")
    return documents


def _check_shape(text: str) -> None:
    """Refuse aliases, which grow without bound, and depth, with the square of which the scanner's time grows."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise InvalidSigmaRule("The rule uses YAML aliases")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise InvalidSigmaRule("The rule is nested too deeply")
