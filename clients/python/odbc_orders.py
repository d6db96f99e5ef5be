"""psqlODBC through pyodbc: a DSN-less connection, parameters, types, the catalog. python odbc_orders.py [port]      (after clients/sql/known.sql)"""

import datetime
import sys
from decimal import Decimal

import pyodbc

port = sys.argv[1] if len(sys.argv) > 1 else "5455"
connection = pyodbc.connect(
    f"Driver={{PostgreSQL Unicode}};Server=127.0.0.1;Port={port};Database=sluice;Uid=sluice;SSLmode=disable", autocommit=True
)
cursor = connection.cursor()
for _ in range(3):
    cursor.execute("SELECT sum(event_count) FROM gold.real_time_metrics WHERE event_type = ? AND window_start < ?", "page_view", datetime.datetime(2027, 1, 1))
    assert int(cursor.fetchone()[0]) == 13122
third = cursor.execute("SELECT id, customer, amount, weight, pieces, paid, day FROM gold.orders WHERE id = ?", 3).fetchone()
assert tuple(third)[:5] == (3, "ada", Decimal("100.00"), 20.0, 9), third
assert third.paid in (True, "1") and third.day == datetime.date(2026, 1, 1), third
assert cursor.execute("SELECT customer FROM gold.orders WHERE id = 4").fetchval() == "it's ä"
assert cursor.execute("SELECT amount FROM gold.orders WHERE id = 5").fetchval() is None
rows = cursor.execute("SELECT event_count FROM gold.real_time_metrics").fetchall()
assert len(rows) == 11675 and sum(row[0] for row in rows) == 60000
assert sorted(row.table_name for row in cursor.tables(schema="gold", tableType="TABLE")) == ["orders", "real_time_metrics"]
columns = [row.column_name for row in cursor.columns(table="orders", schema="gold")]
assert columns == ["id", "customer", "amount", "weight", "pieces", "paid", "placed_at", "day"], columns
assert list(cursor.primaryKeys(table="orders", schema="gold")) == []
try:
    cursor.execute("SELECT * FROM gold.nowhere")
    raise SystemExit("no error")
except pyodbc.ProgrammingError as error:
    assert error.args[0] == "42P01" or error.args[0] == "42S02", error
print("psqlODBC", connection.getinfo(pyodbc.SQL_DRIVER_VER) + ", pyodbc " + pyodbc.version)
