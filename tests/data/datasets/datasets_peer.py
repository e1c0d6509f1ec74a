"""What Hugging Face's own libraries read where ours reads: the library datasets of folders, and
huggingface_hub of the cache. Prints one JSON document.

    python datasets_peer.py write FOLDER            makes data files in FOLDER with datasets
    python datasets_peer.py read FOLDER...          the rows of each, by split
    python datasets_peer.py cached CACHE ID         where the cache holds a data set
"""

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"


def write(folder):
    from datasets import Dataset

    def rows(start, count):
        return [{
            "prompt": [{"role": "user", "content": f"Frage {i} – 🙂"}],
            "chosen": [{"role": "assistant", "content": "ja " * (i % 7)}],
            "rejected": [{"role": "assistant", "content": f"nein {i}"}],
            "score_chosen": i / 4, "id": i,
        } for i in range(start, start + count)]

    for form, suffix in (("parquet", "parquet"), ("json", "jsonl")):
        for name, start, count in (("train-00000-of-00002", 0, 40), ("train-00001-of-00002", 40, 40),
                                   ("test-00000-of-00001", 80, 7), ("validation-00000-of-00001", 90, 3)):
            path = os.path.join(folder, form, "data", f"{name}.{suffix}")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            data = Dataset.from_list(rows(start, count))
            data.to_parquet(path, batch_size=16) if form == "parquet" else data.to_json(path)
    return "written"


def read(*folders):
    from datasets import load_dataset

    return [{split: list(rows) for split, rows in load_dataset(
        folder, cache_dir=os.path.join(folder, ".cache")).items()} for folder in folders]


def cached(cache, name):
    from huggingface_hub import snapshot_download

    return snapshot_download(name, repo_type="dataset", cache_dir=cache, local_files_only=True)


print(json.dumps({"write": write, "read": read, "cached": cached}[sys.argv[1]](*sys.argv[2:])))
