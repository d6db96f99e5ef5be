"""A gold table in Spark, as the plain Delta it is.

spark-submit --packages io.delta:delta-spark_2.13:4.4.0 read_gold.py ./sluice-data/tables/gold/real_time_metrics
"""

import sys

from pyspark.sql import SparkSession

spark = (
    SparkSession.builder.config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
    .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
    .config("spark.sql.session.timeZone", "UTC")
    .getOrCreate()
)
gold = f"delta.`{sys.argv[1]}`"
spark.sql(f"DESCRIBE DETAIL {gold}").select("partitionColumns", "numFiles", "sizeInBytes").show(truncate=False)
spark.sql(f"SELECT date, hour, event_type, sum(event_count) AS events FROM {gold} GROUP BY ALL ORDER BY ALL").show()
spark.stop()
