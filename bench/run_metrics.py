# SPDX-License-Identifier: Apache-2.0
"""What a run directory says of its stages."""
import json


def last_scores(folder):
    """The last scores of every stage (as eval --json has them), and the seconds of all stages, each counted once."""
    found, seconds = {}, {}
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        entry = json.loads(line)
        seconds[entry["stage"]] = entry["seconds"]
        if "scores" in entry:
            found[entry["stage"]] = entry["scores"]
    return found, sum(seconds.values())
