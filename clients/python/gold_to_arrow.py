"""A gold table as Arrow over Flight SQL: python gold_to_arrow.py [port]"""

import sys

import adbc_driver_flightsql.dbapi as flight_sql

port = sys.argv[1] if len(sys.argv) > 1 else "5456"

with flight_sql.connect(f"grpc://127.0.0.1:{port}") as connection, connection.cursor() as cursor:
    cursor.execute("SELECT window_start, event_type, event_count FROM gold.real_time_metrics")
    table = cursor.fetch_arrow_table()

for row in table.group_by("event_type").aggregate([("event_count", "sum")]).sort_by("event_type").to_pylist():
    print(f"{row['event_type']:12} {row['event_count_sum']:8} events")
