"""TensorFlow Serving's REST interface, and what KServe's first protocol adds to it.

The paths, the two forms of a request and the texts of its errors are TensorFlow Serving's own, so that its clients need
another host name and nothing else. Sequences of unequal length, which it refuses, are each answered as they are.
"""

from carousel.http.rest.paths import read_path
from carousel.http.rest.routes import Rest

__all__ = ["Rest", "read_path"]
