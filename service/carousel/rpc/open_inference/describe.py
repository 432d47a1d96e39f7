"""What the protocol says of a model: metadata, configuration, statistics."""

import time

from carousel.artifact.signature import TensorSpec
from carousel.serving.model import Model
from carousel.stubs.oip.model_config_pb2 import TYPE_FP32, ModelConfig
from carousel.stubs.oip.open_inference_pb2 import ModelMetadataResponse, ModelStatistics, StatisticDuration

_PLATFORM = "tensorflow_savedmodel"  # what lies in the repository, whichever engine runs it


def write_metadata(model: Model, versions: list[int]) -> ModelMetadataResponse:
    """Write what the model's signature takes and gives, with the versions that are served."""
    signature = model.signature
    tensor = ModelMetadataResponse.TensorMetadata
    return ModelMetadataResponse(
        name=model.loaded.name,
        versions=map(str, versions),
        platform=_PLATFORM,
        inputs=[tensor(name=signature.inputs.name, datatype="FP32", shape=_dims(signature.inputs))],
        outputs=[tensor(name=spec.name, datatype="FP32", shape=_dims(spec)) for spec in signature.outputs],
    )


def write_config(model: Model, most_samples: int) -> ModelConfig:
    """Write a configuration that load tools understand.

    It names what every request has; `lengths` and the states, which a request may have, would be filled with noise by
    tools that send all they are told of.
    """
    signature = model.signature
    config = ModelConfig(
        name=model.loaded.name, platform=_PLATFORM, backend=model.loaded.engine.name, max_batch_size=most_samples
    )
    config.input.add(name=signature.inputs.name, data_type=TYPE_FP32, dims=_dims(signature.inputs)[1:])
    for spec in signature.outputs:
        config.output.add(name=spec.name, data_type=TYPE_FP32, dims=_dims(spec)[1:])
    config.dynamic_batching.SetInParent()
    config.model_transaction_policy.decoupled = False
    states = ",".join(f"{state.name}:{state.units}" for state in model.loaded.states)
    config.parameters["states"].string_value = states
    return config


def write_statistics(model: Model) -> ModelStatistics:
    """Write what this version did since it was loaded, for every client and protocol together."""
    tally = model.tally
    samples = tally.sequences["done"]
    statistics = ModelStatistics(
        name=model.loaded.name,
        version=str(model.loaded.version),
        inference_count=samples,
        execution_count=tally.ticks.total(),
    )
    if model.answered_at:
        statistics.last_inference = round(1000 * (time.time() - (time.monotonic() - model.answered_at)))
    stats = statistics.inference_stats
    _write(stats.success, tally.requests, tally.requests_ns)
    _write(stats.fail, tally.requests_failed, tally.requests_failed_ns)
    _write(stats.queue, samples, round(tally.wait.total * 1e9))
    _write(stats.compute_infer, samples, round(tally.ride.total * 1e9))
    # Contents are viewed and copied while requests are read and answers written: there is no transfer to time.
    _write(stats.compute_input, samples, 0)
    _write(stats.compute_output, samples, 0)
    for rows in sorted(tally.ticks):
        batch = statistics.batch_stats.add(batch_size=rows)
        _write(batch.compute_infer, tally.ticks[rows], tally.ticks_ns[rows])
        _write(batch.compute_input, tally.ticks[rows], 0)
        _write(batch.compute_output, tally.ticks[rows], 0)
    return statistics


def _write(duration: StatisticDuration, count: int, nanoseconds: int) -> None:
    duration.count, duration.ns = count, nanoseconds


def _dims(spec: TensorSpec) -> list[int]:
    return [-1 if d is None else d for d in spec.shape]
