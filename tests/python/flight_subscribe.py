"""Follows a table over ADBC Flight SQL until it has so many rows; one line of JSON. Arguments: port, table, rows."""

import sys

import adbc_driver_flightsql.dbapi as flight_sql

from answering import answer

rows = []
batches = 0
with flight_sql.connect(f"grpc://127.0.0.1:{sys.argv[1]}", autocommit=True) as connection:
    with connection.cursor() as cursor:
        cursor.execute(f"SUBSCRIBE {sys.argv[2]}")
        reader = cursor.fetch_record_batch()
        first_column = reader.schema.names[0]
        for batch in reader:
            rows += batch.to_pylist()
            batches += 1
            if len(rows) >= int(sys.argv[3]):
                # The driver waits for the stream's end where it is closed: there is none.
                answer({"rows": rows, "batches": batches, "first_column": first_column})
