"""The reference model of event time, written for reading, and the golden streams it makes.

    python3 tests/streams/model.py      writes tests/streams/<window>_<situation>/{query.sql,input.jsonl,expected.txt}

The model knows nothing of the engine. It reads an input from top to bottom: a line is a row of a split, or a barrier ("the
watermark has passed this"), or says which splits are idle from here on. What is late must not depend on where epochs end, so
a row must be judged the same by the watermark at the last barrier and by the watermark right before it: asserted below.
"""
import json
import os
import random
from collections import defaultdict
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

DELAY, SKEW = 10, 300  # the watermark is ten seconds behind; more than five minutes ahead of the clock is a dead letter
MADRID = ZoneInfo("Europe/Madrid")


# ---- the model ------------------------------------------------------------------------------------------------------

def judge(lines, windows_of, gap=None, **session):
    """Rows by window and key, and how many were late and dead. `windows_of(ts)` gives [(start, end)]; sessions have a gap."""
    header, lines = lines[0], lines[1:]
    seen, idle = {}, set()  # largest watermark by split; splits that do not count
    at_barrier, right_before = None, None  # the query's watermark
    groups, late, dead = defaultdict(list), 0, 0
    for line in lines:
        right_before = advance(right_before, seen, idle, header["splits"])
        if "idle" in line:
            idle = set(line["idle"])
        elif "barrier" in line:
            at_barrier = right_before
            assert at_barrier is not None and at_barrier >= line["barrier"], (at_barrier, line)
        elif line["ts"] is None or line["ts"] > header["now"] + SKEW:
            dead += 1
        else:
            windows = windows_of(line["ts"])
            missed = [window for window in windows if at_barrier is not None and window[1] <= at_barrier]
            assert missed == [window for window in windows if right_before is not None and window[1] <= right_before], line
            late += bool(missed)
            for window in windows:
                if window not in missed:
                    groups[(window, line["kind"])].append(line)
            split = line["split"]
            seen[split] = max(seen.get(split, line["ts"] - DELAY), line["ts"] - DELAY)
    if gap is not None:
        groups = sessions(groups, gap, **session)
    return groups, late, dead


def advance(watermark, seen, idle, splits):
    """The minimum over the splits that count; it never goes back."""
    counting = [seen.get(split) for split in range(splits) if split not in idle]
    if not counting or None in counting:
        return watermark
    return max(min(counting), watermark) if watermark is not None else min(counting)


def sessions(groups, gap, most=None, label=lambda row: row["kind"]):
    """Rows of one kind become one session as long as each comes within the gap after the one before. A session is cut at its first
    row and `most` seconds later, again and again. The label says what is grouped by within a session."""
    by_key = defaultdict(list)
    for (_, kind), rows in groups.items():
        by_key[kind] += rows
    told = defaultdict(list)
    for kind, rows in by_key.items():
        rows.sort(key=lambda row: row["ts"])
        kinds_sessions = [[rows[0]]]
        for before, row in zip(rows, rows[1:]):
            if row["ts"] - before["ts"] > gap:
                kinds_sessions.append([])
            kinds_sessions[-1].append(row)
        for session in kinds_sessions:
            start, end = session[0]["ts"], session[-1]["ts"] + gap
            for row in session:
                window = (start, end)
                if most is not None:
                    cut = start + (row["ts"] - start) // most * most
                    window = (cut, min(cut + most, end))
                told[(window, label(row))].append(row)
    return told


# ---- windows without rows -------------------------------------------------------------------------------------------

def fill(groups, windows_of, most, what, reached):
    """The rows of every window: those of its groups, and of each key that had rows in one of the `most` windows before, filled in.

    Windows go on to the last with rows, or as far as the watermark has seen time go."""
    told = {(window, kind): (len(rows), sum(row["value"] for row in rows)) for (window, kind), rows in groups.items()}
    if not told:
        return told
    first, last = (pick(window for window, _ in told) for pick in (min, max))
    until = max([end for (_, end), _ in told] + [reached])
    step = 1 if last[1] - last[0] < 3600 else 1800  # seconds, in which no window is missed
    every = {window for ts in range(first[0], max(last[1], until) + step, step) for window in windows_of(ts)}
    every = sorted((end, start) for start, end in every)
    every = [(start, end) for end, start in every if end <= until]
    filled = dict(told)
    for number, window in enumerate(every):
        before = list(reversed(every[max(0, number - most):number]))
        for kind in {kind for earlier in before for w, kind in told if w == earlier}:
            if (window, kind) not in told:
                previous = next(told[(earlier, kind)] for earlier in before if (earlier, kind) in told)
                filled[(window, kind)] = {"NULL": (0, ""), "0": (0, 0), "PREVIOUS": previous}[what]
    return filled


def seen(lines):
    """As far as the watermark can have gone, whatever the splits that held it back."""
    header, rows = lines[0], [line for line in lines[1:] if line.get("ts") is not None]
    return max((row["ts"] - DELAY for row in rows if row["ts"] <= header["now"] + SKEW), default=0)


# ---- windows by their definition ------------------------------------------------------------------------------------

def tumble(size, offset=0):
    def windows(ts):
        start = (ts - offset) // size * size + offset
        return [(start, start + size)]
    return windows


def hop(slide, size):
    def windows(ts):
        first = (ts - size) // slide * slide
        starts = range(first, ts + 1, slide)
        return [(s, s + size) for s in starts if s <= ts < s + size]
    return windows


def cumulate(step, size):
    def windows(ts):
        start = ts // size * size
        return [(start, end) for end in range(start + step, start + size + 1, step) if ts < end]
    return windows


def day(zone):
    def windows(ts):
        local = datetime.fromtimestamp(ts, zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        following = (local.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)
        return [(int(local.timestamp()), int(following.timestamp()))]
    return windows


EPOCH = "CAST(extract(epoch from window_start) AS BIGINT) AS s, CAST(extract(epoch from window_end) AS BIGINT) AS e"
MEASURES = "count(*) AS n, CAST(sum(value) AS BIGINT) AS total"
BY = "GROUP BY window_start, window_end"


def over(call, key="kind"):
    keys, by = (f", {key}", f", {key}") if key else (", 'all' AS kind", "")
    return f"SELECT {EPOCH}{keys}, {MEASURES} FROM {call} {BY}{by}"


EVENTS = "(SELECT * FROM events)"
PARITY = "(SELECT *, CASE WHEN CAST(value AS BIGINT) % 2 = 0 THEN 'even' ELSE 'odd' END AS parity FROM events)"


def parity(row):
    return "even" if row["value"] % 2 == 0 else "odd"


def kind_and_parity(row):
    return f"{row['kind'] or ''} | {parity(row)}"


# name: query, windows, gap of sessions (or what they are made by), whether the key counts
WINDOWS = {
    "tumble": (over(f"TUMBLE({EVENTS}, ts, INTERVAL '1 minute')"), tumble(60), None, True),
    "tumble_offset": (over(f"TUMBLE({EVENTS}, ts, INTERVAL '1 minute', INTERVAL '15 seconds')"), tumble(60, 15), None, True),
    "tumble_no_key": (over(f"TUMBLE({EVENTS}, ts, INTERVAL '30 seconds')", None), tumble(30), None, False),
    "hop": (over(f"HOP({EVENTS}, ts, INTERVAL '20 seconds', INTERVAL '1 minute')"), hop(20, 60), None, True),
    "hop_uneven": (over(f"HOP({EVENTS}, ts, INTERVAL '20 seconds', INTERVAL '50 seconds')"), hop(20, 50), None, True),
    "cumulate": (over(f"CUMULATE({EVENTS}, ts, INTERVAL '15 seconds', INTERVAL '1 minute')"), cumulate(15, 60), None, True),
    "session": (over(f"SESSION({EVENTS}, ts, INTERVAL '6 seconds')"), lambda ts: [(ts, ts + 6)], 6, True),
    "session_no_key": (over(f"SESSION({EVENTS}, ts, INTERVAL '2 seconds')", None), lambda ts: [(ts, ts + 2)], 2, False),
    "day_madrid": (over("DAY_MADRID"), day(MADRID), None, True),
    "date_trunc": (
        f"SELECT CAST(extract(epoch from minute) AS BIGINT) AS s, CAST(extract(epoch from minute) AS BIGINT) + 60 AS e, kind, n, total "
        f"FROM (SELECT date_trunc('minute', ts) AS minute, kind, {MEASURES} FROM events GROUP BY date_trunc('minute', ts), kind) AS w",
        tumble(60), None, True),
    "minutes_of_seconds": (
        f"SELECT {EPOCH}, kind, CAST(sum(n) AS BIGINT) AS n, sum(total) AS total FROM TUMBLE((SELECT window_time, kind, {MEASURES} "
        f"FROM TUMBLE({EVENTS}, ts, INTERVAL '10 seconds') GROUP BY window_time, kind), window_time, INTERVAL '1 minute') {BY}, kind",
        None, None, True),
    "session_partition": (
        over(f"SESSION({PARITY} PARTITION BY kind, ts, INTERVAL '6 seconds')", "kind, parity"),
        lambda ts: [(ts, ts + 6)], {"gap": 6, "label": kind_and_parity}, True),
    "session_partition_merged": (
        over(f"SESSION({EVENTS} PARTITION BY kind, ts, INTERVAL '6 seconds')", None),
        lambda ts: [(ts, ts + 6)], {"gap": 6, "label": lambda row: "all"}, True),
    "session_max": (
        over(f"SESSION({EVENTS}, ts, INTERVAL '6 seconds', INTERVAL '10 seconds')"),
        lambda ts: [(ts, ts + 6)], {"gap": 6, "most": 10}, True),
    "session_max_no_key": (
        over(f"SESSION({EVENTS}, ts, INTERVAL '5 seconds', max_length => INTERVAL '15 seconds')", None),
        lambda ts: [(ts, ts + 5)], {"gap": 5, "most": 15}, False),
    "session_max_partition": (
        over(f"SESSION({PARITY} PARTITION BY kind, ts, INTERVAL '8 seconds', INTERVAL '8 seconds')", "parity"),
        lambda ts: [(ts, ts + 8)], {"gap": 8, "most": 8, "label": parity}, True),
}

# name: window function, its windows, what is filled in, for how many windows, the key
FILLED = {
    "fill_null": (f"TUMBLE({EVENTS}, ts, INTERVAL '5 seconds')", tumble(5), "NULL", 3, "kind"),
    "fill_zero": (f"TUMBLE({EVENTS}, ts, INTERVAL '4 seconds', INTERVAL '1 second')", tumble(4, 1), "0", 1, "kind"),
    "fill_no_key": (f"TUMBLE({EVENTS}, ts, INTERVAL '2 seconds')", tumble(2), "0", 12, None),
    "fill_hop": (f"HOP({EVENTS}, ts, INTERVAL '3 seconds', INTERVAL '6 seconds')", hop(3, 6), "NULL", 4, "kind"),
    "fill_previous": (f"CUMULATE({EVENTS}, ts, INTERVAL '3 seconds', INTERVAL '6 seconds')", cumulate(3, 6), "PREVIOUS", 5, "kind"),
    "fill_day": ("DAY_MADRID", day(MADRID), "0", 10, "kind"),
}


# ---- situations -----------------------------------------------------------------------------------------------------

BEGIN = 1_774_737_600 - 120  # 2026-03-28T22:38:00Z
CLOCKS_FORWARD = 1_774_742_400  # 2026-03-28T24:00 in Madrid: a day of 23 hours begins


def rows(rng, begin, seconds, splits=(0, 1), disorder=0, step=8):
    out, ts = [], begin
    while ts < begin + seconds:
        ts += rng.randrange(step + 1)
        at = ts - rng.randrange(disorder + 1)
        out.append({"split": rng.choice(splits), "ts": at, "kind": rng.choice(["a", "b", None]), "value": rng.randrange(100)})
    # Both splits end at the same time, so that the barrier is where it should be.
    return out + [{"split": split, "ts": ts, "kind": "a", "value": 1} for split in splits]


def situations(rng):
    head = {"now": BEGIN + 3600, "splits": 2}
    end = lambda lines: max(line["ts"] for line in lines if line.get("ts") and line["ts"] < BEGIN + 3600) - DELAY
    plain = rows(rng, BEGIN, 200)
    first, second = rows(rng, BEGIN, 150), rows(rng, BEGIN + 152, 100)
    yield "in_order", [head] + plain
    yield "out_of_order", [head] + rows(rng, BEGIN, 200, disorder=4)
    late = rows(rng, BEGIN - 400, 60)[:6] + [{"split": 0, "ts": BEGIN + 1, "kind": "b", "value": 7}]
    yield "late", [head] + first + [{"barrier": end(first)}] + late + second
    future = [{"split": 0, "ts": BEGIN + 3600 + SKEW + 1, "kind": "a", "value": 5}, {"split": 1, "ts": BEGIN + 90_000, "kind": "b", "value": 6}]
    yield "future", [head] + plain[:20] + future + plain[20:]
    null = [{"split": 1, "ts": None, "kind": "a", "value": 5}]
    yield "null", [head] + null + plain[:9] + null + plain[9:]
    one = rows(rng, BEGIN, 150, splits=(0,))
    yield "idle", [head, {"idle": [1]}] + one + [{"barrier": end(one)}, {"idle": []}] + rows(rng, BEGIN + 152, 60)
    yield "empty", [head]
    yield "one_row", [head, {"split": 1, "ts": BEGIN + 5, "kind": "a", "value": 9}]
    ahead, behind = rows(rng, BEGIN, 400, splits=(0,)), rows(rng, BEGIN, 200, splits=(1,))
    yield "skewed", [head] + ahead + behind
    yield "dst", [{"now": CLOCKS_FORWARD + 90_000, "splits": 2}] + rows(rng, CLOCKS_FORWARD - 90, 180) + rows(rng, CLOCKS_FORWARD + 22 * 3600, 7200, step=700)


def silent(rng):
    """Seconds without rows, then so many that every key is forgotten; the last rows are of one key alone."""
    first, second = rows(rng, BEGIN, 40, step=12), rows(rng, BEGIN + 75, 40, step=20)
    third = rows(rng, BEGIN + 1200, 30, splits=(0, 1), step=4)
    last = [{"split": split, "ts": BEGIN + 1270 + 9 * n, "kind": "b", "value": n} for n in range(8) for split in (0, 1)]
    yield "silent", [{"now": BEGIN + 3600, "splits": 2}] + first + second + third + last


def main():
    home = os.path.dirname(os.path.abspath(__file__))
    madrid = f"TUMBLE({EVENTS}, ts, INTERVAL '1 day', TIME ZONE 'Europe/Madrid')"
    for number, (name, (call, windows, what, most, key)) in enumerate(FILLED.items()):
        query = f"CREATE TABLE t AS {over(call.replace('DAY_MADRID', madrid), key)} EMIT ON WINDOW CLOSE FILL {what} FOR {most} WINDOWS"
        rng = random.Random(100 + number)
        for situation, lines in [*situations(rng), *silent(rng)]:
            if key is None:
                lines = [dict(line, kind="all") if "kind" in line else line for line in lines]
            groups, late, dead = judge(lines, windows)
            told = sorted(
                f"{start} | {end} | {kind or ''} | {n} | {total}"
                for ((start, end), kind), (n, total) in fill(groups, windows, most, what, seen(lines)).items())
            golden(home, f"{name}_{situation}", query, lines, told + [f"late {late}", f"dead {dead}"])
    for number, (name, (query, windows, gap, keyed)) in enumerate(WINDOWS.items()):
        query = query.replace("DAY_MADRID", madrid)
        for situation, lines in situations(random.Random(number)):
            if not keyed:
                lines = [dict(line, kind="all") if "kind" in line else line for line in lines]
            if name == "minutes_of_seconds":
                groups, late, dead = minutes_of_seconds(lines)
            else:
                sessions_by = gap if isinstance(gap, dict) else {"gap": gap}
                groups, late, dead = judge(lines, windows, **sessions_by)
            told = sorted(
                f"{start} | {end} | {kind or ''} | {len(group)} | {sum(row['value'] for row in group)}"
                for ((start, end), kind), group in groups.items())
            golden(home, f"{name}_{situation}", query, lines, told + [f"late {late}", f"dead {dead}"])


def golden(home, name, query, lines, expected):
    folder = os.path.join(home, name)
    os.makedirs(folder, exist_ok=True)
    write(folder, "query.sql", [query])
    write(folder, "input.jsonl", [json.dumps(line) for line in lines])
    write(folder, "expected.txt", expected)


def minutes_of_seconds(lines):
    """Rows go into windows of ten seconds, those late for them are lost; what is left adds up to minutes."""
    fine, late, dead = judge(lines, tumble(10))
    groups = defaultdict(list)
    for ((start, _), kind), group in fine.items():
        groups[(tumble(60)(start)[0], kind)] += group
    return groups, late, dead


def write(folder, name, lines):
    with open(os.path.join(folder, name), "w") as file:
        file.write("".join(line + "\n" for line in lines))


if __name__ == "__main__":
    main()
