"""A gold table without Sluice, as the plain Delta it is: python plain_delta.py ./sluice-data/tables/gold/real_time_metrics"""

import sys

from deltalake import DeltaTable

table = DeltaTable(sys.argv[1])
print(f"version {table.version()}, partitioned by {', '.join(table.metadata().partition_columns)}")

# Only the folders of that hour are read.
hours = sorted({(row["date"], row["hour"]) for row in table.to_pyarrow_table(columns=["date", "hour"]).to_pylist()})
for date, hour in hours:
    rows = table.to_pyarrow_table(partitions=[("date", "=", str(date)), ("hour", "=", str(hour))])
    print(f"{date} {hour:02}h  {sum(rows['event_count'].to_pylist()):8} events in {rows.num_rows} rows")
