"""A program of its own: reads a Delta table with Sail, over Spark Connect, and prints what it finds as JSON."""

import json
import sys

from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession


def main(table: str) -> None:
    """Print the number of rows, the event ids, and how many events are a root's."""
    server = SparkConnectServer()
    server.start(background=True)
    _, port = server.listening_address
    spark = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
    spark.read.format("delta").load(table).createOrReplaceTempView("events")
    ids = [row.eventid for row in spark.sql("SELECT eventid FROM events ORDER BY eventid").collect()]
    roots = spark.sql("SELECT count(*) AS n FROM events WHERE useridentity.type = 'Root'").collect()[0].n
    records = [row.eventjson for row in spark.sql("SELECT eventjson FROM events ORDER BY eventid").collect()]
    print(json.dumps({"ids": ids, "roots": roots, "records": records}))
    spark.stop()
    server.stop()


main(sys.argv[1])
