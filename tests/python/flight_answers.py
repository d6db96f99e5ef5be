"""Runs statements over ADBC Flight SQL, one after another in one session; for each its answer. One line of JSON.

Arguments: port, statements as a JSON list. An answer is {"columns", "types", "rows"}, or {"error", "message"} with the SQLSTATE.
"""

import json
import re
import sys

import adbc_driver_flightsql.dbapi as flight_sql

from answering import answer

port, statements = sys.argv[1:]
answers = []
with flight_sql.connect(f"grpc://127.0.0.1:{port}", autocommit=True) as connection:
    for statement in json.loads(statements):
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                table = cursor.fetch_arrow_table()
            columns = [column.to_pylist() for column in table.columns]
            answers.append({
                "columns": table.column_names,
                "types": [str(field.type) for field in table.schema],
                "rows": [[value if isinstance(value, (int, str, type(None))) else str(value) for value in row] for row in zip(*columns)],
            })
        except Exception as error:
            state = re.search(r"SQLSTATE:\s+(\w{5})", str(error))
            answers.append({"error": state.group(1) if state else "none", "message": str(error)})
answer(answers)
