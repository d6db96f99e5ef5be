"""The main job in Spark Structured Streaming, from Kafka to Delta.

Arguments: folders of jars with `:` between, bootstrap servers, topic, output folder, checkpoint folder, `drain` (what is there now, then
end) or `follow` (until killed), and `clean` or `dirty` (payloads that are not JSON are taken out).
"""

import glob
import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

folders, bootstrap, topic, out, checkpoint, mode, mix = sys.argv[1:8]
jars = [jar for folder in folders.split(":") for jar in sorted(glob.glob(folder + "/*.jar"))]
spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.jars", ",".join(jars))
    .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
    .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
    .config("spark.driver.memory", "4g")
    .config("spark.driver.extraJavaOptions", "-XX:+UseParallelGC")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.sql.session.timeZone", "UTC")
    # as many tasks as processors, for the states and for Delta's snapshot
    .config("spark.sql.shuffle.partitions", "2")
    .config("spark.databricks.delta.snapshotPartitions", "2")
    # percentile_approx by hash: beyond so many groups it would sort every row instead
    .config("spark.sql.objectHashAggregate.sortBased.fallbackThreshold", "1000000")
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")

fields = "timestamp TIMESTAMP, event_type STRING, user_segment STRING, value DOUBLE"
if mix == "dirty":
    fields += ", _corrupt_record STRING"
event = f.from_json(f.col("value").cast("string"), fields).alias("e")
events = (
    spark.readStream.format("kafka")
    .option("kafka.bootstrap.servers", bootstrap)
    .option("subscribe", topic)
    .option("startingOffsets", "earliest")
    .load()
    .select(event)
    .select("e.*")
)
if mix == "dirty":
    events = events.where("timestamp IS NOT NULL AND _corrupt_record IS NULL")
gold = (
    events.withWatermark("timestamp", "10 seconds")
    .groupBy(f.window("timestamp", "1 minute").alias("w"), "event_type", "user_segment")
    .agg(
        f.count("*").alias("event_count"),
        f.avg("value").alias("avg_value"),
        f.percentile_approx("value", 0.95, 10000).alias("p95_value"),
    )
    .select("w.start", "w.end", "event_type", "user_segment", "event_count", "avg_value", "p95_value")
    .withColumnsRenamed({"start": "window_start", "end": "window_end"})
)
writer = gold.writeStream.format("delta").outputMode("append").option("checkpointLocation", checkpoint)
if mode == "drain":
    writer = writer.trigger(availableNow=True)
query = writer.start(out)
print("bench: running", flush=True)
query.awaitTermination()
spark.stop()
