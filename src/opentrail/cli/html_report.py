"""The report of a validation as one HTML file that an auditor keeps: no scripts, nothing fetched, light and dark.

Everything that comes from a bucket is hostile and escaped; the file forbids itself to load anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html import escape as escape_html

from opentrail import __version__
from opentrail.cli.console import plain
from opentrail.cli.timeline import Timeline
from opentrail.cli.witnesses import WitnessReport
from opentrail.clock import format_time
from opentrail.digest.verdicts import BEYOND_AWS, Finding, FindingKind, ValidationSummary
from opentrail.query.validation_request import ValidationRequest
from opentrail.query.witness_check import WitnessFinding, WitnessVerdict

MAX_ROWS = 1_000
"""Findings shown one by one; the rest is counted, and all are in --json."""

_STYLE = """
:root{color-scheme:light dark;--ink:#16191f;--soft:#5f6b7a;--ground:#fff;--card:#f6f7f9;--line:#d5dbdb;--ok:#1d8102;
--bad:#c02b0a;--missing:#d97706;--gap:#9ba7b6}
@media (prefers-color-scheme:dark){:root{--ink:#e9ebed;--soft:#9ba7b6;--ground:#0f1b2a;--card:#192534;--line:#354150;
--ok:#4cbb3d;--bad:#ff6b55;--missing:#f0a948;--gap:#5f6b7a}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1080px;margin:0 auto;padding:32px 24px 64px}h1{font-size:26px;margin:0 0 4px}
h2{font-size:18px;margin:36px 0 10px}p{margin:6px 0;max-width:80ch}.soft{color:var(--soft)}
.verdict{border-left:6px solid var(--ok);background:var(--card);padding:16px 20px;margin:22px 0;border-radius:4px}
.verdict.no{border-color:var(--bad)}.verdict b{font-size:19px;display:block}
dl{display:grid;grid-template-columns:max-content 1fr;gap:5px 24px;margin:0}dt{color:var(--soft)}dd{margin:0;
overflow-wrap:anywhere}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px}.tile{background:var(--card);
border-radius:4px;padding:12px 16px}.tile b{font-size:22px;display:block}.tile.no b{color:var(--bad)}
svg{width:100%;height:auto;background:var(--card);border-radius:4px;padding:8px}svg text{fill:var(--ink);font-size:13px}
svg .tick{fill:var(--soft);font-size:11px}svg .rule{stroke:var(--line)}svg .ok{fill:var(--ok)}svg .bad{fill:var(--bad)}
svg .missing{fill:var(--missing)}svg .gap{fill:var(--gap)}
.key{display:flex;gap:20px;flex-wrap:wrap;margin:8px 0;color:var(--soft)}.key i{display:inline-block;width:12px;
height:12px;border-radius:2px;margin-right:6px;vertical-align:-1px}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:8px 12px 8px 0;border-bottom:1px solid
var(--line);vertical-align:top}td{overflow-wrap:anywhere}th{color:var(--soft);font-weight:500}
.bad-word{color:var(--bad);font-weight:600;white-space:nowrap}code{font:13px ui-monospace,monospace}
@media print{body{font-size:11px}main{padding:0}}
"""

_MEANINGS = {
    FindingKind.DIGEST: "This digest does not vouch for its files.",
    FindingKind.LOG_FILE: "This file is not what was delivered.",
    FindingKind.CONCERN: "This digest does not fit the chain.",
    FindingKind.FILE_CONCERN: "This file is not accounted for as delivered files are.",
    FindingKind.MISSING: "Files of this time could have been removed or changed unseen.",
}


@dataclass
class HtmlReport:
    """Collects what a validation finds and writes it as one page."""

    request: ValidationRequest
    key_origin: str
    timeline: Timeline
    _bad: list[Finding] = field(default_factory=list)
    _gaps: list[Finding] = field(default_factory=list)
    _left_out: int = 0

    def add(self, finding: Finding) -> None:
        """Take a finding."""
        self.timeline.add(finding)
        if finding.kind is FindingKind.GAP:
            self._gaps.append(finding)
        elif not finding.is_valid and len(self._bad) < MAX_ROWS:
            self._bad.append(finding)
        elif not finding.is_valid:
            self._left_out += 1

    def page(
        self,
        summary: ValidationSummary,
        made_at: datetime,
        told: Sequence[WitnessReport] = (),
    ) -> str:
        """Return the page. ``told`` is what the witnesses that were asked said."""
        against = [(one.name, finding) for one in told for finding in one.findings if not finding.is_sound]
        body = "".join(
            [
                "<h1>Log file validation</h1>",
                f'<p class="soft">{_escape(self.request.trail_arn)} in {_escape(self.request.region)}</p>',
                _verdict(summary, len(against), has_witness=bool(told)),
                _tiles(summary),
                "<h2>Timeline</h2>",
                self.timeline.svg(),
                _KEY,
                "<h2>What was looked at</h2>",
                self._facts(summary, made_at),
                "<h2>Witnesses</h2>",
                _witnesses(told),
                "<h2>Findings</h2>",
                self._findings(against),
                _EXPLANATION,
            ]
        )
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
            '<meta name="viewport" content="width=device-width"><title>Log file validation</title>'
            f"<style>{_STYLE}</style></head><body><main>{body}</main></body></html>\n"
        )

    def _facts(self, summary: ValidationSummary, made_at: datetime) -> str:
        request = self.request
        covered = "nothing"
        if summary.found_start_time and summary.found_end_time:
            covered = f"{format_time(summary.found_start_time)} to {format_time(summary.found_end_time)}"
        facts = {
            "Bucket": f"s3://{request.bucket}/{request.place.folder}",
            "Asked for": f"{format_time(summary.start_time)} to {format_time(summary.end_time)}",
            "Covered by valid digests": covered,
            "Public keys from": self.key_origin,
            "Not looked at again": f"{summary.remembered} log files that an interrupted validation had found valid",
            "Not digested yet": f"{summary.undigested} log files are younger than the newest digest",
            "Outside every digest": f"{summary.uncovered} log files, from times that no valid digest answers for",
            "Made": f"{format_time(made_at)} by opentrail {__version__}",
        }
        rows = "".join(f"<dt>{_escape(name)}</dt><dd>{_escape(fact)}</dd>" for name, fact in facts.items())
        return f"<dl>{rows}</dl>"

    def _findings(self, against: Sequence[tuple[str, WitnessFinding]]) -> str:
        if not self._bad and not self._gaps and not against:
            return "<p>None.</p>"
        rows = "".join(_witness_row(name, finding) for name, finding in against[:MAX_ROWS])
        rows += "".join(map(_row, [*self._bad, *self._gaps[:MAX_ROWS]]))
        left_out = self._left_out + max(0, len(against) - MAX_ROWS)
        more = f"<p>{left_out} more are in the JSON report.</p>" if left_out else ""
        head = "<tr><th>What</th><th>Where</th><th>Finding</th></tr>"
        return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>{more}"


_KEY = (
    '<div class="key"><span><i style="background:var(--ok)"></i>valid</span>'
    '<span><i style="background:var(--bad)"></i>altered, or does not fit</span>'
    '<span><i style="background:var(--missing)"></i>no valid digest answers for it</span>'
    '<span><i style="background:var(--gap)"></i>no digests were made then</span></div>'
)

_EXPLANATION = (
    "<h2>How to read this</h2>"
    "<p>Each digest lists the log files of its span with their hashes, names the digest before it, and is signed. A "
    "digest is valid when its signature is, by a key of the source above; a log file when its hash is the one that a "
    "valid digest lists. INVALID is the verdict of AWS's own verifier. CONCERN is what Opentrail looks at beyond it: "
    "digests missing in a row or at either end, overlapping, forked or standing alone, and files that no digest "
    "lists.</p>"
    "<p>Who holds the signing key and may write to the bucket can sign another history. That none was signed, only a "
    "witness outside their reach can show.</p>"
)


def _verdict(summary: ValidationSummary, contradictions: int, *, has_witness: bool) -> str:
    invalid = sum(summary.invalid.values())
    if not summary.valid and not invalid:
        return '<div class="verdict no"><b>There are no digests in this range.</b>Nothing can be said of it.</div>'
    if summary.is_valid and not contradictions:
        says = "Everything that digests of this range list is as it was delivered, and nothing is missing between them."
        rest = "" if has_witness else " No witness was asked."
        return f'<div class="verdict"><b>Nothing was altered.</b>{says}{rest}</div>'
    parts = [f"{invalid} objects are altered or missing"] if invalid else []
    parts += [f"{summary.concerns} findings go beyond AWS's checks"] if summary.concerns else []
    parts += [f"witnesses contradict {contradictions} digests"] if contradictions else []
    return f'<div class="verdict no"><b>The record was altered, or is incomplete.</b>{"; ".join(parts)}.</div>'


def _tiles(summary: ValidationSummary) -> str:
    tiles = []
    for name, label in (
        ("digest", "digests valid"),
        ("backfill digest", "backfill digests valid"),
        ("log", "log files valid"),
    ):
        valid, invalid = summary.valid.get(name, 0), summary.invalid.get(name, 0)
        if valid or invalid or name != "backfill digest":
            tiles.append((f"{valid:,} / {valid + invalid:,}", label, bool(invalid)))
    tiles.append((str(summary.concerns), "concerns", bool(summary.concerns)))
    tiles.append((str(summary.gaps), "times without digests", False))
    cells = [f'<div class="tile{" no" if is_bad else ""}"><b>{text}</b>{label}</div>' for text, label, is_bad in tiles]
    return f'<div class="tiles">{"".join(cells)}</div>'


def _escape(text: str) -> str:
    """Return a text for the page, control characters made visible: no name hides or turns around what stands there."""
    return escape_html(plain(text).plain)


def _witnesses(told: Sequence[WitnessReport]) -> str:
    """Return a row for each witness: of how many digests it said what."""
    if not told:
        return "<p>None was asked.</p>"
    verdicts = [verdict for verdict in WitnessVerdict if any(one.verdicts[verdict] for one in told)]
    head = "".join(f"<th>{_escape(verdict.value)}</th>" for verdict in verdicts)
    rows = "".join(
        f"<tr><td>{_escape(one.name)}</td>{''.join(_count(verdict, one) for verdict in verdicts)}</tr>" for one in told
    )
    return f"<table><thead><tr><th>Witness</th>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _count(verdict: WitnessVerdict, told: WitnessReport) -> str:
    count = told.verdicts[verdict]
    is_against = count > 0 and not verdict.is_sound
    return f'<td><span class="bad-word">{count:,}</span></td>' if is_against else f"<td>{count:,}</td>"


def _witness_row(name: str, finding: WitnessFinding) -> str:
    bound = f"existed by {format_time(finding.existed_by)}" if finding.existed_by else ""
    says = "; ".join(part for part in (finding.verdict.value, bound, finding.detail) if part)
    where = f"s3://{finding.bucket}/{finding.key}"
    return (
        f'<tr><td><span class="bad-word">INVALID</span></td><td><code>{_escape(where)}</code></td>'
        f'<td>{_escape(says)}<br><span class="soft">So says the witness {_escape(name)}.</span></td></tr>'
    )


def _row(finding: Finding) -> str:
    if finding.gap_start is not None and finding.gap_end is not None:
        where = f"{format_time(finding.gap_start)} to {format_time(finding.gap_end)}"
    else:
        where = f"s3://{finding.bucket}/{finding.key}"
    if finding.kind is FindingKind.GAP:
        says = "No digests were made: validation or logging was off."
        return f"<tr><td>gap</td><td>{_escape(where)}</td><td>{says}</td></tr>"
    word = "CONCERN" if finding.kind in BEYOND_AWS else "INVALID"
    meaning = _MEANINGS[finding.kind]
    return (
        f'<tr><td><span class="bad-word">{word}</span></td><td><code>{_escape(where)}</code></td>'
        f'<td>{_escape(finding.verdict)}<br><span class="soft">{meaning}</span></td></tr>'
    )
