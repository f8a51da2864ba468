"""Prints what TensorBoard's own reader finds in the event files of a directory, as JSON.

Usage: read_tensorboard.py DIR
"""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import DataType

events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "images": 0})
events.Reload()
tags = events.Tags()
plugin = events.summary_metadata
experiment = metadata.parse_experiment_plugin_data(plugin[metadata.EXPERIMENT_TAG].plugin_data.content)
start = metadata.parse_session_start_info_plugin_data(plugin[metadata.SESSION_START_INFO_TAG].plugin_data.content)
metadata.parse_session_end_info_plugin_data(plugin[metadata.SESSION_END_INFO_TAG].plugin_data.content)
print(
    json.dumps(
        {
            "scalars": {tag: [[e.step, round(e.value, 6)] for e in events.Scalars(tag)] for tag in tags["scalars"]},
            "images": {tag: [[e.step, e.height, e.width] for e in events.Images(tag)] for tag in tags["images"]},
            "hparams": {
                name: getattr(value, value.WhichOneof("kind")) for name, value in sorted(start.hparams.items())
            },
            "hparam_types": sorted({DataType.Name(h.type) for h in experiment.hparam_infos}),
            "hparam_metrics": [m.name.tag for m in experiment.metric_infos],
        }
    )
)
