"""The twelve manipulations, judged by both verifiers as commands; docs/manipulations.md says what came out."""

from pathlib import Path

import pytest

from tests.conformance.manipulations.manipulations import FOR_A_WITNESS
from tests.conformance.manipulations.table import format_page, judge_all

PAGE = Path(__file__).parents[3] / "docs" / "manipulations.md"


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_each_manipulation_is_found_and_the_page_says_by_whom() -> None:
    verdicts = await judge_all()

    for aws, ours in (verdicts[""], *(verdicts[title] for title in FOR_A_WITNESS)):
        assert aws.lines == ours.lines == ()
    for title, (aws, ours) in verdicts.items():
        if title and title not in FOR_A_WITNESS:
            assert ours.exit_code == 1, title
            assert ours.lines, title
            assert set(aws.lines) <= set(ours.lines), title
            assert aws.exit_code == int(any("INVALID" in line for line in aws.lines)), title
    assert format_page(verdicts) == PAGE.read_text(), "make docs writes the page again"
