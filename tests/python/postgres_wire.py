"""Statements in files, run over the wire, and answers as text: what capture.py, postgres_record.py and postgres_replay.py share.

A file is blocks that end in a line "====":

    -- what the client was asked (a block without it goes on in the same session)
    -- $1 = value                         values of parameters, as COPY writes them; there is one round trip of the extended protocol then
    SELECT ...
    ----
    name:type	name:type                 what PostgreSQL answered: columns, then rows as COPY writes them
    ...                                   or "OK tag", or "ERROR sqlstate position" and a line for each field of it (MESSAGE, DETAIL, HINT)

An empty text stands as "", a plan and the size of something stored are only said to be one. OIDs of relations and schemas stand as {class gold.orders} and {schema gold}: no two servers give the same.
Of more than 25 rows there is "N rows", a hash of them sorted and one of them as they came.
"""
import hashlib
import re

import psycopg
from psycopg import pq

USER = DATABASE = "sluice"
MOST_ROWS = 25
# what may differ, in the order it is told in; errors and what they say, completion tags, and what rows are made of
KINDS = ("status", "code", "severity", "position", "tag", "columns", "names", "types", "rows", "order")
# what an error says beside its SQLSTATE and position; without a severity it is an ERROR
FIELDS = {
    "SEVERITY": pq.DiagnosticField.SEVERITY_NONLOCALIZED, "MESSAGE": pq.DiagnosticField.MESSAGE_PRIMARY,
    "DETAIL": pq.DiagnosticField.MESSAGE_DETAIL, "HINT": pq.DiagnosticField.MESSAGE_HINT,
}
NAMES = {oid: name for oid, name in ((t.oid, t.name) for t in psycopg.adapters.types)}
NAMES.update({t.array_oid: f"{t.name}[]" for t in psycopg.adapters.types if t.array_oid})
NAMES.update({
    18: '"char"', 19: "name", 22: "int2vector", 24: "regproc", 26: "oid", 27: "tid", 28: "xid", 30: "oidvector", 32: "pg_ddl_command",
    194: "pg_node_tree", 705: "unknown", 1003: "name[]", 1005: "int2[]", 1006: "int2vector[]", 1028: "oid[]", 1033: "aclitem",
    1034: "aclitem[]", 1002: '"char"[]', 2202: "regprocedure", 2203: "regoper", 2204: "regoperator", 2205: "regclass", 2206: "regtype",
    2211: "regtype[]", 2249: "record", 2277: "anyarray", 2278: "void", 4089: "regnamespace", 4096: "regrole", 4191: "regcollation",
    3220: "pg_lsn", 5017: "pg_mcv_list", 3361: "pg_ndistinct", 3402: "pg_dependencies", 2287: "record[]", 3734: "regconfig", 2970: "txid_snapshot",
    1790: "refcursor", 13307: "character_data", 13302: "cardinal_number", 13310: "sql_identifier", 13315: "yes_or_no", 13313: "time_stamp",
})
# PostgreSQL's information_schema has domains; their OIDs are not fixed, so a driver sees the type below
DOMAINS = {"cardinal_number": "int4", "character_data": "varchar", "sql_identifier": "name", "yes_or_no": "varchar", "time_stamp": "timestamptz"}


class Block:
    def __init__(self, title, sql, values, simple, expected=None):
        self.title, self.sql, self.values, self.simple, self.expected = title, sql, values, simple, expected
        self.first = True  # of a session
        self.name = ""


def escape(value):
    if value is None:
        return r"\N"
    if value == "":
        return '""'
    return value.replace("\\", "\\\\").replace("\n", r"\n").replace("\t", r"\t").replace("\r", r"\r")


def unescape(text):
    if text == r"\N":
        return None
    if text == '""':
        return ""
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t", "r": "\r"}.get(found[1], found[1]), text)


def read(path):
    """The head of a file and its blocks."""
    with open(path, encoding="utf-8") as file:
        parts = re.split(r"^====\n", file.read(), flags=re.M)
    head, blocks, count = "", [], {}
    title = ""
    for i, part in enumerate(parts):
        if i == 0:
            match = re.match(r"(?:--- [^\n]*\n)*", part)
            head, part = match[0], part[match.end():]
        part = part.strip("\n")
        if not part:
            continue
        text, _, expected = f"\n{part}\n".partition("\n----\n")
        text, expected = text.removeprefix("\n"), expected.rstrip("\n")
        lines, values, first, simple = text.split("\n"), [], False, True
        while lines and lines[0].startswith("-- "):
            line = lines.pop(0)
            value = re.match(r"-- \$\d+ = (.*)", line)
            if value:
                values.append(unescape(value[1]))
                simple = False
            elif line == "-- extended":
                simple = False
            else:
                title, first = line.removeprefix("-- "), True
        block = Block(title, "\n".join(lines), values, simple, expected)
        block.first = first or not blocks
        count[title] = count.get(title, 0) + 1
        block.name = f"{title} #{count[title]}"
        blocks.append(block)
    return head, blocks


def write(path, head, blocks):
    with open(path, "w", encoding="utf-8") as file:
        file.write(head)
        for block in blocks:
            file.write("\n")
            if block.first:
                file.write(f"-- {block.title}\n")
            for i, value in enumerate(block.values):
                file.write(f"-- ${i + 1} = {escape(value)}\n")
            if not block.simple and not block.values:
                file.write("-- extended\n")
            file.write(f"{block.sql}\n----\n{block.expected}\n====\n")


class Server:
    """Sessions with a server, and the OIDs of what it has."""

    def __init__(self, port):
        self.conninfo = f"host=127.0.0.1 port={port} user={USER} dbname={DATABASE} connect_timeout=10".encode()
        self.connection = None
        self.sized = False
        self.names = {}
        self.oids = {}
        self.open()
        for kind, sql in (
            ("class", "SELECT c.oid, n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('public', 'gold', 'pg_catalog', 'information_schema')"),
            ("schema", "SELECT oid, nspname FROM pg_namespace WHERE nspname IN ('public', 'gold', 'information_schema')"),
        ):
            answer = self.connection.exec_(sql.encode())
            for row in range(answer.ntuples):
                oid, name = (answer.get_value(row, column).decode() for column in (0, 1))
                self.oids[f"{kind} {name}"] = oid
                if int(oid) >= 12000:
                    self.names[oid] = f"{kind} {name}"

    def open(self):
        if self.connection is not None:
            self.connection.finish()
        self.connection = pq.PGconn.connect(self.conninfo)
        if self.connection.status != pq.ConnStatus.OK:
            raise SystemExit(f"no connection: {self.connection.error_message.decode()}")
        # what a server says beside its answers is not compared
        self.connection.notice_handler = lambda notice: None

    def shown(self, value):
        if value is None:
            return None
        if self.sized and re.fullmatch(r"\d+ (bytes|[kMGT]B)", value):
            return "a size"
        # a number alone, or the text of an array or an oidvector of numbers
        return re.sub(r"(?<![\d.-])\d{5,}(?![\d.])", lambda found: f"{{{self.names[found[0]]}}}" if found[0] in self.names else found[0], value) \
            if re.fullmatch(r"[{}\d, ]+", value) else value

    def given(self, text):
        def oid(found):
            return self.oids.get(found[1], "1")

        return text if text is None else re.sub(r"\{((?:class|schema) [^}]+)\}", oid, text)

    def run(self, block):
        """The answer as text, and the message of an error."""
        if block.first:
            self.open()
        self.sized = bool(re.search(r"pg_(table|database)_size", block.sql))
        sql = self.given(block.sql).encode()
        if block.simple:
            self.connection.send_query(sql)
        else:
            values = [None if value is None else self.given(value).encode() for value in block.values]
            self.connection.send_query_params(sql, values)
        parts, message = [], ""
        while (answer := self.connection.get_result()) is not None:
            text, said = self.answer(answer)
            parts.append(text)
            message = said or message
            if self.connection.status != pq.ConnStatus.OK:
                break
        return "\n".join(parts), message

    def answer(self, answer):
        status = answer.status
        if status == pq.ExecStatus.EMPTY_QUERY:
            return "OK", ""
        if status == pq.ExecStatus.COMMAND_OK:
            return f"OK {answer.command_status.decode()}", ""
        if status == pq.ExecStatus.COPY_OUT:
            rows = []
            while True:
                count, data = self.connection.get_copy_data(0)
                if count < 0:
                    break
                rows.append(bytes(data).decode().rstrip("\n"))
            return "\n".join(["COPY OUT", *rows]), ""
        if status == pq.ExecStatus.TUPLES_OK:
            columns = []
            for i in range(answer.nfields):
                oid = answer.ftype(i)
                name = NAMES.get(oid, f"oid {oid}")
                columns.append(f"{escape(answer.fname(i).decode())}:{DOMAINS.get(name, name)}")
            if columns[0].startswith("QUERY PLAN:"):
                return f"{columns[0]}\na plan", ""
            rows = []
            for row in range(answer.ntuples):
                values = (answer.get_value(row, i) for i in range(answer.nfields))
                rows.append("\t".join(escape(self.shown(None if value is None else value.decode("utf-8", "replace"))) for value in values))
            return "\n".join(["\t".join(columns), *rows]), ""
        state = answer.error_field(pq.DiagnosticField.SQLSTATE)
        position = answer.error_field(pq.DiagnosticField.STATEMENT_POSITION)
        state = "connection lost" if state is None else state.decode()
        place = "" if position is None else f" {position.decode()}"
        said = {name: answer.error_field(field) for name, field in FIELDS.items()}
        said = {name: value.decode("utf-8", "replace") for name, value in said.items() if value is not None}
        lines = [f"{name}: {escape(value)}" for name, value in said.items() if (name, value) != ("SEVERITY", "ERROR")]
        return "\n".join([f"ERROR {state}{place}", *lines]), said.get("MESSAGE", answer.error_message.decode())


class Part:
    """The answer to one statement of a text."""

    def __init__(self, head):
        self.head, self.rows = head, []
        self.kind = next((kind for kind in ("OK", "ERROR", "COPY OUT") if head == kind or head.startswith(f"{kind} ")), "rows")

    def columns(self):
        """Names and types."""
        columns = [column.rpartition(":") for column in self.head.split("\t")]
        return [name for name, _, _ in columns], [kind for _, _, kind in columns]

    def code(self):
        return self.head.split(" ")[1]

    def said(self):
        """What an error says, by field; nothing of one that was written down without."""
        return {name: unescape(value) for name, _, value in (line.partition(": ") for line in self.rows)}

    def many(self):
        """How many rows there are, and both hashes, which are None where they were not written down."""
        counted = re.fullmatch(r"(\d+) rows(?: (\w+) (\w+))?", self.rows[0]) if len(self.rows) == 1 else None
        if counted:
            return counted[1], counted[2], counted[3]
        return str(len(self.rows)), hashed(sorted(self.rows)), hashed(self.rows)


def hashed(rows):
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]


def parts(answer):
    """The answers to the statements of a text. Where rows follow on rows they stay one; after an error there is nothing but what it says."""
    found = []
    for line in answer.split("\n"):
        part = Part(line)
        if not found or part.kind in ("OK", "ERROR") or found[-1].kind == "OK":
            found.append(part)
        else:
            found[-1].rows.append(line)
    return found


def kept(answer):
    """What is written of an answer: of many rows their number and hashes."""
    lines = []
    for part in parts(answer):
        lines.append(part.head)
        if part.kind in ("rows", "COPY OUT") and len(part.rows) > MOST_ROWS:
            count, as_sorted, as_come = part.many()
            lines.append(f"{count} rows {as_sorted} {as_come}")
        else:
            lines.extend(part.rows)
    return "\n".join(lines)


def verdict(expected, actual, sql=""):
    """All that an answer differs in, of KINDS; whether the order of rows counts, an ORDER BY in `sql` says.

    Values are compared as texts whatever their types are. Where there are more or fewer columns, only the number of rows is.
    """
    if expected == actual:
        return []
    wanted, given = parts(expected), parts(actual)
    found = set()
    if [part.kind for part in wanted] != [part.kind for part in given]:
        found.add("status")
    for theirs, ours in zip(wanted, given):
        if theirs.kind == ours.kind:
            found.update(compared(theirs, ours, re.search(r"\border\s+by\b", sql, re.I)))
    return [kind for kind in KINDS if kind in found]


def compared(theirs, ours, ordered):
    """What two answers of a kind differ in."""
    if theirs.kind == "OK":
        return ["tag"] if theirs.head != ours.head else []
    if theirs.kind == "ERROR":
        found = ["code"] if theirs.code() != ours.code() else []
        if theirs.said().get("SEVERITY") != ours.said().get("SEVERITY"):
            found.append("severity")
        if theirs.head.split(" ")[2:] != ours.head.split(" ")[2:]:
            found.append("position")
        return found
    found = []
    (names, types), (our_names, our_types) = theirs.columns(), ours.columns()
    if len(names) != len(our_names):
        return ["columns", "rows"] if theirs.many()[0] != ours.many()[0] else ["columns"]
    if names != our_names:
        found.append("names")
    if types != our_types:
        found.append("types")
    counts, sorted_ones, as_they_come = zip(theirs.many(), ours.many())
    if differ(counts) or differ(sorted_ones):
        found.append("rows")
    elif ordered and differ(as_they_come):
        found.append("order")
    return found


def differ(two):
    """Whether two are known and not the same."""
    return None not in two and two[0] != two[1]


def unlike(expected, actual):
    """What errors say otherwise, by field, PostgreSQL's first, and whether what PostgreSQL says was written down."""
    found, known = {}, False
    for theirs, ours in zip(parts(expected), parts(actual)):
        if theirs.kind != "ERROR" or not theirs.rows:
            continue
        known = True
        for name in ("MESSAGE", "DETAIL", "HINT"):
            two = [part.said().get(name, "") for part in (theirs, ours)] if ours.kind == "ERROR" else ["", ""]
            if two[0] != two[1]:
                found[name.lower()] = two
    return found, known
