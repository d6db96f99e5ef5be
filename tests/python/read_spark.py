"""Reads a table folder with Spark and Delta Lake: arguments are the folder of the jars and the table; one line of JSON."""

import glob
import json
import sys

from pyspark.sql import SparkSession

jars = ",".join(sorted(glob.glob(sys.argv[1] + "/*.jar")))
spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.jars", jars)
    .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
    .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .config("spark.sql.shuffle.partitions", "2")
    .config("spark.databricks.delta.snapshotPartitions", "2")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.memory", "1g")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
path = sys.argv[2]
detail = spark.sql(f"DESCRIBE DETAIL delta.`{path}`").collect()[0]
frame = spark.read.format("delta").load(path)
rows = frame.selectExpr(
    *[
        f"CAST({name} AS STRING) AS {name}" if kind.startswith(("timestamp", "date")) else name
        for name, kind in frame.dtypes
    ]
).collect()
print(
    json.dumps(
        {
            "partition_columns": list(detail["partitionColumns"]),
            "rows": [row.asDict() for row in rows],
        },
        default=str,
    )
)
spark.stop()
