"""Statements in files, run over the wire, and answers as text: what capture.py, postgres_record.py and postgres_replay.py share.

A file is blocks that end in a line "====":

    -- what the client was asked (a block without it goes on in the same session)
    -- $1 = value                         values of parameters, as COPY writes them; there is one round trip of the extended protocol then
    SELECT ...
    ----
    name:type	name:type                 what PostgreSQL answered: columns, then rows as COPY writes them
    ...                                   or "OK tag", or "ERROR sqlstate position"

An empty text stands as "", a plan and the size of something stored are only said to be one. OIDs of relations and schemas stand as {class gold.orders} and {schema gold}: no two servers give the same.
"""
import re

import psycopg
from psycopg import pq

USER = DATABASE = "sluice"
MOST_ROWS = 25
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
        message = answer.error_field(pq.DiagnosticField.MESSAGE_PRIMARY)
        state = "connection lost" if state is None else state.decode()
        place = "" if position is None else f" {position.decode()}"
        return f"ERROR {state}{place}", answer.error_message.decode() if message is None else message.decode()


def kept(answer):
    """What is written of an answer: of many rows their number."""
    lines = answer.split("\n")
    if lines[0].startswith(("OK", "ERROR")) or len(lines) <= MOST_ROWS + 1:
        return answer
    return f"{lines[0]}\n{len(lines) - 1} rows"


def verdict(expected, actual, ordered):
    """"" when the answers are the same, else what differs: error, columns, types, rows, order."""
    if expected == actual:
        return ""
    wanted, given = expected.split("\n"), actual.split("\n")
    if wanted[0].startswith("ERROR") or given[0].startswith("ERROR"):
        if wanted[0].split()[:2] == given[0].split()[:2]:
            return "position"
        return "error"
    names = [[column.rpartition(":")[0] for column in lines[0].split("\t")] for lines in (wanted, given)]
    if names[0] != names[1]:
        return "columns"
    if wanted[0] != given[0]:
        return "types"
    if len(wanted) == 2 and re.fullmatch(r"\d+ rows", wanted[1]):
        return "" if f"{len(given) - 1} rows" == wanted[1] else "rows"
    if sorted(wanted[1:]) != sorted(given[1:]):
        return "rows"
    return "order" if ordered and re.search(r"\border\s+by\b", ordered, re.I) else ""
