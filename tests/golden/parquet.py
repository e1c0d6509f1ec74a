"""Writes small Parquet files, one for each codec, and their rows as JSON (parquet/*).

The reader (data/datasets/parquet.ts) must give these rows back.
Versions: Python 3, pyarrow 26.0.1. Run: python3 parquet.py
"""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).parent / "parquet"
CODECS = ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]

turn = pa.struct([("role", pa.string()), ("content", pa.string())])
schema = pa.schema([
    ("prompt", pa.list_(turn)),
    ("response_0", pa.string()),
    ("response_1", pa.large_string()),
    ("helpful", pa.int64()),
    ("harmless", pa.int8()),
    ("score", pa.float64()),
    ("safe", pa.bool_()),
    ("meta", pa.struct([("source", pa.string()), ("ids", pa.list_(pa.int64()))])),
])


def rows():
    result = []
    for i in range(25):
        prompt = [{"role": "user", "content": f"Frage {i}: wie geht’s? 🙂"}]
        if i % 3 == 0:
            prompt = [{"role": "system", "content": ""}] + prompt
        result.append({
            "prompt": prompt,
            "response_0": "gut " * (i % 5 + 1),
            "response_1": f"schlecht {i}",
            "helpful": None if i % 4 == 0 else i % 2,
            "harmless": (i + 1) % 2,
            "score": i / 8,
            "safe": i % 2 == 0,
            "meta": None if i % 7 == 0 else {"source": "x" * i, "ids": list(range(i % 3))},
        })
    return result


def main():
    FOLDER.mkdir(exist_ok=True)
    table = pa.Table.from_pylist(rows(), schema=schema)
    for codec in CODECS:
        for version in ("1.0", "2.0"):
            name = f"{codec}-v{version[0]}.parquet"
            pq.write_table(table, FOLDER / name, compression=codec, row_group_size=10,
                           data_page_version=version, use_dictionary=version == "1.0")
    (FOLDER / "rows.json").write_text(json.dumps(rows(), ensure_ascii=False) + "\n")


main()
