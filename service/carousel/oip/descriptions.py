"""What the protocol says of a model: metadata, configuration, statistics."""

import time

import numpy as np

from carousel.artifact import TensorSpec
from carousel.oip.contents import DATATYPES
from carousel.serving import Model
from carousel.stubs.oip import model_config_pb2
from carousel.stubs.oip.model_config_pb2 import DataType, ModelConfig
from carousel.stubs.oip.open_inference_pb2 import ModelMetadataResponse, ModelStatistics, StatisticDuration

EXTENSIONS = ("binary_tensor_data", "model_configuration", "model_repository", "sequence", "statistics")
_PLATFORM = "tensorflow_savedmodel"  # what lies in the repository, whichever engine runs it


def write_metadata(model: Model, versions: list[int]) -> ModelMetadataResponse:
    """Write what the model's signature takes and gives, with the versions that are served."""
    signature = model.version.signature
    tensor = ModelMetadataResponse.TensorMetadata
    return ModelMetadataResponse(
        name=model.version.name,
        versions=map(str, versions),
        platform=_PLATFORM,
        inputs=[
            tensor(name=spec.name, datatype=_datatype(spec), shape=_dims(spec)) for spec in signature.served_inputs
        ],
        outputs=[
            tensor(name=spec.name, datatype=_datatype(spec), shape=_dims(spec)) for spec in signature.served_outputs
        ],
    )


def write_config(model: Model, max_samples: int) -> ModelConfig:
    """Write a configuration that load tools understand.

    It names what every request has; `lengths` and the states, which a request may have, would be filled with noise by
    tools that send all they are told of.
    """
    signature = model.version.signature
    config = ModelConfig(
        name=model.version.name, platform=_PLATFORM, backend=model.version.engine.name, max_batch_size=max_samples
    )
    for spec in signature.served_inputs:
        config.input.add(name=spec.name, data_type=_type(spec), dims=_dims(spec)[1:])
    for spec in signature.served_outputs:
        config.output.add(name=spec.name, data_type=_type(spec), dims=_dims(spec)[1:])
    config.dynamic_batching.SetInParent()
    config.model_transaction_policy.decoupled = False
    states = ",".join(f"{state.name}:{state.units}" for state in model.version.states)
    config.parameters["states"].string_value = states
    return config


def write_statistics(model: Model) -> ModelStatistics:
    """Write what this version did since it was loaded, for every client and protocol together."""
    counters = model.counters
    samples = counters.sequences["done"]
    statistics = ModelStatistics(
        name=model.version.name,
        version=str(model.version.number),
        inference_count=samples,
        execution_count=counters.ticks.total(),
    )
    if model.answered_at:
        statistics.last_inference = round(1000 * (time.time() - (time.monotonic() - model.answered_at)))
    stats = statistics.inference_stats
    _write(stats.success, counters.requests, counters.requests_ns)
    _write(stats.fail, counters.requests_failed, counters.requests_failed_ns)
    _write(stats.queue, samples, round(counters.wait.total * 1e9))
    _write(stats.compute_infer, samples, round(counters.run.total * 1e9))
    # Contents are viewed and copied while requests are read and answers written: there is no transfer to time.
    _write(stats.compute_input, samples, 0)
    _write(stats.compute_output, samples, 0)
    for rows in sorted(counters.ticks):
        batch = statistics.batch_stats.add(batch_size=rows)
        _write(batch.compute_infer, counters.ticks[rows], counters.ticks_ns[rows])
        _write(batch.compute_input, counters.ticks[rows], 0)
        _write(batch.compute_output, counters.ticks[rows], 0)
    return statistics


def _write(duration: StatisticDuration, count: int, nanoseconds: int) -> None:
    duration.count, duration.ns = count, nanoseconds


def _datatype(spec: TensorSpec) -> str:
    return DATATYPES[np.dtype(spec.dtype)]


def _type(spec: TensorSpec) -> DataType:
    number: DataType = getattr(model_config_pb2, f"TYPE_{_datatype(spec)}")
    return number


def _dims(spec: TensorSpec) -> list[int]:
    return [-1 if d is None else d for d in spec.shape]
