from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class PackedTensor(_message.Message):
    __slots__ = ("float_val", "double_val")
    FLOAT_VAL_FIELD_NUMBER: _ClassVar[int]
    DOUBLE_VAL_FIELD_NUMBER: _ClassVar[int]
    float_val: bytes
    double_val: bytes
    def __init__(self, float_val: _Optional[bytes] = ..., double_val: _Optional[bytes] = ...) -> None: ...
