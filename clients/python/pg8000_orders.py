"""pg8000 on Sluice: parameters, types, a transaction's end, an error. python pg8000_orders.py [port]      (after clients/sql/known.sql)"""

import datetime
import sys
from decimal import Decimal
from importlib.metadata import version

import pg8000.native

port = int(sys.argv[1]) if len(sys.argv) > 1 else 5455
UTC = datetime.timezone.utc

with pg8000.native.Connection("sluice", host="127.0.0.1", port=port, database="sluice") as connection:
    total = "SELECT sum(event_count)::bigint FROM gold.real_time_metrics WHERE event_type = :type AND window_start < :before"
    for _ in range(3):
        rows = connection.run(total, type="page_view", before=datetime.datetime(2027, 1, 1, tzinfo=UTC))
        assert rows == [[13122]], rows
    orders = connection.run("SELECT * FROM gold.orders WHERE id IN (3, 4) ORDER BY id")
    assert orders[0] == [
        3, "ada", Decimal("100.00"), 20.0, 9, True,
        datetime.datetime(2026, 1, 1, 1, 30, 0, 123456, UTC), datetime.date(2026, 1, 1),
    ], orders[0]
    assert orders[1][1] == "it's ä" and orders[1][5] is None, orders[1]
    assert [column["name"] for column in connection.columns][:3] == ["id", "customer", "amount"]
    prepared = connection.prepare("SELECT customer FROM gold.orders WHERE id = :id")
    assert [prepared.run(id=i) for i in (1, 2)] == [[["ada"]], [["bob"]]]
    try:
        connection.run("SELECT * FROM gold.nowhere")
        raise SystemExit("no error")
    except pg8000.native.DatabaseError as error:
        assert error.args[0]["C"] == "42P01", error
    assert connection.run("SELECT 1") == [[1]]
print("pg8000", version("pg8000"))
