"""The newest windows of a gold table over the Postgres door: python newest_windows.py [port] [event_type]"""

import sys

import psycopg

port = sys.argv[1] if len(sys.argv) > 1 else "5455"
event_type = sys.argv[2] if len(sys.argv) > 2 else "page_view"

with psycopg.connect(host="127.0.0.1", port=port, user="sluice", dbname="sluice") as connection:
    rows = connection.execute(
        """
        SELECT window_start, user_segment, event_count, round(avg_value::numeric, 2), p95_value
        FROM gold.real_time_metrics
        WHERE event_type = %s
        ORDER BY window_start DESC, user_segment
        LIMIT 10
        """,
        (event_type,),
    ).fetchall()

for window_start, user_segment, event_count, avg_value, p95_value in rows:
    print(f"{window_start:%H:%M}  {user_segment:12} {event_count:8} events  avg {avg_value}  p95 {p95_value:.2f}")
