"""TensorFlow Serving's API, generated from protos/carousel/tfserving. Of `rpc.tfserving` and what reads its configuration.

Messages have the true names of TensorFlow's, and a pool of their own: whether TensorFlow is in this process, and with
which messages of the same names, is of no matter.
"""

from google.protobuf import any_pb2, wrappers_pb2
from google.protobuf.descriptor_pool import DescriptorPool

POOL = DescriptorPool()
for _file in (any_pb2.DESCRIPTOR, wrappers_pb2.DESCRIPTOR):
    POOL.AddSerializedFile(_file.serialized_pb)  # type: ignore[no-untyped-call]
