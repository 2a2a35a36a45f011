"""Queries that people begin an investigation with, and the search among them by words."""

import math
import re
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

PLACEHOLDER = "$EDS_ID"
"""What stands for the event data store in a sample's statement."""

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_WITHOUT_MEANING = """
a all an and are at by did do for from how in is it me my of on or show that the their these this to was were what which
who with select eventtime limit desc order group having count true null eds id
"""
_SAME_MEANING = """
delet remov eras terminat
creat mak mad new
den deni refus forbid unauthoriz
error fail failur
signin login logon sign
mfa factor
bucket s3
address ip
polic permiss right
rol assum
"""
_NAME_WEIGHT, _DESCRIPTION_WEIGHT, _SQL_WEIGHT = 4.0, 2.0, 1.0


@dataclass(frozen=True, slots=True)
class SampleQuery:
    """One sample. ``of`` is what its store must hold: management, data, insight, activity or configuration."""

    name: str
    description: str
    of: str
    sql: str


@dataclass(frozen=True, slots=True)
class _Indexed:
    query: SampleQuery
    weights: Mapping[str, float]


@cache
def sample_queries() -> tuple[SampleQuery, ...]:
    """Return every sample, in the order of their file."""
    text = (files("opentrail.query") / "data" / "sample_queries.toml").read_text()
    return tuple(
        SampleQuery(one["name"], one["description"], one["of"], one["sql"].strip())
        for one in tomllib.loads(text)["query"]
    )


def search_samples(phrase: str) -> Sequence[tuple[SampleQuery, float]]:
    """Return the samples that have a word of ``phrase``, the most relevant first, each with its relevance (0 to 1).

    Rare words count more than common ones, and a name more than a description or a statement.
    """
    wanted = set(_stems(phrase))
    rarity = {word: _rarity(word) for word in wanted}
    most = sum(rarity.values()) or 1.0
    found = []
    for one in _index():
        score = sum(rarity[word] * min(1.0, one.weights.get(word, 0.0) / _NAME_WEIGHT) for word in wanted)
        if score:
            found.append((one.query, round(score / most, 4)))
    return sorted(found, key=lambda pair: (-pair[1], pair[0].name))


@cache
def _index() -> tuple[_Indexed, ...]:
    return tuple(_Indexed(query, _weights(query)) for query in sample_queries())


def _weights(query: SampleQuery) -> Mapping[str, float]:
    weights: defaultdict[str, float] = defaultdict(float)
    for text, weight in (
        (query.name, _NAME_WEIGHT),
        (query.description, _DESCRIPTION_WEIGHT),
        (query.sql, _SQL_WEIGHT),
    ):
        for stem in set(_stems(text)):
            weights[stem] += weight
    return weights


def _rarity(stem: str) -> float:
    having = sum(1 for one in _index() if stem in one.weights)
    return math.log(1 + len(_index()) / (1 + having))


def _stems(text: str) -> list[str]:
    return [
        _stem(word) for word in map(str.lower, _WORD.findall(text.replace("-", ""))) if word not in _WITHOUT_MEANING
    ]


def _stem(word: str) -> str:
    """Return what a word has in common with its other forms (deletes, deleted, deletion) and with its synonyms."""
    for ending in ("ations", "ation", "ions", "ion", "ings", "ing", "ies", "ed", "es", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return _FIRST_OF_SAME.get(word, word)


_MEANINGLESS = frozenset(_WITHOUT_MEANING.split())
_FIRST_OF_SAME = {word: line.split()[0] for line in _SAME_MEANING.strip().splitlines() for word in line.split()}
