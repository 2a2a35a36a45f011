"""A replay as one HTML file: no scripts, nothing fetched, light and dark, readable without the pictures.

Everything that comes from events or rules is hostile and escaped; the file forbids itself to load anything.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

import orjson

from opentrail import __version__
from opentrail.cli.console import plain
from opentrail.cli.replay_plot import (
    alarm_words,
    condition_words,
    duration,
    extreme_words,
    histogram,
    share_words,
    short_name,
    telling_transitions,
)
from opentrail.clock import format_time, parse_time
from opentrail.query.replay.histogram import Histogram, step_words

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 1000, 240, 64, 200
_MAX_BARS = 180
_SHOWN_TRANSITIONS = 100
_TICKS = 6

_STYLE = """
:root{color-scheme:light dark;--ink:#16191f;--soft:#5f6b7a;--ground:#fff;--card:#f6f7f9;--line:#d5dbdb;--bar:#0972d3;
--alarm:#c02b0a;--ok:#1d8102}
@media (prefers-color-scheme:dark){:root{--ink:#e9ebed;--soft:#9ba7b6;--ground:#0f1b2a;--card:#192534;--line:#354150;
--bar:#539fe5;--alarm:#ff6b55;--ok:#4cbb3d}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1080px;margin:0 auto;padding:32px 24px 64px}h1{font-size:26px;margin:0 0 4px}
h2{font-size:21px;margin:44px 0 6px;overflow-wrap:anywhere}h3{font-size:15px;margin:24px 0 8px}
p{margin:6px 0}p.foot{margin-top:48px}.soft{color:var(--soft)}
.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
pre{background:var(--card);border-radius:6px;padding:12px 16px;overflow:auto;font:13px/1.45 ui-monospace,monospace;
white-space:pre-wrap;overflow-wrap:anywhere;margin:8px 0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:14px 0}
.tile{background:var(--card);border-radius:6px;padding:12px 16px}.tile b{font-size:22px;display:block}
.tile.alarm b{color:var(--alarm)}
svg{display:block;width:100%;height:auto;background:var(--card);border-radius:6px}svg text{fill:var(--soft);
font-size:12px}svg .bar{fill:var(--bar)}svg .rule{stroke:var(--line)}svg .alarm{fill:var(--alarm)}
svg.spark{width:180px;height:28px;background:none}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:7px 12px 7px 0;border-bottom:1px solid
var(--line);vertical-align:top}td{overflow-wrap:anywhere}th{color:var(--soft);font-weight:500}
.lists{display:grid;grid-template-columns:repeat(auto-fit,minmax(400px,1fr));gap:8px 36px}
h3+table .num{width:1%}.share{display:block;height:4px;background:var(--bar);border-radius:2px;margin-top:3px}
details{border-bottom:1px solid var(--line);padding:8px 0}summary{cursor:pointer;overflow-wrap:anywhere}
.met{border-left:4px solid var(--bar);margin:8px 0 8px 4px;padding:2px 12px;list-style:none}
mark{background:color-mix(in srgb,var(--bar) 30%,transparent);color:inherit;border-radius:3px}
.state{font-weight:600;white-space:nowrap}.state.ALARM{color:var(--alarm)}.state.OK{color:var(--ok)}
a{color:var(--bar)}code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}
@media (max-width:520px){.lists{grid-template-columns:1fr}main{padding:20px 14px}svg.spark{width:84px}}
@media print{body{font-size:11px}main{padding:0}details{break-inside:avoid}}
"""


def page(report: dict[str, Any], made_at: datetime) -> str:
    """Return the whole file."""
    rules = report["Rules"]
    body = [
        "<h1>Replay</h1>",
        f'<p class="soft">{_escape(_source(report))}, {report["StartTime"]} to {report["EndTime"]}</p>',
        _comparison(rules) if len(rules) > 1 else "",
        *(_rule(place, rule, report) for place, rule in enumerate(rules)),
        _foot(report, made_at),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width,initial-scale=1"><title>Replay</title>'
        f"<style>{_STYLE}</style></head><body><main>{''.join(body)}</main></body></html>\n"
    )


def _comparison(rules: Sequence[dict[str, Any]]) -> str:
    has_alarm = any(rule["Alarm"] for rule in rules)
    head = "<th>Rule</th><th class=num>Matches</th><th class=num>Share</th><th>Over time</th><th>Most by</th>"
    head += "<th>Alarm</th>" if has_alarm else ""
    rows = []
    for place, rule in enumerate(rules):
        names = rule["Top"]["Principals"]["Names"]
        most = _escape(short_name(names[0]["Name"])) if names else ""
        alarm = f"<td>{_fired(rule['Alarm'])}</td>" if has_alarm else ""
        rows.append(
            f'<tr><td><a href="#rule-{place}">{_escape(rule["Name"])}</a></td><td class=num>{rule["Matches"]:,}</td>'
            f"<td class=num>{share_words(rule['Share'])}</td><td>{_spark(rule)}</td><td>{most}</td>{alarm}</tr>"
        )
    return f"<h2>Comparison</h2><table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _rule(place: int, rule: dict[str, Any], report: dict[str, Any]) -> str:
    parts = [
        f'<section aria-labelledby="rule-{place}"><h2 id="rule-{place}">{_escape(rule["Name"])}</h2>',
        f'<p class="soft">{_escape(rule["Language"].replace("-", " "))}</p><pre>{_escape(rule["Rule"].strip())}</pre>',
        _tiles(rule, report),
    ]
    if rule["Matches"]:
        parts += [_chart(rule), _lists(rule)]
    if rule["Alarm"]:
        parts.append(_alarm(rule["Alarm"]))
    if rule["Examples"]:
        parts.append(f"<h3>Newest matches</h3>{''.join(map(_example, rule['Examples']))}")
    return "".join([*parts, "</section>"])


def _tiles(rule: dict[str, Any], report: dict[str, Any]) -> str:
    tiles = [
        (f"{rule['Matches']:,}", "match" if rule["Matches"] == 1 else "matches", ""),
        (share_words(rule["Share"]), f"of {report['Events']:,} events", ""),
    ]
    if rule["Matches"]:
        tiles.append((rule["LastTime"][:10], f"last, at {rule['LastTime'][11:19]} UTC", ""))
    if rule["Alarm"]:
        fired = rule["Alarm"]["TimesFired"]
        words = "time the alarm would have fired" if fired == 1 else "times the alarm would have fired"
        tiles.append((f"{fired:,}", words, "alarm" if fired else ""))
    cells = (f'<div class="tile {kind}"><b>{value}</b>{text}</div>' for value, text, kind in tiles)
    return f'<div class="tiles">{"".join(cells)}</div>'


def _chart(rule: dict[str, Any]) -> str:
    bins = histogram(rule).at_most(_MAX_BARS)
    most = max((*bins.counts, 1))
    label = f"Matches over time, one bar for each {step_words(bins.seconds)}, at most {most:,}"
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">'
        f"{''.join(_scale(most))}{''.join(_bars(bins, most))}{''.join(_alarm_strip(rule['Alarm'], bins))}"
        f'{"".join(_ticks(bins))}</svg><p class="soft">One bar: {step_words(bins.seconds)}. Times are UTC.</p>'
    )


def _scale(most: int) -> Iterator[str]:
    for part, value in ((0.0, 0), (1.0, most)):
        y = _BOTTOM - part * (_BOTTOM - 20)
        yield f'<line x1="{_LEFT}" x2="{_WIDTH - 16}" y1="{y:.0f}" y2="{y:.0f}" class="rule"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{value:,}</text>'


def _bars(bins: Histogram, most: int) -> Iterator[str]:
    step = (_WIDTH - 16 - _LEFT) / len(bins.counts)
    for place, count in enumerate(bins.counts):
        if count:
            height = max(2.0, (_BOTTOM - 20) * count / most)
            moment = format_time(datetime.fromtimestamp(bins.start + bins.seconds * place, UTC))
            shape = f'x="{_LEFT + place * step:.2f}" y="{_BOTTOM - height:.1f}" width="{max(1.0, step - 1):.2f}"'
            yield f'<rect {shape} height="{height:.1f}" class="bar"><title>{moment}: {count:,}</title></rect>'


def _alarm_strip(alarm: dict[str, Any] | None, bins: Histogram) -> Iterator[str]:
    """Yield a red strip under the bars for as long as the alarm is in ALARM."""
    if alarm is None:
        return
    span = bins.seconds * len(bins.counts)
    since: float | None = None
    changes = [(parse_time(one["Time"]).timestamp(), one["To"]) for one in alarm["Transitions"]]
    for moment, state in [*changes, (float(bins.start + span), "END")]:
        if since is not None and state != "ALARM":
            first, last = (_LEFT + (at - bins.start) / span * (_WIDTH - 16 - _LEFT) for at in (since, moment))
            title = f"in ALARM from {format_time(datetime.fromtimestamp(since, UTC))}, {duration(int(moment - since))}"
            shape = f'x="{first:.2f}" y="{_BOTTOM + 3}" width="{max(2.0, last - first):.2f}" height="7"'
            yield f'<rect {shape} class="alarm"><title>{title}</title></rect>'
        since = moment if state == "ALARM" else None


def _ticks(bins: Histogram) -> Iterator[str]:
    span = bins.seconds * len(bins.counts)
    form = "%Y-%m-%d" if span > 3 * 86_400 else "%m-%d %H:%M"
    for tick in range(_TICKS + 1):
        x = _LEFT + (_WIDTH - 16 - _LEFT) * tick / _TICKS
        moment = datetime.fromtimestamp(bins.start + span * tick / _TICKS, UTC)
        anchor = "start" if tick == 0 else "end" if tick == _TICKS else "middle"
        yield f'<text x="{x:.0f}" y="{_BOTTOM + 30}" text-anchor="{anchor}">{moment.strftime(form)}</text>'


def _spark(rule: dict[str, Any]) -> str:
    if not rule["Matches"]:
        return ""
    counts = histogram(rule).at_most(60).counts
    most, step = max(counts), 180 / len(counts)
    bars = (
        f'<rect x="{place * step:.1f}" y="{28 - max(1.5, 26 * count / most):.1f}" width="{max(1, step - 0.6):.1f}" '
        f'height="{max(1.5, 26 * count / most):.1f}" class="bar"/>'
        for place, count in enumerate(counts)
        if count
    )
    return f'<svg class="spark" viewBox="0 0 180 28" role="img" aria-label="over time">{"".join(bars)}</svg>'


def _lists(rule: dict[str, Any]) -> str:
    titles = {
        "Principals": "Principals",
        "SourceIPAddresses": "Source addresses",
        "EventNames": "Events",
        "EventSources": "Services",
    }
    return f'<div class="lists">{"".join(_list(rule["Top"][name], title) for name, title in titles.items())}</div>'


def _list(group: dict[str, Any], title: str) -> str:
    names = group["Names"]
    most = names[0]["Count"] if names else 1
    rows = (
        f"<tr><td>{_escape(name['Name']) or '(none)'}"
        f'<span class="share" style="width:{max(1, 100 * name["Count"] // max(1, most))}%"></span></td>'
        f"<td class=num>{name['Count']:,}</td></tr>"
        for name in names
    )
    more = group["Distinct"] - len(names)
    note = f"{more:,} more" if more > 0 else ""
    if group["CountError"]:
        note = f"counts are at least these, at most {group['CountError']:,} more"
    return (
        f"<div><h3>{title}</h3><table><tbody>{''.join(rows)}</tbody></table>"
        f"{f'<p class=soft>{note}</p>' if note else ''}</div>"
    )


def _alarm(alarm: dict[str, Any]) -> str:
    told = telling_transitions(alarm)
    rows = "".join(
        f'<tr><td class=num>{one["Time"]}</td><td class="state {one["To"]}">{one["To"]}</td>'
        f"<td>{_escape(one['Reason'])}</td></tr>"
        for one in told[:_SHOWN_TRANSITIONS]
    )
    table = f"<table><thead><tr><th>Time</th><th>State</th><th>Reason</th></tr></thead><tbody>{rows}</tbody></table>"
    left = alarm["StateChanges"] - min(len(told), _SHOWN_TRANSITIONS)
    more = f'<p class="soft">and {left:,} other changes of state</p>' if left > 0 and told else ""
    return (
        f"<h3>Alarm</h3><p>{_escape(alarm_words(alarm))}. {_fired(alarm)}, in ALARM for "
        f"{duration(alarm['SecondsInAlarm'])}, {alarm['FinalState']} at the end; {extreme_words(alarm)}.</p>"
        f"{table if rows else ''}{more}"
    )


def _fired(alarm: dict[str, Any] | None) -> str:
    if alarm is None:
        return ""
    times = alarm["TimesFired"]
    return "Would not have fired" if not times else "Fires once" if times == 1 else f"Fires {times:,} times"


def _example(example: dict[str, Any]) -> str:
    record = example["Record"]
    source = str(record.get("eventSource", "")).removesuffix(".amazonaws.com")
    error = f" ({record['errorCode']})" if record.get("errorCode") else ""
    summary = f"{example['Time']} {source}:{record.get('eventName', '')}{error}"
    met = "".join(f"<li>{_escape(condition_words(one))}</li>" for one in example["Conditions"])
    cut = "" if example["RecordIsWhole"] else '<p class="soft">The record is long; its main members are shown.</p>'
    return (
        f'<details><summary>{_escape(summary)}</summary><ul class="met">{met}</ul>{cut}'
        f"<pre>{_marked(record, example['Conditions'])}</pre></details>"
    )


def _marked(record: dict[str, Any], conditions: Sequence[dict[str, str]]) -> str:
    """Return a record's JSON with the members marked that conditions are about."""
    names = {one["Path"].removeprefix("detail.").rpartition(".")[2].partition("[")[0] for one in conditions}
    lines = []
    for text in orjson.dumps(record, option=orjson.OPT_INDENT_2).decode().splitlines():
        member = text.strip().partition('": ')[0].removeprefix('"')
        lines.append(f"<mark>{_escape(text)}</mark>" if member in names else _escape(text))
    return "\n".join(lines)


def _source(report: dict[str, Any]) -> str:
    return "Event history" if report["Source"] == "history" else str(report["Source"])


def _foot(report: dict[str, Any], made_at: datetime) -> str:
    unread = f" {report['UnreadableEvents']:,} could not be read as records." if report["UnreadableEvents"] else ""
    return (
        f'<p class="soft foot">{report["Events"]:,} events in {report["Seconds"]:.1f} seconds.{unread} '
        f"Made by Opentrail {__version__} at {format_time(made_at)}. Alarms are replayed on events' own times, without "
        "the delay of delivery.</p>"
    )


def _escape(text: object) -> str:
    return escape("\n".join(plain(part).plain for part in str(text).split("\n")))
