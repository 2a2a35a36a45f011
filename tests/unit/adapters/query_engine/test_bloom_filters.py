"""Bloom filters leave out files that cannot have a value, and no other."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from opentrail.adapters.lake_table.files import write_parquet
from opentrail.adapters.query_engine import bloom_filters
from opentrail.adapters.query_engine.bloom_filters import BloomFilters
from opentrail.adapters.query_engine.xxhash64 import xxhash64
from opentrail.ports.query_engine import Needle


def values(file: int) -> list[str]:
    """Texts of every length up to 99, some with characters of several bytes."""
    return [f"{file}-{number}-" + ("é" if number % 3 else "x") * (number % 100) for number in range(500)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("files")
    for file in range(8):
        texts = values(file)
        issuers = [{"sessionissuer": {"username": text}} for text in texts]
        callers = [{"arn": text, "sessioncontext": issuer} for text, issuer in zip(texts, issuers, strict=True)]
        rows = pa.table({"eventid": texts, "eventversion": texts, "useridentity": callers})
        write_parquet(folder / f"{file}.parquet", rows)
    return sorted(map(str, folder.iterdir()))


def possible(files: Sequence[str], *needles: tuple[str, Sequence[str]]) -> list[int]:
    found = BloomFilters().possible(files, [Needle(column, tuple(texts)) for column, texts in needles])
    return [files.index(file) for file in found]


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"", 0xEF46DB3751D8E999),
        (b"a", 0xD24EC4F1A98C6E5B),
        (b"abc", 0x44BC2CF5AD770999),
        (b"The quick brown fox jumps over the lazy dog", 0x0B242D361FDA71BC),
    ],
)
def test_the_hash_is_the_one_of_its_test_vectors(content: bytes, value: int) -> None:
    assert xxhash64(content) == value


@pytest.mark.parametrize(
    "column", ["eventid", "useridentity.arn", "useridentity.sessioncontext.sessionissuer.username"]
)
def test_a_file_that_has_a_value_is_never_left_out(files: list[str], column: str) -> None:
    filters, kept = BloomFilters(), 0
    for file, path in enumerate(files):
        for text in values(file):
            found = filters.possible(files, [Needle(column, (text,))])
            assert path in found
            kept += len(found)

    assert kept < 1.05 * 8 * 500  # of a hundred files that have not, one may stay


def test_every_needle_and_one_of_its_values_counts(files: list[str]) -> None:
    second, third, absent = values(1)[7], values(2)[9], "nowhere"

    assert possible(files, ("eventid", [second, third, absent])) == [1, 2]
    assert possible(files, ("eventid", [second]), ("useridentity.arn", [third])) == []
    assert possible(files, ("eventid", [second]), ("useridentity.arn", [second])) == [1]
    assert possible(files, ("eventid", [absent])) == []


def test_a_column_without_filters_leaves_nothing_out(files: list[str]) -> None:
    assert possible(files, ("eventversion", ["nowhere"]), ("nothing", ["nowhere"])) == list(range(8))
    assert possible(files, ("eventversion", ["nowhere"]), ("eventid", [values(3)[0]])) == [3]


def test_what_cannot_be_read_is_the_engines_to_judge(tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no footer")
    broken = [str(tmp_path / name) for name in ("broken.parquet", "gone.parquet")]

    assert possible(broken, ("eventid", ["x"])) == [0, 1]


def test_a_filter_of_another_kind_leaves_nothing_out(files: list[str], tmp_path: Path) -> None:
    content = bytearray(Path(files[0]).read_bytes())
    group = pq.read_metadata(files[0]).row_group(0)
    offsets = (group.column(column).bloom_filter_offset for column in range(group.num_columns))
    for offset in offsets:
        if offset is not None:
            content[offset] ^= 1
    (tmp_path / "other.parquet").write_bytes(content)

    assert possible([str(tmp_path / "other.parquet")], ("eventid", ["nowhere"])) == [0]


def test_a_file_that_another_one_replaced_is_looked_at_anew(files: list[str], tmp_path: Path) -> None:
    filters, path = BloomFilters(), tmp_path / "one.parquet"
    needle = Needle("eventid", (values(1)[0],))
    write_parquet(path, pa.table({"eventid": values(0)}))
    assert filters.possible([str(path)], [needle]) == ()

    write_parquet(path, pa.table({"eventid": values(0) + values(1)}))

    assert filters.possible([str(path)], [needle]) == (str(path),)


def test_what_is_remembered_is_bounded(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bloom_filters, "MAX_FILES", 3)
    filters = BloomFilters()

    for _ in range(2):
        assert filters.possible(files, [Needle("eventid", (values(5)[1],))]) == (files[5],)

    assert len(filters._known) <= 3
