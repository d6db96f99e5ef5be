"""Copies with asyncpg: records in binary, a table's csv, a query's. One line of JSON."""

import asyncio
import io
import sys

import asyncpg

from answering import answer


async def main():
    found = {}
    connection = await asyncpg.connect(host="127.0.0.1", port=int(sys.argv[1]), user="sluice", database="sluice")
    await connection.execute("CREATE TABLE a (id INT, name TEXT, value DOUBLE PRECISION)")
    records = [(1, "one", 1.5), (2, None, None), (3, "three", 0.25)]
    found["records"] = await connection.copy_records_to_table("a", records=records)
    await connection.execute("CREATE TABLE b (id INT, name TEXT)")
    source = io.BytesIO(b"1,one\n2,\n")
    found["table"] = await connection.copy_to_table("b", source=source, format="csv")
    target = io.BytesIO()
    await connection.copy_from_query("SELECT * FROM b WHERE id < 10 ORDER BY id", output=target, format="csv")
    found["query"] = target.getvalue().decode()
    found["rows"] = [list(row) for row in await connection.fetch("SELECT * FROM a ORDER BY id")]
    await connection.close()
    answer(found)


asyncio.run(main())
