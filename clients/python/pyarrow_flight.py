"""pyarrow's own Flight client on Sluice: a login, a statement, its batches as they come, writing, an error. No driver: Flight SQL's commands
are three lines of protobuf. python pyarrow_flight.py [port [user password]]      (after clients/sql/known.sql)"""

import sys
from importlib.metadata import version

import pyarrow
import pyarrow.flight as flight

port = sys.argv[1] if len(sys.argv) > 1 else "5456"
user, password = sys.argv[2:4] if len(sys.argv) > 3 else ("sluice", "")


def field(number, value):
    """A field of a protobuf message: text or bytes."""
    value = value.encode() if isinstance(value, str) else value
    length, size = b"", len(value)
    while size > 127:
        length, size = length + bytes([size % 128 + 128]), size // 128
    return bytes([number * 8 + 2]) + length + bytes([size]) + value


def command(name, sql):
    kind = f"type.googleapis.com/arrow.flight.protocol.sql.{name}"
    return flight.FlightDescriptor.for_command(field(1, kind) + field(2, field(1, sql)))


client = flight.FlightClient(f"grpc://127.0.0.1:{port}")
# basic authentication gives a bearer token, which goes along with every call
bearer = client.authenticate_basic_token(user, password)
assert bearer[0] == b"authorization" and bearer[1].startswith(b"Bearer "), bearer
options = flight.FlightCallOptions(headers=[bearer])


def query(sql):
    info = client.get_flight_info(command("CommandStatementQuery", sql), options)
    (endpoint,) = info.endpoints
    return info, client.do_get(endpoint.ticket, options)


info, reader = query("SELECT event_type, event_count, window_start FROM gold.real_time_metrics")
table = reader.read_all()
assert table.schema.equals(info.schema), (table.schema, info.schema)
assert table.num_rows == 11675 and sum(table["event_count"].to_pylist()) == 60000, table
assert table.schema.field("window_start").type == pyarrow.timestamp("us", "UTC"), table.schema

rows = batches = 0
for chunk in query("SELECT n FROM generate_series(1, 300000) AS t (n)")[1]:
    rows, batches = rows + chunk.data.num_rows, batches + 1
assert rows == 300_000 and batches > 1, (rows, batches)

_, reader = query("SELECT 'x' AS t, CAST(1.25 AS NUMERIC(10, 2)) AS n, CAST(NULL AS DATE) AS nothing WHERE false")
empty = reader.read_all()
assert empty.num_rows == 0 and empty.schema.names == ["t", "n", "nothing"], empty.schema
assert query("SHOW session_authorization")[1].read_all().column(0).to_pylist() == [user]


def update(sql):
    """Runs a statement without rows; how many it has written (DoPutUpdateResult, a varint in field 1)."""
    writer, results = client.do_put(command("CommandStatementUpdate", sql), pyarrow.schema([]), options)
    writer.done_writing()
    result, count, place = results.read().to_pybytes(), 0, 0
    for byte in result[1:]:
        count, place = count + (byte & 127) * (1 << place), place + 7
    writer.close()
    return count


update("CREATE TABLE from_pyarrow (id BIGINT, note TEXT)")
assert update("INSERT INTO from_pyarrow SELECT n, 'row ' || n FROM generate_series(1, 300) AS t (n)") == 300
assert query("SELECT note FROM from_pyarrow WHERE id = 300")[1].read_all()["note"].to_pylist() == ["row 300"]
update("DROP TABLE from_pyarrow")

for sql, says in [
    ("SELECT * FROM gold.nowhere", 'relation "gold.nowhere" does not exist'),
    ("SELECT 1 / 0 AS a", "division by zero"),
]:
    try:
        query(sql)[1].read_all()
        raise SystemExit(f"no error: {sql}")
    except (pyarrow.ArrowException, flight.FlightError) as error:
        assert says in str(error), error
try:
    client.get_flight_info(command("CommandStatementQuery", "SELECT 1"), flight.FlightCallOptions(headers=[(b"authorization", b"Bearer guessed")]))
    raise SystemExit("a guessed token lets in")
except flight.FlightUnauthenticatedError:
    pass
# and life after it
assert query("SELECT 1 AS a")[1].read_all()["a"].to_pylist() == [1]
print("pyarrow", version("pyarrow"))
