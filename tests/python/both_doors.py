"""Asks both doors the statements of files, the Postgres door as texts and Flight SQL with ADBC, and tells what is not answered alike.

both_doors.py PG_PORT FLIGHT_PORT FILE...: {"asked": n, "unlike": [{"file", "name", "sql", "what", "postgres", "flight"}]}. Compared are SQLSTATEs,
names of columns, numbers of rows, nulls, and values of types that have one text (or one number) everywhere.
"""

import datetime
import decimal
import os
import re
import sys

import adbc_driver_flightsql.dbapi as flight_sql

from answering import answer
from postgres_wire import Server, read, unescape

postgres_port, flight_port, *files = sys.argv[1:]


def text_of(value):
    """As PostgreSQL writes it; None for what is not compared."""
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, (int, decimal.Decimal)):
        return format(value, "f") if isinstance(value, decimal.Decimal) else str(value)
    if isinstance(value, str):
        return value
    if isinstance(value, datetime.datetime):
        fraction = f".{value.microsecond:06}".rstrip("0") if value.microsecond else ""
        return value.strftime("%Y-%m-%d %H:%M:%S") + fraction
    if isinstance(value, datetime.date):
        return value.isoformat()
    return None


def values(column):
    """Nanoseconds are no values of Python's: these are not compared."""
    try:
        return column.to_pylist()
    except ValueError:
        return [None if not value.is_valid else b"" for value in column]


def alike(theirs, ours):
    if theirs == "a size":
        return ours is not None
    if theirs is None or ours is None:
        return theirs is None and ours is None
    if isinstance(ours, float):
        return theirs == str(ours) or float(theirs) == ours or (ours != ours and theirs == "NaN")
    text = text_of(ours)
    # the zone a timestamp is shown in is the session's at the one door and the client's at the other
    if text is None or (isinstance(ours, datetime.datetime) and ours.tzinfo is not None):
        return True
    # an OID stands as a name in braces
    return theirs == text or theirs.startswith("{")


def difference(text, asked):
    lines = text.split("\n")
    if lines[0].startswith("ERROR"):
        state = lines[0].split()[1]
        return "" if asked == state else "error"
    if isinstance(asked, str):
        return "error"
    names = [column.rpartition(":")[0] for column in lines[0].split("\t")]
    if names != asked.column_names:
        return "columns"
    if len(lines) - 1 != asked.num_rows:
        return "rows"
    theirs = [[unescape(value) for value in line.split("\t")] for line in lines[1:]]
    columns = [values(column) for column in asked.columns]
    ours = [list(row) for row in zip(*columns)]
    rest = [row for row in theirs]
    for row in ours:
        found = next((i for i, other in enumerate(rest) if all(map(alike, other, row))), None)
        if found is None:
            return "values"
        rest.pop(found)
    return ""


server = Server(postgres_port)
connection, unlike, count = None, [], 0
for path in files:
    for block in read(path)[1]:
        if connection is None or block.first:
            if connection is not None:
                connection.close()
            connection = flight_sql.connect(f"grpc://127.0.0.1:{flight_port}", autocommit=True)
        if block.values:
            continue
        text, _ = server.run(block)
        asked = ""
        try:
            with connection.cursor() as cursor:
                cursor.execute(server.given(block.sql))
                asked = cursor.fetch_arrow_table()
        except Exception as error:
            found = re.search(r"SQLSTATE:\s+(\w{5})", str(error))
            asked = found.group(1) if found else str(error)
        if text.startswith(("OK", "COPY", "QUERY PLAN")):
            continue
        count += 1
        what = difference(text, asked)
        if what:
            shown = asked if isinstance(asked, str) else f"{asked.column_names} {[values(column)[:3] for column in asked.columns]}"
            unlike.append({"file": os.path.basename(path), "name": block.name, "sql": block.sql, "what": what, "postgres": text[:400], "flight": shown[:400]})
answer({"asked": count, "unlike": unlike})
