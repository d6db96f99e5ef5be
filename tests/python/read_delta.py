"""Reads a table folder with delta-rs: rows, schema, partition columns, statistics, as one line of JSON."""

import json
import sys

from deltalake import DeltaTable

table = DeltaTable(sys.argv[1])
rows = table.to_pyarrow_table().to_pylist()
actions = table.get_add_actions(flatten=True)
if hasattr(actions, "to_pydict"):
    files = actions.to_pydict()
else:  # newer versions hand out an Arrow capsule instead
    import pyarrow

    files = pyarrow.table(actions).to_pydict()
print(
    json.dumps(
        {
            "version": table.version(),
            "partition_columns": table.metadata().partition_columns,
            "schema": json.loads(table.schema().to_json()),
            "features": table.protocol().reader_features,
            "rows": rows,
            "files": {name: values for name, values in files.items()},
        },
        default=str,
    )
)
