"""ADBC Flight SQL into pandas and Polars without a copy on the way. python adbc_frames.py [port]      (after clients/sql/known.sql)"""

import sys
from decimal import Decimal
from importlib.metadata import version

import adbc_driver_flightsql.dbapi as flight
import polars

port = sys.argv[1] if len(sys.argv) > 1 else "5456"

with flight.connect(f"grpc://127.0.0.1:{port}", autocommit=True) as connection:
    with connection.cursor() as cursor:
        cursor.execute("SELECT event_type, event_count, window_start FROM gold.real_time_metrics")
        frame = cursor.fetch_df()
        assert len(frame) == 11675 and frame["event_count"].sum() == 60000, frame
        assert str(frame["window_start"].dtype).endswith("UTC]"), frame.dtypes
        cursor.execute("SELECT event_count FROM gold.real_time_metrics WHERE event_type = $1", ["page_view"])
        assert polars.from_arrow(cursor.fetch_arrow_table())["event_count"].sum() == 13122
    orders = polars.read_database("SELECT * FROM gold.orders ORDER BY id", connection)
    assert orders["amount"].to_list() == [Decimal("12.50"), Decimal("7.25"), Decimal("100.00"), Decimal("0.99"), None], orders
    # and back: a frame becomes a table
    frame = polars.DataFrame({"id": [1, 2, 3], "note": ["a", None, "c"]})
    assert frame.write_database("from_polars", connection, engine="adbc", if_table_exists="replace") == 3
    again = polars.read_database("SELECT * FROM from_polars ORDER BY id", connection)
    assert again.equals(frame), again
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE from_polars")
print("adbc-driver-flightsql", version("adbc-driver-flightsql") + ", polars " + version("polars") + ", pandas " + version("pandas"))
