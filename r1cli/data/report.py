"""What `r1 data stats` and `r1 data diff` print for people."""

from collections.abc import Sequence

from r1cli import console
from r1cli.data import select, show
from r1cli.data.artifacts import Rows
from r1cli.data.diff import Difference
from r1cli.data.stats import QUANTILES, Stats


def stats(found: Sequence[Stats], by: str) -> None:
    """Each table's figures."""
    for one in found:
        distinct = [
            f"{n:,} distinct {what}" for n, what in ((one.ids, "rows"), (one.prompts, "prompts")) if n is not None
        ]
        files = f"{one.files} file{'s' if one.files > 1 else ''}, {console.amount(one.size)}"
        console.say(f"{one.table}: {', '.join([f'{one.rows:,} rows', *distinct, files])}")
        if one.nulls:
            console.say(f"  empty: {', '.join(f'{name} {count:,}' for name, count in one.nulls.items())}")
        if one.shares:
            rows = [
                [share.column, _value(share.value, share.others), f"{share.rows:,}", f"{share.rows / one.rows:.1%}"]
                for share in one.shares
            ]
            console.table(["column", "value", "rows", "share"], rows)
        if one.figures:
            headers = ["figure", "rows", "mean", "min", *(f"p{q * 100:.0f}" for q in QUANTILES), "max"]
            figures = [
                [f.column, f"{f.rows:,}", *(_number(x) for x in (f.mean, f.low, *f.quantiles, f.high))]
                for f in one.figures
            ]
            console.table(headers, figures, numeric=True)
        if one.by:
            names = list(one.by[0])
            console.table(names, [[_cell(group[name]) for name in names] for group in one.by], numeric=True)


def _value(value: str | None, others: int) -> str:
    return f"({others:,} others)" if value is None else show.visible(value)


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"


def _cell(value: object) -> str:
    return "-" if value is None else _number(value) if isinstance(value, int | float) else show.visible(str(value))


def difference(pair: tuple[Rows, Rows], found: Difference, *, sample: int, limit: int) -> None:
    """What differs, and some of the rows."""
    before, after = found.tables
    if found.none:
        console.say(f"{before} and {after}: the same {found.rows[0]:,} rows")
        return
    changed = len(found.changed)
    console.say(
        f"{before} -> {after}: {found.rows[0]:,} -> {found.rows[1]:,} rows; {found.same:,} the same, "
        f"{len(found.added) - changed:,} added, {len(found.removed) - changed:,} removed, {changed:,} changed"
        + (f" (the same {', '.join(found.key)})" if changed else "")
    )
    for name, (was, now) in found.columns.items():
        console.say(f"  column {name}: {was or 'not there'} -> {now or 'not there'}")
    for name, count in found.altered.items():
        console.say(f"  column {name}: another value in {count:,} of the rows with the same id")
    counts = [[c, show.visible(v), f"{b:,}", f"{a:,}"] for c, vs in found.groups.items() for v, (b, a) in vs.items()]
    if counts:
        console.table(["column", "value", "before", "after"], counts)
    gone, come = {old for old, _ in found.changed}, {new for _, new in found.changed}
    for old, new in found.changed[:sample]:
        _print(pair[0], "changed, before: ", [old], limit)
        _print(pair[1], "changed, after: ", [new], limit)
    _print(pair[0], "removed: ", [n for n in found.removed if n not in gone][:sample], limit)
    _print(pair[1], "added: ", [n for n in found.added if n not in come][:sample], limit)


def _print(table: Rows, word: str, numbers: Sequence[int], limit: int) -> None:
    for row in select.fetched(table, numbers).iter_rows(named=True):
        console.pieces([(word, "bold yellow"), *show.row(table.name, row, limit=limit)])
