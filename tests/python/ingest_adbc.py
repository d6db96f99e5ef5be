"""What bulk ingest with ADBC is asked beside its modes: another catalog, tables without rows, names of any letters, temporary tables. One line of JSON."""

import re
import sys

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow

from answering import answer

found = {}
rows = pyarrow.table({"id": pyarrow.array([1, 2], pyarrow.int64()), "näme": ["a", None]})


def told(work):
    try:
        return work()
    except Exception as error:
        state = re.search(r"SQLSTATE:\s+(\w{5})", str(error))
        return state.group(1) if state else str(error)


def query(cursor, sql):
    cursor.execute(sql)
    return [list(row) for row in cursor.fetchall()]


with flight_sql.connect(f"grpc://127.0.0.1:{sys.argv[1]}", autocommit=True) as connection, connection.cursor() as cursor:
    ingest = cursor.adbc_ingest
    found["another catalog"] = told(lambda: ingest("m", rows, mode="create", catalog_name="nope"))
    found["ours"] = told(lambda: ingest("m", rows, mode="create", catalog_name="sluice"))
    found["no batch"] = told(lambda: ingest("m", rows.slice(0, 0), mode="append"))
    empty = pyarrow.RecordBatch.from_pydict({"id": pyarrow.array([], pyarrow.int64())})
    found["a batch of no rows"] = told(lambda: ingest("empty", empty, mode="create"))
    found["made of it"] = told(lambda: query(cursor, "SELECT count(*) FROM empty"))
    for name in ("é", "données d'été".replace("'", ""), "表"):
        made = [told(lambda: ingest(name, rows, mode=mode)) for mode in ("create", "append", "replace")]
        found[name] = [*made, told(lambda: query(cursor, f'SELECT id, "näme" FROM "{name}" ORDER BY id'))]
    found["temporary"] = told(lambda: ingest("mine", rows, mode="create", temporary=True))
    found["temporary again"] = told(lambda: ingest("mine", rows, mode="create", temporary=True))
    found["temporary appended"] = told(lambda: ingest("mine", rows, mode="append", temporary=True))
    found["temporary rows"] = told(lambda: query(cursor, 'SELECT count(*), count("näme") FROM mine'))
    found["temporary replaced"] = told(lambda: ingest("mine", rows.slice(0, 1), mode="replace", temporary=True))
    found["temporary left"] = told(lambda: query(cursor, "SELECT count(*) FROM mine"))
    # ADBC keeps a schema that was named once
    found["temporary elsewhere"] = told(lambda: ingest("mine", rows, mode="create", temporary=True, db_schema_name="gold"))
    with flight_sql.connect(f"grpc://127.0.0.1:{sys.argv[1]}", autocommit=True) as other, other.cursor() as another:
        found["of another session"] = told(lambda: query(another, "SELECT count(*) FROM mine"))
answer(found)
