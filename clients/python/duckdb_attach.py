"""Sluice attached to DuckDB by its postgres extension. python duckdb_attach.py [port]      (after clients/sql/known.sql)"""

import sys
from datetime import date
from decimal import Decimal

import duckdb
from duckdb_extensions import import_extension

port = sys.argv[1] if len(sys.argv) > 1 else "5455"

# the extension comes as a package of Python; where DuckDB may download, INSTALL postgres does the same
import_extension("postgres_scanner")
duck = duckdb.connect()
duck.execute("LOAD postgres_scanner")
duck.execute(f"ATTACH 'host=127.0.0.1 port={port} user=sluice dbname=sluice' AS sluice (TYPE postgres)")

tables = duck.execute("SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = 'sluice' ORDER BY 1").fetchall()
assert ("gold.orders",) in tables and ("gold.real_time_metrics",) in tables, tables
total = duck.execute("SELECT count(*), sum(event_count) FROM sluice.gold.real_time_metrics").fetchone()
assert total == (11675, 60000), total
views = duck.execute("SELECT sum(event_count) FROM sluice.gold.real_time_metrics WHERE event_type = 'page_view'").fetchone()
assert views == (13122,), views
third, fifth = duck.execute("SELECT * EXCLUDE placed_at FROM sluice.gold.orders WHERE id IN (3, 5) ORDER BY id").fetchall()
assert third == (3, "ada", Decimal("100.00"), 20.0, 9, True, date(2026, 1, 1)), third
assert fifth[1:5] == (None, None, None, None), fifth
# a join with something of DuckDB's own
joined = duck.execute(
    "SELECT o.id, t.name FROM sluice.gold.orders o JOIN (VALUES ('ada', 'Ada')) t (customer, name) USING (customer) ORDER BY 1"
).fetchall()
assert joined == [(1, "Ada"), (3, "Ada")], joined
# the query as a whole runs on Sluice
whole = duck.execute("FROM postgres_query('sluice', 'SELECT max(window_end)::text AS at FROM gold.real_time_metrics')").fetchone()
assert whole[0].startswith("2026-01-01 01:00:00"), whole
print("DuckDB", duckdb.__version__)
