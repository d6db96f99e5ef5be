"""Reflects the schema of tests/postgres/schema.sql by SQLAlchemy: read_sqlalchemy.py PORT DRIVER."""
import json
import sys

import sqlalchemy as sa

port, driver = sys.argv[1:]
engine = sa.create_engine(f"postgresql+{driver}://sluice@127.0.0.1:{port}/sluice")
inspector = sa.inspect(engine)
metadata = sa.MetaData()
orders = sa.Table("orders", metadata, schema="gold", autoload_with=engine)
with engine.connect() as connection:
    rows = connection.execute(sa.select(sa.func.count()).select_from(orders)).scalar_one()
print(json.dumps({
    "columns": [[column["name"], str(column["type"])] for column in inspector.get_columns("orders", schema="gold")],
    "tables": inspector.get_table_names(),
    "gold": inspector.get_table_names(schema="gold"),
    "views": inspector.get_view_names(),
    "schemas": inspector.get_schema_names(),
    "definition": inspector.get_view_definition("order_totals"),
    "rows": rows,
}))
