"""Runs a query over ADBC Flight SQL and looks at the catalog; one line of JSON."""

import sys

import adbc_driver_flightsql.dbapi as flight_sql

from answering import answer

with flight_sql.connect(f"grpc://127.0.0.1:{sys.argv[1]}") as connection:
    with connection.cursor() as cursor:
        cursor.execute(sys.argv[2])
        table = cursor.fetch_arrow_table()
    objects = connection.adbc_get_objects(depth="tables").read_all().to_pylist()
    tables = [
        f"{schema['db_schema_name']}.{table_['table_name']}"
        for catalog in objects
        for schema in catalog["catalog_db_schemas"] or []
        for table_ in schema["db_schema_tables"] or []
    ]
answer(
    {
        "rows": table.to_pylist(),
        "types": {field.name: str(field.type) for field in table.schema},
        "tables": tables,
    }
)
