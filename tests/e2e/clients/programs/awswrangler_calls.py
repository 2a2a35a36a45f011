"""What the tests ask awswrangler to do; what came back goes to standard output as JSON."""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import awswrangler as wr
import boto3
import pandas as pd


def main(folder: Path) -> dict[str, Any]:
    boto3.client("s3").create_bucket(Bucket="wrangled")
    frame = pd.DataFrame({"id": range(1000), "word": [f"wörd {n % 7}" for n in range(1000)]})
    wr.s3.to_parquet(frame, path="s3://wrangled/plain/table.parquet")
    wr.catalog.create_database(name="lake")
    wr.s3.to_parquet(
        frame, path="s3://wrangled/lake/words/", dataset=True, partition_cols=["word"], database="lake", table="words"
    )
    wr.s3.to_csv(frame, path="s3://wrangled/plain/table.csv", index=False)
    plain = wr.s3.read_parquet("s3://wrangled/plain/table.parquet")
    dataset = wr.s3.read_parquet("s3://wrangled/lake/words/", dataset=True)
    csv = wr.s3.read_csv("s3://wrangled/plain/table.csv")
    large = os.urandom(9_000_000)
    (folder / "up").write_bytes(large)
    wr.s3.upload(local_file=str(folder / "up"), path="s3://wrangled/large")
    wr.s3.download(path="s3://wrangled/large", local_file=str(folder / "down"))
    wr.dynamodb.put_items(items=[{"id": "1", "n": 7}], table_name=_table())
    wr.secretsmanager.get_secret_json(_secret())
    told = {
        "same": [_rows(plain) == _rows(frame), _rows(csv) == _rows(frame), _rows(dataset) == _rows(frame)],
        "sent": hashlib.sha256(large).hexdigest(),
        "back": hashlib.sha256((folder / "down").read_bytes()).hexdigest(),
        "listed": len(wr.s3.list_objects("s3://wrangled/lake/")),
        "tables": [table["Name"] for table in wr.catalog.get_tables(database="lake")],
        "columns": wr.catalog.get_table_types(database="lake", table="words"),
    }
    wr.s3.delete_objects("s3://wrangled/plain/")
    return told


def _rows(frame: Any) -> list[tuple[int, str]]:
    return sorted((int(number), str(word)) for number, word in zip(frame["id"], frame["word"], strict=True))


def _table() -> str:
    boto3.client("dynamodb").create_table(
        TableName="wrangled",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    return "wrangled"


def _secret() -> str:
    boto3.client("secretsmanager").create_secret(Name="wrangled", SecretString='{"password": "hush-hush"}')
    return "wrangled"


if __name__ == "__main__":
    json.dump(main(Path(sys.argv[1])), sys.stdout)
