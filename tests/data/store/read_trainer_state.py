"""What transformers' TrainerState holds of a file; for event_files_test.ts.

Usage: python -P read_trainer_state.py FILE
"""
import dataclasses
import json
import sys

from transformers.trainer_callback import TrainerState

print(json.dumps(dataclasses.asdict(TrainerState.load_from_json(sys.argv[1]))))
