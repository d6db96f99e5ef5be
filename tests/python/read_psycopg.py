"""Runs a query with psycopg, once as text and once with binary results; both must agree. One line of JSON."""

import json
import sys

import psycopg

with psycopg.connect(f"host=127.0.0.1 port={sys.argv[1]} user=sluice dbname=sluice") as connection:
    connection.execute("SET TIME ZONE 'UTC'")
    answers = []
    for binary in (False, True):
        with connection.cursor(binary=binary) as cursor:
            cursor.execute(sys.argv[2])
            names = [column.name for column in cursor.description]
            answers.append([dict(zip(names, row)) for row in cursor.fetchall()])
    key = lambda row: json.dumps(row, default=str)
    assert sorted(answers[0], key=key) == sorted(answers[1], key=key), "text and binary differ"
    # a parameter, and a prepared statement run often enough to be prepared on the server
    for n in range(8):
        assert connection.execute("SELECT %s::int + 1", (n,)).fetchone() == (n + 1,)
print(json.dumps(answers[1], default=str))
