"""A gold table without Sluice, as the plain Delta it is: python plain_delta.py ./sluice-data/tables/gold/real_time_metrics"""

import sys

from deltalake import DeltaTable, QueryBuilder

table = DeltaTable(sys.argv[1])
print(f"version {table.version()}, partitioned by {', '.join(table.metadata().partition_columns)}")

# delta-rs' own query engine; a filter on date and hour reads the folders of that hour alone.
gold = QueryBuilder().register("gold", table)
hours = gold.execute("SELECT date, hour, sum(event_count) AS events, count(*) AS rows FROM gold GROUP BY date, hour ORDER BY date, hour")
for batch in hours:
    for date, hour, events, rows in zip(*(column.to_pylist() for column in batch.columns)):
        print(f"{date} {hour:02}h  {events:8} events in {rows} rows")
