"""Carousel serves stacked Keras LSTMs over gRPC.

Sequences step on, ride a few timesteps together and step off when they are done, while it keeps turning: nothing is
padded, and every answer is bit-for-bit what its sequence would get alone. ARCHITECTURE.md is the plan of the house.
"""
