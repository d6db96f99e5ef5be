"""What the fuzzer begins with: every statement of tests/postgres, a file each, in fuzz/corpus/sql; messages of the protocol with them in fuzz/corpus/frontend;
data of COPY in fuzz/corpus/copy_binary; commands, actions and batches of Flight SQL in fuzz/corpus/flight.

A file that is there stays, so that what the fuzzer found is kept from run to run.
"""

import hashlib
import pathlib
import re
import struct

ROOT = pathlib.Path(__file__).resolve().parent.parent


def statements():
    for path in sorted(ROOT.glob("tests/postgres/*/*.sql")):
        for block in re.split(r"^====\n", path.read_text(encoding="utf-8"), flags=re.M):
            asked = f"\n{block}".partition("\n----\n")[0]
            text = "\n".join(line for line in asked.split("\n") if not line.startswith("--")).strip()
            if text:
                yield text


def messages(text):
    """Query and Parse with it, as the target takes them: its type, then the bytes of its body."""
    body = text.encode() + b"\0"
    yield b"Q" + body
    yield b"P\0" + body + b"\0\0"


def put(folder, data):
    path = folder / hashlib.sha256(data).hexdigest()[:16]
    if not path.exists():
        path.write_bytes(data)


def copies():
    """Data of COPY as the target takes them: format (text, csv, binary) + 3 * the number of a table, then the data."""
    tables = [
        ["1", "a", "2.5"],
        ["t", "1", "2", "0.5"],
        ["12.50", "1 day 02:03:04"],
        ["2026-01-01", "10:00:00", "2026-01-01 10:00:00", "2026-01-01 10:00:00+02"],
        ["00000000-0000-0000-0000-00000000000a", '{"a": 1}', "x", "y"],
        ["{1,2,NULL}", '{{a,b},{"c d",e}}'],
        ["{1.5,2}", '{"2026-01-01 10:00:00+00"}'],
        ["\\x0aff"],
    ]
    for number, values in enumerate(tables):
        text = "\t".join(value.replace("\\", "\\\\") for value in values)
        nulls = "\t".join(["\\N"] * len(values))
        yield bytes([3 * number]) + f"{text}\n{nulls}\n\\.\n".encode()
        csv = ",".join('"' + value.replace('"', '""') + '"' for value in values)
        yield bytes([3 * number + 1]) + f"{csv}\r\n{',' * (len(values) - 1)}\n".encode()

    def array(oid, *values):
        head = struct.pack(">iiiii", 1, 0, oid, len(values), 1)
        return head + b"".join(struct.pack(">i", len(value)) + value for value in values)

    int4, int8 = struct.Struct(">i").pack, struct.Struct(">q").pack
    # 12.50: two groups of four digits, the first before the point, two digits behind it.
    numeric = struct.pack(">hhhhhh", 2, 0, 0, 2, 12, 5000)
    in_binary = [
        [int4(1), b"a", struct.pack(">d", 2.5)],
        [b"\1", b"\0\1", int8(2), struct.pack(">f", 0.5)],
        [numeric, struct.pack(">qii", 7_384_000_000, 1, 14)],
        [int4(9497), int8(36_000_000_000), int8(820_490_400_000_000), int8(820_490_400_000_000)],
        [bytes(15) + b"\n", b"\1{}", b"x", b"y"],
        [array(23, int4(1), int4(2)), array(25, b"a", b"b c")],
        [array(1700, numeric), array(1184, int8(820_490_400_000_000))],
        [b"\n\xff"],
    ]
    for number, values in enumerate(in_binary):
        count = struct.pack(">h", len(values))
        row = count + b"".join(int4(len(value)) + value for value in values)
        nulls = count + b"\xff" * 4 * len(values)
        data = b"PGCOPY\n\xff\r\n\0" + bytes(8) + row + nulls + b"\xff\xff"
        yield bytes([3 * number + 2]) + data


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, value):
    """A field of protobuf: bytes, a text or a number."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def packed(name, *fields):
    """A message of Flight SQL's in google.protobuf.Any."""
    url = f"type.googleapis.com/arrow.flight.protocol.sql.{name}"
    return field(1, url) + field(2, b"".join(fields))


class Flat:
    """A flatbuffer, written from its root on: a table is a list of a field each, every field in eight bytes."""

    def __init__(self, root):
        self.out = bytearray(8)
        self.out[0:4] = struct.pack("<I", self.table(root))

    def align(self, rest=0):
        while len(self.out) % 8 != rest:
            self.out.append(0)

    def table(self, fields):
        self.align()
        vtable = len(self.out)
        places = [0 if value is None else 8 + 8 * slot for slot, value in enumerate(fields)]
        self.out += struct.pack(f"<{2 + len(places)}H", 4 + 2 * len(places), 8 + 8 * len(places), *places)
        self.align()
        table = len(self.out)
        self.out += struct.pack("<i4x", table - vtable) + bytes(8 * len(fields))
        for place, value in zip(places, fields):
            at = table + place
            if isinstance(value, int):
                self.out[at : at + 8] = struct.pack("<q", value)
            elif value is not None:
                below = self.value(value)
                self.out[at : at + 4] = struct.pack("<I", below - at)
        return table

    def value(self, value):
        if isinstance(value, list):
            return self.table(value)
        self.align(4)
        start = len(self.out)
        if isinstance(value, str):
            self.out += struct.pack("<I", len(value)) + value.encode() + b"\0"
        elif all(isinstance(item, bytes) for item in value):
            self.out += struct.pack("<I", len(value)) + b"".join(value)
        else:
            self.out += struct.pack("<I", len(value)) + bytes(4 * len(value))
            for number, item in enumerate(value):
                at = start + 4 + 4 * number
                self.out[at : at + 4] = struct.pack("<I", self.value(item) - at)
        return start


def batches():
    """The messages of a DoPut with a batch of two columns: a command, a schema, rows."""
    schema, record_batch, version = 1, 3, 4
    int32, text = [32, 1], []
    columns = [["a", 1, 2, int32, None, ()], ["b", 1, 5, text, None, ()]]
    values = [b"\7".ljust(8, b"\0"), struct.pack("<3i", 1, 2, 3), b"", struct.pack("<4i", 0, 1, 1, 3), b"xyz"]
    body, places = b"", []
    for value in values:
        places.append(struct.pack("<qq", len(body), len(value)))
        body += value.ljust(-(-len(value) // 8) * 8, b"\0")
    nodes = struct.pack("<qq", 3, 0), struct.pack("<qq", 3, 0)
    heads = [
        (Flat([version, schema, [0, tuple(columns)], 0]).out, b""),
        (Flat([version, record_batch, [3, nodes, tuple(places)], len(body)]).out, body),
    ]
    for head, body in heads:
        message = field(2, bytes(head)) + (field(1000, body) if body else b"")
        yield varint(len(message)) + message


def flights():
    """As the target takes them: 0 and a command, 1 and an action, 2 or 3 and messages with parameters or rows."""
    query = field(1, "SELECT 1")
    commands = [
        packed("CommandStatementQuery", query),
        packed("CommandStatementUpdate", query),
        packed("CommandPreparedStatementQuery", field(1, "handle")),
        packed("TicketStatementQuery", field(1, "handle")),
        packed("CommandGetCatalogs"),
        packed("CommandGetDbSchemas", field(1, "sluice"), field(2, "p%")),
        packed("CommandGetTables", field(2, "p%"), field(3, "_"), field(4, "TABLE"), field(5, 1)),
        packed("CommandGetTableTypes"),
        packed("CommandGetSqlInfo", field(1, 0)),
        packed("CommandGetXdbcTypeInfo", field(1, 4)),
        packed("CommandGetPrimaryKeys", field(3, "t")),
        packed("CommandStatementIngest", field(1, field(1, 1) + field(2, 2)), field(2, "t"), field(3, "public")),
    ]
    for command in commands:
        yield b"\0" + command
    option = field(1, "TimeZone") + field(2, field(1, "UTC"))
    info = field(3, field(1, field(1, packed("TicketStatementQuery", field(1, "handle")))))
    actions = [
        ("CreatePreparedStatement", packed("ActionCreatePreparedStatementRequest", query)),
        ("ClosePreparedStatement", packed("ActionClosePreparedStatementRequest", field(1, "handle"))),
        ("CancelQuery", packed("ActionCancelQueryRequest", field(1, info))),
        ("CancelFlightInfo", field(1, info)),
        ("SetSessionOptions", field(1, option)),
        ("GetSessionOptions", b""),
        ("CloseSession", b""),
    ]
    for kind, body in actions:
        yield b"\1" + field(1, kind) + field(2, body)
    for kind in (b"\2", b"\3"):
        yield kind + b"".join(batches())


corpus = ROOT / "fuzz" / "corpus"
sql, frontend, copy, flight = (corpus / name for name in ("sql", "frontend", "copy_binary", "flight"))
for folder in (sql, frontend, copy, flight):
    folder.mkdir(parents=True, exist_ok=True)
for data in copies():
    put(copy, data)
for data in flights():
    put(flight, data)
for statement in statements():
    put(sql, statement.encode())
    for message in messages(statement):
        put(frontend, message)
