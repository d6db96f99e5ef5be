"""Writes over Flight SQL with ADBC: bulk ingest in its modes, updates that count, many rows of parameters. One line of JSON."""

import datetime
import decimal
import sys

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow

from answering import answer

found = {}


def code(work):
    try:
        work()
        return "none"
    except Exception as error:
        return str(error).split(":")[0].split(" ")[0]


with flight_sql.connect(f"grpc://127.0.0.1:{sys.argv[1]}", autocommit=True) as connection:
    with connection.cursor() as cursor:
        rows = pyarrow.table(
            {
                "id": pyarrow.array([1, 2, 3], pyarrow.int64()),
                "price": pyarrow.array([decimal.Decimal("1.50"), None, decimal.Decimal("2.25")], pyarrow.decimal128(8, 2)),
                "name": ["one", None, "three"],
                "at": pyarrow.array([datetime.datetime(2026, 11, 27, 10)] * 3, pyarrow.timestamp("us", "UTC")),
            }
        )
        found["created"] = cursor.adbc_ingest("m", rows, mode="create", db_schema_name="gold")
        found["appended"] = cursor.adbc_ingest("m", rows, mode="append", db_schema_name="gold")
        found["again"] = code(lambda: cursor.adbc_ingest("m", rows, mode="create", db_schema_name="gold"))
        found["missing"] = code(lambda: cursor.adbc_ingest("n", rows, mode="append", db_schema_name="gold"))
        cursor.execute("SELECT * FROM gold.m")
        found["types"] = [str(field.type) for field in cursor.fetch_arrow_table().schema]
        one = rows.slice(0, 1)
        found["replaced"] = cursor.adbc_ingest("m", one, mode="replace", db_schema_name="gold")
        many = pyarrow.table({"n": pyarrow.array(range(300_000), pyarrow.int64()), "text": ["x" * 50] * 300_000})
        found["large"] = cursor.adbc_ingest("large", many.to_reader(max_chunksize=50_000), mode="create_append", db_schema_name="public")
        # DBAPI's execute asks for a result and knows no count; ADBC's own update does.
        def update(sql):
            with connection.cursor() as fresh:
                fresh.adbc_statement.set_sql_query(sql)
                return fresh.adbc_statement.execute_update()

        found["updated"] = update("UPDATE large SET text = 'y' WHERE n < 2")
        found["deleted"] = update("DELETE FROM large WHERE n = 5")
        cursor.execute("CREATE TABLE k (id BIGINT, name TEXT)")
        cursor.executemany("INSERT INTO k VALUES ($1, $2)", [(1, "a"), (2, "b"), (3, None)])
        found["many"] = cursor.rowcount
        cursor.execute("INSERT INTO k VALUES ($1, $2)", (7, "seven"))
        found["inserted"] = update("INSERT INTO k VALUES (8, NULL)")
        cursor.execute("SELECT * FROM k WHERE id = 7")
        found["rows"] = [list(row) for row in cursor.fetchall()]
answer(found)
