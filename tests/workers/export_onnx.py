# Logits of exported ONNX models in PyPI onnxruntime (1.30), by the program that the card shows: only its
# prompt and its preference are put in. Reads [{folder, ids, preferences}] as JSON, writes logits after
# the last of the ids as JSON (models, N, V).
import json
import os
import re
import sys


def logits(folder, ids, preference):
    card = open(os.path.join(folder, "README.md")).read()
    program = re.search(r"```python\n(.*?)```", card, re.S).group(1)
    program, prompts = re.subn(r"ids = np\.array\(.*?\]\]", f"ids = np.array({[ids]}", program)
    program, wanted = re.subn(r"preference = \[.*?\]", f"preference = {preference}", program)
    assert (prompts, wanted) == (1, 1), program
    os.chdir(folder)
    names = {}
    exec(program, names)
    return names["logits"][0, 0].tolist()


models = [
    [logits(model["folder"], model["ids"], preference) for preference in model["preferences"]]
    for model in json.load(sys.stdin)
]
json.dump(models, sys.stdout)
