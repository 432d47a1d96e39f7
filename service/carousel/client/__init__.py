"""The Python client: numpy arrays in, numpy arrays out, and the server's own errors raised."""

from carousel.client.aio import AsyncClient
from carousel.client.answers import ModelDescription, Prediction
from carousel.client.blocking import Client

__all__ = ["AsyncClient", "Client", "ModelDescription", "Prediction"]
