"""What tensorboard reads in a folder of event files; for event_files_test.ts.

Usage: python -P read_events.py FOLDER
Prints JSON: {tag: [[step, value], …]}. Made for tensorboard 2.21.
"""
import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
events.Reload()
tags = events.Tags()["scalars"]
print(json.dumps({tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in tags}))
