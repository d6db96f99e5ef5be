"""What users are told over Flight SQL by ADBC: of statements, of bulk ingest, and which schemas and tables are listed.

Arguments: URL of the Flight SQL door, a list of {"user", "statements", "ingests"} as JSON. An ingest is "append NAME", "create NAME" or
"temporary NAME". One line of JSON: for each user {"statements", "ingests"}, "ok" or a SQLSTATE each, and {"schemas", "tables"}.
"""

import json
import re
import sys

import adbc_driver_flightsql.dbapi as flight_sql
import pyarrow

from answering import answer

ROWS = pyarrow.table({"a": pyarrow.array([1], pyarrow.int32())})


def told(work):
    try:
        work()
        return "ok"
    except Exception as error:
        found = re.search(r"SQLSTATE:\s+(\w{5})", str(error))
        return found.group(1) if found else f"{type(error).__name__}: {error}"


def run(connection, statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        cursor.fetchall()


def ingest(connection, what):
    how, name = what.split(" ")
    schema, _, table = name.rpartition(".")
    with connection.cursor() as cursor:
        if how == "temporary":
            cursor.adbc_ingest(table, ROWS, mode="create", temporary=True)
        else:
            cursor.adbc_ingest(table, ROWS, mode=how, db_schema_name=schema)


def asked(user, statements, ingests):
    with flight_sql.connect(sys.argv[1], db_kwargs={"username": user, "password": ""}, autocommit=True) as connection:
        found = {
            "statements": [told(lambda: run(connection, statement)) for statement in statements],
            "ingests": [told(lambda: ingest(connection, what)) for what in ingests],
        }
        objects = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
    schemas = [schema for catalog in objects for schema in catalog["catalog_db_schemas"] or []]
    found["schemas"] = [schema["db_schema_name"] for schema in schemas]
    found["tables"] = [f"{schema['db_schema_name']}.{table['table_name']}" for schema in schemas for table in schema["db_schema_tables"] or []]
    return found


answer([asked(**user) for user in json.loads(sys.argv[2])])
