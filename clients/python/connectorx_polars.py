"""connectorx into Polars, in parts read side by side. python connectorx_polars.py [port]      (after clients/sql/known.sql)"""

import sys
from datetime import date
from importlib.metadata import version

import connectorx
import polars

port = sys.argv[1] if len(sys.argv) > 1 else "5455"
url = f"postgresql://sluice@127.0.0.1:{port}/sluice"

# Polars reads a URI with connectorx
metrics = polars.read_database_uri("SELECT event_type, event_count, avg_value, window_start FROM gold.real_time_metrics", url)
assert metrics.shape == (11675, 4), metrics.shape
totals = dict(metrics.group_by("event_type").agg(polars.col("event_count").sum()).iter_rows())
assert totals["page_view"] == 13122 and sum(totals.values()) == 60000, totals
assert metrics.schema["event_count"] == polars.Int64 and metrics.schema["window_start"].is_temporal(), metrics.schema

# four connections, each a range of the column
parts = connectorx.read_sql(
    url, "SELECT event_count, user_segment FROM gold.real_time_metrics", partition_on="event_count", partition_num=4, return_type="polars"
)
assert len(parts) == 11675 and parts["event_count"].sum() == 60000, parts

orders = polars.read_database_uri("SELECT id, customer, weight, pieces, paid, day FROM gold.orders ORDER BY id", url)
assert orders.row(2) == (3, "ada", 20.0, 9, True, date(2026, 1, 1)), orders
assert orders.row(4)[1:5] == (None, None, None, True), orders
print("connectorx", version("connectorx") + ", polars " + version("polars"))
