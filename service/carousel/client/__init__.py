"""The Python client: numpy arrays in, numpy arrays out, and the server's own errors raised."""

from carousel.client.aio import AsyncClient
from carousel.client.aio_fleet import AsyncFleet, AsyncLiveSequence
from carousel.client.blocking import Client
from carousel.client.fleet import Fleet, LiveSequence
from carousel.client.messages import ModelDescription, Prediction

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
