"""ADBC's PostgreSQL driver into pandas: a query, parameters, the catalog. python adbc_postgres.py [port]      (after clients/sql/known.sql)"""

import sys
from importlib.metadata import version

import adbc_driver_postgresql.dbapi as adbc

port = sys.argv[1] if len(sys.argv) > 1 else "5455"

with adbc.connect(f"postgresql://sluice@127.0.0.1:{port}/sluice") as connection, connection.cursor() as cursor:
    cursor.execute("SELECT event_type, event_count, window_start FROM gold.real_time_metrics")
    frame = cursor.fetch_df()
    assert len(frame) == 11675 and frame["event_count"].sum() == 60000, frame
    assert str(frame["window_start"].dtype).startswith("datetime64"), frame.dtypes
    assert frame.groupby("event_type")["event_count"].sum()["page_view"] == 13122
    cursor.execute("SELECT id, customer, weight, pieces, paid FROM gold.orders WHERE id = $1", [3])
    assert cursor.fetchall() == [(3, "ada", 20.0, 9, True)]
    cursor.execute("SELECT id, amount FROM gold.orders WHERE amount IS NULL")
    assert cursor.fetchall() == [(5, None)]
    names = connection.adbc_get_table_schema("orders", db_schema_filter="gold").names
    assert names == ["id", "customer", "amount", "weight", "pieces", "paid", "placed_at", "day"], names
    try:
        cursor.execute("SELECT * FROM gold.nowhere")
        raise SystemExit("no error")
    except adbc.ProgrammingError as error:
        assert error.sqlstate == "42P01", error
    connection.rollback()
print("adbc-driver-postgresql", version("adbc-driver-postgresql"))
