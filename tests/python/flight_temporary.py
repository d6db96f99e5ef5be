"""Temporary tables and views over Flight SQL: of one session, gone with it. One line of JSON."""

import sys

import adbc_driver_flightsql.dbapi as flight_sql

from answering import answer

found = {}
uri = f"grpc://127.0.0.1:{sys.argv[1]}"
with flight_sql.connect(uri, autocommit=True) as connection, connection.cursor() as cursor:
    for statement in [
        "CREATE TEMP TABLE work (id INT, name TEXT)",
        "INSERT INTO work VALUES (1, 'a'), (2, 'b')",
        "CREATE TEMP VIEW named (number, said) AS SELECT id, upper(name) FROM work",
        "CREATE OR REPLACE TEMP VIEW kept AS SELECT number FROM named WHERE number > 1",
        "SELECT id INTO TEMP other FROM work",
        "CREATE TEMP TABLE gone ON COMMIT DROP AS SELECT 1 AS a",
    ]:
        cursor.execute(statement)
    cursor.execute("SELECT number, said, (SELECT count(*) FROM kept), (SELECT sum(id) FROM other) FROM named ORDER BY 1")
    found["rows"] = [list(row) for row in cursor.fetchall()]
    found["errors"] = []
    for statement in [
        "SELECT * FROM gone",
        "CREATE TEMP VIEW named AS SELECT 1 AS a",
        "DROP VIEW named",
        "CREATE TEMP VIEW gold.v AS SELECT 1 AS a",
    ]:
        try:
            cursor.execute(statement)
            found["errors"].append("none")
        except Exception as error:
            found["errors"].append(str(error))
    cursor.execute("DROP VIEW named CASCADE")
    with flight_sql.connect(uri, autocommit=True) as another, another.cursor() as beside:
        try:
            beside.execute("SELECT * FROM work")
            found["beside"] = "none"
        except Exception as error:
            found["beside"] = str(error)
answer(found)
