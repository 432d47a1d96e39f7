"""The Python client: numpy arrays in, numpy arrays out, and the server's own errors raised."""

from carousel.client.aio import AsyncClient
from carousel.client.aio_live import AsyncFleet, AsyncLiveSequence
from carousel.client.answers import ModelDescription, Prediction
from carousel.client.blocking import Client
from carousel.client.live import Fleet, LiveSequence

__all__ = [
    "AsyncClient",
    "AsyncFleet",
    "AsyncLiveSequence",
    "Client",
    "Fleet",
    "LiveSequence",
    "ModelDescription",
    "Prediction",
]
