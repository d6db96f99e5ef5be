"""Writes with psycopg: INSERT with parameters, executemany, COPY in text and in binary, and an error in the middle. One line of JSON."""

import sys

import psycopg

from answering import answer

found = {}
dsn = f"host=127.0.0.1 port={sys.argv[1]} user=sluice dbname=sluice"
with psycopg.connect(dsn, autocommit=True) as connection:
    connection.execute("CREATE TABLE p (id INT, name TEXT, at TIMESTAMPTZ)")
    cursor = connection.execute(
        "INSERT INTO p VALUES (%s, %s, %s), (%s, %s, now()), (10, 'x', NULL)",
        (1, "one", "2026-11-27 10:00:00+00", 2, None),
    )
    found["inserted"] = cursor.rowcount
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO p (id, name) VALUES (%s, %s)", [(3, "c"), (4, "d"), (5, None)])
        found["many"] = cursor.rowcount
        with cursor.copy("COPY p (id, name) FROM STDIN") as copy:
            copy.write_row((6, "six\twith a tab"))
            copy.write_row((7, None))
        found["text"] = cursor.rowcount
        with cursor.copy("COPY p (id, name) FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int4", "text"])
            copy.write_row((8, "eight"))
            copy.write_row((9, None))
        found["binary"] = cursor.rowcount
        with cursor.copy("COPY (SELECT id, name FROM p WHERE id < 3 ORDER BY id) TO STDOUT (FORMAT binary)") as copy:
            copy.set_types(["int4", "text"])
            found["read"] = list(copy.rows())
        found["rows"] = connection.execute("SELECT count(*) FROM p").fetchone()[0]
        try:
            with cursor.copy("COPY p (id, name) FROM STDIN") as copy:
                copy.write("x\ty\n" * 100_000)
            found["error"] = "none"
        except psycopg.Error as error:
            found["error"] = error.sqlstate
            found["where"] = error.diag.context
        found["after"] = connection.execute("SELECT count(*) FROM p").fetchone()[0]
answer(found)
