"""Server-side cursors of psycopg: scrolled, with parameters, with hold; and what is prepared by it and run by SQL. One line of JSON."""

import sys

import psycopg

from answering import answer

found = {}
dsn = f"host=127.0.0.1 port={sys.argv[1]} user=sluice dbname=sluice"
with psycopg.connect(dsn, autocommit=True) as connection:
    with connection.transaction():
        with connection.cursor("c", scrollable=True) as cursor:
            cursor.execute("SELECT n FROM generate_series(1, 1000) AS t (n) WHERE n > %s", (100,))
            found["first"] = [row[0] for row in cursor.fetchmany(2)]
            cursor.scroll(500)
            found["on"] = cursor.fetchone()[0]
            cursor.scroll(0, mode="absolute")
            found["again"] = cursor.fetchone()[0]
            cursor.scroll(-1)
            found["back"] = cursor.fetchone()[0]
            cursor.scroll(898, mode="absolute")
            found["end"] = [row[0] for row in cursor]
    with connection.cursor("h", scrollable=True, withhold=True) as cursor:
        cursor.execute("VALUES (1, 'a'), (2, NULL)")
        found["held"] = [list(row) for row in cursor.fetchall()]
        cursor.scroll(0, mode="absolute")
        found["held again"] = [list(row) for row in cursor.fetchall()]
    with connection.transaction():
        with connection.cursor("f", scrollable=False) as cursor:
            cursor.execute("SELECT 1")
            try:
                cursor.fetchone()
                cursor.scroll(-1)
                found["forward"] = "none"
            except psycopg.Error as error:
                found["forward"] = error.sqlstate
                raise psycopg.Rollback()
    for n in range(3):
        connection.execute("SELECT %s::int + 1", (n,), prepare=True)
    statements = "SELECT name, from_sql, parameter_types FROM pg_prepared_statements"
    [(name, from_sql, types)] = connection.execute(statements, prepare=False).fetchall()
    found["prepared"] = [from_sql, types]
    found["executed"] = connection.execute(f'EXECUTE "{name}"(41)').fetchone()[0]
    connection.execute("PREPARE p (int, text) AS SELECT $1 AS a, $2 AS b")
    cursor = connection.execute("EXECUTE p(1, 'x')", binary=True)
    found["columns"] = [column.name for column in cursor.description]
    found["row"] = list(cursor.fetchone())
answer(found)
