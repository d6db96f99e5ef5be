"""ADBC Flight SQL beyond a plain query: parameters, the schema before running, an error and life after it. One line of JSON."""

import sys

import adbc_driver_flightsql.dbapi as flight_sql

from answering import answer

found = {}
with flight_sql.connect(f"grpc://127.0.0.1:{sys.argv[1]}", autocommit=True) as connection:
    with connection.cursor() as cursor:
        found["parameters"] = []
        for n in (41, 42):
            cursor.execute("SELECT CAST($1 AS BIGINT) + 1 AS a, CAST($2 AS TEXT) AS b", (n, "x"))
            found["parameters"] += [list(row) for row in cursor.fetchall()]
        found["schema"] = cursor.adbc_execute_schema("SELECT 1 AS a, 'x' AS b").names
        try:
            cursor.execute("SELECT * FROM nowhere")
            found["error"] = "none"
        except Exception as error:
            found["error"] = str(error)
        cursor.execute("SELECT CAST(1 AS BIGINT)")
        found["after"] = cursor.fetchone()[0]
answer(found)
